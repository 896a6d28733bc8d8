"""COCO's average precision, without its cap of 100 detections an image.

Equal to pycocotools and faster-coco-eval with ``maxDets`` above the number of
detections, crowd regions aside. Their summary caps an image at 100 detections: 200
perfect boxes then have an AP of 0.505, and large images hold more objects than that.
As there, predictions of equal score count in the order in which they are listed.

Source:
    https://cocodataset.org/#detection-eval.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rsvlm.eval.metrics.assignment import greedy
from rsvlm.eval.metrics.checks import check_pairs
from rsvlm.eval.metrics.curves import rank
from rsvlm.eval.metrics.detection import by_class, ranking_of
from rsvlm.eval.metrics.overlaps import Floats
from rsvlm.eval.metrics.pool import Pool, candidates
from rsvlm.geometry import Region

#: IoU from 0.5 to 0.95 in steps of 0.05, by the expression that pycocotools uses.
THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
#: Areas of references, in square pixels, both ends included.
SIZES: dict[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


class CocoPrecision(NamedTuple):
    """COCO's AP: mean over ten thresholds and over the classes with references."""

    mean: float
    at_50: float
    at_75: float
    per_class: dict[str, float]


def coco_average_precision(
    predictions: Sequence[Sequence[Region]], references: Sequence[Sequence[Region]]
) -> CocoPrecision:
    """Return COCO's AP of regions of any shape.

    Args:
        predictions: The regions predicted in each image, raster pixels.
        references: The true regions of each image, in the same order of images.

    Returns:
        AP at IoU 0.5 to 0.95, at 0.5, at 0.75, and by label.

    Raises:
        SettingsError: If there is no reference at all, the lengths differ, or a
            confidence is not a number.
    """
    check_pairs(predictions, references, "COCO's AP")
    labels, ranking = ranking_of(predictions, references, THRESHOLDS, order="coco")
    return summary(ranking.interpolated(), labels)


def summary(values: Floats, labels: Sequence[str]) -> CocoPrecision:
    """Return what COCO prints of the AP of each threshold and label, shape (10, L).

    Raises:
        SettingsError: If no label has a reference.
    """
    per_class, mean = by_class(values.mean(axis=0).tolist(), labels, "COCO's AP")
    at_50, at_75 = (float(np.nanmean(values[row])) for row in (0, 5))
    return CocoPrecision(mean, at_50, at_75, per_class)


def by_size(predictions: Pool, references: Pool) -> dict[str, float | None]:
    """Return the AP of small, medium and large references; None where there are none.

    References of other sizes are neither asked for nor held against a prediction that
    finds them, and predictions of other sizes that find nothing are left out.

    Args:
        predictions: Predicted regions.
        references: True regions, whose surrounding boxes give the size.
    """
    pairs = candidates(predictions, references, THRESHOLDS[0])
    labels = 1 + max(side.label.max(initial=0) for side in (predictions, references))
    sides = [
        pool.bounds[:, 2:] - pool.bounds[:, :2] for pool in (predictions, references)
    ]
    given, true = (side.prod(axis=1) for side in sides)
    result: dict[str, float | None] = {}
    for name, (low, high) in SIZES.items():
        outside, ignored = ((area < low) | (area > high) for area in (given, true))
        # A reference that is asked for goes before any other, whatever the overlap.
        keys = [-pairs.reference, -pairs.iou, ignored[pairs.reference]]
        keys += [pairs.prediction, -predictions.score[pairs.prediction]]
        order = pairs.where(np.lexsort(keys))
        found = np.zeros((len(THRESHOLDS), len(predictions)), dtype=bool)
        judged = np.tile(~outside, (len(THRESHOLDS), 1))
        for right, counts, threshold in zip(found, judged, THRESHOLDS, strict=True):
            i, j, _ = order.where(order.iou >= threshold)
            taken = greedy(i, j)
            wanted = ~ignored[j[taken]]
            right[i[taken]] = wanted
            counts[i[taken]] = wanted
        asked = replace(
            references,
            image=references.image[~ignored],
            label=references.label[~ignored],
        )
        ranking = rank(predictions, asked, found, labels, judged)
        values = ranking.interpolated()
        result[name] = float(np.nanmean(values)) if len(asked) else None
    return result
