"""Grids of pixels on the Earth: how one lies in another, and sampling through both.

:mod:`rsvlm.registration` compares the rasters of a question with it, and
:mod:`rsvlm.changes` brings two dates onto one grid.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB, Polygon
from rsvlm.georeference import GeoReference
from rsvlm.shapes import polygonal

#: Points along each edge of an outline that is mapped; edges may come out curved.
EDGE = 32
#: Error of interpolated positions that is accepted, in pixels.
TOLERANCE = 0.02
#: Points, shape (N, 2) -> where they are in another frame, shape (N, 2).
PointMap = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Grid:
    """Size and place of the pixels of a raster.

    .. versionadded:: 0.1
    """

    name: str
    width: int
    height: int
    georeference: GeoReference | None = None

    @property
    def whole(self) -> HBB:
        """The box of all pixels."""
        return HBB(0, 0, self.width, self.height)

    @property
    def gsd(self) -> float | None:
        """True size of the central pixel in metres, where known."""
        place = self.georeference
        return place.gsd_m(self.width, self.height) if place else None

    @property
    def area_m2(self) -> float:
        """Ground area in square metres; infinite where it has no outline."""
        place = self.georeference
        area = place.area_m2(self.whole) if place else None
        return math.inf if area is None else area

    def onto(self, other: "Grid", points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map pixels to those of another grid through the ground.

        Args:
            other: The grid that they are wanted in.
            points: x and y in pixels of this grid, shape (N, 2).

        Returns:
            x and y in pixels of the other grid, shape (N, 2), also beyond its border;
            nan where there is no way.
        """
        if self.georeference is None or other.georeference is None:
            return np.full_like(points, np.nan)
        middle = other.width / 2, other.height / 2
        return self.georeference.onto(other.georeference, points, middle)

    def same_as(self, other: "Grid", tolerance: float) -> bool:
        """Say whether every pixel of one is the same pixel of the other.

        Args:
            other: Another grid with a place on the Earth.
            tolerance: How far the corners may lie apart, in pixels.
        """
        a, b = self.georeference, other.georeference
        if not a or not b or (self.width, self.height) != (other.width, other.height):
            return False
        corners = np.array(self.whole.corners, dtype=float)
        miss = np.abs(self.onto(other, corners) - corners).max()
        return a.shares_crs(b) and bool(miss < tolerance)


def overlap(one: Grid, other: Grid) -> tuple[Polygon, Polygon] | None:
    """Return the part of the ground that two grids share, in pixels of each.

    Of an overlap in several parts the largest is taken; less than about a pixel of the
    finer grid is none.
    """
    # The outline of the smaller one stays inside the domain of the larger one's CRS,
    # which need not hold the other way round.
    if one.area_m2 > other.area_m2:
        found = overlap(other, one)
        return (found[1], found[0]) if found else None
    ring = _finite(one.onto(other, outline(one.whole, EDGE)))
    if ring is None:
        return None
    pixel = polygonal(ring).area / (one.width * one.height)
    shared = _largest(ring, other.whole, 0.5 * min(1.0, pixel))
    if shared is None:
        return None
    back = _finite(other.onto(one, _dense(shared)))
    part = None if back is None else _largest(back, one.whole, 0.0)
    return (part, shared) if part else None


def gap_m(one: Grid, other: Grid) -> float:
    """Return the least ground distance between two outlines in metres; nan unknown."""
    from pyproj import Geod

    rings = []
    for grid in (one, other):
        place = grid.georeference
        ring = _finite(place.lonlat(outline(grid.whole, EDGE))) if place else None
        if ring is None:
            return math.nan
        rings.append(ring)
    a, b = rings
    pairs = np.hstack([np.repeat(a, len(b), axis=0), np.tile(b, (len(a), 1))])
    return float(Geod(ellps="WGS84").inv(*pairs.T)[2].min())


def outline(box: HBB, pieces: int) -> NDArray[np.float64]:
    """Return points along the edges of a box, clockwise, shape (4 * pieces, 2)."""
    corners = np.array(box.corners, dtype=float)
    steps = np.roll(corners, -1, axis=0) - corners
    along = np.arange(pieces)[None, :, None] / pieces
    points: NDArray[np.float64] = corners[:, None] + steps[:, None] * along
    return points.reshape(-1, 2)


def crossings(
    function: PointMap, columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evaluate a smooth map at every crossing of columns and rows.

    It is computed on a coarse lattice, which becomes finer until interpolation misses
    the true value between the nodes by no more than ``TOLERANCE``.

    Args:
        function: The map.
        columns: x of each column, rising, shape (W,).
        rows: y of each row, rising, shape (H,).

    Returns:
        Mapped x and y, shape (H, W, 2).
    """
    nodes = 5
    while True:
        xs, ys = (_spread(values, nodes) for values in (columns, rows))
        lattice = _evaluated(function, xs, ys)
        if len(xs) == len(columns) and len(ys) == len(rows):
            return lattice
        mid_x, mid_y = (v[:-1] + np.diff(v) / 2 if len(v) > 1 else v for v in (xs, ys))
        guess = _bilinear(lattice, xs, ys, mid_x, mid_y)
        miss = np.abs(_evaluated(function, mid_x, mid_y) - guess).max()
        if miss <= TOLERANCE:  # not so where it is nan
            return _bilinear(lattice, xs, ys, columns, rows)
        nodes = 4 * nodes - 3


def nearest(pixels: NDArray[Any], at: NDArray[np.float64], fill: Any) -> NDArray[Any]:
    """Return the pixels that hold positions.

    Args:
        pixels: Shape (h, w).
        at: x and y, shape (H, W, 2); nan lies outside.
        fill: What lies outside.

    Returns:
        Shape (H, W).
    """
    height, width = pixels.shape
    column, row = (
        np.floor(np.where(np.isfinite(v), v, -1.0)).clip(-1, size).astype(np.int64)
        for v, size in ((at[..., 0], width), (at[..., 1], height))
    )
    padded = np.pad(pixels, 1, constant_values=fill)
    out: NDArray[Any] = padded[row + 1, column + 1]
    return out


def bilinear(values: NDArray[Any], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate between the middles of pixels.

    Args:
        values: Shape (B, h, w); nan where there is none, which spreads by a pixel.
        at: x and y, shape (H, W, 2).

    Returns:
        Shape (B, H, W); nan outside.
    """
    _, height, width = values.shape
    x, y = at[..., 0] - 0.5, at[..., 1] - 0.5
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    x, y = (
        np.where(inside, x, 0).clip(0, width - 1),
        np.where(inside, y, 0).clip(0, height - 1),
    )
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    u, v = (x - left).astype(np.float32), (y - top).astype(np.float32)
    source = values.astype(np.float32)
    # A weight of 0 must not let a missing neighbour in.
    right, low = np.where(u == 0, left, right), np.where(v == 0, top, low)
    upper = source[:, top, left] * (1 - u) + source[:, top, right] * u
    lower = source[:, low, left] * (1 - u) + source[:, low, right] * u
    out: NDArray[Any] = upper * (1 - v) + lower * v
    out[:, ~inside] = np.nan
    return out


def _finite(points: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the points that are somewhere, None when they make no ring."""
    kept = points[np.isfinite(points).all(1)]
    return kept if len(kept) >= 3 else None


def _dense(polygon: Polygon) -> NDArray[np.float64]:
    """Return the exterior with many points along its edges, shape (N, 2)."""
    import shapely

    ring = shapely.LinearRing(polygon.exterior)
    dense = shapely.segmentize(ring, ring.length / (4 * EDGE))
    return np.asarray(dense.coords)[:-1]


def _largest(ring: NDArray[np.float64], box: HBB, least: float) -> Polygon | None:
    """Return the largest part of a ring inside a box that is larger than ``least``."""
    import shapely

    cut = polygonal(ring).intersection(box.to_shapely())
    parts = [p for p in shapely.get_parts(cut) if p.area > least]
    if not parts:
        return None
    best = max(parts, key=lambda part: float(part.area))
    simple = best.simplify(0.01) if len(best.exterior.coords) > 5 else best
    return Polygon(tuple((float(x), float(y)) for x, y in simple.exterior.coords[:-1]))


def _spread(values: NDArray[np.float64], nodes: int) -> NDArray[np.float64]:
    if len(values) <= nodes:
        return values
    return np.linspace(values[0], values[-1], nodes)


def _evaluated(
    function: PointMap, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    points = np.stack(np.meshgrid(xs, ys), axis=-1)  # (H, W, 2)
    return function(points.reshape(-1, 2)).reshape(points.shape)


def _bilinear(
    lattice: NDArray[np.float64],
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Interpolate a lattice at nodes ``xs``, ``ys``: (h, w, 2) -> (H, W, 2)."""
    for axis, nodes, wanted in ((1, xs, columns), (0, ys, rows)):
        at = np.interp(wanted, nodes, np.arange(len(nodes)))
        low = at.astype(np.int64).clip(0, max(len(nodes) - 2, 0))
        high = np.minimum(low + 1, len(nodes) - 1)
        weight = (at - low)[:, None] if axis else (at - low)[:, None, None]
        start, end = lattice.take(low, axis), lattice.take(high, axis)
        lattice = start + (end - start) * weight
    return lattice
