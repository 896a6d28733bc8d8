"""Captions as AMFMN's retrieval code keeps them: one caption sample an image.

The files are read by :mod:`rsvlm.formats.amfmn`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.amfmn import read_amfmn
from rsvlm.samples import Sample

SOURCE = "amfmn"
LICENCE = "terms of the data set behind the files (RSICD, RSITMD, ..), research only"
QUESTION = "Describe the image."


def convert(root: Path) -> Iterator[Sample]:
    """Yield one caption sample an image.

    Raises:
        ParseError: If there are no such files, or their lines do not fit together.
    """
    for found in read_amfmn(root):
        yield Sample(
            id=f"{SOURCE}/{found.name}",
            images=(found.image,),
            task="caption",
            conversation=asked(QUESTION),
            answers=found.captions,
            source=SOURCE,
            licence=LICENCE,
            split=found.split,
        )
