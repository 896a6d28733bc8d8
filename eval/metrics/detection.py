"""Detection metrics: average precision of regions of any shape.

AP is the area under the precision-recall curve after each precision is raised to the
best at any higher recall (the rule of VOC 2010 and of DOTA; not 11 points, not 101).
No number of detections per image is capped. Scores that are equal form **one** point
of the curve, so the order in which predictions are listed never matters: when all
scores are equal, as for language models without scores, AP is precision times recall.

Matching is done image by image (:func:`match`) and the curve is made from the pooled
results (:func:`pooled_average_precision`), so that resampling images for an interval
costs no geometry.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.geometry import Region, iou


@dataclass(frozen=True, slots=True)
class Matches:
    """What the predictions of one image found.

    Attributes:
        scores: Confidence of each prediction.
        found: Whether each prediction has a reference of its own.
        references: Number of references in the image.
    """

    scores: tuple[float, ...]
    found: tuple[bool, ...]
    references: int


class MeanAveragePrecision(NamedTuple):
    """AP of each class that has references, and the mean of them."""

    per_class: dict[str, float]
    mean: float


def average_precision(
    predictions: Sequence[Sequence[Region]],
    references: Sequence[Sequence[Region]],
    threshold: float = 0.5,
) -> float:
    """Return the AP of regions, whatever their labels.

    Args:
        predictions: The regions predicted in each image, raster pixels.
        references: The true regions of each image, in the same order of images.
        threshold: Smallest IoU of a match, in (0, 1].

    Returns:
        AP, in [0, 1].

    Raises:
        SettingsError: If there is no reference at all, the lengths differ, or the
            threshold or a confidence is not a usable number.
    """
    check_pairs(predictions, references, "average precision")
    return pooled_average_precision(
        [
            match(given, true, threshold)
            for given, true in zip(predictions, references, strict=True)
        ]
    )


def mean_average_precision(
    predictions: Sequence[Sequence[Region]],
    references: Sequence[Sequence[Region]],
    threshold: float = 0.5,
) -> MeanAveragePrecision:
    """Return the AP of each label and the mean over the labels that have references.

    Labels are compared as they stand; bring synonyms to one name first
    (:func:`rsvlm.labels.canonical`). Predictions of a label without references have
    no recall to lower, so they leave the mean as it is.

    Args:
        predictions: The regions predicted in each image, raster pixels.
        references: The true regions of each image, in the same order of images.
        threshold: Smallest IoU of a match, in (0, 1].

    Returns:
        AP by label, sorted by label, and their mean.

    Raises:
        SettingsError: As :func:`average_precision`.
    """
    check_pairs(predictions, references, "mean average precision")
    return pooled_mean_average_precision(
        [
            match_by_label(given, true, threshold)
            for given, true in zip(predictions, references, strict=True)
        ]
    )


def match(
    predictions: Sequence[Region], references: Sequence[Region], threshold: float = 0.5
) -> Matches:
    """Match the predictions of one image to its references, one to one.

    By falling confidence, each prediction takes the free reference that it overlaps
    most (the rule of COCO). Among predictions of equal confidence the pair of largest
    IoU goes first; pairs of equal IoU are ordered by their coordinates.

    Args:
        predictions: Predicted regions, raster pixels.
        references: True regions, raster pixels.
        threshold: Smallest IoU of a match, in (0, 1].

    Returns:
        The matches, in the order of the predictions.

    Raises:
        SettingsError: If the threshold or a confidence is not a usable number.
    """
    if not 0 < threshold <= 1:
        raise SettingsError(
            f"The IoU threshold {threshold} is not in (0, 1]. Use 0.5, the usual one."
        )
    scores = tuple(float(region.confidence) for region in predictions)
    if np.isnan(scores).any():
        raise SettingsError(
            "A confidence is not a number. Use 1.0 for regions without a score."
        )
    names = [[repr(r.shape) for r in regions] for regions in (predictions, references)]
    pairs = []
    for i, j in _touching(predictions, references):
        overlap = iou(predictions[i].shape, references[j].shape)
        if overlap >= threshold:
            pairs.append((-scores[i], -overlap, names[0][i], names[1][j], i, j))
    found, taken = set[int](), set[int]()
    for *_, i, j in sorted(pairs):
        if i not in found and j not in taken:
            found.add(i)
            taken.add(j)
    hits = tuple(i in found for i in range(len(scores)))
    return Matches(scores, hits, len(references))


def match_by_label(
    predictions: Sequence[Region], references: Sequence[Region], threshold: float = 0.5
) -> dict[str, Matches]:
    """Match the regions of one image label by label; see :func:`match`."""
    labels = {region.label for region in (*predictions, *references)}
    return {
        label: match(
            [region for region in predictions if region.label == label],
            [region for region in references if region.label == label],
            threshold,
        )
        for label in sorted(labels)
    }


def pooled_average_precision(images: Iterable[Matches]) -> float:
    """Return the AP of the matches of many images.

    Raises:
        SettingsError: If the images hold no reference.
    """
    images = tuple(images)
    total = sum(image.references for image in images)
    if not total:
        raise undefined("average precision", "0 references")
    scores = np.array([score for image in images for score in image.scores])
    found = np.array([hit for image in images for hit in image.found], dtype=bool)
    _, block = np.unique(-scores, return_inverse=True)  # block 0: the highest score
    hits = np.cumsum(np.bincount(block, weights=found))
    precision = hits / np.cumsum(np.bincount(block))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(hits, prepend=0.0) * envelope) / total)


def pooled_mean_average_precision(
    images: Iterable[Mapping[str, Matches]],
) -> MeanAveragePrecision:
    """Return the AP of each label, and their mean, of the matches of many images.

    Raises:
        SettingsError: If the images hold no reference.
    """
    by_label: dict[str, list[Matches]] = {}
    for image in images:
        for label, matches in image.items():
            by_label.setdefault(label, []).append(matches)
    per_class = {
        label: pooled_average_precision(matches)
        for label, matches in sorted(by_label.items())
        if any(part.references for part in matches)
    }
    if not per_class:
        raise undefined("mean average precision", "0 references")
    return MeanAveragePrecision(per_class, sum(per_class.values()) / len(per_class))


def _touching(
    predictions: Sequence[Region], references: Sequence[Region]
) -> list[tuple[int, int]]:
    """Return the index pairs whose surrounding boxes overlap: the rest has IoU 0."""
    a, b = _bounds(predictions)[:, None], _bounds(references)[None]
    low = np.maximum(a[..., :2], b[..., :2])  # (P, R, 2)
    high = np.minimum(a[..., 2:], b[..., 2:])
    rows, columns = np.nonzero((high > low).all(axis=-1))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _bounds(regions: Sequence[Region]) -> NDArray[np.float64]:
    """Return x0, y0, x1, y1 of each region, shape (R, 4), raster pixels."""
    boxes = [region.shape.hbb for region in regions]
    rows = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    return np.array(rows, dtype=float).reshape(-1, 4)
