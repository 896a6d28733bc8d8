"""Land cover and large places, read by a model that knows colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import from_origin

from rsvlm.answer import TraceStep
from rsvlm.geometry import Mask
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.scenes import (
    CoverMap,
    _touching,
    cover_map,
    cover_regions,
    find_places,
)
from rsvlm.shapes import HBB


class Colours:
    """Blue is water, the rest land; red windows are harbors."""

    covers = ("water", "built-up land")
    places = ("harbor",)
    sensors = frozenset({"optical", "sar"})
    window_m: float | None = 160.0
    side = 16

    def cover_maps(self, view: View) -> NDArray[np.float32]:
        assert view.pixels.shape == (16, 16, 3)
        cells = view.pixels.reshape(8, 2, 8, 2, 3).mean((1, 3))
        water = np.where(cells[..., 2] > 128, 0.9, 0.2)
        return np.stack([water, 1 - water]).astype(np.float32)

    def choose(self, view: View, options: Sequence[str]) -> NDArray[np.float32]:
        bright = view.pixels.mean() / 255  # the last option is the brightest
        return np.linspace(1 - bright, bright, len(options)).astype(np.float32)

    def place_scores(self, views: Sequence[View]) -> NDArray[np.float32]:
        red = [view.pixels[..., 0].mean() / 255 for view in views]
        return np.array(red, np.float32)[:, None]


def write(path: Path, pixels: NDArray[np.uint8], gsd: float = 10.0) -> Path:
    count, height, width = pixels.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": count}
    with rasterio.open(
        path, "w", dtype="uint8", photometric="RGB", crs="EPSG:32611",
        transform=from_origin(380000, 3730000, gsd, gsd), **profile,
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


def ground(height: int = 48, width: int = 40) -> NDArray[np.uint8]:
    """Land, with a lake of 16 x 12 px at (8, 16)."""
    pixels = np.full((3, height, width), 90, np.uint8)
    pixels[2, 16:28, 8:24] = 250
    return pixels


def test_cover_is_mapped_on_the_grid_of_the_raster(tmp_path: Path) -> None:
    trace: list[TraceStep] = []
    with Raster.open(write(tmp_path / "a.tif", ground())) as raster:
        found = cover_map(Colours(), raster, 0, trace)
        water = cover_regions(found, "water", raster, 0, "mask")
    assert found.classes.shape == (24, 20)  # cells of 2 px
    assert found.cell == 2.0
    assert found.share("water") == pytest.approx(6 * 8 / (24 * 20))
    (region,) = water.regions
    assert isinstance(region.shape, Mask)
    assert region.shape.hbb == HBB(8, 16, 24, 28)
    assert region.shape.area == 16 * 12
    assert region.confidence == pytest.approx(0.9)
    assert [(step.step, step.sensor) for step in trace] == [("cover", "optical")]


@pytest.mark.parametrize("shape", ["hbb", "obb", "polygon"])
def test_pieces_come_in_the_shape_that_is_wanted(tmp_path: Path, shape: str) -> None:
    with Raster.open(write(tmp_path / "a.tif", ground())) as raster:
        found = cover_map(Colours(), raster, 0, [])
        (region,) = cover_regions(found, "water", raster, 0, shape).regions  # type: ignore[arg-type]
    assert region.shape.kind == shape
    assert region.shape.area == pytest.approx(16 * 12)


def test_a_part_is_read_alone(tmp_path: Path) -> None:
    with Raster.open(write(tmp_path / "a.tif", ground())) as raster:
        found = cover_map(Colours(), raster, 0, [], HBB(8, 16, 24, 28))
    assert found.share("water") == 1.0


def test_what_holds_no_data_counts_for_nothing(tmp_path: Path) -> None:
    pixels = ground(32, 32)
    pixels[:, :, 16:] = 0
    path = write(tmp_path / "a.tif", pixels)
    with rasterio.open(path, "r+") as file:
        file.nodata = 0
    with Raster.open(path) as raster:
        found = cover_map(Colours(), raster, 0, [])
    assert (found.classes[:, 8:] == -1).all()
    assert found.share("water") == pytest.approx(6 * 4 / (16 * 8))


@given(st.integers(10, 60), st.integers(10, 60), st.data())
@settings(max_examples=25, deadline=None)
def test_regions_cover_their_class_and_nothing_else(
    height: int, width: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    rows, columns = -(-height // 4), -(-width // 4)
    classes = rng.integers(0, 2, (rows, columns)).astype(np.int8)
    found = CoverMap(("a", "b"), classes, np.ones((rows, columns), np.float32), 4.0)

    class Sized:
        pass

    raster = Sized()
    raster.width, raster.height = width, height  # type: ignore[attr-defined]
    drawn = np.zeros((height, width), int)
    for region in cover_regions(found, "a", raster, 0, "mask").regions:  # type: ignore[arg-type]
        box = region.shape.hbb
        assert isinstance(region.shape, Mask)
        window = region.shape.window
        x0, y0 = int(window.x0), int(window.y0)
        array = region.shape.to_array()
        drawn[y0 : y0 + array.shape[0], x0 : x0 + array.shape[1]] += array
        assert box.x1 <= width
        assert box.y1 <= height
    truth = np.kron(classes == 0, np.ones((4, 4)))[:height, :width]
    assert drawn.max(initial=0) <= 1
    assert not (drawn.astype(bool) & ~truth.astype(bool)).any()


def test_places_are_joined_windows(tmp_path: Path) -> None:
    pixels = np.full((3, 64, 64), 60, np.uint8)
    pixels[0, 16:48, 32:64] = 255
    trace: list[TraceStep] = []
    with Raster.open(write(tmp_path / "a.tif", pixels)) as raster:
        found = find_places(Colours(), "harbor", raster, 3, trace)
    (region,) = found.regions
    assert region.image == 3
    assert region.label == "harbor"
    assert HBB(32, 16, 64, 48).iou(region.shape.hbb) > 0.5
    assert found.best == pytest.approx(1.0, abs=0.01)
    assert [step.step for step in trace] == ["search", "zoom"]


def test_boxes_that_touch_form_groups() -> None:
    row = [HBB(x, 0, x + 10, 10) for x in (0, 5, 30, 12)]
    assert _touching(row) == [[0, 1, 3], [2]]
