"""Regions that a description means."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.geometry import HBB, OBB, Region
from rsvlm.referring import Referring, referring
from rsvlm.selecting import gap, length, select

SIZE = (100, 100)


def box(
    x: float, y: float, w: float = 10, h: float = 10, label: str = "ship"
) -> Region:
    return Region(HBB(x, y, x + w, y + h), label)


def meant(
    phrase: str,
    regions: Sequence[Region],
    others: Sequence[Region] = (),
    colours: dict[Region, tuple[float, float, float]] | None = None,
    north: tuple[float, float] = (0.0, -1.0),
) -> list[Region]:
    return select(
        regions,
        referring(phrase, phrase, north),
        SIZE,
        lambda other: others,
        lambda region: (colours or {}).get(region),
        north,
    )


def test_ranks_by_area_length_and_place() -> None:
    small, wide, tall = box(0, 0, 5, 5), box(50, 0, 30, 4), box(20, 60, 8, 20)
    regions = [small, wide, tall]
    assert meant("largest ship", regions) == [tall]
    assert meant("second largest ship", regions) == [wide]
    assert meant("longest ship", regions) == [wide]
    assert meant("two leftmost ships", regions) == [small, tall]
    assert meant("southernmost ship", regions) == [tall]
    assert meant("southernmost ship", regions, north=(-1.0, 0.0)) == [wide]
    assert meant("fourth largest ship", regions) == []


def test_relations_to_other_objects() -> None:
    harbor = box(45, 45, label="harbor")
    left, right, far = box(30, 46), box(60, 44), box(90, 90)
    regions = [far, right, left]
    assert meant("ship left of the harbor", regions, [harbor]) == [left]
    assert meant("ships right of the harbor", regions, [harbor]) == [right, far]
    assert set(meant("ships near the harbor", regions, [harbor])) == {left, right}
    assert meant("ship farthest from the harbor", regions, [harbor]) == [far]
    assert meant("ships west of the harbor", regions, [harbor], north=(0, 1)) == [
        right,
        far,
    ]
    assert meant("ship left of the harbor", regions, []) == []


def test_what_stands_on_something() -> None:
    bridge = box(0, 40, 100, 20, label="bridge")
    on, beside = box(20, 45, 4, 4, "vehicle"), box(20, 80, 4, 4, "vehicle")
    assert meant("vehicles on the bridge", [on, beside], [bridge]) == [on]


def test_an_object_is_not_its_own_neighbour() -> None:
    first, second = box(0, 0), box(30, 0)
    both = [first, second]
    assert meant("ships left of the ship", both, both) == [first]


def test_parts_of_the_image() -> None:
    corner, middle, low = box(2, 2), box(46, 44), box(60, 85)
    regions = [middle, low, corner]
    assert meant("ship in the top left", regions) == [corner]
    assert meant("ships in the lower half", regions) == [low]
    assert meant("ship in the middle", regions) == [middle]
    assert meant("ship nearest the bottom edge", regions) == [low]
    assert meant("ship farthest from the bottom edge", regions) == [corner]
    # One was asked for and none lies quite there: the one that comes nearest.
    assert meant("ship in the lower left", [corner, middle]) == [corner]
    assert meant("ships in the lower left", [corner, middle]) == []


def test_colours() -> None:
    pale, rust = box(0, 0), box(50, 50)
    colours = {pale: (0.9, 0.9, 0.88), rust: (0.6, 0.25, 0.2)}
    assert meant("white ships", [rust, pale], colours=colours) == [pale]
    assert meant("red ship", [pale, rust], colours=colours) == [rust]
    assert meant("blue ships", [pale, rust], colours=colours) == []
    assert meant("white ships", [pale, box(1, 1)], colours=colours) == [pale]


def test_lengths_follow_turned_boxes() -> None:
    turned = OBB.from_center(50, 50, 40, 10, 45)
    assert length(Region(turned)) == pytest.approx(40)
    assert length(box(0, 0, 30, 4)) == 30


sides = st.integers(0, 90)


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=8))
def test_what_is_chosen_was_there_and_is_the_greatest(
    places: list[tuple[int, int]],
) -> None:
    regions = [box(x, y) for x, y in places]
    (best,) = meant("rightmost ship", regions)
    assert best in regions
    assert best.shape.hbb.x0 == max(region.shape.hbb.x0 for region in regions)
    kept = meant("ships in the left half", regions)
    assert all(r.shape.hbb.center[0] < 50 for r in kept)
    assert len(kept) == sum(r.shape.hbb.center[0] < 50 for r in regions)


@given(sides, sides, sides, sides)
def test_gaps_are_symmetric(x: int, y: int, u: int, v: int) -> None:
    first, second = HBB(x, y, x + 5, y + 5), HBB(u, v, u + 5, v + 5)
    assert gap(first, second) == gap(second, first)
    assert (gap(first, second) == 0) == (abs(x - u) <= 5 and abs(y - v) <= 5)


def test_a_description_without_more_words_keeps_all() -> None:
    regions = [box(0, 0), box(20, 20)]
    assert not Referring("ship")
    assert meant("ships", regions) == regions


def test_between_two_others() -> None:
    left, right = box(0, 40, label="bridge"), box(80, 40, label="bridge")
    amid, above, beyond = box(40, 45), box(42, 20), box(92, 42, 4, 4)
    regions = [beyond, above, amid]
    assert meant("ships between the two bridges", regions, [left, right]) == [
        amid,
        above,
    ]
    assert meant("ship between the bridge and the harbor", regions, [left, right]) == [
        amid
    ]
    assert meant("ship between the bridges", regions, [left]) == []
    assert meant("ship between the bridges", regions, []) == []


def test_diagonals_of_others() -> None:
    harbor = box(45, 45, label="harbor")
    corner, right = box(20, 20), box(80, 45)
    regions = [right, corner]
    assert meant("ship to the upper left of the harbor", regions, [harbor]) == [corner]
    assert meant("ship bottom-left of the harbor", regions, [harbor]) == []
