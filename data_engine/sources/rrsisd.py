"""RRSIS-D: masks for expressions, read by :mod:`rsvlm.formats.rrsisd`."""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.folders import asked_records
from rsvlm.formats.rrsisd import read_rrsisd

NAME = "rrsis-d"
LICENCE = "no terms stated upstream; images of DIOR (Google Earth), research only"


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split with what is asked of them.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    yield from asked_records(root, read_rrsisd(root), NAME, LICENCE, split)
