"""Land-cover maps: shares, positions, captions, and the grid of a picture."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import Affine

from rsvlm.data_engine.maps import worldcover
from rsvlm.errors import ParseError

TREES, WATER, TOWN = 10, 80, 50


def _half() -> NDArray[np.uint8]:
    values = np.full((40, 40), TREES, np.uint8)
    values[:, 30:] = WATER
    return values


def test_a_caption_has_shares_and_positions() -> None:
    short, detailed = worldcover.captions(_half())
    assert short == "The ground is mostly tree cover, with some permanent water."
    assert detailed == (
        "The image consists of about 75 % tree cover and about 25 % permanent water "
        "along one side."
    )
    assert worldcover.captions(np.zeros((8, 8), np.uint8)) == ()


@pytest.mark.parametrize(
    ("rows", "columns", "where"),
    [
        ((0, 10), (0, 40), "along one side"),
        ((0, 12), (28, 40), "in one corner"),
        ((14, 26), (14, 26), "in the middle"),
        ((0, 40), (0, 40), None),
    ],
)
def test_positions(rows: tuple[int, int], columns: tuple[int, int], where: str) -> None:
    there = np.zeros((40, 40), bool)
    there[slice(*rows), slice(*columns)] = True
    assert worldcover.position(there) == where


@given(st.integers(0, 2**32 - 1))
def test_a_position_holds_when_the_picture_is_turned(seed: int) -> None:
    there = np.random.default_rng(seed).random((16, 16)) < 0.3
    there[: 4 + seed % 9, : 3 + seed % 7] = True
    turned = {worldcover.position(np.rot90(there, k)) for k in range(4)}
    assert turned == {worldcover.position(there.T)}


def test_questions_are_answered_by_the_map() -> None:
    asked = {q.kind: q for q in worldcover.questions(_half(), "test", "a")}
    assert asked["main cover"].answers == ("tree cover",)
    share = asked["share"]
    number = "25" if "water" in share.text else "75"
    assert share.answers == (
        f"about {number} %",
        f"{number} %",
        f"{number}%",
        f"{number} percent",
    )
    assert asked["position"].answers == ("along one side",)


def _write(path: Path, values: NDArray[np.uint8], crs: str | None) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=20, width=20, dtype="uint8", crs=crs,
        transform=Affine(1e-3, 0, 10, 0, -1e-3, 50),
    ) as dataset:  # fmt: skip
        dataset.write(values[None])
    return path


def test_a_map_comes_on_the_grid_of_the_picture(tmp_path: Path) -> None:
    values = np.full((20, 20), TOWN, np.uint8)
    values[10:] = WATER
    path = _write(tmp_path / "cover.tif", values, "EPSG:4326")
    # Half a pixel of the map is a pixel of the picture; the lower rows lie outside.
    grid = worldcover.read_cover(
        path, "EPSG:4326", (5e-4, 0, 10.0, 0, -5e-4, 49.995), 40, 40
    )
    assert grid.shape == (40, 40)
    assert (grid[:10] == TOWN).all()
    assert (grid[10:30] == WATER).all()
    assert (grid[30:] == 0).all()


def test_damaged_and_unplaced_maps_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cover.tif"
    grid = (1e-3, 0.0, 10.0, 0.0, -1e-3, 50.0)
    path.write_bytes(b"II*\x00 no tiff")
    with pytest.raises(ParseError, match=r"cover\.tif cannot be read"):
        worldcover.read_cover(path, "EPSG:4326", grid, 4, 4)
    path.unlink()
    _write(path, np.zeros((20, 20), np.uint8), None)
    with pytest.raises(ParseError, match=r"cover\.tif has no coordinate reference"):
        worldcover.read_cover(path, "EPSG:4326", grid, 4, 4)
