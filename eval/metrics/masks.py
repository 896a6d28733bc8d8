"""Segmentation metrics: masks compared pixel by pixel at the raster's own size.

A missing prediction (``None``, an unreadable reply) has IoU 0 with everything. An
empty mask is an answer: it says that nothing is there.
"""

from collections.abc import Sequence

from rsvlm.eval.metrics.checks import check_pairs
from rsvlm.geometry import Mask
from rsvlm.geometry import iou as shape_iou


def iou(a: Mask, b: Mask, both_empty: float = 0.0) -> float:
    """Return the intersection over union of two masks, in [0, 1].

    Args:
        a: A mask, anywhere in the raster.
        b: Another mask; its window may differ.
        both_empty: The value when neither mask has a pixel.
    """
    return shape_iou(a, b) if a.area or b.area else both_empty


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
    overlaps = [
        0.0 if prediction is None else iou(prediction, reference, both_empty)
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return sum(overlaps) / len(overlaps)


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
    shared = union = 0.0
    for prediction, reference in zip(predictions, references, strict=True):
        union += reference.area
        if prediction is not None:
            overlap = _shared(prediction, reference)
            shared += overlap
            union += prediction.area - overlap
    return shared / union if union else 0.0


def _shared(a: Mask, b: Mask) -> int:
    """Return the number of common pixels: IoU = S / (A + B - S), solved for S."""
    overlap = iou(a, b)
    return round(overlap * (a.area + b.area) / (1 + overlap))
