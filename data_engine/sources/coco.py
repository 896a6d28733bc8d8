"""Any set of labels in COCO form: own ones, HRSID, and others of that layout.

JSON files anywhere below the folder; a file whose name says train, val or test belongs to
that split, any other to training. Images are found by the name that the file gives.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Sensor, Split
from rsvlm.data_engine.sources.folders import labelled_records
from rsvlm.errors import ParseError
from rsvlm.formats.coco import Coco, read_coco
from rsvlm.formats.images import Images
from rsvlm.formats.labelled import Labelled
from rsvlm.formats.upstream import found

NAME = "coco"
LICENCE = "as the owner of the labels and images states"
_SPLIT = re.compile(r"(?<![a-z])(train|val|test)(?![a-su-z])", re.IGNORECASE)


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split.

    Args:
        root: Folder of JSON files and images.
        split: Which split.

    Raises:
        ParseError: If a file is no COCO file, or an image is missing.
    """
    files = [path for path in found(root, "*.json") if split_of(path) == split]
    yield from read_files(root, split, files, NAME, LICENCE)


def read_files(
    root: Path,
    split: Split,
    files: list[Path],
    source: str,
    licence: str,
    sensor: Sensor = "optical",
    folders: tuple[str, ...] = ("JPEGImages", "images"),
) -> Iterator[Record]:
    """Yield the labelled images of some files, each image once.

    Args:
        root: Folder of the data set.
        split: Which split the files are.
        files: COCO files.
        source: Name of the source.
        licence: Terms of images and labels.
        sensor: What took the images.
        folders: Where images usually lie.

    Raises:
        ParseError: If a file is no COCO file, an image is missing, or two files label it.
    """
    images = Images(root, *folders, sensor=sensor)
    seen = dict[str, str]()
    for path in files:
        coco = read_coco(path)
        listed = _labelled(coco, images, split, path, seen)
        yield from labelled_records(root, listed, source, licence, coco.classes)


def _labelled(
    coco: Coco, images: Images, split: Split, path: Path, seen: dict[str, str]
) -> Iterator[Labelled]:
    for image in coco.images:
        ref = images.ref(image.file_name, image.where)
        stated = (image.width or ref.width, image.height or ref.height)
        if stated != (ref.width, ref.height):
            raise ParseError(
                f"{image.where}: {ref.path!r} has {ref.width} x {ref.height} pixels, "
                f"not {stated[0]} x {stated[1]}. Fetch image and labels again."
            )
        if (other := seen.setdefault(ref.path, image.where)) != image.where:
            raise ParseError(
                f"{image.where}: {ref.path!r} is labelled in {other} too. "
                "Keep one of the two files."
            )
        yield Labelled(ref, image.targets, split)


def split_of(path: Path) -> Split:
    """Return the split that the name of a file or folder says, train without any.

    >>> split_of(Path("instances_val2017.json")), split_of(Path("labels.json"))
    ('val', 'train')
    """
    names: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}
    match = _SPLIT.search(path.stem.replace("_", " "))
    return names[match[1].lower()] if match else "train"
