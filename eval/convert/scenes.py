"""Scene classes by folder: AID, UCMerced, WHU-RS19, EuroSAT, RESISC45.

An image lies in a folder that is named after its class. None of these sets has an
official split: every image is a test image, unless a folder ``train``, ``val`` or
``test`` stands above the class. The five differ in their classes only.

Source:
    AID: Xia et al., IEEE TGRS 2017. UCMerced: Yang, Newsam, ACM GIS 2010. WHU-RS19: Dai,
    Yang, IEEE GRSL 2011. EuroSAT: Helber et al., IEEE JSTARS 2019. RESISC45: Cheng, Han,
    Lu, Proc. IEEE 2017.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.eval.convert.images import ENDINGS, Images
from rsvlm.eval.convert.upstream import Split, asked, split_named
from rsvlm.samples import Sample

LICENCE = {
    "aid": "no terms stated upstream; crops of Google Earth, research only",
    "ucmerced": "US public domain (USGS National Map)",
    "whu-rs19": "no terms stated upstream; crops of Google Earth, research only",
    "eurosat": "MIT (labels); Copernicus Sentinel data",
    "resisc45": "no terms stated upstream; crops of Google Earth, research only",
}
#: Number of classes: a folder with another number is not the data set.
CLASSES = {"aid": 30, "ucmerced": 21, "whu-rs19": 19, "eurosat": 10, "resisc45": 45}
GSD_M = {"ucmerced": 0.3, "eurosat": 10.0}
QUESTION = "What scene does the image show? Answer with one of the given classes."
_SPLIT_FOLDERS = {"train", "val", "valid", "validation", "test"}


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
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and path.parent != root
    )
    classes = sorted({path.parent.name for path in paths})
    if len(classes) != CLASSES[source]:
        raise ParseError(
            f"{str(root)!r} has {len(classes)} folders of images, {source} has "
            f"{CLASSES[source]} classes. Point --root at the folder of that data set."
        )
    images = Images(root, gsd_m=GSD_M.get(source))
    options = tuple(map(spelled, classes))
    for path in paths:
        name = path.relative_to(root).as_posix()
        label = path.parent.name
        yield Sample(
            id=f"{source}/{name}",
            images=(images.ref(name, name),),
            task="classify",
            conversation=asked(QUESTION),
            answers=(spelled(label),),
            options=options,
            source=source,
            licence=LICENCE[source],
            split=_split(path.relative_to(root)),
            meta={"folder": label},
        )


def spelled(name: str) -> str:
    """Return the name of a folder as words.

    >>> spelled("MediumResidential"), spelled("ground_track_field")
    ('medium residential', 'ground track field')
    """
    words = [
        " " + char if char.isupper() and index and name[index - 1].islower() else char
        for index, char in enumerate(name)
    ]
    text = "".join(words).replace("_", " ").replace("-", " ")
    return " ".join(text.lower().split())


def _split(relative: Path) -> Split:
    for part in relative.parts[:-2]:
        if part.lower() in _SPLIT_FOLDERS:
            return split_named(part, relative.as_posix())
    return "test"
