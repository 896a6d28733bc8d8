"""Grounding metrics: one box asked for, one box given.

Boxes are :class:`~rsvlm.geometry.HBB` in raster pixels and IoU is continuous: a box
covers ``[x0, x1) x [y0, y1)``. The inclusive rule of some scorers (one pixel added to
each side) is not offered, because it depends on the unit of the coordinates.
"""

from collections.abc import Sequence

from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.geometry import HBB


def accuracy_at(
    predictions: Sequence[HBB | None], references: Sequence[HBB], threshold: float = 0.5
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

    Returns:
        Accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "accuracy")
    found = [overlap >= threshold for overlap in _ious(predictions, references)]
    return sum(found) / len(found)


def mean_iou(predictions: Sequence[HBB | None], references: Sequence[HBB]) -> float:
    """Return the mean IoU over all samples; a missing prediction has IoU 0.

    Args:
        predictions: One box a sample, raster pixels, None where none was read.
        references: The true boxes, in the same order.

    Returns:
        Mean IoU, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "mean IoU")
    overlaps = _ious(predictions, references)
    return sum(overlaps) / len(overlaps)


def cumulative_iou(
    predictions: Sequence[HBB | None], references: Sequence[HBB]
) -> float:
    """Return the summed intersections over the summed unions: large objects weigh more.

    A missing prediction shares nothing, and its reference enters the union.

    Args:
        predictions: One box a sample, raster pixels, None where none was read.
        references: The true boxes, in the same order.

    Returns:
        Cumulative IoU, in [0, 1].

    Raises:
        SettingsError: If there is no reference, the lengths differ, or no box has
            an area.
    """
    check_pairs(predictions, references, "cumulative IoU")
    shared = union = 0.0
    for prediction, reference in zip(predictions, references, strict=True):
        union += reference.area
        if prediction is not None:
            overlap = prediction.intersection(reference)
            shared += overlap
            union += prediction.area - overlap
    if not union:
        raise undefined("cumulative IoU", "boxes without area")
    return shared / union


def _ious(predictions: Sequence[HBB | None], references: Sequence[HBB]) -> list[float]:
    return [
        0.0 if prediction is None else prediction.iou(reference)
        for prediction, reference in zip(predictions, references, strict=True)
    ]
