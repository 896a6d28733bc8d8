"""Shapes, regions and windows in image space.

All coordinates are pixels of the full-resolution raster. The origin is the outer
corner of the top-left pixel, x grows to the right and y grows downward, so a box
covers ``[x0, x1) x [y0, y1)`` and a one-pixel box has area 1. A
:class:`Window` is the only place that maps rendered pixels to raster pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar, cast

import numpy as np

from rsvlm.masks import Mask
from rsvlm.shapes import HBB, OBB, Point, Polygon, Ring

__all__ = [
    "HBB",
    "OBB",
    "Mask",
    "Point",
    "Polygon",
    "Region",
    "Ring",
    "Shape",
    "Window",
    "intersection_area",
    "iou",
    "nms",
]

Shape = HBB | OBB | Polygon | Mask
_S = TypeVar("_S", bound=Shape)


@dataclass(frozen=True, slots=True)
class Region:
    """A shape in raster pixels, what it shows, and how sure that is.

    Attributes:
        shape: Where it is, in raster pixels.
        label: What it is, in words.
        confidence: In [0, 1].
        image: Index of the raster in the question.
    """

    shape: Shape
    label: str = ""
    confidence: float = 1.0
    image: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Rectangle of a raster together with the size it was rendered at.

    A model sees ``width x height`` pixels; this is the only place that knows how
    those pixels sit in the raster.
    """

    box: HBB
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1 or not self.box.area:
            raise ValueError(f"a window holds at least one pixel: {self}")

    @classmethod
    def whole(cls, width: int, height: int, view_w: int, view_h: int) -> Self:
        """Return the window of a whole raster rendered at ``view_w x view_h``."""
        return cls(HBB(0, 0, width, height), view_w, view_h)

    @property
    def scale(self) -> tuple[float, float]:
        """Raster pixels per rendered pixel along x and y."""
        return self.box.width / self.width, self.box.height / self.height

    def to_raster(self, shape: _S) -> _S:
        """Map a shape from rendered pixels to raster pixels."""
        sx, sy = self.scale
        return cast(_S, shape.scale(sx, sy, self.box.x0, self.box.y0))

    def to_view(self, shape: _S) -> _S:
        """Map a shape from raster pixels to rendered pixels."""
        sx, sy = self.width / self.box.width, self.height / self.box.height
        return cast(_S, shape.scale(sx, sy, -self.box.x0 * sx, -self.box.y0 * sy))


def intersection_area(a: Shape, b: Shape) -> float:
    """Return the area that two shapes share, in square pixels."""
    if not a.hbb.intersection(b.hbb):
        return 0.0
    if isinstance(a, HBB) and isinstance(b, HBB):
        return a.intersection(b)
    if isinstance(a, Mask) and isinstance(b, Mask):
        return _shared_pixels(a, b)
    return float(a.to_shapely().intersection(b.to_shapely()).area)


def iou(a: Shape, b: Shape) -> float:
    """Return the intersection over union of two shapes, in [0, 1].

    Two empty shapes have IoU 0.
    """
    shared = intersection_area(a, b)
    # Rounding in the intersection of polygons must not push a ratio above 1.
    return min(1.0, shared / (a.area + b.area - shared)) if shared else 0.0


def nms(
    regions: Sequence[Region], threshold: float = 0.5, by_label: bool = True
) -> list[Region]:
    """Keep the surest of every group of overlapping regions.

    Args:
        regions: Candidates; those of different images never compete.
        threshold: A region goes when its IoU with a surer one is above this. The IoU
            is that of the shapes, so rotated boxes compete by rotated IoU.
        by_label: Let regions of different labels overlap.

    Returns:
        The regions that stay, by falling confidence; ties keep their order.
    """
    ranked = sorted(regions, key=lambda region: -region.confidence)
    groups: dict[tuple[int, str], list[int]] = {}
    for index, region in enumerate(ranked):
        key = (region.image, region.label if by_label else "")
        groups.setdefault(key, []).append(index)
    kept = [
        members[i]
        for members in groups.values()
        for i in _survivors([ranked[m].shape for m in members], threshold)
    ]
    return [ranked[index] for index in sorted(kept)]


def _survivors(shapes: Sequence[Shape], threshold: float) -> list[int]:
    """Return the indices that greedy suppression keeps; the best shape is first."""
    x0, y0, x1, y1 = np.array(
        [[s.hbb.x0, s.hbb.y0, s.hbb.x1, s.hbb.y1] for s in shapes], dtype=float
    ).T.copy()  # (N,) each; contiguous columns are several times faster
    areas = (x1 - x0) * (y1 - y0)
    turned = np.array([not isinstance(s, HBB) for s in shapes])
    alive, kept = np.arange(len(shapes)), []
    while alive.size:
        best, alive = alive[0], alive[1:]
        kept.append(int(best))
        width = np.minimum(x1[alive], x1[best]) - np.maximum(x0[alive], x0[best])
        height = np.minimum(y1[alive], y1[best]) - np.maximum(y0[alive], y0[best])
        near = np.flatnonzero((width > 0) & (height > 0))
        shared, rivals = width[near] * height[near], alive[near]
        overlap = shared / (areas[rivals] + areas[best] - shared)
        for i in np.flatnonzero(turned[rivals] | turned[best]):
            overlap[i] = iou(shapes[best], shapes[rivals[i]])
        alive = np.delete(alive, near[overlap > threshold])
    return kept


def _shared_pixels(a: Mask, b: Mask) -> float:
    """Return the number of pixels that are set in both masks."""
    x0, y0 = max(a.window.x0, b.window.x0), max(a.window.y0, b.window.y0)
    x1, y1 = min(a.window.x1, b.window.x1), min(a.window.y1, b.window.y1)
    parts = [
        mask.to_array()[
            int(y0 - mask.window.y0) : int(y1 - mask.window.y0),
            int(x0 - mask.window.x0) : int(x1 - mask.window.x0),
        ]
        for mask in (a, b)
    ]
    return float(np.count_nonzero(parts[0] & parts[1]))
