"""Where an image lies, and how far things are from it.

Distances are measured on the ellipsoid between the nearest points. The nearest point
of the footprint is sought in an azimuthal equidistant map around the image's centre,
which is exact along rays from there and good to 1 % within 1000 km.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from rsvlm.retrieval.passages import Box

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Kilometres of a degree of latitude, rounded down: boxes become a little too large.
DEGREE_KM = 110.5


@dataclass(frozen=True)
class Footprint:
    """The ground that one or more images show.

    Attributes:
        shape: Polygons in longitude and latitude, WGS 84, cut at the antimeridian.
        lon: Longitude of the centre, degrees.
        lat: Latitude of the centre, degrees.

    .. versionadded:: 0.1
    """

    shape: "BaseGeometry"
    lon: float
    lat: float

    @classmethod
    def of(cls, rasters: Sequence[Raster]) -> Self | None:
        """Return the ground under rasters; None where none has a place."""
        import shapely
        from shapely.geometry import shape as from_geojson

        shapes, centres = [], []
        for raster in rasters:
            place = raster.georeference
            if place is None:
                continue
            drawn = place.geometry(HBB(0, 0, raster.width, raster.height))
            ((lon, lat),) = place.lonlat([(raster.width / 2, raster.height / 2)])
            if drawn is not None and math.isfinite(lon):
                shapes.append(shapely.make_valid(from_geojson(drawn)))
                centres.append((float(lon), float(lat)))
        if not shapes:
            return None
        return cls(shapely.unary_union(shapes), *centres[0])

    @classmethod
    def at(cls, lon: float, lat: float) -> Self:
        """Return the footprint of a point."""
        import shapely

        return cls(shapely.Point(lon, lat), lon, lat)

    def boxes(self, km: float = 0.0) -> list[Box]:
        """Return boxes that hold everything within a distance of the footprint.

        There are two where they cross the antimeridian.
        """
        found: list[Box] = []
        for part in getattr(self.shape, "geoms", [self.shape]):
            west, south, east, north = map(float, part.bounds)
            south, north = south - km / DEGREE_KM, north + km / DEGREE_KM
            widest = max(abs(south), abs(north))
            if widest >= 89.9:  # a pole is near: every longitude is
                found.append((-180.0, max(south, -90.0), 180.0, min(north, 90.0)))
                continue
            pad = km / (DEGREE_KM * math.cos(math.radians(widest)))
            west, east = west - pad, east + pad
            if east - west >= 360:
                found.append((-180.0, south, 180.0, north))
                continue
            found.append((max(west, -180.0), south, min(east, 180.0), north))
            if west < -180:
                found.append((west + 360, south, 180.0, north))
            if east > 180:
                found.append((-180.0, south, east - 360, north))
        return found

    def contains(self, lon: float, lat: float) -> bool:
        """Say whether a point lies inside or on the edge."""
        import shapely

        return bool(shapely.intersects_xy(self.shape, lon, lat))

    def distance_km(self, place: "BaseGeometry") -> float:
        """Return the distance of a place from the footprint, km; 0 inside."""
        import shapely
        from shapely.ops import nearest_points

        if shapely.intersects(self.shape, place):
            return 0.0
        ours, theirs = nearest_points(self._local, self._to_local(place))
        (a, b), (c, d) = ours.coords[0], theirs.coords[0]
        lon, lat = self._map.transform([a, c], [b, d], direction="INVERSE")
        return float(self._geod.inv(lon[0], lat[0], lon[1], lat[1])[2]) / 1000

    def direction(self, lon: float, lat: float) -> float:
        """Return the direction of a point from the centre, degrees from north."""
        return float(self._geod.inv(self.lon, self.lat, lon, lat)[0]) % 360

    @cached_property
    def _geod(self) -> Any:
        from pyproj import Geod

        return Geod(ellps="WGS84")

    @cached_property
    def _map(self) -> Any:
        from pyproj import Transformer

        crs = f"+proj=aeqd +lon_0={self.lon} +lat_0={self.lat} +datum=WGS84 +units=m"
        return Transformer.from_crs("EPSG:4326", crs, always_xy=True)

    @cached_property
    def _local(self) -> "BaseGeometry":
        return self._to_local(self.shape)

    def _to_local(self, place: "BaseGeometry") -> "BaseGeometry":
        import shapely

        def move(points: Any) -> Any:
            return np.stack(self._map.transform(*points.T), axis=1)

        return shapely.transform(place, move)
