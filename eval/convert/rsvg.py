"""DIOR-RSVG and RSVG: find the box that an expression means.

The files are read by :mod:`rsvlm.formats.rsvg`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.rsvg import read_rsvg
from rsvlm.samples import Sample

LICENCE = {
    "dior-rsvg": "no terms stated upstream; images of DIOR (Google Earth), research only",
    "rsvg": "no terms stated upstream; images of Google Earth, research only",
}


def dior_rsvg(root: Path) -> Iterator[Sample]:
    """Yield the expressions of DIOR-RSVG: 38,320 of 17,402 images."""
    return read(root, "dior-rsvg")


def rsvg(root: Path) -> Iterator[Sample]:
    """Yield the expressions of RSVG, where it comes in the same layout."""
    return read(root, "rsvg")


def read(root: Path, source: str) -> Iterator[Sample]:
    """Yield one sample an object that a split lists.

    Args:
        root: Folder with ``Annotations/``, the split lists and the images.
        source: Name of the data set.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for expression in read_rsvg(root):
        yield Sample(
            # An object that two splits list is two samples.
            id=f"{source}/{expression.split}/{expression.number}",
            images=(expression.image,),
            task="ground",
            conversation=asked(expression.text),
            targets=(expression.target,) if expression.target else (),
            type=expression.label,
            source=source,
            licence=LICENCE[source],
            split=expression.split,
        )
