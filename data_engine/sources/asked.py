"""Questions: RSVQA (LR, HR), LRS-VQA, SARLANG-1M; read by :mod:`rsvlm.formats`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.texts import text_records
from rsvlm.formats.lrsvqa import read_lrsvqa
from rsvlm.formats.rsvqa import read_rsvqa
from rsvlm.formats.sarlang import read_sarlang

LICENCE = {
    "rsvqa-lr": "CC BY 4.0 (questions); Copernicus Sentinel data",
    "rsvqa-hr": "CC BY 4.0 (questions); USGS orthoimagery, public domain",
    "lrs-vqa": (
        "no terms stated upstream; images of FAIR1M, GLH-Bridge, STAR, research only"
    ),
    "sarlang-1m": (
        "no terms stated upstream; images of SARDet-100K, SpaceNet 6 and others, "
        "research only"
    ),
}


def read_lr_hr(source: str, root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split of RSVQA with their questions.

    Args:
        source: ``rsvqa-lr`` or ``rsvqa-hr``; one folder may hold both.
        root: Folder of the data set.
        split: Which images; the test split of HR holds both of its parts.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    found = (one.asked for one in read_rsvqa(root, (split,)) if one.source == source)
    yield from text_records(root, found, source, LICENCE[source])


def read_lrs(root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of LRS-VQA; there are test questions only.

    Raises:
        ParseError: If a line does not hold what the layout requires.
    """
    if split == "test":
        yield from text_records(root, read_lrsvqa(root), "lrs-vqa", LICENCE["lrs-vqa"])


def read_sar(root: Path, split: Split) -> Iterator[Record]:
    """Yield the radar images of a split of SARLANG-1M with captions and questions.

    There is no validation split: ``val`` is empty.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    if split != "val":
        found = read_sarlang(root, split)
        yield from text_records(root, found, "sarlang-1m", LICENCE["sarlang-1m"])


#: Source -> reader of its records.
READ: dict[str, Callable[[Path, Split], Iterator[Record]]] = {
    "rsvqa-lr": partial(read_lr_hr, "rsvqa-lr"),
    "rsvqa-hr": partial(read_lr_hr, "rsvqa-hr"),
    "lrs-vqa": read_lrs,
    "sarlang-1m": read_sar,
}
