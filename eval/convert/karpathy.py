"""RSICD, RSITMD, UCM-Captions and Sydney-Captions: one caption sample an image.

The files are read by :mod:`rsvlm.formats.karpathy`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.karpathy import read_karpathy
from rsvlm.samples import Sample

LICENCE = "no terms stated upstream; crops of Google Earth and others, research only"
QUESTION = "Describe the image."


def rsicd(root: Path) -> Iterator[Sample]:
    """Yield the samples of RSICD: 10,921 images, five captions each."""
    return read(root, "rsicd")


def rsitmd(root: Path) -> Iterator[Sample]:
    """Yield the samples of RSITMD; empty captions of the training split are dropped."""
    return read(root, "rsitmd")


def ucm_captions(root: Path) -> Iterator[Sample]:
    """Yield the samples of UCM-Captions: 2,100 images."""
    return read(root, "ucm-captions")


def sydney_captions(root: Path) -> Iterator[Sample]:
    """Yield the samples of Sydney-Captions: 613 images."""
    return read(root, "sydney-captions")


def read(root: Path, source: str) -> Iterator[Sample]:
    """Yield one caption sample an image.

    Args:
        root: Folder with one ``dataset*.json`` and the images.
        source: Name of the data set.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for found in read_karpathy(root):
        yield Sample(
            id=f"{source}/{found.name}",
            images=(found.image,),
            task="caption",
            conversation=asked(QUESTION),
            answers=found.captions,
            source=source,
            licence=LICENCE,
            split=found.split,
            meta={"imgid": found.number},
        )
