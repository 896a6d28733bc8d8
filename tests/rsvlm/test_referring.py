"""What a description says beside its label."""

import pytest

from rsvlm.referring import Referring, on_image, referring
from rsvlm.subjects import subject


def read(question: str, north: tuple[float, float] = (0.0, -1.0)) -> Referring:
    found = subject(question)
    assert found is not None
    return referring(found.phrase, question, north)


@pytest.mark.parametrize(
    ("question", "rank", "most"),
    [
        ("Where is the largest storage tank?", ("area", True, 1), 1),
        ("Which storage tank is the biggest?", ("area", True, 1), 1),
        ("Show the second largest ship", ("area", True, 2), 1),
        ("Locate the three leftmost airplanes", ("x", False, 1), 3),
        ("Find the northernmost ship.", ("north", True, 1), 1),
        ("Segment the longest bridge", ("length", True, 1), 1),
        ("Where is the ship that is smaller than the others?", ("area", False, 1), 1),
        ("Find the tank bigger than all the others.", ("area", True, 1), 1),
        ("Is the ship larger than the bridge?", None, None),
        ("Where are the ships?", None, None),
        ("How many ships are there?", None, None),
    ],
)
def test_ranks(question: str, rank: object, most: int | None) -> None:
    found = read(question)
    assert (found.rank, found.most) == (rank, most)


@pytest.mark.parametrize(
    ("question", "kind", "other"),
    [
        (
            "the tennis court left of the baseball diamond",
            "left of",
            "baseball diamond",
        ),
        ("Where is the ship to the right of the bridge?", "right of", "bridge"),
        ("Find all vehicles on the bridge", "on", "bridge"),
        ("How many ships are near the harbor?", "near", "harbor"),
        ("Point out the ship that is closest to the harbor", "closest to", "harbor"),
        ("Where is the ship nearest the pier?", "nearest", "harbor"),
        ("the ship farthest from the pier", "farthest from", "harbor"),
        ("the storage tank north-east of the harbor", "north-east of", "harbor"),
    ],
)
def test_relations(question: str, kind: str, other: str) -> None:
    found = read(question)
    assert found.other is not None
    assert (found.kind, found.other.label) == (kind, other)


@pytest.mark.parametrize(
    ("question", "towards", "edge", "away", "most"),
    [
        ("Find the airplane nearest the top edge", (0, -1), True, False, 1),
        ("the ship farthest to the left", (-1, 0), True, False, 1),
        ("the ship farthest from the left edge", (-1, 0), True, True, 1),
        ("Where is the airplane in the top left?", (-1, -1), False, False, 1),
        ("the airplane in the middle of the image", (0, 0), False, False, 1),
        ("Where is the middlemost airplane?", (0, 0), True, False, 1),
        ("the most central ship", (0, 0), True, False, 1),
        ("storage tanks in the northern half", (0, -1), False, False, None),
        ("How many ships are in the lower right corner?", (1, 1), False, False, None),
    ],
)
def test_parts_of_the_image(
    question: str,
    towards: tuple[float, float],
    edge: bool,
    away: bool,
    most: int | None,
) -> None:
    found = read(question)
    assert found.towards == towards
    assert (found.edge, found.away, found.most) == (edge, away, most)


def test_a_rank_of_the_other_object_is_its_own() -> None:
    found = read("How many airplanes are left of the largest airplane?")
    assert found.rank is None
    assert found.most is None
    assert found.other is not None
    assert found.other.rank == ("area", True, 1)


def test_colours_and_words_that_say_nothing() -> None:
    found = read("Show the rusty white ships")
    assert (found.colour, found.unused, found.label) == ("white", "rusty", "ship")
    assert read("Where are the oil tanks?").unused == ""
    assert not read("Where are the oil tanks?")
    assert read("Show the ship east of the road").unused  # roads are not known


def test_north_may_point_elsewhere() -> None:
    east_up = (-1.0, 0.0)  # north is to the left, so that east is up
    assert on_image((1.0, 0.0), east_up) == pytest.approx((0.0, -1.0))
    found = read("ships in the eastern half", east_up)
    assert found.towards == pytest.approx((0.0, -1.0))
