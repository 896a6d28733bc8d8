"""Calibration: whether confidences mean what they say, and what abstaining would gain.

Confidences and outcomes come as arrays; ties in confidence are taken together, so that
the order of the samples changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs

Floats = NDArray[np.float64]
Values = Sequence[float] | Floats
Edges = Literal["width", "mass"]


@dataclass(frozen=True)
class Reliability:
    """Mean confidence and accuracy of the samples in each bin that holds any.

    Attributes:
        confidence: Mean confidence, shape (B,).
        accuracy: Share that is right, shape (B,).
        count: Number of samples, shape (B,).
    """

    confidence: Floats
    accuracy: Floats
    count: NDArray[np.int64]


def reliability(
    confidence: Values, correct: Values, bins: int = 10, edges: Edges = "width"
) -> Reliability:
    """Sort samples into bins of confidence.

    Args:
        confidence: Confidence of each sample, 0 to 1.
        correct: Whether it is right: 0, 1, or a score between.
        bins: Number of bins.
        edges: ``width``: equal parts of 0..1, the upper edge included. ``mass``: as
            equal in number as ties allow.

    Raises:
        SettingsError: If there is no sample, the lengths differ, a confidence is not
            in 0..1, or there is no bin.
    """
    sure, right = _checked(confidence, correct)
    if bins < 1:
        raise SettingsError(f"{bins} bins hold nothing. Use 10.")
    if edges == "width":
        # The margin keeps 0.3 in the bin that ends at 0.3: 0.3 * 10 is above 3.
        number = np.ceil(sure * bins - 1e-9).astype(np.int64) - 1
        number = np.clip(number, 0, bins - 1)
    else:
        # The middle rank of a block of ties, so that ties share a bin.
        ranked = np.sort(sure)
        first = np.searchsorted(ranked, sure, side="left")
        last = np.searchsorted(ranked, sure, side="right") - 1
        number = (first + last) * bins // (2 * len(sure))
    count = np.bincount(number, minlength=bins)
    held = count > 0
    sums = (np.bincount(number, weights=v, minlength=bins) for v in (sure, right))
    mean_sure, accuracy = (total[held] / count[held] for total in sums)
    return Reliability(mean_sure, accuracy, count[held])


def expected_calibration_error(
    confidence: Values, correct: Values, bins: int = 10, edges: Edges = "width"
) -> float:
    """Return the expected calibration error (ECE): mean gap of bins, by their size.

    Source:
        Guo, Pleiss, Sun, Weinberger, 2017, https://arxiv.org/abs/1706.04599.

    Args:
        confidence: Confidence of each sample, 0 to 1.
        correct: Whether it is right: 0, 1, or a score between.
        bins: Number of bins.
        edges: How bins are cut; see :func:`reliability`.

    Raises:
        SettingsError: As :func:`reliability`.

    >>> expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 0, 0])
    0.4
    """
    table = reliability(confidence, correct, bins, edges)
    gaps = np.abs(table.confidence - table.accuracy)
    return float((gaps * table.count).sum() / table.count.sum())


def brier(confidence: Values, correct: Values) -> float:
    """Return the Brier score: mean squared distance of confidence and outcome.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or a confidence is
            not in 0..1.

    >>> brier([1.0, 0.5], [1, 0])
    0.125
    """
    sure, right = _checked(confidence, correct)
    return float(((sure - right) ** 2).mean())


def risk_coverage(confidence: Values, correct: Values) -> tuple[Floats, Floats]:
    """Return the error among the k most confident answers, for every k.

    Inside a block of ties errors are spread evenly: any order of it is as likely.

    Source:
        Geifman and El-Yaniv, 2017, https://arxiv.org/abs/1705.08500.

    Args:
        confidence: Confidence of each sample, 0 to 1.
        correct: Whether it is right: 0, 1, or a score between.

    Returns:
        Coverage k / n and risk, shapes (n,), for k = 1 to n.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or a confidence is
            not in 0..1.
    """
    sure, right = _checked(confidence, correct)
    _, block, size = np.unique(-sure, return_inverse=True, return_counts=True)
    errors = np.bincount(block, weights=1 - right) / size  # mean error of each block
    steps = np.arange(1, len(sure) + 1)
    return steps / len(sure), np.cumsum(np.repeat(errors, size)) / steps


def area_under_risk_coverage(confidence: Values, correct: Values) -> float:
    """Return the area under the risk-coverage curve (AURC): mean risk over k.

    Confidence that says nothing gives the error rate; 0 is reached only without errors.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or a confidence is
            not in 0..1.

    >>> area_under_risk_coverage([0.9, 0.1], [1, 0])  # (0 + 1/2) / 2
    0.25
    """
    return float(risk_coverage(confidence, correct)[1].mean())


def coverage_at_risk(confidence: Values, correct: Values, risk: float) -> float:
    """Return the largest share of answers that can be given at that error rate.

    Only whole blocks of ties can be given: a threshold cannot split them.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or a confidence is
            not in 0..1.
    """
    sure, right = _checked(confidence, correct)
    levels, block, size = np.unique(-sure, return_inverse=True, return_counts=True)
    errors = np.cumsum(np.bincount(block, weights=1 - right, minlength=len(levels)))
    given = np.cumsum(size)
    low = errors <= risk * given + 1e-9
    return float(given[low].max() / len(sure)) if low.any() else 0.0


def _checked(confidence: Values, correct: Values) -> tuple[Floats, Floats]:
    check_pairs(range(len(confidence)), range(len(correct)), "calibration")
    sure = np.asarray(confidence, dtype=np.float64)
    wrong = ~((sure >= 0) & (sure <= 1))  # catches NaN as well
    if wrong.any():
        raise SettingsError(
            f"The confidence {sure[wrong][0]} is not in 0..1. Give probabilities, not "
            "logits or percentages."
        )
    return sure, np.asarray(correct, dtype=np.float64)
