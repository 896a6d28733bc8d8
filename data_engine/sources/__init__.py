"""Readers of public datasets, one file each; adding one means adding one entry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import rsscn7, synthetic, vhr10


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that records can be read from.

    Attributes:
        name: Name of the source and of its folder below the data folder.
        read: Yields the records of a split, given the source's folder.
        licence: Terms of its images and labels.
        files: Files that it reads, relative to its folder.
    """

    name: str
    read: Callable[[Path, Split], Iterator[Record]]
    licence: str
    files: tuple[str, ...] = ()


#: Every source by its name.
SOURCES = {
    source.name: source
    for source in (
        Source(
            vhr10.NAME,
            vhr10.read,
            vhr10.LICENCE,
            (
                "images_test.tar",
                "images_train.tar",
                "instances_test.json",
                "instances_train.json",
            ),
        ),
        Source(
            rsscn7.NAME,
            rsscn7.read,
            rsscn7.LICENCE,
            ("images_test.tar", "images_train.tar", "labels.csv"),
        ),
        Source(synthetic.NAME, synthetic.read, synthetic.LICENCE),
    )
}
