"""NWPU-Captions: one caption sample an image.

The files are read by :mod:`rsvlm.formats.nwpu_captions`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.nwpu_captions import read_nwpu_captions
from rsvlm.samples import Sample

SOURCE = "nwpu-captions"
LICENCE = (
    "no terms stated upstream; crops of Google Earth (NWPU-RESISC45), research only"
)
QUESTION = "Describe the image."


def convert(root: Path) -> Iterator[Sample]:
    """Yield one caption sample an image.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for found in read_nwpu_captions(root):
        yield Sample(
            id=f"{SOURCE}/{found.name}",
            images=(found.image,),
            task="caption",
            conversation=asked(QUESTION),
            answers=found.captions,
            type=found.label,
            source=SOURCE,
            licence=LICENCE,
            split=found.split,
        )
