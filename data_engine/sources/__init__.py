"""Readers of public datasets, one file each; adding one means adding one entry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import (
    floods,
    optical_sar,
    rsscn7,
    sar_acd,
    synthetic,
    synthetic_pairs,
    vhr10,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that records can be read from.

    Attributes:
        name: Name of the source.
        read: Yields the records of a split, given the source's folder.
        licence: Terms of its images and labels.
        files: Files that it reads, relative to its folder.
        folder: Its folder below the data folder, where that has another name.
    """

    name: str
    read: Callable[[Path, Split], Iterator[Record]]
    licence: str
    files: tuple[str, ...] = ()
    folder: str = ""

    def root(self, data: Path) -> Path:
        """Return its folder below the data folder."""
        return data / (self.folder or self.name)


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
        Source(
            optical_sar.NAME, optical_sar.read, optical_sar.LICENCE, optical_sar.FILES
        ),
        Source(sar_acd.NAME, sar_acd.read, sar_acd.LICENCE, sar_acd.FILES),
        Source(floods.NAME, floods.read, floods.LICENCE, floods.FILES, floods.FOLDER),
        Source(synthetic.NAME, synthetic.read, synthetic.LICENCE),
        Source(synthetic_pairs.NAME, synthetic_pairs.read, synthetic_pairs.LICENCE),
    )
}
