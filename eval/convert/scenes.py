"""Scene classes by folder: AID, UCMerced, WHU-RS19, EuroSAT, RESISC45.

The folders are read by :mod:`rsvlm.formats.class_folders`. None of these sets has an
official split: every image is a test image, unless a folder ``train``, ``val`` or
``test`` stands above the class, or a list says otherwise.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.class_folders import GSD_M, read_class_folders, spelled
from rsvlm.formats.images import Images
from rsvlm.samples import Sample

LICENCE = {
    "aid": "no terms stated upstream; crops of Google Earth, research only",
    "ucmerced": "US public domain (USGS National Map)",
    "whu-rs19": "no terms stated upstream; crops of Google Earth, research only",
    "eurosat": "MIT (labels); Copernicus Sentinel data",
    "resisc45": "no terms stated upstream; crops of Google Earth, research only",
}
QUESTION = "What scene does the image show? Answer with one of the given classes."


def aid(root: Path) -> Iterator[Sample]:
    """Yield the samples of AID."""
    return read(root, "aid")


def ucmerced(root: Path) -> Iterator[Sample]:
    """Yield the samples of UCMerced Land Use."""
    return read(root, "ucmerced")


def whu_rs19(root: Path) -> Iterator[Sample]:
    """Yield the samples of WHU-RS19."""
    return read(root, "whu-rs19")


def eurosat(root: Path) -> Iterator[Sample]:
    """Yield the samples of EuroSAT (RGB)."""
    return read(root, "eurosat")


def resisc45(root: Path) -> Iterator[Sample]:
    """Yield the samples of NWPU-RESISC45."""
    return read(root, "resisc45")


def read(root: Path, source: str) -> Iterator[Sample]:
    """Yield one sample an image.

    Args:
        root: Folder with the folders of the classes, at any depth.
        source: Name of the data set.

    Raises:
        ParseError: If the number of classes is not that of the data set, or a file is
            no readable image.
    """
    found = read_class_folders(root, source)
    classes = sorted({one.label for one in found})
    images = Images(root, gsd_m=GSD_M.get(source))
    options = tuple(map(spelled, classes))
    for one in found:
        yield Sample(
            id=f"{source}/{one.path}",
            images=(images.ref(one.path, one.path),),
            task="classify",
            conversation=asked(QUESTION),
            answers=(spelled(one.label),),
            options=options,
            source=source,
            licence=LICENCE[source],
            split=one.split or "test",
            meta={"folder": one.label},
        )
