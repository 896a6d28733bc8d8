"""What the page must know of an image: size, pictures, and where its pixels lie."""

import math
from typing import Any

import numpy as np

from rsvlm.app.viewer.copies import reduction
from rsvlm.app.viewer.pyramid import TILE, Pyramid
from rsvlm.app.viewer.styles import combinations
from rsvlm.georeference import GeoReference
from rsvlm.raster import Raster

#: Points of the control grid along each side. Between them the page interpolates with
#: cubics: a raster in Mercator or UTM is met within a hundredth of a pixel.
NODES = 25


def facts(id: str, sha256: str, raster: Raster) -> dict[str, Any]:
    """Describe an image for the page.

    Args:
        id: Of the stored file.
        sha256: Of the stored file.
        raster: The open image.

    Returns:
        What JSON can hold.
    """
    known = {index: name for name, index in raster.bands.items()}
    place = raster.georeference
    return {
        "id": id,
        "name": raster.name,
        "version": sha256[:16],
        "width": raster.width,
        "height": raster.height,
        "dtype": raster.dtype,
        "sensor": raster.sensor,
        "sensor_reason": raster.sensor_reason,
        "bands": [
            {"index": index, "name": known.get(index) or _description(raster, index)}
            for index in raster.data_bands
        ],
        "renderings": combinations(raster),
        "crs": raster.crs,
        "gsd_m": raster.gsd if raster.gsd and math.isfinite(raster.gsd) else None,
        "corners": _corners(place, raster.width, raster.height),
        "grid": grid(place, raster.width, raster.height) if place else None,
        "tile": TILE,
        "last_level": Pyramid(raster.width, raster.height).last,
        "needs_copy": reduction(raster, 1) > 1,
        "warnings": list(raster.warnings),
    }


def _description(raster: Raster, index: int) -> str:
    names = raster.descriptions
    name = names[index - 1] if index <= len(names) else None
    return " ".join((name or f"band {index}").split())[:60]


def _corners(
    place: GeoReference | None, width: int, height: int
) -> list[list[float] | None] | None:
    """Return lon/lat of the corners, clockwise from the first pixel's."""
    if place is None:
        return None
    points = place.lonlat([(0, 0), (width, 0), (width, height), (0, height)])
    return [p if all(map(math.isfinite, p)) else None for p in points.tolist()]


def grid(place: GeoReference, width: int, height: int) -> dict[str, Any]:
    """Return longitude and latitude at points spread evenly over a raster.

    Longitudes go on beyond 180 degrees rather than jump; points outside the domain of
    the CRS are None.

    Args:
        place: Where the raster lies.
        width: Columns of the raster.
        height: Rows of the raster.

    Returns:
        ``nodes`` a side, ``lon`` and ``lat``, row by row.
    """
    xs, ys = np.linspace(0, width, NODES), np.linspace(0, height, NODES)
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    lon, lat = place.lonlat(points).T.reshape(2, NODES, NODES)
    if np.isfinite(lon).all():
        lon = np.unwrap(np.unwrap(lon, period=360, axis=1), period=360, axis=0)
    lon, lat = (np.where(np.isfinite(v), v, np.nan).ravel() for v in (lon, lat))
    return {
        "nodes": NODES,
        "lon": [None if math.isnan(v) else round(v, 9) for v in lon.tolist()],
        "lat": [None if math.isnan(v) else round(v, 9) for v in lat.tolist()],
    }
