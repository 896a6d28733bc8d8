"""RSVQA: questions made from OpenStreetMap, low (LR) and high resolution (HR).

The files are read by :mod:`rsvlm.formats.rsvqa`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.rsvqa import read_rsvqa
from rsvlm.samples import Sample

LICENCE = {
    "rsvqa-lr": "CC BY 4.0 (questions); Copernicus Sentinel data",
    "rsvqa-hr": "CC BY 4.0 (questions); USGS orthoimagery, public domain",
}


def convert(root: Path) -> Iterator[Sample]:
    """Yield the active questions of every split that is there.

    ``meta["part"]`` is ``main``, or ``phili`` for the second test set of HR.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for found in read_rsvqa(root):
        one = found.asked
        folder = f"{one.split}-{one.part}" if one.part else one.split
        yield Sample(
            id=f"{found.source}/{folder}/{one.number}",
            images=(one.image,),
            task="vqa",
            conversation=asked(one.text),
            answers=one.answers,
            type=one.kind,
            source=found.source,
            licence=LICENCE[found.source],
            split=one.split,
            meta={"part": one.part or "main"},
        )
