"""Captions: RSICD, RSITMD, UCM, Sydney (Karpathy), NWPU, retrieval sets (AMFMN).

The files are read by :mod:`rsvlm.formats`; splits are those of the files.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.texts import text_records
from rsvlm.formats.amfmn import read_amfmn
from rsvlm.formats.karpathy import read_karpathy
from rsvlm.formats.nwpu_captions import read_nwpu_captions
from rsvlm.formats.texts import Described

LICENCE = "no terms stated upstream; crops of Google Earth and others, research only"
AMFMN_LICENCE = (
    "terms of the data set behind the files (RSICD, RSITMD, ..), research only"
)
#: Source -> what reads its files.
READERS: dict[str, Callable[[Path], Iterator[Described]]] = {
    "rsicd": read_karpathy,
    "rsitmd": read_karpathy,
    "ucm-captions": read_karpathy,
    "sydney-captions": read_karpathy,
    "nwpu-captions": read_nwpu_captions,
    "retrieval-captions": read_amfmn,
}


def read(source: str, root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split with their captions.

    Args:
        source: Key of :data:`READERS`.
        root: Folder of the data set.
        split: Which images.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    found = (one for one in READERS[source](root) if one.split == split)
    yield from text_records(root, found, source, licence(source))


def licence(source: str) -> str:
    """Return the terms of a source."""
    return AMFMN_LICENCE if source == "retrieval-captions" else LICENCE


#: Source -> reader of its records.
READ = {source: partial(read, source) for source in READERS}
