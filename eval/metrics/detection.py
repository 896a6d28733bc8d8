"""Detection metrics: average precision of regions of any shape.

AP is the area under the precision-recall curve after each precision is raised to the
best at any higher recall (the rule of VOC 2010 and of DOTA; not 11 points, not 101).
No number of detections per image is capped. Scores that are equal form **one** point
of the curve, so the order in which predictions are listed never matters: when all
scores are equal, as for language models without scores, AP is precision times recall.

COCO's AP is in :mod:`rsvlm.eval.metrics.coco`, and what can be said of boxes without
scores in :mod:`rsvlm.eval.metrics.unscored`. Matching one image alone (:func:`match`)
and pooling the results (:func:`pooled_average_precision`) gives the same numbers, and
lets images be resampled without geometry.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.curves import Ranking, rank
from rsvlm.eval.metrics.pool import Order, Pool, from_regions
from rsvlm.eval.metrics.pool import match as match_pools
from rsvlm.geometry import Region


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
    given, true = (_unlabelled(images) for images in (predictions, references))
    areas = rank(given, true, match_pools(given, true, (threshold,)), 1).areas()
    if np.isnan(areas).any():
        raise undefined("average precision", "0 references")
    return float(areas[0, 0])


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
    labels, ranking = ranking_of(predictions, references, (threshold,))
    return by_class(ranking.areas()[0].tolist(), labels)


def ranking_of(
    predictions: Sequence[Sequence[Region]],
    references: Sequence[Sequence[Region]],
    thresholds: Sequence[float],
    order: Order = "free",
) -> tuple[list[str], Ranking]:
    """Return the labels, and the predictions of each by falling score.

    Args:
        predictions: The regions predicted in each image, raster pixels.
        references: The true regions of each image, in the same order of images.
        thresholds: Smallest IoU of a match, in (0, 1].
        order: Who chooses first; see :mod:`rsvlm.eval.metrics.pool`.

    Raises:
        SettingsError: If a threshold or a confidence is not a usable number.
    """
    names: dict[str, int] = {}
    given, true = (from_regions(images, names) for images in (predictions, references))
    found = match_pools(given, true, thresholds, order=order)
    return list(names), rank(given, true, found, len(names))


def by_class(
    values: Sequence[float], labels: Sequence[str], metric: str = "mean AP"
) -> MeanAveragePrecision:
    """Return the value of each label, sorted by label, and their mean.

    Args:
        values: One value a label; NaN where the label has no reference.
        labels: The labels, in the same order.
        metric: What the values are, for the message.

    Raises:
        SettingsError: If no label has a reference.
    """
    pairs = sorted(zip(labels, values, strict=True))
    known = {label: value for label, value in pairs if not np.isnan(value)}
    if not known:
        raise undefined(metric, "0 references")
    return MeanAveragePrecision(known, sum(known.values()) / len(known))


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
    given, true = (_unlabelled([regions]) for regions in (predictions, references))
    found = match_pools(given, true, (threshold,))[0]
    return Matches(tuple(given.score.tolist()), tuple(found.tolist()), len(true))


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


def _unlabelled(images: Sequence[Sequence[Region]]) -> Pool:
    pool = from_regions(images, {})
    return replace(pool, label=np.zeros_like(pool.label))
