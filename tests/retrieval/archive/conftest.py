"""Tiny rasters and a stand-in for encoders that tests of the archive share."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsvlm.embedding import Vectors, unit
from rsvlm.render import View

Write = Callable[..., Path]

#: Word -> direction that stands for it in the stand-in's space.
WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


class ColourEmbedder:
    """Mean colours as vectors: pictures and the words for colours share a space."""

    name, revision, width, scale = "colours", "1", 8, 10.0
    sensors = frozenset({"optical", "sar"})
    side, window_m = 32, 640.0

    def encode_image(self, views: Sequence[View]) -> Vectors:
        out = np.zeros((len(views), self.width), np.float32)
        for row, view in zip(out, views, strict=True):
            row[:3] = view.pixels.mean((0, 1)) + 1
            row[3] = 40.0 * (view.sensor == "sar")  # a gap between sensors
        return unit(out)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        out = np.full((len(texts), self.width), 1e-3, np.float32)
        for row, text in zip(out, texts, strict=True):
            for word, direction in WORDS.items():
                if word in text:
                    row[:3] += direction
            row[4] = int(hashlib.sha256(text.encode()).hexdigest()[:2], 16) / 2560
        return unit(out)


def _write(
    path: Path,
    colours: Sequence[tuple[int, int, int]],
    lon: float = 10.0,
    lat: float = 50.0,
    date: str | None = None,
    sar: bool = False,
    crs: str | None = "EPSG:32632",
) -> Path:
    """Write a scene of 64 x 64 px pieces side by side, 10 m/px, each of one colour."""
    rng = np.random.default_rng(0)
    pieces = [
        np.clip(np.array(c)[:, None, None] + rng.integers(-9, 10, (3, 64, 64)), 0, 255)
        for c in colours
    ]
    pixels = np.concatenate(pieces, axis=2).astype(np.uint8)
    pixels = pixels[:1] if sar else pixels
    x, y = 500_000 + (lon - 9) * 71_500, 5_538_630 + (lat - 50) * 111_200
    with rasterio.open(
        path, "w", driver="GTiff", count=len(pixels), dtype="uint8",
        height=64, width=pixels.shape[2],
        crs=crs, transform=from_origin(x, y, 10, 10) if crs else None,
        photometric="RGB" if len(pixels) == 3 else "MINISBLACK",
    ) as target:  # fmt: skip
        target.write(pixels)
        if sar:
            target.descriptions = ("VV",)
        if date:
            target.update_tags(TIFFTAG_DATETIME=f"{date.replace('-', ':')} 10:00:00")
    return path


@pytest.fixture
def write_scene(tmp_path: Path) -> Write:
    """Write a scene of a name into the folder of the test."""

    def write(name: str, *colours: tuple[int, int, int], **about: Any) -> Path:
        return _write(tmp_path / name, colours or ((9, 9, 9),), **about)

    return write


@pytest.fixture
def colours() -> ColourEmbedder:
    """A stand-in for encoders."""
    return ColourEmbedder()
