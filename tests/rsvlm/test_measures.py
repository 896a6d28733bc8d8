"""Lengths, distances and densities."""

import pytest
from pyproj import CRS

from rsvlm.geometry import HBB, OBB, Region
from rsvlm.georeference import GeoReference
from rsvlm.measures import (
    apart,
    density_text,
    distance_text,
    measure_of,
    sides,
    sides_text,
)

#: 2 m/px in UTM zone 11 north, on its central meridian.
PLACE = GeoReference.create(
    CRS.from_epsg(32611).to_wkt(), (2, 0, 500000, 0, -2, 3700000)
)


@pytest.mark.parametrize(
    ("question", "kind", "first", "second", "per_ha"),
    [
        ("How far is the bridge from the harbor?", "distance", "bridge", "harbor", False),
        ("What is the distance between the two airplanes?", "distance", "airplane", None, False),
        ("distance from the largest ship to the pier", "distance", "ship", "harbor", False),
        ("How far apart are the bridges?", "distance", "bridge", None, False),
        ("How long is the bridge?", "length", "bridge", None, False),
        ("How many metres long is the ship at the pier?", "length", "ship", None, False),
        ("What is the width of the bridge?", "width", "bridge", None, False),
        ("How many vehicles per hectare are there?", "density", "vehicle", None, True),
        ("What is the density of ships per km2?", "density", "ship", None, False),
    ],
)  # fmt: skip
def test_what_is_measured(
    question: str, kind: str, first: str, second: str | None, per_ha: bool
) -> None:
    found = measure_of(question)
    assert found is not None
    assert (found.kind, found.first.label, found.per_ha) == (kind, first, per_ha)
    assert (found.second.label if found.second else None) == second


@pytest.mark.parametrize(
    "question",
    [
        "How many ships are there?",
        "How far is it to Los Angeles?",
        "What is the length of the image?",
        "How large is the harbor?",
        "Is the bridge longer than the ship?",
        "Describe the bridge.",
    ],
)
def test_other_questions(question: str) -> None:
    assert measure_of(question) is None


def test_lengths_on_the_ground_and_in_pixels() -> None:
    ship = Region(OBB.from_center(500, 500, 40, 10, 30), "ship")
    assert sides(ship, None) == pytest.approx((40, 10))
    long, short = sides(ship, PLACE)
    assert long == pytest.approx(80, rel=0.002)
    assert short == pytest.approx(20, rel=0.002)
    assert sides_text("length", "ship", [ship], PLACE) == "The ship is 80 m long."
    assert sides_text("width", "ship", [ship], None) == "The ship is 10 px wide."
    two = sides_text("length", "ship", [ship, ship], None)
    assert two == "2 ships, 40 px, 40 px long."


def test_distances_are_between_the_nearest_points() -> None:
    one = Region(HBB(0, 0, 10, 10), "ship")
    other = Region(HBB(40, 0, 50, 10), "bridge")
    assert apart(one, other, None) == 30
    assert apart(one, other, PLACE) == pytest.approx(60, rel=0.002)
    assert distance_text(one, other, None) == "The ship and the bridge are 30 px apart."
    assert "touch" in distance_text(one, one, PLACE)


def test_a_density_without_a_place_is_not_told() -> None:
    assert "cannot be told" in density_text(3, "ship", None, False)
    assert density_text(3, "ship", 3e4, True) == "3 ships on 3.00 ha: 1 per ha."
