"""How far a count is from the truth."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.counting import (
    exact,
    mean_absolute_error,
    root_mean_square_error,
    within,
)

METRICS = (exact, within, mean_absolute_error, root_mean_square_error)

counts = st.integers(0, 10_000)


def test_by_hand() -> None:
    predictions = [3, 11, 0, None]  # errors 0, 1, -2, -4
    references = [3, 10, 2, 4]
    assert exact(predictions, references) == 0.25
    assert within(predictions, references) == 0.5
    assert mean_absolute_error(predictions, references) == 7 / 4
    assert root_mean_square_error(predictions, references) == math.sqrt(21 / 4)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        (11, 10, 1.0),  # 10 % exactly
        (9, 10, 1.0),
        (12, 10, 0.0),
        (33, 30, 1.0),
        (7.7, 7, 1.0),
        (0, 0, 1.0),
        (1, 0, 0.0),
        (None, 0, 0.0),  # silence is not "none"
        (9, 9, 1.0),
        (10, 9, 0.0),
    ],
)
def test_within_10_percent(
    prediction: float | None, reference: int, expected: float
) -> None:
    assert within([prediction], [reference]) == expected


def test_silence_is_not_exactly_zero() -> None:
    assert exact([None], [0]) == 0.0


@pytest.mark.parametrize("metric", METRICS)
def test_unusable_input_is_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(SettingsError, match="0 references"):
        metric([], [])
    with pytest.raises(SettingsError, match="1 predictions for 2 references"):
        metric([1], [1, 2])


@given(st.lists(counts, min_size=1))
def test_the_truth_is_right(references: list[int]) -> None:
    assert exact(references, references) == within(references, references) == 1.0
    assert mean_absolute_error(references, references) == 0.0
    assert root_mean_square_error(references, references) == 0.0


@given(st.lists(st.tuples(counts, counts), min_size=1))
def test_bounds_symmetry_and_order(pairs: list[tuple[int, int]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    error = mean_absolute_error(one, other)
    assert error == mean_absolute_error(other, one)
    assert error <= root_mean_square_error(one, other) * (1 + 1e-12)
    assert exact(one, other) <= within(one, other)
    for metric in METRICS:
        assert metric(one[::-1], other[::-1]) == pytest.approx(metric(one, other))
