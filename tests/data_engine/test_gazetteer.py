"""Harbours and airports: near enough, and with the ground that belongs to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm import assets
from rsvlm.data_engine import gazetteer
from rsvlm.data_engine.gazetteer import HARBOURS, Box, places

PORT = {"water": 0.5, "built-up land": 0.5}


def _box(lon: float, lat: float) -> Box:
    """Return a box of about two kilometres around a point."""
    return Box(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)


@pytest.fixture(autouse=True)
def _one_airport(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gazetteer, "airports", lambda: ((10.0, 50.0),))


def test_a_harbour_has_water_and_quays() -> None:
    box = _box(*HARBOURS[0])
    assert places(box, PORT) == ("harbour",)
    assert places(box, {"water": 0.07, "built-up land": 0.9}) == ()
    assert places(box, {"water": 0.9, "built-up land": 0.1}) == ()
    assert places(box, {}) == ()


def test_a_coast_far_from_a_port_is_no_harbour() -> None:
    lon, lat = HARBOURS[0]
    assert places(_box(lon - 0.01, lat - 0.036), PORT) == ("harbour",)  # 2.9 km
    assert places(_box(lon - 0.01, lat - 0.040), PORT) == ()  # 3.3 km


def test_an_airport_is_within_its_distance() -> None:
    inside = Box(9.9, 49.9, 10.1, 50.1)
    assert places(inside, {}) == ("airport",)
    # 0.001 degrees of latitude are 111 m.
    assert places(Box(9.9, 50.001, 10.1, 50.1), {}) == ("airport",)
    assert places(Box(9.9, 50.002, 10.1, 50.1), {}) == ()


@given(
    st.floats(-179, 178),
    st.floats(-60, 59),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_point_inside_has_no_distance(
    west: float, south: float, x: float, y: float
) -> None:
    box = Box(west, south, west + 1, south + 1)
    assert box.distance_m((west + x, south + y)) == pytest.approx(0, abs=1e-6)


def test_degrees_of_longitude_shrink_towards_the_pole() -> None:
    box = Box(10, 59, 11, 61)
    assert box.distance_m((12, 60)) == pytest.approx(gazetteer.DEGREE_M / 2)


def test_the_real_list_has_the_airports_of_the_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not assets.cached("airports"):
        pytest.skip("the list of airports is not there")
    monkeypatch.undo()
    known = gazetteer.airports()
    assert 5000 < len(known) < 15000
    assert (-118.408049, 33.942496) in known  # Los Angeles International
    assert all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in known)
