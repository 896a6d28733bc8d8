"""Where an image lies, and how far things are from it."""

import math
from collections.abc import Callable

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from rsvlm.raster import Raster
from rsvlm.retrieval.footprint import Footprint

GEOD = Geod(ellps="WGS84")


def test_inside_is_zero_and_outside_is_the_ground_distance(scene: Raster) -> None:
    ground = Footprint.of([scene])
    assert ground is not None
    assert ground.contains(10.05, 0.05)
    assert ground.distance_km(shapely.Point(10.05, 0.05)) == 0
    # Due east of the eastern edge at 10.1, on the same parallel.
    expected = GEOD.inv(10.1, 0.05, 10.5, 0.05)[2] / 1000
    found = ground.distance_km(shapely.Point(10.5, 0.05))
    assert found == pytest.approx(expected, rel=1e-3)
    assert ground.direction(10.5, 0.05) == pytest.approx(90, abs=0.1)


def test_a_raster_without_a_place_has_no_footprint(
    tmp_path: object, make_scene: Callable[..., Raster]
) -> None:
    assert Footprint.of([]) is None


@settings(max_examples=50, deadline=None)
@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(0, 360), st.floats(0.1, 400))
def test_boxes_hold_everything_within_the_distance(
    lon: float, lat: float, azimuth: float, km: float
) -> None:
    ground = Footprint.at(lon, lat)
    x, y, _ = GEOD.fwd(lon, lat, azimuth, 1000 * km)
    held = any(w <= x <= e and s <= y <= n for w, s, e, n in ground.boxes(km * 1.001))
    assert held
    assert ground.distance_km(shapely.Point(x, y)) == pytest.approx(km, rel=0.01)


def test_boxes_split_at_the_antimeridian(make_scene: Callable[..., Raster]) -> None:
    ground = Footprint.at(179.9, 0.0)
    boxes = ground.boxes(50)
    assert len(boxes) == 2
    assert any(w <= -179.9 <= e for w, _, e, _ in boxes)
    assert ground.distance_km(shapely.Point(-179.9, 0.0)) == pytest.approx(
        22.26, rel=0.01
    )


def test_a_pole_takes_every_longitude() -> None:
    ((west, _, east, north),) = Footprint.at(40.0, 89.5).boxes(100)
    assert (west, east, north) == (-180, 180, 90)
    assert math.isclose(Footprint.at(0, 0).direction(0, 1), 0, abs_tol=1e-6)
