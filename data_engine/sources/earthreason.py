"""EarthReason: masks for questions that take reasoning, or nothing to be found.

The files are read by :mod:`rsvlm.formats.earthreason`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.folders import asked_records
from rsvlm.formats.earthreason import read_earthreason

NAME = "earthreason"
LICENCE = "no terms stated upstream; images of AID and fMoW, research only"


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split with what is asked of them.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    found = [r for r in read_earthreason(root) if r.expression.split == split]
    answers = {r.expression.number: r.answers for r in found}
    expressions = (r.expression for r in found)
    yield from asked_records(root, expressions, NAME, LICENCE, split, answers)
