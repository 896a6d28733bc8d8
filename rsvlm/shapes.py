"""Shapes with corners: box, oriented box, polygon.

They are used through :mod:`rsvlm.geometry`, which states the coordinate convention.
Polygons and rotated boxes are computed by shapely, which is imported where it is
used, because importing it is slow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Point = tuple[float, float]
Ring = tuple[Point, ...]
Quad = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class HBB:
    """Horizontal bounding box (HBB), in pixels."""

    kind: ClassVar[Literal["hbb"]] = "hbb"
    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not (self.x0 <= self.x1 and self.y0 <= self.y1):
            raise ValueError(f"corners are swapped or not numbers: {self}")

    @property
    def width(self) -> float:
        """Extent along x, in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Extent along y, in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> Point:
        """Midpoint (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def corners(self) -> Quad:
        """Corners, clockwise on screen, starting at (x0, y0)."""
        x0, y0, x1, y1 = self.x0, self.y0, self.x1, self.y1
        return (x0, y0), (x1, y0), (x1, y1), (x0, y1)

    @property
    def hbb(self) -> "HBB":
        """The box itself."""
        return self

    def intersection(self, other: "HBB") -> float:
        """Return the shared area in square pixels; 0 when the boxes are apart."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(width, 0.0) * max(height, 0.0)

    def iou(self, other: "HBB") -> float:
        """Return the intersection over union, in [0, 1]; two empty boxes have 0.

        >>> HBB(0, 0, 10, 10).iou(HBB(5, 0, 15, 10))  # 50 / (100 + 100 - 50)
        0.3333333333333333
        """
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union else 0.0

    def clip(self, width: float, height: float) -> "HBB | None":
        """Return the part inside a raster of this size, None when none is left."""
        x0, y0 = max(self.x0, 0), max(self.y0, 0)
        x1, y1 = min(self.x1, width), min(self.y1, height)
        return HBB(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def scale(self, sx: float, sy: float, dx: float = 0, dy: float = 0) -> "HBB":
        """Map every point to (x * sx + dx, y * sy + dy); scales are positive."""
        return HBB(
            self.x0 * sx + dx, self.y0 * sy + dy, self.x1 * sx + dx, self.y1 * sy + dy
        )

    def to_shapely(self) -> "BaseGeometry":
        """Return the box as a shapely polygon, in pixels."""
        return polygonal(self.corners)


@dataclass(frozen=True, slots=True)
class OBB:
    """Oriented bounding box (OBB): four corners, clockwise on screen, in pixels.

    A rectangle may become a parallelogram under unequal scales; the corners are what
    counts. Corners in another order are put in order around their middle.
    """

    kind: ClassVar[Literal["obb"]] = "obb"
    corners: Quad

    def __post_init__(self) -> None:
        if len(self.corners) != 4:
            raise ValueError(f"an oriented box has 4 corners, not {len(self.corners)}")
        turns = [
            (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
            for a, b, c in zip(
                self.corners,
                _rolled(self.corners, 1),
                _rolled(self.corners, 2),
                strict=True,
            )
        ]
        if min(turns) < 0:
            object.__setattr__(self, "corners", _clockwise(self.corners))

    @classmethod
    def from_center(
        cls, cx: float, cy: float, w: float, h: float, angle_deg: float
    ) -> Self:
        """Build a box from its centre, its size and its rotation.

        Args:
            cx: Centre x, pixels.
            cy: Centre y, pixels.
            w: Edge along the rotated x axis, pixels.
            h: Edge along the rotated y axis, pixels.
            angle_deg: Rotation, degrees clockwise on screen.
        """
        cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        a, b, c, d = (
            (cx + dx * cos - dy * sin, cy + dx * sin + dy * cos)
            for dx, dy in HBB(-w / 2, -h / 2, w / 2, h / 2).corners
        )
        return cls((a, b, c, d))

    @property
    def _edges(self) -> tuple[Point, Point]:
        # Mean of opposite edges: exact for rectangles, sensible for rounded corners.
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (
            ((bx - ax + cx - dx) / 2, (by - ay + cy - dy) / 2),
            ((cx - bx + dx - ax) / 2, (cy - by + dy - ay) / 2),
        )

    @property
    def long_edge(self) -> float:
        """Length of the longer edge, in pixels."""
        return max(math.hypot(*edge) for edge in self._edges)

    @property
    def short_edge(self) -> float:
        """Length of the shorter edge, in pixels."""
        return min(math.hypot(*edge) for edge in self._edges)

    @property
    def angle(self) -> float:
        """Direction of the long edge (le90): degrees clockwise on screen, [-90, 90)."""
        dx, dy = max(self._edges, key=lambda edge: math.hypot(*edge))
        angle = (math.degrees(math.atan2(dy, dx)) + 90) % 180 - 90
        return -90.0 if angle >= 90 else angle

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return abs(_shoelace(self.corners))

    @property
    def hbb(self) -> HBB:
        """Smallest horizontal box around the corners."""
        return _bounds(self.corners)

    def scale(self, sx: float, sy: float, dx: float = 0, dy: float = 0) -> "OBB":
        """Map every corner to (x * sx + dx, y * sy + dy); scales are positive."""
        a, b, c, d = ((x * sx + dx, y * sy + dy) for x, y in self.corners)
        return OBB((a, b, c, d))

    def to_shapely(self) -> "BaseGeometry":
        """Return the box as a shapely polygon, in pixels."""
        return polygonal(self.corners)


@dataclass(frozen=True, slots=True)
class Polygon:
    """Polygon with holes, in pixels; rings are not closed (no repeated last point).

    Self-crossing outlines are allowed: area and overlap are those of the repaired
    polygon.
    """

    kind: ClassVar[Literal["polygon"]] = "polygon"
    exterior: Ring
    holes: tuple[Ring, ...] = ()

    def __post_init__(self) -> None:
        if min(len(ring) for ring in (self.exterior, *self.holes)) < 3:
            raise ValueError(f"a ring needs at least 3 points: {self}")

    @property
    def area(self) -> float:
        """Area in square pixels, holes left out."""
        return float(self.to_shapely().area)

    @property
    def hbb(self) -> HBB:
        """Smallest horizontal box around the exterior."""
        return _bounds(self.exterior)

    @property
    def corners(self) -> Ring:
        """The exterior."""
        return self.exterior

    def min_area_obb(self) -> OBB:
        """Return the oriented box of smallest area around the exterior."""
        import shapely

        envelope = shapely.MultiPoint(self.exterior).minimum_rotated_rectangle
        if envelope.geom_type != "Polygon":  # all points on one line
            points = list(envelope.coords)
            return OBB((points[0], points[-1], points[-1], points[0]))
        a, b, c, d = list(envelope.exterior.coords)[:4]
        return OBB((a, b, c, d))

    def scale(self, sx: float, sy: float, dx: float = 0, dy: float = 0) -> "Polygon":
        """Map every point to (x * sx + dx, y * sy + dy); scales are positive."""
        exterior, *holes = (
            tuple((x * sx + dx, y * sy + dy) for x, y in ring)
            for ring in (self.exterior, *self.holes)
        )
        return Polygon(exterior, tuple(holes))

    def to_shapely(self) -> "BaseGeometry":
        """Return a valid shapely polygon or multipolygon, in pixels."""
        return polygonal(self.exterior, self.holes)


def _rolled(points: Ring, steps: int) -> Ring:
    return points[steps:] + points[:steps]


def _shoelace(ring: Ring) -> float:
    """Return the signed area; positive when clockwise on screen."""
    pairs = zip(ring, _rolled(ring, 1), strict=True)
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs) / 2


def _clockwise(ring: Ring) -> Ring:
    """Sort points by their direction from the middle, starting with the first."""
    cx = sum(x for x, _ in ring) / len(ring)
    cy = sum(y for _, y in ring) / len(ring)
    start = math.atan2(ring[0][1] - cy, ring[0][0] - cx)

    def turn(point: Point) -> float:
        return (math.atan2(point[1] - cy, point[0] - cx) - start) % (2 * math.pi)

    return ring[0], *sorted(ring[1:], key=turn)


def _bounds(ring: Ring) -> HBB:
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return HBB(min(xs), min(ys), max(xs), max(ys))


def polygonal(exterior: ArrayLike, holes: Sequence[Ring] = ()) -> "BaseGeometry":
    """Return a valid shapely polygon, or multipolygon where repair splits it.

    Args:
        exterior: Points, shape (N, 2).
        holes: Rings of points inside the exterior.
    """
    import shapely

    geometry = shapely.Polygon(exterior, holes)
    if geometry.is_valid:
        return geometry
    parts = shapely.get_parts(shapely.make_valid(geometry))
    return shapely.unary_union([part for part in parts if part.area])
