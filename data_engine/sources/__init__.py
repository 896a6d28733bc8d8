"""Readers of public datasets, one file each; adding one means adding one entry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import (
    asked,
    captions,
    chains,
    classes,
    coco,
    dior,
    dior_rsvg,
    dota,
    earthreason,
    fair1m,
    floods,
    hrsid,
    instructions,
    maps,
    neon,
    optical_sar,
    pasted,
    refsegrs,
    rrsisd,
    rsscn7,
    sar_acd,
    sen1floods11,
    ssdd,
    synth,
    synthetic,
    synthetic_chains,
    synthetic_pairs,
    torchgeo_sets,
    vhr10,
    voc,
    xview3,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of a source that can be read alone, and so by several processes at once.

    Attributes:
        count: Number of parts of a split, given the source's folder.
        read: Yields the records of a part by its number; all parts in order are what
            the source's own ``read`` yields.
        together: Parts that make up one piece of work.
    """

    count: Callable[[Path, Split], int]
    read: Callable[[Path, Split, int], Iterator[Record]]
    together: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that records can be read from.

    Attributes:
        name: Name of the source.
        read: Yields the records of a split, given the source's folder.
        licence: Terms of its images and labels.
        files: Files that it reads, or patterns of them, relative to its folder.
        folder: Its folder below the data folder, where that has another name.
        parts: Its parts, where a record takes long to make; others are read in one go.
    """

    name: str
    read: Callable[[Path, Split], Iterator[Record]]
    licence: str
    files: tuple[str, ...] = ()
    folder: str = ""
    parts: Parts | None = None

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
            optical_sar.NAME,
            optical_sar.read,
            optical_sar.LICENCE,
            optical_sar.FILES,
            parts=Parts(optical_sar.count, optical_sar.read_part),
        ),
        Source(sar_acd.NAME, sar_acd.read, sar_acd.LICENCE, sar_acd.FILES),
        Source(floods.NAME, floods.read, floods.LICENCE, floods.FILES, floods.FOLDER),
        Source(synthetic.NAME, synthetic.read, synthetic.LICENCE),
        Source(synthetic_chains.NAME, synthetic_chains.read, synthetic_chains.LICENCE),
        Source(synthetic_pairs.NAME, synthetic_pairs.read, synthetic_pairs.LICENCE),
        Source(
            synth.OPTICAL,
            synth.read,
            synth.LICENCE,
            parts=Parts(synth.count, synth.read_part, together=16),
        ),
        Source(
            synth.SAR,
            synth.read_sar,
            synth.LICENCE,
            parts=Parts(synth.count, synth.read_sar_part, together=16),
        ),
        Source(maps.NAME, maps.read, maps.LICENCE),
        Source(pasted.NAME, pasted.read, pasted.LICENCE, pasted.FILES, pasted.FOLDER),
        Source(chains.NAME, chains.read, chains.LICENCE, chains.FILES, chains.FOLDER),
        *(Source(n, read, captions.licence(n)) for n, read in captions.READ.items()),
        *(Source(n, read, asked.LICENCE[n]) for n, read in asked.READ.items()),
        *(
            Source(n, read, instructions.LAYOUTS[n].licence)
            for n, read in instructions.READ.items()
        ),
        *(Source(n, read, classes.LICENCE[n]) for n, read in classes.READ.items()),
        *(
            Source(n, read, torchgeo_sets.LICENCE[n])
            for n, read in torchgeo_sets.READ.items()
        ),
        Source(coco.NAME, coco.read, coco.LICENCE, ("**/*.json",)),
        Source(voc.NAME, voc.read, voc.LICENCE, ("**/*.xml",)),
        Source(dota.NAME, dota.read, dota.LICENCE, ("**/label*/**/*.txt",)),
        Source(dior.NAME, dior.read, dior.LICENCE, ("**/ImageSets/Main/*.txt",)),
        Source(fair1m.NAME, fair1m.read, fair1m.LICENCE, ("**/labelXml*/**/*.xml",)),
        Source(dior_rsvg.NAME, dior_rsvg.read, dior_rsvg.LICENCE, ("*.txt",)),
        Source(rrsisd.NAME, rrsisd.read, rrsisd.LICENCE, ("**/refs(unc).p",)),
        Source(refsegrs.NAME, refsegrs.read, refsegrs.LICENCE, ("**/output_*.txt",)),
        Source(earthreason.NAME, earthreason.read, earthreason.LICENCE, ("**/*.json",)),
        Source(hrsid.NAME, hrsid.read, hrsid.LICENCE, hrsid.FILES),
        Source(ssdd.NAME, ssdd.read, ssdd.LICENCE, ssdd.FILES),
        Source(xview3.NAME, xview3.read, xview3.LICENCE, xview3.FILES),
        Source(
            sen1floods11.NAME,
            sen1floods11.read,
            sen1floods11.LICENCE,
            sen1floods11.FILES,
        ),
        Source(neon.NAME, neon.read, neon.LICENCE, neon.FILES, neon.FOLDER),
    )
}
