"""Masks compared pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.masks import (
    ciou,
    giou,
    iou,
    no_target_accuracy,
    precision_at,
)
from rsvlm.geometry import Mask

EMPTY = Mask.from_array(np.zeros((4, 4), dtype=bool))


def block(x0: int, y0: int, x1: int, y1: int) -> Mask:
    """A filled rectangle of a 20 x 20 raster, stored with its own window."""
    return Mask.from_array(np.ones((y1 - y0, x1 - x0), dtype=bool), x0, y0)


@st.composite
def masks(draw: st.DrawFn) -> tuple[Mask, set[tuple[int, int]]]:
    """A mask in a window of its own, and the set of its pixels."""
    x0, y0 = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    bits = draw(st.lists(st.booleans(), min_size=12, max_size=12))
    array = np.array(bits).reshape(3, 4)
    pixels = {(int(x) + x0, int(y) + y0) for y, x in np.argwhere(array)}
    return Mask.from_array(array, x0, y0), pixels


def test_masks_of_different_windows_by_hand() -> None:
    # 4 x 4 and 4 x 4, shared 2 x 2: 4 / (16 + 16 - 4)
    assert iou(block(0, 0, 4, 4), block(2, 2, 6, 6)) == pytest.approx(4 / 28)
    assert iou(block(0, 0, 4, 4), block(4, 0, 8, 4)) == 0.0


def test_empty_masks() -> None:
    assert iou(EMPTY, EMPTY) == 0.0
    assert iou(EMPTY, EMPTY, both_empty=1.0) == 1.0
    assert iou(EMPTY, block(0, 0, 1, 1), both_empty=1.0) == 0.0


def test_giou_by_hand() -> None:
    truth = block(0, 0, 4, 4)
    predictions = [truth, block(0, 0, 4, 2), None, EMPTY]  # 1, 8/16, 0, 1
    references = [truth, truth, truth, EMPTY]
    assert giou(predictions, references) == pytest.approx(2.5 / 4)
    assert giou(predictions, references, both_empty=0.0) == pytest.approx(1.5 / 4)


def test_silence_is_not_an_empty_mask() -> None:
    assert giou([None], [EMPTY]) == 0.0
    assert giou([EMPTY], [EMPTY]) == 1.0


def test_ciou_by_hand() -> None:
    truth, small = block(0, 0, 4, 4), block(0, 0, 1, 2)
    # shared 8 + 0 + 2; union 16 + 16 (nothing predicted) + 2
    value = ciou([block(0, 0, 4, 2), None, small], [truth, truth, small])
    assert value == pytest.approx(10 / 34)
    assert ciou([EMPTY], [EMPTY]) == 0.0


def test_a_large_mask_is_counted_to_the_pixel() -> None:
    truth, guess = block(0, 0, 3001, 2003), block(1, 1, 3001, 2003)
    assert ciou([guess], [truth]) == 3000 * 2002 / (3001 * 2003)


def test_share_above_a_threshold_by_hand() -> None:
    truth = block(0, 0, 4, 4)
    predictions = [truth, block(0, 0, 4, 2), None, EMPTY]  # 1, 8/16, 0, empty
    references = [truth, truth, truth, EMPTY]
    assert precision_at(predictions, references) == pytest.approx(2 / 4)
    assert precision_at(predictions, references, 0.51) == pytest.approx(1 / 4)
    assert precision_at(predictions, references, both_empty=1.0) == pytest.approx(3 / 4)


def test_saying_that_nothing_is_there() -> None:
    truth = block(0, 0, 4, 4)
    predictions = [EMPTY, block(0, 0, 1, 1), None, truth]
    references = [EMPTY, EMPTY, EMPTY, truth]
    assert no_target_accuracy(predictions, references) == pytest.approx(1 / 3)
    with pytest.raises(SettingsError, match="0 samples without target"):
        no_target_accuracy([truth], [truth])


def test_masks_of_one_window_are_compared_as_they_are_coded() -> None:
    left, both = np.zeros((2, 6, 8), dtype=bool)
    left[1:4, 2:5], both[2:6, 3:8] = True, True
    a, b = Mask.from_array(left), Mask.from_array(both)
    assert iou(a, b) == pytest.approx(4 / (9 + 20 - 4))
    assert ciou([a], [b]) == pytest.approx(4 / 25)


def test_unusable_input_is_refused() -> None:
    for metric in (giou, ciou, precision_at, no_target_accuracy):
        with pytest.raises(SettingsError, match="0 references"):
            metric([], [])
        with pytest.raises(SettingsError, match="1 predictions for 2 references"):
            metric([EMPTY], [EMPTY, EMPTY])


Pixels = tuple[Mask, set[tuple[int, int]]]


@settings(deadline=None)
@given(st.lists(st.tuples(masks(), masks()), min_size=1, max_size=4))
def test_scores_are_those_of_sets_of_pixels(pairs: list[tuple[Pixels, Pixels]]) -> None:
    predictions = [prediction for (prediction, _), _ in pairs]
    references = [reference for _, (reference, _) in pairs]
    shared = [len(p & r) for (_, p), (_, r) in pairs]
    union = [len(p | r) for (_, p), (_, r) in pairs]
    ratios = [s / u if u else 1.0 for s, u in zip(shared, union, strict=True)]
    assert giou(predictions, references) == pytest.approx(sum(ratios) / len(ratios))
    expected = sum(shared) / sum(union) if sum(union) else 0.0
    assert ciou(predictions, references) == pytest.approx(expected)
    assert giou(references, references) == 1.0
    for metric in (giou, ciou):
        value = metric(predictions, references)
        assert metric(references, predictions) == pytest.approx(value)
        assert metric(predictions[::-1], references[::-1]) == pytest.approx(value)
