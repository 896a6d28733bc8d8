"""Counting metrics: how far a number of objects is from the true one.

A missing prediction (``None``, an unreadable reply) is wrong, and counts as 0 objects
where an error is measured: leaving it out would reward a model for refusing.
"""

import math
from collections.abc import Sequence

from rsvlm.eval.metrics.checks import check_pairs


def exact(predictions: Sequence[float | None], references: Sequence[float]) -> float:
    """Return the share of counts that are exactly right.

    Args:
        predictions: One count a sample, None where none was read.
        references: The true counts, in the same order.

    Returns:
        Accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "accuracy of counts")
    return sum(p == r for p, r in _pairs(predictions, references)) / len(references)


def within(
    predictions: Sequence[float | None],
    references: Sequence[float],
    tolerance: float = 0.1,
) -> float:
    """Return the share of counts at most ``tolerance`` times the true count away.

    A true count of 0 is met by 0 only.

    Args:
        predictions: One count a sample, None where none was read.
        references: The true counts, in the same order.
        tolerance: Largest error, as a share of the true count; the bound is included.

    Returns:
        Accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "accuracy of counts")
    near = [
        # The margin is for rounding: 10 % of 7 is 0.7000000000000001.
        p is not None and abs(p - r) <= tolerance * r + 1e-9
        for p, r in _pairs(predictions, references)
    ]
    return sum(near) / len(near)


def mean_absolute_error(
    predictions: Sequence[float | None], references: Sequence[float]
) -> float:
    """Return the mean absolute error (MAE), in objects.

    Args:
        predictions: One count a sample; None counts as 0 objects.
        references: The true counts, in the same order.

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "mean absolute error")
    return sum(map(abs, _errors(predictions, references))) / len(references)


def root_mean_square_error(
    predictions: Sequence[float | None], references: Sequence[float]
) -> float:
    """Return the root of the mean squared error (RMSE), in objects.

    Args:
        predictions: One count a sample; None counts as 0 objects.
        references: The true counts, in the same order.

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "root mean square error")
    errors = _errors(predictions, references)
    return math.sqrt(math.fsum(error**2 for error in errors) / len(errors))


def _pairs(
    predictions: Sequence[float | None], references: Sequence[float]
) -> list[tuple[float | None, float]]:
    return list(zip(predictions, references, strict=True))


def _errors(
    predictions: Sequence[float | None], references: Sequence[float]
) -> list[float]:
    return [(p or 0) - r for p, r in _pairs(predictions, references)]
