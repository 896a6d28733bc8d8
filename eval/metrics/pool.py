"""Regions of many images as columns, and their matches: what detection metrics share.

A metric of 100,000 boxes takes seconds only if no Python loop visits pairs of boxes.
A :class:`Pool` holds one row a region; :func:`candidates` finds the pairs that overlap
enough; :func:`match` chooses among them one to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.assignment import greedy
from rsvlm.eval.metrics.overlaps import (
    Floats,
    Geometries,
    Indices,
    box_overlaps,
    near_pairs,
    polygon_overlaps,
)
from rsvlm.eval.metrics.rotated import from_bounds
from rsvlm.eval.metrics.rotated import polygons as quad_polygons
from rsvlm.geometry import HBB, Mask, Region, Shape, iou

#: Who chooses first. ``free``: falling score, then falling IoU, then coordinates: the
#: order of listing never matters. ``coco``: falling score, then the order of listing;
#: of equal overlaps a prediction takes the reference listed last, as pycocotools.
Order = Literal["free", "coco"]


@dataclass(frozen=True)
class Pool:
    """Regions of many images, one row each, in the order of images and of listing.

    Attributes:
        image: Index of the image, shape (R,).
        label: Index of the label, shape (R,).
        score: Confidence, shape (R,).
        bounds: Surrounding boxes x0, y0, x1, y1, shape (R, 4), raster pixels.
        polygons: shapely polygons where shapes are not all horizontal boxes.
        shapes: The shapes themselves, where the pool was made of any but horizontal
            boxes.
    """

    image: Indices
    label: Indices
    score: Floats
    bounds: Floats
    polygons: Geometries | None = None
    shapes: tuple[Shape, ...] | None = None

    def __len__(self) -> int:
        return len(self.image)

    @property
    def holds_masks(self) -> bool:
        """Whether overlaps must be counted in pixels, pair by pair."""
        return self.shapes is not None and self.polygons is None

    def geometries(self) -> Geometries:
        """Return every region as a shapely polygon, shape (R,)."""
        if self.polygons is not None:
            return self.polygons
        return quad_polygons(from_bounds(self.bounds))[0]

    def keys(self, rows: Indices) -> list[NDArray[np.float64]]:
        """Return columns that order these rows whatever order they are listed in."""
        if self.polygons is not None:
            texts = [geometry.wkb_hex for geometry in self.polygons[rows]]
        elif self.shapes is not None:
            texts = [repr(self.shapes[row]) for row in rows]
        else:
            return list(self.bounds[rows].T)
        rank = {text: float(index) for index, text in enumerate(sorted(set(texts)))}
        return [np.array([rank[text] for text in texts])]


class Candidates(NamedTuple):
    """Pairs of one image and one label that overlap, and their IoU, shape (K,) each."""

    prediction: Indices
    reference: Indices
    iou: Floats

    def where(self, chosen: NDArray[Any]) -> "Candidates":
        """Return some of the pairs, by mask or by index."""
        return Candidates(
            self.prediction[chosen], self.reference[chosen], self.iou[chosen]
        )


def from_regions(images: Sequence[Sequence[Region]], labels: dict[str, int]) -> Pool:
    """Return the regions of each image as a pool.

    Args:
        images: Regions of each image, raster pixels.
        labels: Index of each label; labels that are not in it yet are added.

    Raises:
        SettingsError: If a confidence is not a number.
    """
    regions = [region for listed in images for region in listed]
    counts = [len(listed) for listed in images]
    shapes = tuple(region.shape for region in regions)
    boxes = [shape.hbb for shape in shapes]
    masks = any(isinstance(shape, Mask) for shape in shapes)
    upright = all(isinstance(shape, HBB) for shape in shapes)
    rows = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    return Pool(
        image=np.repeat(np.arange(len(images)), counts),
        label=label_indices([region.label for region in regions], labels),
        score=checked_scores([region.confidence for region in regions]),
        bounds=np.array(rows, dtype=float).reshape(-1, 4),
        polygons=None if upright or masks else _geometries(shapes),
        shapes=None if upright else shapes,
    )


def _geometries(shapes: Sequence[Shape]) -> Geometries:
    made = np.empty(len(shapes), dtype=object)
    made[:] = [shape.to_shapely() for shape in shapes]
    return made


def label_indices(names: Sequence[str], labels: dict[str, int]) -> Indices:
    """Return the index of each name; names that are new are added to ``labels``."""
    return np.fromiter(
        (labels.setdefault(name, len(labels)) for name in names),
        dtype=np.intp,
        count=len(names),
    )


def checked_scores(scores: Sequence[float]) -> Floats:
    """Return confidences as an array.

    Raises:
        SettingsError: If one is not a number.
    """
    array = np.array(scores, dtype=float)
    if np.isnan(array).any():
        raise SettingsError(
            "A confidence is not a number. Use 1.0 for regions without a score."
        )
    return array


def candidates(
    predictions: Pool,
    references: Pool,
    threshold: float,
    *,
    strict: bool = False,
    generalised: bool = False,
) -> Candidates:
    """Return the pairs of one image and one label that overlap enough.

    Args:
        predictions: Predicted regions.
        references: True regions; indices of images and labels as in ``predictions``.
        threshold: Smallest IoU, in (0, 1].
        strict: Leave out pairs that only reach the threshold.
        generalised: Compare generalised IoU, of polygons.

    Raises:
        SettingsError: If the threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise SettingsError(
            f"The IoU threshold {threshold} is not in (0, 1]. Use 0.5, the usual one."
        )
    width = 1 + max(side.label.max(initial=0) for side in (predictions, references))
    i, j = near_pairs(
        predictions.bounds,
        references.bounds,
        predictions.image * width + predictions.label,
        references.image * width + references.label,
    )
    overlap = _pair_ious(predictions, references, i, j, generalised)
    enough = overlap > threshold if strict else overlap >= threshold
    return Candidates(i, j, overlap).where(enough)


def _pair_ious(a: Pool, b: Pool, i: Indices, j: Indices, generalised: bool) -> Floats:
    if a.holds_masks or b.holds_masks:
        pairs = zip(_shapes(a, i), _shapes(b, j), strict=True)
        return np.array([iou(one, other) for one, other in pairs], dtype=float)
    if a.polygons is None and b.polygons is None and not generalised:
        return box_overlaps(a.bounds[i], b.bounds[j]).iou
    overlaps = polygon_overlaps(a.geometries()[i], b.geometries()[j], generalised)
    if generalised:
        return overlaps.shared / overlaps.union  # near pairs cover something
    return overlaps.iou


def _shapes(pool: Pool, rows: Indices) -> list[Shape]:
    if pool.shapes is not None:
        return [pool.shapes[row] for row in rows]
    return [HBB(*box) for box in pool.bounds[rows].tolist()]


def ranked(
    pairs: Candidates, predictions: Pool, references: Pool, order: Order
) -> Candidates:
    """Return the pairs in the order in which a greedy matching looks at them."""
    i, j, overlap = pairs
    score = predictions.score[i]
    if order == "coco":
        keys = [-j.astype(float), -overlap, i, -score]
    else:
        keys = [-overlap, -score]
        rows = np.lexsort(keys)
        same = (np.diff(overlap[rows]) == 0) & (np.diff(score[rows]) == 0)
        if same.any():
            columns = [*predictions.keys(i), *references.keys(j)]
            keys = [*columns[::-1], -overlap, -score]
    return pairs.where(np.lexsort(keys))


def match(
    predictions: Pool,
    references: Pool,
    thresholds: Sequence[float] = (0.5,),
    *,
    order: Order = "free",
    strict: bool = False,
    generalised: bool = False,
) -> NDArray[np.bool_]:
    """Return whether each prediction has a reference of its own.

    Matching is one to one within an image and a label; see :data:`Order`.

    Args:
        predictions: Predicted regions.
        references: True regions; indices of images and labels as in ``predictions``.
        thresholds: Smallest IoU of a match, in (0, 1], T of them.
        order: Who chooses first.
        strict: A match must exceed the threshold.
        generalised: Compare generalised IoU, of polygons.

    Returns:
        Matches at each threshold, shape (T, R).

    Raises:
        SettingsError: If a threshold is not in (0, 1].
    """
    pairs = candidates(
        predictions, references, min(thresholds), strict=strict, generalised=generalised
    )
    pairs = ranked(pairs, predictions, references, order)
    found = np.zeros((len(thresholds), len(predictions)), dtype=bool)
    for matched, threshold in zip(found, thresholds, strict=True):
        enough = pairs.iou > threshold if strict else pairs.iou >= threshold
        matched[:] = chosen(pairs.where(enough), len(predictions))
    return found


def chosen(pairs: Candidates, predictions: int) -> NDArray[np.bool_]:
    """Return which predictions a greedy matching of ranked pairs gives a reference.

    Args:
        pairs: Best pair first; see :func:`ranked`.
        predictions: Number of predictions, R.

    Returns:
        Whether each prediction has a reference, shape (R,).
    """
    found = np.zeros(predictions, dtype=bool)
    found[pairs.prediction[greedy(pairs.prediction, pairs.reference)]] = True
    return found
