"""Grounding metrics: one box asked for, one box given.

Boxes are :class:`~rsvlm.geometry.HBB` in raster pixels and IoU is continuous: a box
covers ``[x0, x1) x [y0, y1)``. The inclusive rule of some scorers (one pixel added to
each side) is refused for coordinates in 0-1; see :mod:`rsvlm.eval.metrics.overlaps`,
which holds the arithmetic.
"""

from collections.abc import Sequence

import numpy as np

from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.overlaps import Floats, Overlaps, Rule, box_overlaps
from rsvlm.geometry import HBB

#: IoU at which accuracy is drawn over the threshold.
THRESHOLDS: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 20))


def accuracy_at(
    predictions: Sequence[HBB | None],
    references: Sequence[HBB],
    threshold: float = 0.5,
    rule: Rule = "continuous",
    strict: bool = False,
) -> float:
    """Return the share of references found with an IoU of at least ``threshold``.

    A missing prediction (``None``, an unreadable reply) counts as wrong: leaving it
    out would reward a model for refusing.

    Source:
        Pr@0.5 of DIOR-RSVG, https://arxiv.org/abs/2210.12634.

    Args:
        predictions: One box a sample, raster pixels, None where none was read.
        references: The true boxes, in the same order.
        threshold: Smallest IoU that counts as found, in (0, 1].
        rule: How areas are counted.
        strict: IoU must exceed the threshold.

    Returns:
        Accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no reference, the lengths differ, or ``plus1`` is
            asked of boxes in 0-1.
    """
    check_pairs(predictions, references, "accuracy")
    overlap = overlaps(predictions, references, rule).iou
    return float(np.mean(reaches(overlap, threshold, strict)))


def mean_iou(
    predictions: Sequence[HBB | None],
    references: Sequence[HBB],
    rule: Rule = "continuous",
) -> float:
    """Return the mean IoU over all samples; a missing prediction has IoU 0.

    Args:
        predictions: One box a sample, raster pixels, None where none was read.
        references: The true boxes, in the same order.
        rule: How areas are counted.

    Returns:
        Mean IoU, in [0, 1].

    Raises:
        SettingsError: As :func:`accuracy_at`.
    """
    check_pairs(predictions, references, "mean IoU")
    return float(np.mean(overlaps(predictions, references, rule).iou))


def cumulative_iou(
    predictions: Sequence[HBB | None],
    references: Sequence[HBB],
    rule: Rule = "continuous",
    drop_unparsed: bool = False,
) -> float:
    """Return the summed intersections over the summed unions: large objects weigh more.

    A missing prediction shares nothing, and its reference enters the union.

    Args:
        predictions: One box a sample, raster pixels, None where none was read.
        references: The true boxes, in the same order.
        rule: How areas are counted.
        drop_unparsed: Leave missing predictions out of both sums, as VRSBench's scorer
            does; a model is then rewarded for refusing.

    Returns:
        Cumulative IoU, in [0, 1].

    Raises:
        SettingsError: As :func:`accuracy_at`, or if no box has an area.
    """
    check_pairs(predictions, references, "cumulative IoU")
    shared, union = overlaps(predictions, references, rule)
    if drop_unparsed:
        read = np.array([box is not None for box in predictions])
        shared, union = shared[read], union[read]
    if not union.sum():
        raise undefined("cumulative IoU", "boxes without area")
    return float(shared.sum() / union.sum())


def overlaps(
    predictions: Sequence[HBB | None],
    references: Sequence[HBB],
    rule: Rule = "continuous",
) -> Overlaps:
    """Return shared and covered area of each pair; a missing box shares nothing.

    Raises:
        SettingsError: If ``plus1`` is asked of boxes in 0-1.
    """
    return box_overlaps(_rows(predictions), _rows(references), rule)


def reaches(overlap: Floats, threshold: float, strict: bool = False) -> Floats:
    """Return 1 where an IoU counts as found and 0 elsewhere, shape (N,).

    Args:
        overlap: IoU, shape (N,).
        threshold: Smallest IoU that counts.
        strict: IoU must exceed the threshold.
    """
    found = overlap > threshold if strict else overlap >= threshold
    return np.asarray(found, dtype=float)


def accuracy_over_thresholds(
    overlap: Floats, strict: bool = False
) -> dict[str, list[float]]:
    """Return accuracy at each of :data:`THRESHOLDS`, for a plot."""
    accuracy = [float(reaches(overlap, t, strict).mean()) for t in THRESHOLDS]
    return {"thresholds": list(THRESHOLDS), "accuracy": accuracy}


def _rows(boxes: Sequence[HBB | None]) -> Floats:
    """Return x0, y0, x1, y1 of each box, NaN where there is none, shape (N, 4)."""
    missing = (float("nan"),) * 4
    rows = [
        missing if box is None else (box.x0, box.y0, box.x1, box.y1) for box in boxes
    ]
    return np.array(rows, dtype=float).reshape(-1, 4)
