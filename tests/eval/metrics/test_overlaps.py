"""Many overlaps at once."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import overlaps
from rsvlm.eval.metrics.overlaps import (
    Floats,
    box_overlaps,
    near_pairs,
    polygon_overlaps,
)
from rsvlm.geometry import HBB

side = st.sampled_from([0.0, 1.0, 2.5, 7.0])
corner = st.sampled_from([-5.0, 0.0, 1.0, 2.0, 3.5, 8.0, 1e12])
boxes = st.lists(
    st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, side, side),
    max_size=12,
).map(lambda rows: np.array(rows, dtype=float).reshape(-1, 4))


def test_boxes_by_hand() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [np.nan] * 4, [3, 3, 3, 3]], float)
    b = np.array([[5, 0, 15, 10], [20, 0, 30, 10], [0, 0, 2, 2], [3, 3, 3, 3]], float)
    result = box_overlaps(a, b)
    assert result.shared.tolist() == [50, 0, 0, 0]
    assert result.union.tolist() == [150, 200, 4, 0]  # a missing box covers nothing
    assert result.iou.tolist() == [50 / 150, 0, 0, 0]


def test_the_plus1_rule_counts_corner_pixels() -> None:
    a, b = np.array([[0, 0, 9, 9.0]]), np.array([[5, 0, 14, 9.0]])
    assert box_overlaps(a, b, "plus1").iou.tolist() == [50 / 150]
    # Apart by half a pixel, so that the corner pixels overlap by half.
    apart = np.array([[9.5, 0, 18.5, 9.0]])
    assert box_overlaps(a, apart, "plus1").shared.tolist() == [5.0]


def test_the_plus1_rule_is_refused_between_0_and_1() -> None:
    a = np.array([[0.1, 0.1, 0.3, 0.3]])
    b = np.array([[0.35, 0.35, 0.55, 0.55]])
    # Unguarded: (0.95 x 0.95) / (2 x 1.44 - 0.9025) = 0.456 for disjoint boxes.
    assert box_overlaps(a, b).iou.tolist() == [0.0]
    pixels = np.array([[10, 10, 30, 30.0]])
    for one, other in ((a, b), (a, pixels), (pixels, b)):
        with pytest.raises(SettingsError, match="no coordinate above"):
            box_overlaps(one, other, "plus1")


@settings(deadline=None)
@given(boxes, boxes, st.booleans(), st.integers(1, 40), st.data())
def test_near_pairs_are_those_that_share_an_area(
    a: Floats, b: Floats, one_group: bool, chunk: int, data: st.DataObject
) -> None:
    top = 0 if one_group else 3
    groups = [
        np.array(
            data.draw(st.lists(st.integers(0, top), min_size=len(x), max_size=len(x))),
            dtype=np.intp,
        )
        for x in (a, b)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, "_CHUNK", chunk)
        found = near_pairs(a, b, *groups)
    expected = {
        (i, j)
        for i, one in enumerate(a.tolist())
        for j, other in enumerate(b.tolist())
        if groups[0][i] == groups[1][j] and HBB(*one).intersection(HBB(*other)) > 0
    }
    pairs = list(zip(*(side_.tolist() for side_ in found), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected


def test_groups_stay_apart_however_many_and_large() -> None:
    wide = np.array([[-1e9, 0, 1e9, 1]])
    one, next_one = np.array([10**7]), np.array([10**7 + 1])
    assert near_pairs(wide, wide, one, next_one)[0].tolist() == []
    assert near_pairs(wide, wide, one, one)[0].tolist() == [0]


def test_polygons_by_hand() -> None:
    square, half, far = (
        shapely.box(*b) for b in ((0, 0, 4, 4), (0, 0, 4, 2), (8, 0, 12, 4))
    )
    a, b = np.array([square, square]), np.array([half, far])
    result = polygon_overlaps(a, b)
    assert result.shared.tolist() == [8, 0]
    assert result.iou.tolist() == [0.5, 0]
    # The hull of two squares apart is 12 x 4, of which 4 x 4 is used by none: -1/3.
    general = polygon_overlaps(a, b, generalised=True)
    assert (general.shared / general.union).tolist() == pytest.approx([0.5, -1 / 3])
