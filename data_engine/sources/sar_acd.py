"""SAR-ACD: six types of aircraft in chips of Gaofen-3 (HH, 1 m), gray.

Upstream form: ``labels.csv`` (name, class, group, label_conflict, split) beside
``images.tar.gz`` of JPEG files. Most chips are mirrored or turned copies of another;
``group`` tells which belong together, and no group is in two splits.

Source:
    Sun, Lv, Wang, Fu, "SCAN: Scattering Characteristics Analysis Network for Few-Shot
    Aircraft Classification in High-Resolution SAR Images", IEEE TGRS 2022.
"""

import tarfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from rsvlm.data_engine.records import Record, Split, missing
from rsvlm.errors import ParseError
from rsvlm.formats.upstream import read_csv, split_named

NAME = "sar_acd"
LICENCE = (
    "open to the community to provide support for research (AIR-CAS and the national "
    "high-resolution earth observation project)"
)
FILES = ("images.tar.gz", "labels.csv")
COLUMNS = ("name", "class", "group", "label_conflict", "split")
#: m/px.
GSD_M = 1.0
#: Every so many-th group of the training list is kept for validation.
VAL_EVERY = 6
#: Upstream class -> its name as people write it.
TYPES = {
    "A220": "A220",
    "A320321": "A320/A321",
    "A330": "A330",
    "ARJ21": "ARJ21",
    "Boeing737": "Boeing 737",
    "Boeing787": "Boeing 787",
}


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the chips of a split, in the order of the upstream list.

    Args:
        root: Folder of the dataset.
        split: ``val`` is taken out of the upstream training list by groups. Chips whose
            copies have another class are in neither.

    Yields:
        The records.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    rows = _rows(root / "labels.csv", split)
    files = _files(root / "images.tar.gz", {row["name"] for row in rows})
    for row in rows:
        data = files[row["name"]]
        width, height = _size(row["name"], data)
        yield Record(
            image=data,
            name=row["name"].replace("/", "-"),
            width=width,
            height=height,
            source=NAME,
            licence=LICENCE,
            label=TYPES[row["class"]],
            aircraft=tuple(TYPES.values()),
            sensor="sar",
            gsd_m=GSD_M,
            meta={"group": row["group"], "cluster": row["group"]},
        )


def _rows(path: Path, split: Split) -> list[dict[str, str]]:
    if not path.is_file():
        raise missing(path)
    part = "test" if split == "test" else "train"
    rows = []
    for entry in read_csv(path):
        row = {key: entry.text(key) for key in COLUMNS}
        if row["class"] not in TYPES:
            raise entry.fault("'class'", f"is {row['class']!r:.40}, no known one")
        known = split_named(row["split"], entry.where) == part
        if known and (part == "test" or row["label_conflict"] == "0"):
            rows.append(row)
    if split == "test":
        return rows
    groups = sorted({row["group"] for row in rows})
    held = frozenset(groups[VAL_EVERY - 1 :: VAL_EVERY])
    return [row for row in rows if (row["group"] in held) == (split == "val")]


def _files(path: Path, names: set[str]) -> dict[str, bytes]:
    """Return the named files; the tar is compressed, so it is read in one go."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            found = {
                member.name: file.read()
                for member in tar
                if member.name in names and (file := tar.extractfile(member))
            }
    except FileNotFoundError:
        raise missing(path) from None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ParseError(
            f"{path.name} is no readable tar ({error}). Fetch the file again."
        ) from None
    if lost := names - set(found):
        raise ParseError(
            f"{path.name} has no file {min(lost)!r}, which the labels name. "
            "Fetch the tar and the labels again."
        )
    return found


def _size(name: str, data: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(data)) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        raise ParseError(f"{name!r} is no image. Fetch the tar again.") from None
