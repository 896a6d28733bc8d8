import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.shapes import HBB, OBB, Polygon

COORDINATE = st.floats(-1e4, 1e4).map(lambda x: round(x, 3))
SIZE = st.floats(1, 1e3).map(lambda x: round(x, 3))


def test_a_one_pixel_box_has_area_1() -> None:
    box = HBB(7, 3, 8, 4)
    assert box.area == 1
    assert box.center == (7.5, 3.5)
    assert box.corners == ((7, 3), (8, 3), (8, 4), (7, 4))


@pytest.mark.parametrize("box", [(1, 0, 0, 1), (0, 1, 1, 0), (0, 0, math.nan, 1)])
def test_swapped_or_missing_corners_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="swapped"):
        HBB(*box)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (HBB(0, 0, 10, 10), 1.0),
        (HBB(5, 0, 15, 10), 50 / 150),
        (HBB(10, 0, 20, 10), 0.0),  # touching edges share no area
        (HBB(4, 4, 4, 4), 0.0),
    ],
)
def test_iou_of_boxes(other: HBB, expected: float) -> None:
    assert HBB(0, 0, 10, 10).iou(other) == pytest.approx(expected)


def test_clip_keeps_what_is_inside() -> None:
    assert HBB(-5, -5, 5, 200).clip(100, 50) == HBB(0, 0, 5, 50)
    assert HBB(100, 0, 120, 10).clip(100, 50) is None


def test_angle_turns_clockwise_on_screen() -> None:
    # 30 degrees clockwise: the right end of the long edge is lower on the screen.
    box = OBB.from_center(100, 50, 20, 10, 30)
    right = (100 + 10 * math.cos(math.pi / 6), 50 + 10 * math.sin(math.pi / 6))
    (_, _), (bx, by), (cx, cy), (_, _) = box.corners
    assert ((bx + cx) / 2, (by + cy) / 2) == pytest.approx(right)
    assert (box.long_edge, box.short_edge) == pytest.approx((20, 10))
    assert box.angle == pytest.approx(30)
    assert box.area == pytest.approx(200)


@pytest.mark.parametrize(
    ("w", "h", "turn", "angle"),
    [(20, 10, 0, 0), (10, 20, 0, -90), (20, 10, 90, -90), (20, 10, 120, -60)],
)
def test_angle_is_that_of_the_long_edge(
    w: float, h: float, turn: float, angle: float
) -> None:
    assert OBB.from_center(0, 0, w, h, turn).angle == pytest.approx(angle)


@settings(deadline=None)
@given(COORDINATE, COORDINATE, SIZE, SIZE, st.floats(-360, 360))
def test_oriented_box_keeps_its_measures(
    cx: float, cy: float, w: float, h: float, turn: float
) -> None:
    box = OBB.from_center(cx, cy, w, h, turn)
    assert box.area == pytest.approx(w * h, rel=1e-5, abs=1e-4)
    assert box.long_edge == pytest.approx(max(w, h))
    assert -90 <= box.angle < 90
    again = OBB.from_center(cx, cy, box.long_edge, box.short_edge, box.angle)
    assert again.hbb.corners[0] == pytest.approx(box.hbb.corners[0], abs=1e-6)


@pytest.mark.parametrize(
    "corners",
    [
        ((0, 0), (0, 5), (10, 5), (10, 0)),  # counter-clockwise on screen
        ((0, 0), (10, 5), (10, 0), (0, 5)),  # crossed
    ],
)
def test_corners_are_put_in_clockwise_order(
    corners: tuple[tuple[float, float], ...],
) -> None:
    a, b, c, d = corners
    assert OBB((a, b, c, d)).corners == ((0, 0), (10, 0), (10, 5), (0, 5))


def test_holes_do_not_count() -> None:
    square = ((0, 0), (10, 0), (10, 10), (0, 10))
    hole = ((2, 2), (4, 2), (4, 5), (2, 5))
    polygon = Polygon(square, (hole,))
    assert polygon.area == 94
    assert polygon.hbb == HBB(0, 0, 10, 10)
    assert polygon.corners == square


def test_crossed_polygon_is_repaired() -> None:
    bow = Polygon(((0, 0), (10, 10), (10, 0), (0, 10)))  # two triangles of 25
    assert bow.area == pytest.approx(50)
    assert bow.to_shapely().is_valid


def test_two_points_are_no_polygon() -> None:
    with pytest.raises(ValueError, match="at least 3 points"):
        Polygon(((0, 0), (1, 1)))


@settings(deadline=None)
@given(COORDINATE, COORDINATE, SIZE, SIZE, st.floats(-90, 90))
def test_smallest_box_of_a_rotated_rectangle_is_itself(
    cx: float, cy: float, w: float, h: float, turn: float
) -> None:
    box = OBB.from_center(cx, cy, w, h, turn)
    found = Polygon(box.corners).min_area_obb()
    assert found.area == pytest.approx(w * h, rel=1e-3)
    assert found.long_edge == pytest.approx(max(w, h), rel=1e-3)


def test_smallest_box_of_a_line_is_flat() -> None:
    box = Polygon(((0, 0), (3, 4), (6, 8))).min_area_obb()
    assert box.area == pytest.approx(0)
    assert box.long_edge == pytest.approx(10)
