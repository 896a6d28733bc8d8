"""Overlaps of many shapes at once: boxes in numpy, polygons in shapely's arrays.

Coordinates are raster pixels. The ``continuous`` rule is that of the project: a box
covers ``[x0, x1) x [y0, y1)``. The ``plus1`` rule counts the corner pixels as inside,
as VOC's scorer did; it depends on the unit of the coordinates and is here only to
repeat published numbers.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError

Rule = Literal["continuous", "plus1"]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
#: shapely geometries, dtype object.
Geometries = NDArray[Any]

#: Largest coordinate, in pixels, that may stand in a box of pixels and yet look like
#: one in 0-1: fractions a little above 1 are boxes that leave the image.
UNIT = 1.5
#: Candidate pairs held at a time: bounds memory where boxes crowd.
_CHUNK = 1 << 21
#: Sorting keys are made of coordinates clipped to this, so that they stay exact.
_FAR = 1e9


class Overlaps(NamedTuple):
    """Shared and covered area of each pair of shapes, shape (N,), square pixels."""

    shared: Floats
    union: Floats

    @property
    def iou(self) -> Floats:
        """Intersection over union, shape (N,), in [0, 1]; 0 where nothing is covered."""
        empty = self.union <= 0
        ratio = self.shared / np.where(empty, 1.0, self.union)
        return np.where(empty, 0.0, np.minimum(ratio, 1.0))


def box_overlaps(a: Floats, b: Floats, rule: Rule = "continuous") -> Overlaps:
    """Return the overlaps of boxes, pair by pair.

    A row of NaN is a missing box: it shares nothing and covers nothing.

    Args:
        a: x0, y0, x1, y1, shape (N, 4), pixels.
        b: Likewise.
        rule: ``plus1`` adds a pixel to every width and height.

    Raises:
        SettingsError: If ``plus1`` is asked of coordinates in 0-1, where a pixel is as
            large as the image.

    >>> box_overlaps(np.array([[0, 0, 10, 10.0]]), np.array([[5, 0, 15, 10.0]])).iou
    array([0.33333333])
    """
    extra = 0.0
    if rule == "plus1":
        extra = 1.0
        for side in (a, b):
            if in_unit(side):
                raise SettingsError(
                    f"The +1-pixel IoU got {len(side)} boxes with no coordinate above "
                    f"{UNIT}: in 0-1 it gives disjoint boxes an overlap. Map the boxes "
                    "to pixels of the image, or use iou: continuous."
                )
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    sides = np.maximum(high - low + extra, 0.0)  # (N, 2); NaN stays NaN
    shared = np.nan_to_num(sides[:, 0] * sides[:, 1])
    covered = [
        np.nan_to_num(np.prod(side[:, 2:] - side[:, :2] + extra, axis=1))
        for side in (a, b)
    ]
    return Overlaps(shared, covered[0] + covered[1] - shared)


def in_unit(boxes: Floats) -> bool:
    """Return whether there are boxes and no coordinate of them exceeds 1.5.

    Args:
        boxes: Coordinates, shape (N, ...); NaN stands for a missing box.
    """
    known = boxes[~np.isnan(boxes)]
    return bool(known.size) and float(known.max()) <= UNIT


def polygon_overlaps(
    a: Geometries, b: Geometries, generalised: bool = False
) -> Overlaps:
    """Return the overlaps of polygons, pair by pair.

    Args:
        a: Valid shapely polygons, shape (N,), pixels.
        b: Likewise.
        generalised: Take off the share of the convex hull that neither covers, as the
            generalised IoU does: ``shared`` becomes smaller, and may be negative.

    Source:
        Generalised IoU, https://arxiv.org/abs/1902.09630, with the convex hull as the
        enclosing shape.
    """
    import shapely

    shared = shapely.area(shapely.intersection(a, b))
    union = shapely.area(a) + shapely.area(b) - shared
    if generalised:
        points = shapely.geometrycollections(np.stack([a, b], axis=-1))
        hull = shapely.area(shapely.convex_hull(points))
        unused = np.divide(hull - union, hull, out=np.zeros(len(hull)), where=hull > 0)
        shared = shared - unused * union
    return Overlaps(shared, union)


def near_pairs(
    a: Floats, b: Floats, group_a: Indices, group_b: Indices
) -> tuple[Indices, Indices]:
    """Return the index pairs of one group whose boxes share an area.

    Boxes of a group are sorted along x, so that far ones are never compared.

    Args:
        a: Boxes, shape (N, 4), pixels, finite.
        b: Boxes, shape (M, 4), likewise.
        group_a: Group of each box of ``a``, from 0: an image, or a label in an image.
        group_b: Group of each box of ``b``.

    Returns:
        Indices into ``a`` and into ``b``, shape (K,) each.
    """
    parts = list(_near_parts(a, b, group_a, group_b)) if len(a) and len(b) else []
    empty = np.zeros(0, dtype=np.intp)
    if not parts:
        return empty, empty
    return np.concatenate([i for i, _ in parts]), np.concatenate([j for _, j in parts])


def _near_parts(
    a: Floats, b: Floats, group_a: Indices, group_b: Indices
) -> Iterator[tuple[Indices, Indices]]:
    ax, bx = (np.clip(side[:, ::2], -_FAR, _FAR) for side in (a, b))
    origin = min(ax.min(), bx.min())
    span = max(ax.max(), bx.max()) - origin + 1.0
    order = np.lexsort((bx[:, 0], group_b))
    keys = group_b[order] * span + (bx[order, 0] - origin)
    # Widest box of each group: nothing that starts further left can reach.
    reach = np.zeros(int(max(group_a.max(), group_b.max())) + 1)
    np.maximum.at(reach, group_b, bx[:, 1] - bx[:, 0])
    base = group_a * span
    slack = 8 * np.spacing(base.max() + 2 * span)
    left = np.maximum(ax[:, 0] - origin - reach[group_a], 0.0)
    first = np.searchsorted(keys, base + left - slack, side="left")
    last = np.searchsorted(keys, base + (ax[:, 1] - origin) + slack, side="right")
    counts = np.maximum(last - first, 0)
    ends = np.cumsum(counts)
    start = 0
    while start < len(a):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + _CHUNK, "right")), start + 1)
        part = slice(start, stop)
        i = np.repeat(np.arange(start, stop), counts[part])
        offsets = np.arange(len(i)) - np.repeat(
            ends[part] - counts[part] - before, counts[part]
        )
        j = order[np.repeat(first[part], counts[part]) + offsets]
        near = (
            (group_a[i] == group_b[j])
            & (np.minimum(a[i, 2], b[j, 2]) > np.maximum(a[i, 0], b[j, 0]))
            & (np.minimum(a[i, 3], b[j, 3]) > np.maximum(a[i, 1], b[j, 1]))
        )
        yield i[near], j[near]
        start = stop
