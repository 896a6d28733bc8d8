"""Turned boxes: their forms, their repair, their overlap."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.eval.metrics.overlaps import Floats
from rsvlm.eval.metrics.rotated import (
    canonical,
    from_bounds,
    from_center,
    from_corners_and_angle,
    iou,
    polygons,
)
from rsvlm.geometry import OBB

SQUARE = np.array([[[0, 0], [4, 0], [4, 4], [0, 4]]], dtype=float)
#: The same corners, crossing: the outline is a bow tie.
BOW_TIE = SQUARE[:, [0, 2, 1, 3]]

number = st.floats(-50, 50).map(lambda value: round(value, 3))
size = st.floats(0.5, 60).map(lambda value: round(value, 3))
angle = st.one_of(
    st.sampled_from([0.0, 45.0, 90.0, -90.0, 180.0]), st.floats(-360, 360)
)
turned = st.tuples(number, number, size, size, angle)
pairs = st.lists(st.tuples(turned, turned), min_size=1, max_size=5).map(
    lambda rows: np.array(rows, dtype=float).transpose(1, 0, 2)
)
point = st.tuples(st.integers(0, 9), st.integers(0, 9))
any_quads = st.lists(
    st.lists(point, min_size=4, max_size=4), min_size=1, max_size=6
).map(lambda rows: np.array(rows, dtype=float))


def test_the_sense_of_an_angle_is_as_in_the_geometry_module() -> None:
    row = (50.0, 40.0, 30.0, 6.0, 25.0)
    assert from_center(np.array([row]))[0] == pytest.approx(
        np.array(OBB.from_center(*row).corners)
    )
    against = from_center(np.array([row]), "ccw")[0]
    assert against == pytest.approx(
        np.array(OBB.from_center(50, 40, 30, 6, -25).corners)
    )


def test_direction_matters() -> None:
    a, b = np.array([[10, 40, 50, 46, 30.0]]), np.array([[20, 46, 60, 52, 30.0]])
    values = {
        turn: float(
            iou(from_corners_and_angle(a, turn), from_corners_and_angle(b, turn))[0]
        )
        for turn in ("cw", "ccw")
    }
    assert values["ccw"] == 0.0
    assert values["cw"] == pytest.approx(0.52, abs=0.005)


def test_a_long_box_forgives_few_degrees() -> None:
    def at(degrees: float) -> Floats:
        return from_center(np.array([[50, 50, 60, 3, degrees]]))

    assert iou(at(0), at(2))[0] == pytest.approx(0.70, abs=0.01)
    assert iou(at(0), at(4))[0] == pytest.approx(0.48, abs=0.01)


def test_boxes_that_leave_the_frame_are_kept() -> None:
    corners = from_corners_and_angle(np.array([[-10, -4, 10, 4, 90.0]]))
    assert corners[0].round(6).tolist() == [[4, -10], [4, 10], [-4, 10], [-4, -10]]


def test_one_writing_of_each_box() -> None:
    same = np.array(
        [[1, 2, 60, 3, 20], [1, 2, 60, 3, 200], [1, 2, 3, 60, 110], [1, 2, 3, 60, -70]],
        dtype=float,
    )
    assert canonical(same) == pytest.approx(np.array([[1, 2, 60, 3, 20]] * 4))
    squares = np.array([[0, 0, 5, 5, 30], [0, 0, 5, 5, 120], [0, 0, 5, 5, -60]], float)
    assert canonical(squares) == pytest.approx(np.array([[0, 0, 5, 5, 30]] * 3))
    assert canonical(np.array([[0, 0, 9, 3, 90.0]]))[0, 4] == -90


def test_crossing_corners_are_put_in_order_and_flagged() -> None:
    made, odd = polygons(np.concatenate([SQUARE, BOW_TIE]))
    assert odd.tolist() == [False, True]
    assert shapely.area(made).tolist() == [16, 16]
    assert iou(BOW_TIE, SQUARE).tolist() == [1.0]


def test_crossing_corners_are_worth_nothing_where_the_protocol_says_so() -> None:
    made, odd = polygons(np.concatenate([SQUARE, BOW_TIE]), invalid="zero")
    assert odd.tolist() == [False, True]
    assert shapely.area(made).tolist() == [16, 0]


def test_corners_on_a_line_overlap_nothing() -> None:
    flat = np.array([[[0, 0], [1, 1], [2, 2], [3, 3]]], dtype=float)
    made, odd = polygons(flat)
    assert odd.tolist() == [True]
    assert made[0].is_empty
    assert iou(flat, flat).tolist() == [0.0]


def test_generalised_iou_by_hand() -> None:
    far = SQUARE + np.array([8, 0])
    assert iou(SQUARE, far, generalised=True) == pytest.approx([-1 / 3])
    assert iou(SQUARE, SQUARE, generalised=True) == pytest.approx([1.0])


@settings(deadline=None)
@given(pairs)
def test_equal_to_shapely_one_pair_at_a_time(both: Floats) -> None:
    a, b = from_center(both[0]), from_center(both[1])
    expected = []
    for one, other in zip(a, b, strict=True):
        p, q = shapely.Polygon(one), shapely.Polygon(other)
        expected.append(p.intersection(q).area / p.union(q).area)
    assert iou(a, b) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(any_quads)
def test_any_four_corners_become_a_valid_polygon(quads: Floats) -> None:
    made, odd = polygons(quads)
    assert shapely.is_valid(made).all()
    fine = shapely.is_valid(shapely.polygons(quads))
    assert (odd == ~fine).all()
    hull = shapely.area(shapely.convex_hull(shapely.multipoints(quads)))
    assert (shapely.area(made) <= hull + 1e-9).all()
    own = iou(quads, quads)
    assert own == pytest.approx(np.where(shapely.area(made) > 0, 1.0, 0.0))


@settings(deadline=None)
@given(pairs, st.floats(0, 360))
def test_symmetric_and_the_same_in_every_frame(both: Floats, degrees: float) -> None:
    a, b = from_center(both[0]), from_center(both[1])
    value = iou(a, b)
    assert ((value >= 0) & (value <= 1)).all()
    assert iou(b, a) == pytest.approx(value, abs=1e-6)
    assert iou(a[:, ::-1], np.roll(b, 1, axis=1)) == pytest.approx(value, abs=1e-6)
    assert iou(a * 3 + 7, b * 3 + 7) == pytest.approx(value, abs=1e-6)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, sin], [-sin, cos]])
    assert iou(a @ turn, b @ turn) == pytest.approx(value, abs=1e-6)
    assert iou(
        from_center(canonical(both[0])), from_center(canonical(both[1]))
    ) == pytest.approx(value, abs=1e-6)


def test_upright_boxes_as_corners() -> None:
    assert from_bounds(np.array([[1, 2, 5, 8.0]])).tolist() == [
        [[1, 2], [5, 2], [5, 8], [1, 8]]
    ]
