"""Where pixels lie on the Earth: lon/lat, ground distances and areas.

Raster pixels go through the affine transform to the raster's CRS and from there to
WGS 84. Sizes are measured on the ellipsoid, never in map units: a nominal 10 m pixel
of a Mercator raster at 34 degrees north is 8.3 m on the ground.

pyproj and shapely are imported where they are used, because importing them is slow.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsvlm.geometry import HBB, Point, Shape
from rsvlm.shapes import polygonal

if TYPE_CHECKING:
    from pyproj import CRS, Geod, Transformer
    from shapely.geometry.base import BaseGeometry

#: Degrees of the Earth's arc between two vertices of a measured outline.
MEASURED_ARC = 0.02
#: Degrees between two vertices of a written outline; longer edges are ambiguous.
WRITTEN_ARC = 90.0
#: A written edge may leave the true one by this many raster pixels.
TOLERANCE = 0.5
#: No edge is cut into more pieces than this.
MAX_PIECES = 4096


@dataclass(frozen=True, slots=True)
class GeoReference:
    """Place of a raster on the Earth.

    Attributes:
        crs_wkt: Coordinate reference system, WKT.
        transform: Affine map (a, b, c, d, e, f) from raster pixels to the CRS:
            x = a * column + b * row + c, y = d * column + e * row + f.
    """

    crs_wkt: str
    transform: tuple[float, float, float, float, float, float]

    @classmethod
    def create(cls, crs_wkt: str, transform: Sequence[float]) -> Self | None:
        """Return the reference, or None when it does not lead to WGS 84.

        That is the case for an unreadable, local or vertical CRS, for one of another
        planet, and for a transform that is singular or not finite.
        """
        from pyproj.exceptions import ProjError

        a, b, c, d, e, f = (float(value) for value in transform[:6])
        if not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e == b * d:
            return None
        try:
            crs = _crs(crs_wkt)
            if not (crs.is_geographic or crs.is_projected):
                return None
            _to_lonlat(crs_wkt)
        except ProjError:
            return None
        return cls(crs_wkt, (a, b, c, d, e, f))

    @property
    def crs_name(self) -> str:
        """Authority and code such as "EPSG:3395", else the name of the CRS."""
        crs = _crs(self.crs_wkt)
        authority = crs.to_authority()
        return ":".join(authority) if authority else crs.name

    def lonlat(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map raster pixels to WGS 84.

        Args:
            points: x and y in raster pixels, shape (N, 2).

        Returns:
            Longitude in [-180, 180] and latitude in degrees, shape (N, 2); nan where
            a point lies outside the domain of the CRS.
        """
        column, row = np.asarray(points, dtype=float).reshape(-1, 2).T
        a, b, c, d, e, f = self.transform
        lon, lat = _to_lonlat(self.crs_wkt).transform(
            a * column + b * row + c, d * column + e * row + f
        )
        out = np.stack([np.asarray(lon, float), np.asarray(lat, float)], axis=1)
        out[~np.isfinite(out).all(1)] = np.nan
        beyond = np.abs(out[:, 0]) > 180
        out[beyond, 0] = _wrapped(out[beyond, 0])
        return out

    def pixels(
        self, lonlat: ArrayLike, near: Point = (0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Map WGS 84 to raster pixels: the inverse of :meth:`lonlat`.

        Args:
            lonlat: Longitude and latitude in degrees, shape (N, 2).
            near: A raster pixel, best the middle of the raster. A raster in degrees
                shows a place again after each full turn; the nearest is taken.

        Returns:
            x and y in raster pixels, shape (N, 2), which may lie outside the raster;
            nan where a point lies outside the domain of the CRS.
        """
        lon, lat = np.asarray(lonlat, dtype=float).reshape(-1, 2).T
        x, y = _to_lonlat(self.crs_wkt).transform(lon, lat, direction="INVERSE")
        return self._columns_rows(np.asarray(x, float), np.asarray(y, float), near)

    def onto(
        self, other: "GeoReference", points: ArrayLike, near: Point = (0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Map raster pixels to the pixels of another raster at the same place.

        Rasters of one CRS are mapped inside it, without a detour over degrees.

        Args:
            other: Place of the other raster.
            points: x and y in pixels of this raster, shape (N, 2).
            near: A pixel of the other raster, as in :meth:`pixels`.

        Returns:
            x and y in pixels of the other raster, shape (N, 2); nan where there is no
            way from one to the other.
        """
        if not self.shares_crs(other):
            return other.pixels(self.lonlat(points), near)
        column, row = np.asarray(points, dtype=float).reshape(-1, 2).T
        a, b, c, d, e, f = self.transform
        x, y = a * column + b * row + c, d * column + e * row + f
        return other._columns_rows(x, y, near)

    def shares_crs(self, other: "GeoReference") -> bool:
        """Say whether another raster has the same coordinate reference system."""
        return _same_crs(self.crs_wkt, other.crs_wkt)

    def _columns_rows(
        self, x: NDArray[np.float64], y: NDArray[np.float64], near: Point
    ) -> NDArray[np.float64]:
        """Undo the transform: coordinates of the CRS, shape (N,) -> (N, 2) in pixels."""
        a, b, c, d, e, f = self.transform
        x, y = (np.where(np.isfinite(x) & np.isfinite(y), v, np.nan) for v in (x, y))
        turn = _full_turn(self.crs_wkt)
        if turn:
            middle = a * near[0] + b * near[1] + c
            x = x - turn * np.round((x - middle) / turn)
        x, y = x - c, y - f
        out = np.stack([e * x - b * y, a * y - d * x], axis=1) / (a * e - b * d)
        return np.asarray(out)

    def geometry(self, shape: Shape) -> dict[str, Any] | None:
        """Return a shape in raster pixels as an RFC 7946 geometry.

        The outer ring runs counter-clockwise, a shape across the antimeridian is
        split there, and numbers have 7 decimals (1 cm). Edges that are curved in
        lon/lat get more vertices.

        Returns:
            A Polygon or MultiPolygon; None when the shape is empty or leaves the
            domain of the CRS.
        """
        parts = self._polygons(shape, WRITTEN_ARC, width=360)
        if not parts:
            return None
        coordinates = []
        for part in parts:
            exterior, *holes = map(
                _written, (ring.coords for ring in (part.exterior, *part.interiors))
            )
            if len(exterior) >= 4:  # rounding leaves less of a shape below 1 cm
                coordinates.append([exterior, *(h for h in holes if len(h) >= 4)])
        if not coordinates:
            return None
        if len(coordinates) == 1:
            return {"type": "Polygon", "coordinates": coordinates[0]}
        return {"type": "MultiPolygon", "coordinates": coordinates}

    def area_m2(self, shape: Shape) -> float | None:
        """Return the area of a shape on the ellipsoid, in square metres.

        None when the shape leaves the domain of the CRS.
        """
        # Strips keep every piece well below half of the Earth, where the inside and
        # the outside of a ring could be confused.
        parts = self._polygons(shape, MEASURED_ARC, width=90)
        if parts is None:
            return None
        return float(sum(_geod().geometry_area_perimeter(part)[0] for part in parts))

    def gsd_m(self, width: int, height: int) -> float | None:
        """Return the true size of the central pixel, in metres on the ground.

        It is the geometric mean of both axes; None when the centre of the raster
        lies outside the domain of the CRS.
        """
        x, y = width / 2, height / 2
        across = self.distance_m((x - 0.5, y), (x + 0.5, y))
        along = self.distance_m((x, y - 0.5), (x, y + 0.5))
        size = math.sqrt(across * along)
        return size if math.isfinite(size) else None

    def distance_m(self, p: Point, q: Point) -> float:
        """Return the ground distance between two raster pixels, in metres.

        It is nan when one of them lies outside the domain of the CRS.
        """
        (lon0, lat0), (lon1, lat1) = self.lonlat([p, q])
        return float(_geod().inv(lon0, lat0, lon1, lat1)[2])

    def bounds_lonlat(self, width: int, height: int) -> list[float] | None:
        """Return [west, south, east, north] of a raster of this size, in degrees.

        West is greater than east for a raster across the antimeridian, as in RFC
        7946. None when the raster leaves the domain of the CRS.
        """
        ring = self._outline(HBB(0, 0, width, height).corners, WRITTEN_ARC)
        if ring is None:
            return None
        west, south = ring.min(0)
        east, north = ring.max(0)
        if east - west >= 360:
            west, east = -180.0, 180.0
        lon = [x if abs(x) <= 180 else float(_wrapped(x)) for x in (west, east)]
        return [float(value) for value in (lon[0], south, lon[1], north)]

    def _polygons(
        self, shape: Shape, arc: float, width: int
    ) -> "list[BaseGeometry] | None":
        """Return lon/lat polygons, cut at multiples of ``width`` degrees from -180.

        None when the shape leaves the domain of the CRS.
        """
        import shapely

        found: list[BaseGeometry] = []
        for part in shapely.get_parts(shape.to_shapely()):
            rings = []
            for ring in (part.exterior, *part.interiors):
                outline = self._outline(np.asarray(ring.coords)[:-1], arc)
                if outline is None:
                    return None
                rings.append(_strips(outline, width))
            for strip, solid in rings[0].items():
                for hole in rings[1:]:
                    if strip in hole:
                        solid = solid.difference(hole[strip])
                found += (p for p in shapely.get_parts(solid) if p.area)
        return [shapely.geometry.polygon.orient(piece) for piece in found]

    def _outline(self, ring: ArrayLike, arc: float) -> NDArray[np.float64] | None:
        """Map a ring to lon/lat with as many vertices as its true course needs.

        Longitudes are continuous and may leave [-180, 180]. A ring around a pole is
        closed along the pole.

        Args:
            ring: x and y in raster pixels, not closed, shape (N, 2).
            arc: Largest distance between two vertices, degrees.

        Returns:
            Longitude and latitude in degrees, not closed, shape (M, 2) with M >= N;
            None when the ring leaves the domain of the CRS.
        """
        start = np.asarray(ring, dtype=float)
        step = np.roll(start, -1, axis=0) - start
        ends, middles = self.lonlat(start), self.lonlat(start + step / 2)
        first, second = middles - ends, np.roll(ends, -1, axis=0) - middles
        for half in (first, second):
            half[:, 0] = _wrapped(half[:, 0])
        travel = np.hypot(*first.T) + np.hypot(*second.T)  # degrees, (N,)
        if not np.isfinite(travel).all():
            return None
        bend = np.hypot(*(first - second).T) / 2 * np.hypot(*step.T)
        bend = np.divide(bend, travel, out=np.zeros_like(bend), where=travel > 0)
        # n pieces bend n * n times less than the whole edge.
        wanted = np.maximum(travel / arc, np.sqrt(bend / TOLERANCE))
        pieces = np.ceil(np.clip(wanted, 1, MAX_PIECES)).astype(int)
        edge = np.repeat(np.arange(len(start)), pieces)
        piece = np.arange(len(edge)) - (np.cumsum(pieces) - pieces)[edge]
        course = self.lonlat(start[edge] + step[edge] * (piece / pieces[edge])[:, None])
        if not np.isfinite(course).all():
            return None
        course[:, 0] = np.unwrap(course[:, 0], period=360)
        lon, lat = course[0]
        turn = course[-1, 0] + _wrapped(lon - course[-1, 0]) - lon
        if abs(turn) > 180:
            pole = math.copysign(90, course[:, 1].mean())
            closing = [[lon + turn, lat], [lon + turn, pole], [lon, pole]]
            course = np.vstack([course, closing])
        return course


@lru_cache(maxsize=64)
def _crs(wkt: str) -> "CRS":
    from pyproj import CRS

    return CRS.from_wkt(wkt)


@lru_cache(maxsize=64)
def _to_lonlat(wkt: str) -> "Transformer":
    from pyproj import Transformer

    return Transformer.from_crs(_crs(wkt), "EPSG:4326", always_xy=True)


@lru_cache(maxsize=64)
def _same_crs(wkt: str, other: str) -> bool:
    return wkt == other or _crs(wkt).equals(_crs(other), ignore_axis_order=True)


@lru_cache(maxsize=64)
def _full_turn(wkt: str) -> float:
    """Return 360 degrees in the unit of a CRS of angles, 0 for one of lengths."""
    crs = _crs(wkt)
    if not crs.is_geographic:
        return 0.0
    radians = float(crs.axis_info[0].unit_conversion_factor)
    return 2 * math.pi / radians


@lru_cache(maxsize=1)
def _geod() -> "Geod":
    from pyproj import Geod

    return Geod(ellps="WGS84")


def _wrapped(degrees: Any) -> Any:
    """Bring longitudes, or differences of longitudes, into [-180, 180)."""
    return (degrees + 180) % 360 - 180


def _strips(ring: NDArray[np.float64], width: int) -> "dict[int, BaseGeometry]":
    """Cut a ring of continuous longitudes into strips of ``width`` degrees.

    Returns:
        The piece in [-180 + n * width, -180 + (n + 1) * width] under each n; only
        those that hold something.
    """
    import shapely

    low = math.floor((ring[:, 0].min() + 180) / width)
    high = max(low, math.ceil((ring[:, 0].max() + 180) / width) - 1)
    solid = polygonal(ring)
    pieces: dict[int, list[BaseGeometry]] = {}
    for n in range(low, high + 1):
        turns, strip = divmod(n * width, 360)
        west = n * width - 180
        piece = solid
        if low < high:
            piece = solid.intersection(shapely.box(west, -90, west + width, 90))
        if turns:
            piece = shapely.transform(piece, lambda xy, t=turns: xy - [360 * t, 0])
        pieces.setdefault(strip // width, []).append(piece)
    return {
        strip: parts[0] if len(parts) == 1 else shapely.unary_union(parts)
        for strip, parts in pieces.items()
    }


def _written(ring: Iterable[Point]) -> list[list[float]]:
    """Return a closed ring with 7 decimals, without repeated neighbours."""
    points = [[round(float(x), 7) + 0.0, round(float(y), 7) + 0.0] for x, y in ring]
    kept = [p for p, before in zip(points[1:], points[:-1], strict=True) if p != before]
    return [points[0], *kept]
