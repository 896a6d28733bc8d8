"""One box asked for, one given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.grounding import (
    accuracy_at,
    accuracy_over_thresholds,
    cumulative_iou,
    mean_iou,
)
from rsvlm.geometry import HBB

BOX = HBB(0, 0, 10, 10)
METRICS = (accuracy_at, mean_iou, cumulative_iou)

coordinate = st.integers(-1000, 1000)
side = st.integers(1, 500)
boxes = st.builds(
    lambda x, y, w, h: HBB(x, y, x + w, y + h), coordinate, coordinate, side, side
)


def test_the_threshold_itself_is_a_hit() -> None:
    half = HBB(0, 0, 10, 5)  # 50 / 100
    assert accuracy_at([half], [BOX], 0.5) == 1.0
    assert accuracy_at([half], [BOX], 0.51) == 0.0


def test_one_of_three_is_found() -> None:
    shifted = HBB(5, 0, 15, 10)  # 50 / 150: below 0.5
    assert accuracy_at([BOX, shifted, None], [BOX] * 3) == pytest.approx(1 / 3)
    assert accuracy_at([BOX, shifted, None], [BOX] * 3, 0.25) == pytest.approx(2 / 3)


def test_coordinates_between_0_and_1_get_no_extra_pixel() -> None:
    # Disjoint boxes; adding a pixel to each side would give an IoU of 0.456.
    apart = HBB(0.1, 0.1, 0.3, 0.3), HBB(0.35, 0.35, 0.55, 0.55)
    assert mean_iou([apart[0]], [apart[1]]) == 0.0


def test_mean_iou_by_hand() -> None:
    predictions = [BOX, HBB(5, 0, 15, 10), None]  # 1, 1/3, 0
    assert mean_iou(predictions, [BOX] * 3) == pytest.approx(4 / 9)


def test_cumulative_iou_by_hand() -> None:
    small = HBB(0, 0, 2, 2)
    # shared 50 + 0 + 4; union 150 + 100 (nothing predicted) + 4
    value = cumulative_iou([HBB(5, 0, 15, 10), None, small], [BOX, BOX, small])
    assert value == pytest.approx(54 / 254)


def test_rules_of_other_scorers() -> None:
    half, square = HBB(0, 0, 10, 5), HBB(0, 0, 9, 9)
    assert accuracy_at([half], [BOX], 0.5, strict=True) == 0.0
    # 10 x 10 pixels each, counted with their corners; 5 x 10 are shared.
    shifted = HBB(5, 0, 14, 9)
    assert mean_iou([shifted], [square], rule="plus1") == pytest.approx(50 / 150)
    assert accuracy_at([shifted], [square], 0.33, rule="plus1") == 1.0
    assert cumulative_iou([shifted], [square], rule="plus1") == pytest.approx(1 / 3)
    # VRSBench: what was not read leaves the sums.
    assert cumulative_iou([half, None], [BOX, BOX], drop_unparsed=True) == 0.5
    assert cumulative_iou([half, None], [BOX, BOX]) == 0.25
    with pytest.raises(SettingsError, match="no coordinate above"):
        mean_iou([HBB(0, 0, 0.5, 0.5)], [HBB(0.1, 0, 1, 1)], rule="plus1")


def test_accuracy_over_the_threshold_falls() -> None:
    curve = accuracy_over_thresholds(np.array([1.0, 0.5, 0.0]))
    accuracy = dict(zip(*(list(column) for column in curve.values()), strict=True))
    assert (accuracy[0.05], accuracy[0.5], accuracy[0.55]) == (2 / 3, 2 / 3, 1 / 3)


def test_a_point_that_is_asked_for_is_found_by_nothing() -> None:
    point = HBB(3, 3, 3, 3)
    assert accuracy_at([point], [point]) == 0.0
    with pytest.raises(SettingsError, match="boxes without area"):
        cumulative_iou([point], [point])


@pytest.mark.parametrize("metric", METRICS)
def test_unusable_input_is_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(SettingsError, match="0 references"):
        metric([], [])
    with pytest.raises(SettingsError, match="1 predictions for 2 references"):
        metric([BOX], [BOX, BOX])


@settings(deadline=None)
@given(st.lists(boxes, min_size=1, max_size=8))
def test_the_truth_scores_1_and_silence_0(references: list[HBB]) -> None:
    for metric in METRICS:
        assert metric(references, references) == pytest.approx(1.0)
        assert metric([None] * len(references), references) == 0.0


@settings(deadline=None)
@given(st.lists(st.tuples(boxes, boxes), min_size=1, max_size=8))
def test_bounds_symmetry_order_and_frame_do_not_matter(
    pairs: list[tuple[HBB, HBB]],
) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    shuffled = sorted(pairs, key=repr)
    for metric in METRICS:
        value = metric(one, other)
        assert 0 <= value <= 1
        assert metric(other, one) == pytest.approx(value)
        assert metric(
            [a for a, _ in shuffled], [b for _, b in shuffled]
        ) == pytest.approx(value)
        # Powers of two and whole shifts are exact, so no IoU crosses the threshold.
        assert metric(
            [box.scale(4, 2, 64, -32) for box in one],
            [box.scale(4, 2, 64, -32) for box in other],
        ) == pytest.approx(value)
