"""Files that an answer becomes."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from rsvlm.errors import ParseError, SettingsError
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region
from rsvlm.georeference import GeoReference
from rsvlm.outputs import RunLengths, replacing, write_geojson, write_mask, write_png


@dataclass(frozen=True)
class Sheet:
    """Size and place of a raster."""

    width: int
    height: int
    georeference: GeoReference | None = None


@dataclass(frozen=True)
class Found:
    """What an answer holds."""

    regions: tuple[Region, ...]

    def to_regions(self) -> list[Region]:
        return list(self.regions)

    def to_geojson(self) -> dict[str, Any]:
        return {"type": "FeatureCollection", "features": [], "note": "\u00e9"}


def utm(
    a: float = 10.0, b: float = 0.0, d: float = 0.0, e: float = -10.0
) -> GeoReference:
    from pyproj import CRS

    wkt = CRS.from_epsg(32631).to_wkt()
    return GeoReference(wkt, (a, b, 499_000.0, d, e, 1000.0))


def written(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


def test_png_holds_the_pixels_and_nothing_else(tmp_path: Path) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    write_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert (np.asarray(image) == pixels).all()
        assert not image.info
        assert not image.getexif()
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_geojson_file(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", Found(()))
    text = (tmp_path / "a.geojson").read_text(encoding="utf-8")
    assert json.loads(text)["type"] == "FeatureCollection"
    assert "\u00e9" in text


def write_half(path: Path) -> None:
    with replacing(path) as part:
        part.write_text("half")
        raise OSError("the disk is full")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(SettingsError):
        write_half(path)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]
    with replacing(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/a.png", "no folder"),
        ("folder", "it is a folder"),
        ("file/a.png", "no folder"),
        ("x" * 300, "name too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_one_line(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    pixels = np.zeros((2, 2, 3), np.uint8)
    writers: list[Callable[[], None]] = [
        lambda: write_png(path, pixels),
        lambda: write_geojson(path, Found(())),
        lambda: write_mask(path, [], Sheet(2, 2)),
    ]
    for write in writers:
        with pytest.raises(SettingsError, match="Cannot write") as error:
            write()
        assert reason in str(error.value)
        assert "\n" not in str(error.value)


def test_mask_lies_on_the_grid_of_the_raster(tmp_path: Path) -> None:
    place = utm(a=7.0, b=3.0, d=3.0, e=-7.0)  # rotated
    path = tmp_path / "mask.tif"
    write_mask(path, [Region(HBB(2, 1, 4, 3), "ship")], Sheet(700, 600, place))
    with rasterio.open(path) as file:
        assert (file.width, file.height, file.count) == (700, 600, 1)
        assert file.dtypes == ("uint8",)
        assert file.crs.to_epsg() == 32631
        assert tuple(file.transform)[:6] == place.transform
        assert file.nodata == 0
        assert file.block_shapes == [(512, 512)]
        assert file.compression.name == "deflate"
        assert file.descriptions == ("class",)
        assert file.tags(1)["CLASS_1"] == "ship"
        assert file.colormap(1)[1][:3] == (255, 214, 10)
        pixels = file.read(1)
    assert pixels[1:3, 2:4].tolist() == [[1, 1], [1, 1]]
    assert pixels.sum() == 4


def test_mask_without_a_place_has_none(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    write_mask(path, [], Sheet(20, 10))  # a warning would fail the test
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        pixels = written(path)
    assert pixels.shape == (10, 20)
    assert not pixels.any()


def test_classes_are_named_and_the_surest_region_shows(tmp_path: Path) -> None:
    ring = np.ones((4, 4), dtype=bool)
    ring[1:3, 1:3] = False
    regions = (
        Region(HBB(0, 0, 6, 6), "ship", 0.9),
        Region(HBB(3, 3, 9, 9), "pier", 0.5),
        Region(Mask.from_array(ring, 10, 0), "ship", 0.4),
        Region(HBB(0, 0, 20, 20), "tank", 1.0, image=1),
    )
    path = tmp_path / "mask.tif"
    write_mask(path, Found(regions), Sheet(20, 10, utm()))
    pixels = written(path)
    assert pixels[5, 5] == 1  # both cover it, the ship is surer
    assert pixels[8, 8] == 2
    assert pixels[0:4, 10:14].tolist() == ring.astype(int).tolist()
    assert (pixels == 3).sum() == 0  # lies in another image
    with rasterio.open(path) as file:
        names = {k: v for k, v in file.tags(1).items() if k.startswith("CLASS")}
    assert names == {"CLASS_1": "ship", "CLASS_2": "pier", "CLASS_3": "tank"}
    write_mask(path, Found(regions), Sheet(20, 10, utm()), values="region")
    assert written(path)[0, 10] == 3
    write_mask(path, regions, Sheet(30, 30, utm()), image=1)
    assert set(np.unique(written(path))) == {0, 3}


def test_every_vector_kind_covers_pixel_centres(tmp_path: Path) -> None:
    hole = Polygon(
        ((0, 0), (6, 0), (6, 6), (0, 6)), (((2, 2), (4, 2), (4, 4), (2, 4)),)
    )
    regions = [
        Region(hole, "a"),
        Region(OBB(((10, 2), (12, 0), (14, 2), (12, 4))), "b"),
        Region(HBB(16.6, -5, 99, 1.4), "c"),  # reaches beyond the raster
        Region(HBB(200, 200, 300, 300), "d"),
    ]
    path = tmp_path / "mask.tif"
    write_mask(path, regions, Sheet(20, 8, utm()))
    pixels = written(path)
    assert (pixels == 1).sum() == 32
    assert not pixels[2:4, 2:4].any()
    # A diamond of radius 2 around (12, 2): rows with 2, 4, 4 and 2 pixel centres.
    assert [(row == 2).sum() for row in pixels[:4]] in ([2, 4, 4, 2], [1, 3, 3, 1])
    assert np.argwhere(pixels == 3).tolist() == [[0, 17], [0, 18], [0, 19]]
    assert not (pixels == 4).any()


def test_many_regions_get_wider_numbers(tmp_path: Path) -> None:
    regions = [Region(HBB(n, 0, n + 1, 1), "tree") for n in range(300)]
    path = tmp_path / "mask.tif"
    write_mask(path, regions, Sheet(300, 1, utm()), values="region")
    pixels = written(path)
    assert pixels.dtype == np.uint16
    assert pixels[0].tolist() == list(range(1, 301))


def test_memory_stays_flat(tmp_path: Path) -> None:
    side = 6000  # the whole raster would be 36 MB
    stripes = np.zeros((side, side), dtype=bool)
    stripes[:, ::7] = True
    regions = [
        Region(Mask.from_array(stripes), "field", 0.1),
        Region(HBB(0, 0, side, side), "area", 0.05),
    ]
    tracemalloc.start()
    try:
        write_mask(tmp_path / "mask.tif", regions, Sheet(side, side, utm()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16e6
    assert ((written(tmp_path / "mask.tif") == 1) == stripes).all()


@settings(max_examples=60, deadline=None)
@given(
    pixels=arrays.arrays(
        bool, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.booleans()
    ),
    corner=st.tuples(st.integers(-5, 9), st.integers(-5, 9)),
)
def test_runs_are_those_of_the_mask(
    pixels: NDArray[np.bool_], corner: tuple[int, int]
) -> None:
    height, width = pixels.shape
    runs = RunLengths(Mask.from_array(pixels, 2, 3))
    assert (runs.block(2, 3, 2 + width, 3 + height) == pixels).all()
    framed = np.zeros((60, 60), dtype=bool)  # raster pixels from (-10, -10)
    framed[13 : 13 + height, 12 : 12 + width] = pixels
    x, y = corner
    expected = framed[y + 10 : y + 30, x + 10 : x + 25]
    assert (runs.block(x, y, x + 15, y + 20) == expected).all()
    rows, columns = np.arange(y, y + 20, 3), np.arange(x, x + 15, 2)
    assert (runs.at(rows, columns) == expected[::3, ::2]).all()


def test_long_runs() -> None:
    pixels = np.zeros((3000, 200), dtype=bool)
    pixels[:, 50:120] = True
    pixels[7, 150] = True
    runs = RunLengths(Mask.from_array(pixels))
    assert (runs.block(40, 0, 160, 3000) == pixels[:, 40:160]).all()


def test_runs_that_do_not_fit_are_refused() -> None:
    mask = Mask.from_array(np.ones((4, 4), dtype=bool))
    with pytest.raises(ParseError, match="cover 16 pixels"):
        RunLengths(Mask(mask.counts, (5, 5), HBB(0, 0, 5, 5)))
