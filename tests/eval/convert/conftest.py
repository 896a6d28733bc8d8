"""Writes tiny files in the layouts of others."""

import tarfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.eval.benchmark import Benchmark, load_all
from rsvlm.eval.selection import is_meant
from rsvlm.samples import Sample


class Tree:
    """A folder that files are put into, some of them whole data sets."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def vhr10(self, images: Mapping[str, tuple[int, int, Sequence[Any]]]) -> None:
        """Write the test part of VHR-10: name -> width, height, (class, x, y, w, h).

        Images are dark; each object is a white rectangle.
        """
        names = {1: "ship", 2: "storage_tank", 3: "harbor", 4: "vehicle", 5: "bridge"}
        used = {box[0] for *_, boxes in images.values() for box in boxes}
        classes = {
            number: name
            for number, name in names.items()
            if name in used | {"ship", "storage_tank", "bridge"}
        }
        numbers = {name: number for number, name in classes.items()}
        files: dict[str, bytes] = {}
        listed: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image_id, (name, (width, height, boxes)) in enumerate(images.items()):
            picture = Image.new("RGB", (width, height), (40, 60, 40))
            for label, x, y, w, h in boxes:
                picture.paste((250, 250, 250), (x, y, x + w, y + h))
                right, low = x + w - 1, y + h - 1
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": image_id,
                        "category_id": numbers[label],
                        "bbox": [x, y, w, h],
                        "segmentation": [[x, y, right, y, right, low, x, low]],
                    }
                )
            size = {"width": width, "height": height}
            listed.append({"id": image_id, "file_name": name} | size)
            files[name] = _webp(picture)
        categories = [{"id": i, "name": name} for i, name in classes.items()]
        self.json(
            "vhr10/instances_test.json",
            {"images": listed, "annotations": annotations, "categories": categories},
        )
        _tar(self.at("vhr10/images_test.tar"), files)

    def optical_sar(
        self, tiles: Sequence[tuple[str, str, list[float]]], side: int, **fields: Any
    ) -> None:
        """Write tiles of San Antonio: name, split, transform."""
        record = {
            "region": "san_antonio", "width": side, "height": side, "epsg": 3395,
            "ground_pixel_m": 8.7, "location_uncertain": False, "duplicate_of": None,
        }  # fmt: skip
        self.json(
            "optical_sar/tiles.json",
            [
                record | {"name": name, "split": split, "transform": transform} | fields
                for name, split, transform in tiles
            ],
        )
        noise = np.random.default_rng(0)
        for sensor in ("optical", "sar"):
            files = {}
            for name, *_ in tiles:
                pixels = noise.integers(0, 255, (side, side, 3), dtype=np.uint8)
                files[f"{name}.webp"] = _webp(Image.fromarray(pixels))
            _tar(self.at(f"optical_sar/{sensor}_test.tar"), files)

    def tile(self, sensor: str, name: str) -> BytesIO:
        """Return a file of a tar."""
        with tarfile.open(self.root / f"optical_sar/{sensor}_test.tar") as tar:
            member = tar.extractfile(f"{name}.webp")
            assert member is not None
            return BytesIO(member.read())


def _webp(picture: Image.Image) -> bytes:
    data = BytesIO()
    picture.save(data, format="WEBP", lossless=True)
    return data.getvalue()


def _tar(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))


@pytest.fixture
def tree(tree: Any) -> Tree:
    return Tree(tree)


@cache
def _benchmarks() -> tuple[Benchmark, ...]:
    return tuple(load_all())


@pytest.fixture
def asked_by() -> Callable[[str, Sample], list[str]]:
    """The benchmarks of a converter that ask a sample."""

    def names(converter: str, sample: Sample) -> list[str]:
        return [
            benchmark.name
            for benchmark in _benchmarks()
            if benchmark.data.convert == converter and is_meant(benchmark, sample)
        ]

    return names
