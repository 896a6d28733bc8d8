"""Pixels go to the ground and back, and a map is interpolated no worse than promised."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from rsvlm.geometry import HBB
from rsvlm.georeference import GeoReference
from rsvlm.grids import (
    TOLERANCE,
    Grid,
    bilinear,
    crossings,
    gap_m,
    nearest,
    outline,
    overlap,
)

CODES = (3395, 32611, 4326, 26914)


def place(code: int, *transform: float) -> GeoReference:
    found = GeoReference.create(CRS.from_epsg(code).to_wkt(), transform)
    assert found is not None
    return found


def around(code: int, lon: float, lat: float, pixel_m: float, turn: float) -> Grid:
    """Make a grid of 200 x 100 pixels around a place, turned by degrees."""
    size = pixel_m / 111_320 if code == 4326 else pixel_m
    x, y = Transformer.from_crs(4326, code, always_xy=True).transform(lon, lat)
    cos, sin = size * math.cos(math.radians(turn)), size * math.sin(math.radians(turn))
    c, f = x - 100 * cos - 50 * sin, y - 100 * sin + 50 * cos
    return Grid("", 200, 100, place(code, cos, sin, c, sin, -cos, f))


@settings(deadline=None)
@given(
    st.sampled_from(CODES),
    st.sampled_from(CODES),
    st.floats(-122, -96),
    st.floats(25, 60),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(-180, 180),
    st.floats(0, 200),
    st.floats(0, 100),
)
def test_there_and_back(
    source: int,
    target: int,
    lon: float,
    lat: float,
    one_m: float,
    other_m: float,
    turn: float,
    x: float,
    y: float,
) -> None:
    one = around(source, lon, lat, one_m, 0)
    other = around(target, lon, lat, other_m, turn)
    point = np.array([[x, y]])
    there = one.onto(other, point)
    assert np.abs(other.onto(one, there) - point).max() < 0.01
    assert one.georeference is not None
    lonlat = one.georeference.lonlat(point)
    assert np.abs(one.georeference.pixels(lonlat) - point).max() < 0.01
    # Both name one place on the Earth, to a hundredth of a pixel.
    assert other.georeference is not None
    miss = np.abs(other.georeference.lonlat(there) - lonlat).max() * 111_320
    assert miss < 0.01 * max(one_m, other_m)


def test_pixels_worked_by_hand() -> None:
    grid = place(4326, 0.01, 0, 10, 0, -0.02, 1)
    assert grid.pixels([(10.5, 0), (9, 1)]) == pytest.approx(
        np.array([[50, 50], [-100, 0]])
    )
    turned = place(4326, 0, 0.01, 10, 0.01, 0, 0)  # x runs north, y east
    assert turned.pixels([(10.2, 0.3)])[0] == pytest.approx([30, 20])


def test_a_place_beyond_the_antimeridian_is_found() -> None:
    fiji = place(4326, 0.1, 0, 175, 0, -0.1, -15)  # 175 E .. 175 W
    middle = (50.0, 5.0)
    assert fiji.pixels([(-179, -15)], middle)[0] == pytest.approx([60, 0])
    assert fiji.pixels([(174, -15)], middle)[0] == pytest.approx([-10, 0])
    east = place(4326, 0.1, 0, 355, 0, -0.1, 1)  # degrees up to 365
    assert east.pixels([(2, 1)], middle)[0] == pytest.approx([70, 0])
    utm = Grid("", 300, 100, place(32660, 1000, 0, 700000, 0, -1000, 1600000))
    degrees = Grid("", 100, 100, place(4326, 0.1, 0, 175, 0, -0.1, 20))
    point = np.array([[250.0, 50.0]])
    assert utm.onto(degrees, point)[0, 0] > 50  # beyond 180 E
    assert degrees.onto(utm, utm.onto(degrees, point)) == pytest.approx(point)


def test_beyond_the_domain_there_is_no_pixel() -> None:
    disk = GeoReference.create(
        CRS.from_proj4("+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84").to_wkt(),
        (1e5, 0, -6.5e6, 0, -1e5, 6.5e6),
    )
    assert disk is not None
    assert np.isnan(disk.pixels([(180, 0)])).all()
    assert disk.pixels([(0, 0)])[0] == pytest.approx([65, 65])
    nowhere = Grid("", 10, 10)
    assert np.isnan(nowhere.onto(Grid("", 1, 1, disk), np.ones((2, 2)))).all()
    assert nowhere.gsd is None
    assert nowhere.area_m2 == math.inf


def test_one_crs_written_in_two_ways_is_one() -> None:
    a, b = place(32611, 1, 0, 0, 0, -1, 0), place(32611, 2, 0, 0, 0, -2, 0)
    other = CRS.from_epsg(32611).to_wkt("WKT1_GDAL")
    assert a.crs_wkt != other
    assert a.shares_crs(GeoReference(other, b.transform))
    assert not a.shares_crs(place(32612, 1, 0, 0, 0, -1, 0))


def test_overlap_of_neighbours() -> None:
    a = Grid("", 100, 100, place(32611, 10, 0, 500000, 0, -10, 4000000))
    b = Grid("", 100, 100, place(32611, 5, 0, 500800, 0, -5, 3999700))
    found = overlap(a, b)
    assert found is not None
    assert found[0].hbb == HBB(80, 30, 100, 80)
    assert found[1].hbb == HBB(0, 0, 40, 100)
    swapped = overlap(b, a)
    assert swapped is not None
    assert (swapped[1].hbb, swapped[0].hbb) == (found[0].hbb, found[1].hbb)
    touching = Grid("", 50, 50, place(32611, 10, 0, 501000, 0, -10, 4000000))
    assert overlap(a, touching) is None
    assert gap_m(a, touching) == pytest.approx(0, abs=1e-3)


def test_overlap_with_the_whole_earth() -> None:
    earth = Grid("", 3600, 1800, place(4326, 0.1, 0, -180, 0, -0.1, 90))
    tile = Grid("", 1000, 1000, place(32611, 100, 0, 400000, 0, -100, 4000000))
    found = overlap(earth, tile)
    assert found is not None
    assert found[1].area == pytest.approx(1e6, rel=1e-3)
    # 100 km are about 11 pixels from south to north, at 36 N.
    assert found[0].hbb.height == pytest.approx(9.1, abs=0.2)


def test_gap_on_the_equator() -> None:
    one, other = (
        Grid("", 10, 10, place(4326, 0.1, 0, lon, 0, -0.1, 0.5)) for lon in (0.0, 3.0)
    )
    assert gap_m(one, other) == pytest.approx(2 * 111_319.5, rel=1e-3)
    assert math.isnan(gap_m(one, Grid("", 10, 10)))


def test_crossings_keep_their_promise() -> None:
    # A plane is exact on five nodes; a wave needs many, an edge of the domain all.
    seen: list[int] = []

    def wave(points: NDArray[np.float64]) -> NDArray[np.float64]:
        seen.append(len(points))
        x, y = points.T
        return np.stack([x + 3 * np.sin(y / 40), y - 2 * np.cos(x / 60)], axis=1)

    columns, rows = np.arange(0.5, 300), np.arange(0.5, 200)
    found = crossings(wave, columns, rows)
    assert sum(seen) < 300 * 200
    true = wave(np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2))
    assert np.abs(found.reshape(-1, 2) - true).max() < 1.5 * TOLERANCE

    def half(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(points[:, :1] < 100, points, np.nan)

    found = crossings(half, columns, rows)
    assert np.isnan(found[:, 100:]).all()
    assert np.array_equal(found[:, :100, 0], np.tile(columns[:100], (200, 1)))
    one = crossings(wave, columns[:1], rows[:1])
    assert one.shape == (1, 1, 2)
    assert np.array_equal(one[0], wave(np.array([[0.5, 0.5]])))


def test_nearest_and_bilinear_by_hand() -> None:
    pixels = np.array([[1, 2], [3, 4]])
    at = np.array([[(0.0, 0.0), (1.99, 0.5), (2.0, 0.5), (np.nan, 0), (0.5, -0.01)]])
    assert nearest(pixels, at, 9).tolist() == [[1, 2, 9, 9, 9]]
    values = pixels[None].astype(np.float32)
    at = np.array([[(0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 0.0), (2.1, 1.0)]])
    found = bilinear(values, at)[0, 0]
    assert found[:4].tolist() == [1, 1.5, 2.5, 1]
    assert np.isnan(found[4])
    values[0, 0, 1] = np.nan
    found = bilinear(values, at)[0, 0]
    assert found[0] == 1  # exactly in the middle: no neighbour is asked
    assert np.isnan(found[1])


def test_outline_runs_clockwise() -> None:
    found = outline(HBB(0, 0, 4, 2), 2)
    assert found.tolist() == [
        [0, 0], [2, 0], [4, 0], [4, 1], [4, 2], [2, 2], [0, 2], [0, 1]
    ]  # fmt: skip
