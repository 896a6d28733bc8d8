"""Shapes of samples and predictions as arrays: boxes, turned boxes, labels.

Boxes of predictions are raster pixels of the original image; whoever read the reply has
mapped them. Nothing is mapped, clipped or guessed here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.overlaps import Floats, Indices
from rsvlm.eval.metrics.pool import Pool, checked_scores, label_indices
from rsvlm.eval.metrics.rotated import Invalid, from_bounds, polygons
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import Polygon
from rsvlm.samples import Sample, Target

#: What boxes are compared as: the box around them, or their four corners.
Shape = Literal["hbb", "obb"]
#: ``canonical``: case, hyphens, underscores and CamelCase make no difference.
Names = Literal["canonical", "raw"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINTS = re.compile(r"[\s_-]+")


def boxes_of(prediction: Prediction) -> tuple[Box, ...]:
    """Return the boxes that can be scored: none where there is no reply."""
    return prediction.boxes if prediction.answered else ()


def is_read(prediction: Prediction) -> bool:
    """Return whether boxes, or words that may say that there are none, were read."""
    return prediction.answered and bool(prediction.boxes or prediction.parsed)


@dataclass(frozen=True)
class Listed:
    """Every box of a run of predictions, read once.

    Attributes:
        boxes: The boxes, in the order of predictions and of listing, B of them.
        corners: Their four corners, shape (B, 4, 2), pixels.
        owner: Index of the prediction of each, shape (B,).
        counts: Number of boxes of each prediction, shape (N,).
    """

    boxes: tuple[Box, ...]
    corners: Floats
    owner: Indices
    counts: Indices

    def first(self) -> Floats:
        """Return the first box of each prediction, (N, 4, 2); NaN where there is none.

        Scorers of single-box grounding read the first box.
        """
        corners = np.full((len(self.counts), 4, 2), np.nan)
        some = self.counts > 0
        corners[some] = self.corners[(np.cumsum(self.counts) - self.counts)[some]]
        return corners


def listed(predictions: Sequence[Prediction]) -> Listed:
    """Return the boxes of all predictions.

    Raises:
        SettingsError: If a box has neither two points nor four, or a coordinate is not
            a finite number.
    """
    groups = [boxes_of(prediction) for prediction in predictions]
    counts = np.array([len(group) for group in groups], dtype=np.intp)
    owner = np.repeat(np.arange(len(groups)), counts)
    boxes = tuple(chain.from_iterable(groups))
    points = [box.points for box in boxes]
    sizes = np.fromiter(map(len, points), np.intp, len(points))
    corners = np.empty((len(boxes), 4, 2))
    for size in (2, 4):
        rows = np.flatnonzero(sizes == size)
        chosen = points if len(rows) == len(points) else [points[row] for row in rows]
        flat = np.fromiter(
            chain.from_iterable(chain.from_iterable(chosen)),
            float,
            len(rows) * size * 2,
        )
        corners[rows] = (
            flat.reshape(-1, 4, 2) if size == 4 else _upright(flat.reshape(-1, 2, 2))
        )
    faults = (
        ((sizes != 2) & (sizes != 4), "has neither two points nor four"),
        (~np.isfinite(corners).all(axis=(1, 2)), "has a coordinate that is not finite"),
    )
    for wrong, fault in faults:
        if wrong.any():
            name = predictions[int(owner[wrong][0])].id
            raise SettingsError(
                f"A box of prediction {name!r} {fault}. Give two corners of a "
                "horizontal box, or the four of a turned one, in pixels of the image."
            )
    return Listed(boxes, corners, owner, counts)


def _upright(points: Floats) -> Floats:
    """Return four corners of boxes given by two opposite ones, shape (N, 2, 2)."""
    low, high = np.minimum(*points.swapaxes(0, 1)), np.maximum(*points.swapaxes(0, 1))
    return from_bounds(np.hstack([low, high]))


def bounds_of(corners: Floats) -> Floats:
    """Return the box around each four corners (N, 4, 2), shape (N, 4), pixels."""
    points = np.ascontiguousarray(corners.transpose(1, 2, 0))  # long rows are faster
    low, high = points.min(axis=0), points.max(axis=0)  # (2, N) each
    return np.ascontiguousarray(np.concatenate([low, high]).T)


def single_targets(samples: Sequence[Sample], shape: Shape) -> Floats:
    """Return the corners of the one target of each sample, shape (N, 4, 2), pixels.

    Args:
        samples: Samples with one target each.
        shape: ``obb`` takes the four corners of targets that have them, else the
            smallest rectangle around their polygons.

    Raises:
        SettingsError: If a sample has no target, or several.
    """
    for sample in samples:
        if len(sample.targets) != 1:
            raise SettingsError(
                f"Sample {sample.id!r} has {len(sample.targets)} targets, and grounding "
                "compares one box with one. Use the metric multi_reference."
            )
    return _target_corners(samples, shape)[0]


def _target_corners(samples: Sequence[Sample], shape: Shape) -> tuple[Floats, Indices]:
    """Return the corners of every target, (N, 4, 2), and the index of its sample."""
    targets = [target for sample in samples for target in sample.targets]
    owner = np.repeat(np.arange(len(samples)), [len(s.targets) for s in samples])
    bounds = np.array([t.hbb for t in targets], dtype=float).reshape(-1, 4)
    corners = from_bounds(bounds)
    for row, target in enumerate(targets if shape == "obb" else ()):
        if len(target.polygons) == 1 and len(target.polygons[0]) == 8:
            corners[row] = np.reshape(target.polygons[0], (4, 2))
        elif target.polygons:
            corners[row] = _rectangle_around(target)
    return corners, owner


def _rectangle_around(target: Target) -> Floats:
    """Return the corners of the smallest rectangle around the polygons, (4, 2)."""
    points = np.concatenate([np.reshape(flat, (-1, 2)) for flat in target.polygons])
    ring = Polygon(tuple((float(x), float(y)) for x, y in points))
    return np.array(ring.min_area_obb().corners)


def reference_pool(
    samples: Sequence[Sample],
    labels: dict[str, int] | None,
    shape: Shape,
    names: Names = "canonical",
) -> Pool:
    """Return the targets of samples; ``image`` is the index of the sample.

    Args:
        samples: The samples.
        labels: Index of each label, grown in place; None: labels make no difference.
        shape: As :func:`single_targets`.
        names: Which labels are the same.
    """
    corners, owner = _target_corners(samples, shape)
    found = [target.label for sample in samples for target in sample.targets]
    return _pool(corners, owner, found, np.ones(len(owner)), labels, shape, names)[0]


def prediction_pool(
    boxes: Listed,
    labels: dict[str, int] | None,
    shape: Shape,
    names: Names = "canonical",
    invalid: Invalid = "resort",
) -> tuple[Pool, NDArray[np.bool_]]:
    """Return the boxes of replies, and which of them had corners out of order.

    Args:
        boxes: The boxes of the replies; failed ones have none.
        labels: Index of each label, grown in place; None: labels make no difference.
        shape: ``hbb`` takes the box around turned ones.
        names: Which labels are the same.
        invalid: What becomes of corners that form no quadrilateral.

    Raises:
        SettingsError: If a score is not a number.
    """
    scores = checked_scores([box.score for box in boxes.boxes])
    found = [box.label for box in boxes.boxes]
    return _pool(
        boxes.corners, boxes.owner, found, scores, labels, shape, names, invalid
    )


def whole_images(samples: Sequence[Sample], shape: Shape) -> Pool:
    """Return one unlabelled box a sample: its whole image."""
    images = [sample.images[0] for sample in samples]
    bounds = [(0.0, 0.0, float(image.width), float(image.height)) for image in images]
    owner, scores = np.arange(len(images)), np.ones(len(images))
    corners = from_bounds(np.array(bounds))
    return _pool(corners, owner, [], scores, None, shape, "raw")[0]


def _pool(
    corners: Floats,
    owner: Indices,
    found: Sequence[str],
    scores: Floats,
    labels: dict[str, int] | None,
    shape: Shape,
    names: Names,
    invalid: Invalid = "resort",
) -> tuple[Pool, NDArray[np.bool_]]:
    if labels is None:
        label = np.zeros(len(owner), dtype=np.intp)
    else:
        tidy = {
            name: tidied(name) if names == "canonical" else name for name in {*found}
        }
        label = label_indices([tidy[name] for name in found], labels)
    made, bad = None, np.zeros(len(owner), dtype=bool)
    if shape == "obb":
        made, bad = polygons(corners, invalid)
    return Pool(owner, label, scores, bounds_of(corners), made), bad


def tidied(label: str) -> str:
    """Return a label in lower case with single spaces.

    >>> tidied("StorageTank"), tidied("storage-tank"), tidied(" Storage_tank ")
    ('storage tank', 'storage tank', 'storage tank')
    """
    return _JOINTS.sub(" ", _CAMEL.sub(" ", label)).strip().lower()
