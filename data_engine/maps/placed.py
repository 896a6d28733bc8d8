"""Features of a map in the pixels of an image: what of them can be seen, and how large."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rsvlm.data_engine.maps.osm import Feature
from rsvlm.data_engine.maps.tags import Row
from rsvlm.geometry import HBB, Polygon
from rsvlm.georeference import GeoReference
from rsvlm.labels import FEWEST_PIXELS
from rsvlm.samples import Target

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Share of a countable feature that must lie in the window.
SEEN = 0.35


@dataclass(frozen=True, slots=True)
class Placed:
    """A feature that can be seen in a window.

    Attributes:
        row: What it is.
        tags: All of its tags.
        shape: Its part in the window, pixels of the window.
        area_m2: Area of the whole feature on the ground; 0 for lines.
        is_whole: Whether none of it lies outside of the window.
    """

    row: Row
    tags: Mapping[str, str]
    shape: "BaseGeometry"
    area_m2: float
    is_whole: bool

    @property
    def label(self) -> str:
        """What it is called."""
        return self.row.label

    def target(self) -> Target | None:
        """Return it as a target, None for a line."""
        import shapely

        parts = [p for p in shapely.get_parts(self.shape) if p.geom_type == "Polygon"]
        if not parts:
            return None
        x0, y0, x1, y1 = (round(float(v), 2) for v in self.shape.bounds)
        rings = tuple(
            tuple(round(float(v), 2) for xy in part.exterior.coords[:-1] for v in xy)
            for part in parts
        )
        return Target(label=self.label, hbb=(x0, y0, x1, y1), polygons=rings)


def place(
    features: Iterable[Feature], reference: GeoReference, window: HBB, gsd_m: float
) -> list[Placed]:
    """Return the features that can be seen in a window of a raster.

    Args:
        features: Features of the map.
        reference: Place of the raster on the Earth.
        window: The part, in raster pixels.
        gsd_m: Size of a pixel, m: what is shorter than a few pixels cannot be seen.
    """
    import shapely

    frame = shapely.box(0, 0, window.width, window.height)
    middle = window.center
    found = []
    for feature in features:

        def moved(points: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> object:
            return reference.pixels(points, middle) - (window.x0, window.y0)

        shape = shapely.transform(feature.geometry, moved)
        if not np.isfinite(shape.bounds).all() or not shape.intersects(frame):
            continue
        inside = shape.intersection(frame)
        least = max(feature.row.least_m / gsd_m / 2, FEWEST_PIXELS)
        if _length(inside) < least:
            continue
        whole = bool(shape.within(frame))
        counted = feature.row.kind == "count" and not whole
        if counted and inside.area < SEEN * shape.area:
            continue
        area = _area_m2(shape, reference, window)
        found.append(Placed(feature.row, feature.tags, inside, area, whole))
    return found


def _length(shape: "BaseGeometry") -> float:
    x0, y0, x1, y1 = shape.bounds
    return float(max(x1 - x0, y1 - y0))


def _area_m2(shape: "BaseGeometry", reference: GeoReference, window: HBB) -> float:
    import shapely

    total = 0.0
    for part in shapely.get_parts(shape):
        if part.geom_type != "Polygon":
            continue
        outer, *holes = (
            tuple((x + window.x0, y + window.y0) for x, y in ring.coords[:-1])
            for ring in (part.exterior, *part.interiors)
        )
        total += reference.area_m2(Polygon(outer, tuple(holes))) or 0.0
    return total
