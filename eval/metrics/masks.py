"""Segmentation metrics: masks compared pixel by pixel at the raster's own size.

A missing prediction (``None``, an unreadable reply) has IoU 0 with everything. An
empty mask is an answer: it says that nothing is there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.overlaps import Floats, Overlaps
from rsvlm.geometry import Mask
from rsvlm.geometry import iou as shape_iou


def iou(a: Mask, b: Mask, both_empty: float = 0.0) -> float:
    """Return the intersection over union of two masks, in [0, 1].

    Args:
        a: A mask, anywhere in the raster.
        b: Another mask; its window may differ.
        both_empty: The value when neither mask has a pixel.
    """
    shared = _shared(a, b)
    union = a.area + b.area - shared
    return shared / union if union else both_empty


def areas(masks: Sequence[Mask | None]) -> Floats:
    """Return the number of set pixels of each mask, shape (N,); NaN where it is None."""
    return np.array([np.nan if m is None else m.area for m in masks], dtype=float)


def overlaps(
    predictions: Sequence[Mask | None], references: Sequence[Mask]
) -> Overlaps:
    """Return shared and covered pixels of each pair, shape (N,) each.

    A missing prediction shares nothing, and its reference is what is covered.

    Args:
        predictions: One mask a sample, None where none was read.
        references: The true masks, in the same order.
    """
    given, true = areas(predictions), areas(references)
    shared = [
        _shared(prediction, reference) if prediction is not None and pixels else 0.0
        for prediction, reference, pixels in zip(
            predictions, references, given * true, strict=True
        )
    ]
    both = np.array(shared, dtype=float)
    return Overlaps(both, np.nan_to_num(given) + true - both)


def ious(
    read: Sequence[bool] | NDArray[np.bool_], overlap: Overlaps, both_empty: float
) -> Floats:
    """Return the IoU of each pair, shape (N,).

    Args:
        read: Whether there is a prediction, empty or not.
        overlap: Of the predictions; see :func:`overlaps`.
        both_empty: The IoU of two empty masks; part of the protocol.
    """
    return np.where(np.array(read) & (overlap.union == 0), both_empty, overlap.iou)


def giou(
    predictions: Sequence[Mask | None],
    references: Sequence[Mask],
    both_empty: float = 1.0,
) -> float:
    """Return the mean over samples of the mask IoU (gIoU; not the "generalised" IoU).

    Source:
        gIoU of LISA, https://arxiv.org/abs/2308.00692: an empty mask for an empty
        reference is right. ``both_empty=0`` gives the mIoU of RMSIN,
        https://arxiv.org/abs/2312.12470.

    Args:
        predictions: One mask a sample, None where none was read.
        references: The true masks, in the same order; empty where there is no target.
        both_empty: The IoU of two empty masks; part of the protocol.

    Returns:
        Mean IoU, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "gIoU")
    return float(_ious(predictions, references, both_empty).mean())


def precision_at(
    predictions: Sequence[Mask | None],
    references: Sequence[Mask],
    threshold: float = 0.5,
    both_empty: float = 0.0,
) -> float:
    """Return the share of samples whose mask IoU is at least ``threshold`` (P@t).

    Source:
        RMSIN, https://arxiv.org/abs/2312.12470.

    Args:
        predictions: One mask a sample, None where none was read.
        references: The true masks, in the same order.
        threshold: Smallest IoU that counts, in (0, 1].
        both_empty: The IoU of two empty masks; part of the protocol.

    Returns:
        Share, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "P@t")
    return float((_ious(predictions, references, both_empty) >= threshold).mean())


def no_target_accuracy(
    predictions: Sequence[Mask | None], references: Sequence[Mask]
) -> float:
    """Return the share of samples without target whose mask is empty (N-acc).

    Args:
        predictions: One mask a sample, None where none was read: that is wrong.
        references: The true masks, in the same order.

    Returns:
        Share, in [0, 1].

    Raises:
        SettingsError: If every sample has a target, or the lengths differ.
    """
    check_pairs(predictions, references, "N-acc")
    asked = [
        prediction
        for prediction, reference in zip(predictions, references, strict=True)
        if not reference.area
    ]
    if not asked:
        raise undefined("N-acc", "0 samples without target")
    return sum(mask is not None and not mask.area for mask in asked) / len(asked)


def ciou(predictions: Sequence[Mask | None], references: Sequence[Mask]) -> float:
    """Return the summed intersections over the summed unions (cIoU, oIoU).

    A missing prediction shares nothing, and its reference enters the union. Without
    any pixel on either side the value is 0.

    Args:
        predictions: One mask a sample, None where none was read.
        references: The true masks, in the same order.

    Returns:
        Cumulative IoU, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "cIoU")
    shared, union = overlaps(predictions, references)
    return float(shared.sum() / union.sum()) if union.any() else 0.0


def _ious(
    predictions: Sequence[Mask | None], references: Sequence[Mask], both_empty: float
) -> Floats:
    read = [prediction is not None for prediction in predictions]
    return ious(read, overlaps(predictions, references), both_empty)


def _shared(a: Mask, b: Mask) -> float:
    """Return the number of common pixels."""
    if a.window == b.window:  # compared as they are coded
        from pycocotools import mask

        both: Any = mask.merge([_code(a), _code(b)], intersect=True)
        return float(mask.area(both))
    overlap = shape_iou(a, b)
    # IoU = S / (A + B - S), solved for S.
    return float(round(overlap * (a.area + b.area) / (1 + overlap)))


def _code(mask: Mask) -> dict[str, Any]:
    return {"counts": mask.counts, "size": list(mask.size)}
