"""Where a file says that its image lies, and nothing it does not say.

World files beside an image are not read and a missing CRS is never guessed: an answer
in pixels is worth more than one in the wrong place.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rsvlm.decode import shown
from rsvlm.georeference import GeoReference

_IDENTITY = (1, 0, 0, 0, 1, 0)
_ONLY_RPC = (
    "The file has only a sensor model (RPC), which is not used: results are in pixels; "
    "orthorectify it, as with gdalwarp -rpc, to place them."
)
_NO_TRANSFORM = (
    "The file names a CRS but not where the image lies in it: results are in pixels."
)
_NO_CRS = (
    "The file has a transform but no CRS, and none is guessed: results are in pixels; "
    "set it with gdal_edit.py -a_srs EPSG:CODE FILE."
)


def place(dataset: Any) -> tuple[GeoReference | None, list[str]]:
    """Return the georeference that a file states, and what is odd about it.

    Args:
        dataset: An open rasterio dataset.

    Returns:
        The georeference, None where the file states none that leads to longitude and
        latitude, and warnings, one sentence each.
    """
    crs, transform = dataset.crs, tuple(dataset.transform)[:6]
    points, points_crs = dataset.gcps
    warnings: list[str] = []
    if transform == _IDENTITY and len(points) >= 3 and points_crs:
        crs, (transform, miss) = points_crs, _fit(points)
        warnings.append(
            f"The place comes from {len(points)} ground control points by an affine "
            f"fit, which misses them by up to {miss:.1f} pixels."
        )
    if transform == _IDENTITY:
        if dataset.rpcs:
            return None, [_ONLY_RPC]
        return None, [_NO_TRANSFORM] if crs else []
    if not crs:
        return None, [_NO_CRS]
    from rasterio.errors import CRSError

    try:
        reference = GeoReference.create(crs.to_wkt(), transform)
    except CRSError:
        reference = None
    if reference is None:
        name = shown(crs.to_string(), 60)
        warnings.append(
            f"The CRS {name!r} does not lead to longitude and latitude: results are in "
            "pixels."
        )
        return None, warnings
    _, b, _, d, e, _ = transform
    if e > 0:
        warnings.append("The image is stored south-up: its top is the south.")
    elif abs(b) + abs(d) > 0.02 * abs(e):
        warnings.append("The image is turned: its top is not the north.")
    return reference, warnings


def _fit(points: Sequence[Any]) -> tuple[tuple[float, ...], float]:
    """Fit an affine transform to control points; also return the largest miss, px."""
    pixels = np.array([[p.col, p.row, 1.0] for p in points])
    ground = np.array([[p.x, p.y] for p in points])
    centre = ground.mean(axis=0)  # map coordinates are large numbers
    solution, *_ = np.linalg.lstsq(pixels, ground - centre, rcond=None)
    miss = float(np.hypot(*(pixels @ solution + centre - ground).T).max())
    a, b, c = solution[:, 0] + [0, 0, centre[0]]
    d, e, f = solution[:, 1] + [0, 0, centre[1]]
    pixel = abs(a * e - b * d) ** 0.5
    return tuple(map(float, (a, b, c, d, e, f))), miss / pixel if pixel else miss
