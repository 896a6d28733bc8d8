"""RefSegRS: masks for phrases, read by :mod:`rsvlm.formats.refsegrs`."""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.folders import asked_records
from rsvlm.formats.refsegrs import read_refsegrs

NAME = "refsegrs"
LICENCE = "no terms stated upstream; images of SkyScapes (DLR), research only"


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split with what is asked of them.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    yield from asked_records(root, read_refsegrs(root), NAME, LICENCE, split)
