"""Writes tiny datasets in their upstream form."""

import csv
import json
import tarfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine import gazetteer

#: Scene classes of the tiny RSSCN7.
SCENES = ("forest", "river_lake", "grass")


def _webp(index: int, size: tuple[int, int]) -> bytes:
    data = BytesIO()
    Image.new("RGB", size, (index % 256, 90, 60)).save(data, format="WEBP")
    return data.getvalue()


def _tar(path: Path, files: dict[str, bytes], mode: Literal["w", "w:gz"] = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))


def _vhr10(data: Path, train: Sequence[str], test: Sequence[str] = ("901",)) -> Path:
    """Write the dataset: two ships an image, a storage tank where the number is even.

    Images are 40 x 30 pixels. The first ship covers columns 4 to 9, rows 2 to 4.
    """
    root = data / "vhr10"
    root.mkdir(parents=True)
    classes = {2: "ship", 3: "storage_tank", 9: "bridge"}
    for part, stems in (("train", train), ("test", test)):
        files: dict[str, bytes] = {}
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number, stem in enumerate(stems):
            name = f"{stem}.webp"
            files[name] = _webp(int(stem), (40, 30))
            images.append({"id": number, "file_name": name, "width": 40, "height": 30})
            boxes = [(2, 4, 2, 6, 3), (2, 20, 2, 6, 3)]
            boxes += [(3, 10, 10, 8, 8)] if int(stem) % 2 == 0 else []
            for category, x, y, w, h in boxes:
                right, low = x + w - 1, y + h - 1
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": number,
                        "category_id": category,
                        "bbox": [x, y, w, h],
                        "segmentation": [[x, y, right, y, right, low, x, low]],
                    }
                )
        categories = [{"id": i, "name": name} for i, name in classes.items()]
        coco = {
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        (root / f"instances_{part}.json").write_text(json.dumps(coco))
        _tar(root / f"images_{part}.tar", files)
    return root


def _rsscn7(data: Path, train: int, test: int = 2) -> Path:
    """Write the dataset with so many images a class, 16 x 12 pixels."""
    root = data / "rsscn7"
    root.mkdir(parents=True)
    rows = []
    for part, count in (("train", train), ("test", test)):
        files = {}
        for letter, scene in zip("abc", SCENES, strict=True):
            for number in range(count):
                name = f"{letter}{number + (500 if part == 'test' else 0):03d}.webp"
                files[name] = _webp(number, (16, 12))
                rows.append((name, scene, part))
        _tar(root / f"images_{part}.tar", files)
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "class", "split"), *rows])
    return root


def _encoded(pixels: NDArray[np.uint8], form: str) -> bytes:
    data = BytesIO()
    options = {"lossless": True} if form == "WEBP" else {}
    Image.fromarray(pixels).save(data, format=form, **options)
    return data.getvalue()


#: Tiles of the tiny pairs: name -> split upstream. 030 is one that is kept for
#: validation, 130 one whose place is wrong.
TILES = {"048": "train", "030": "train", "130": "train", "219": "test"}


def _optical_sar(data: Path) -> Path:
    """Write the dataset: tiles of 512 px, the western half sea, the eastern one town.

    A tile is a degree wide and high; the first has its corner at 10 E, 50 N. The radar
    image is 10 over sea and 200 over town.
    """
    root = data / "optical_sar"
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    tiles: list[dict[str, Any]] = []
    files: dict[str, dict[str, bytes]] = {}
    for number, (name, part) in enumerate(TILES.items()):
        optical = np.empty((512, 512, 3), np.uint8)
        optical[:, :256] = (40, 82, 120)
        town = rng.integers(100, 220, (512, 256, 1)) + np.array([-8, 0, 8])
        optical[:, 256:] = town.clip(0, 255)
        radar = np.full((512, 512), 10, np.uint8)
        radar[:, 256:] = 200
        for sensor, pixels in (("optical", optical), ("sar", radar)):
            tar = files.setdefault(f"{sensor}_{part}.tar", {})
            tar[f"{name}.webp"] = _encoded(pixels, "WEBP")
        west = 10.0 + number
        tiles.append(
            {
                "name": name,
                "split": part,
                "region": "los_angeles" if part == "train" else "san_antonio",
                "ground_pixel_m": 8.3,
                "corners_lonlat": [
                    [west, 50.0],
                    [west + 1, 50.0],
                    [west + 1, 49.0],
                    [west, 49.0],
                ],
                "location_uncertain": name == "130",
                "duplicate_of": "142" if name == "130" else None,
            }
        )
    (root / "tiles.json").write_text(json.dumps(tiles))
    for tar_name, members in files.items():
        _tar(root / tar_name, members)
    return root


def _sar_acd(data: Path) -> Path:
    """Write the dataset: 12 training groups and 3 test groups of two chips each.

    The last training chip has copies of another class.
    """
    root = data / "sar_acd"
    root.mkdir(parents=True)
    names = ("A220", "A320321", "A330", "ARJ21", "Boeing737", "Boeing787")
    rows, files = [], {}
    for number in range(30):
        name = f"{names[number // 2 % 6]}/{number:03d}.jpg"
        part = "test" if number >= 24 else "train"
        conflict = int(number == 23)
        rows.append((name, name.split("/")[0], f"g{number // 2:03d}", conflict, part))
        chip = np.full((40 + number, 50), number, np.uint8)
        files[name] = _encoded(chip, "JPEG")
    _tar(root / "images.tar.gz", files, "w:gz")
    header = ("name", "class", "group", "label_conflict", "split")
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return root


@pytest.fixture
def optical_sar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write tiny pairs below ``tmp_path``; an airport stands in the town of 048."""
    monkeypatch.setattr(gazetteer, "airports", lambda: ((10.75, 49.75),))
    return _optical_sar(tmp_path)


@pytest.fixture
def sar_acd(tmp_path: Path) -> Path:
    """Write tiny chips below ``tmp_path``; return their folder."""
    return _sar_acd(tmp_path)


@pytest.fixture
def vhr10(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny VHR-10 below ``tmp_path``; return its folder."""
    return lambda *args: _vhr10(tmp_path, *args)


@pytest.fixture
def rsscn7(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny RSSCN7 below ``tmp_path``; return its folder."""
    return lambda *args: _rsscn7(tmp_path, *args)
