"""Writes tiny datasets in their upstream form."""

import csv
import json
import tarfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

#: Scene classes of the tiny RSSCN7.
SCENES = ("forest", "river_lake", "grass")


def _webp(index: int, size: tuple[int, int]) -> bytes:
    data = BytesIO()
    Image.new("RGB", size, (index % 256, 90, 60)).save(data, format="WEBP")
    return data.getvalue()


def _tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
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


@pytest.fixture
def vhr10(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny VHR-10 below ``tmp_path``; return its folder."""
    return lambda *args: _vhr10(tmp_path, *args)


@pytest.fixture
def rsscn7(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny RSSCN7 below ``tmp_path``; return its folder."""
    return lambda *args: _rsscn7(tmp_path, *args)
