"""RSSCN7: seven scene classes, 256 x 256 pixels.

Upstream form: ``labels.csv`` (name, class, split) beside
``images_{train,test}.tar`` of WebP files.

Source:
    Zou, Ni, Zhang, Wang, "Deep Learning Based Feature Selection for Remote Sensing
    Scene Classification", IEEE GRSL 2015.
"""

from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from rsvlm.data_engine.records import Record, Split, hold_out, missing, read_tar
from rsvlm.errors import ParseError
from rsvlm.formats.upstream import read_csv, split_named

NAME = "rsscn7"
LICENCE = "no terms stated upstream; crops of Google Earth, research only"

#: Images of each class that leave the training list for validation.
VAL_PER_CLASS = 28


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split, in the order of the upstream list.

    Args:
        root: Folder of the dataset.
        split: ``val`` is taken out of the upstream training list.

    Yields:
        The records.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    part = "test" if split == "test" else "train"
    labels = _labels(root / "labels.csv", part)
    scenes = tuple(sorted(set(labels.values())))
    names = list(labels)
    if split != "test":
        val = _val(labels)
        names = [name for name in names if (name in val) == (split == "val")]
    for name, data in read_tar(root / f"images_{part}.tar", names):
        width, height = _size(name, data)
        yield Record(
            image=data,
            name=name,
            width=width,
            height=height,
            source=NAME,
            licence=LICENCE,
            label=labels[name],
            scenes=scenes,
        )


def _labels(path: Path, part: str) -> dict[str, str]:
    """Return name -> class of one part of the list."""
    if not path.is_file():
        raise missing(path)
    rows = list(read_csv(path))
    parts = [split_named(row.text("split"), row.where) for row in rows]
    return {
        row.text("name"): row.text("class")
        for row, found in zip(rows, parts, strict=True)
        if found == part
    }


def _val(labels: dict[str, str]) -> frozenset[str]:
    members: dict[str, list[list[str]]] = defaultdict(list)
    for name, label in labels.items():
        members[label].append([name])
    held = (hold_out(groups, VAL_PER_CLASS, NAME) for groups in members.values())
    return frozenset().union(*held)


def _size(name: str, data: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(data)) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        raise ParseError(f"{name!r} is no image. Fetch the tar again.") from None
