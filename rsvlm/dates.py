"""Two dates of one place on one grid, ready to be compared.

:func:`read_dates` checks that two rasters can be compared, and reads what both measure
over their common area: the later one as it lies, the earlier one interpolated there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsvlm.bands import POLARISATIONS
from rsvlm.change_maps import Cover, Layers
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Polygon, Window
from rsvlm.grids import bilinear
from rsvlm.raster import Raster
from rsvlm.registration import Registration

#: What a layer measures -> the bands that do, the preferred first.
ROLES: dict[str, tuple[str, ...]] = {
    "blue": ("blue",),
    "green": ("green",),
    "red": ("red",),
    "nir": ("nir", "nir08"),
    "swir": ("swir16",),
    "gray": ("gray", "band1"),
    **{name: (name,) for name in POLARISATIONS},
    "backscatter": ("backscatter",),
}
#: Least radar value before the logarithm, by what the numbers are; 1 for whole ones.
FLOORS = {"power": 1e-6, "amplitude": 1e-3}


@dataclass(frozen=True, slots=True)
class Dates:
    """Two dates on one grid.

    Attributes:
        before: What it measures -> the layer of the earlier image, shape (H, W), radar
            in dB; nan where there is no data.
        after: The same of the later image.
        valid: Where both have data, shape (H, W).
        window: The grid, in pixels of the later image.
    """

    before: Layers
    after: Layers
    valid: Cover
    window: Window


def read_dates(
    before: Raster,
    after: Raster,
    registration: Registration,
    max_side: int = 1024,
    images: tuple[int, int] = (0, 1),
) -> Dates:
    """Read two images of one place on one grid.

    Args:
        before: The earlier image, opened.
        after: The later image, opened.
        registration: How their pixels map to each other.
        max_side: Longer side of the grid, in pixels. Its pixels are those of the later
            image, unless that makes too many, or the earlier image is coarser.
        images: Indices of the two in the registration, and in the question.

    Raises:
        SettingsError: If the two cannot be compared: no map between them, radar with
            optical, no band in common, or no pixel with data in common.
    """
    first, second = images
    _require_one_kind(before, after, images)
    pair = registration.pair(first, second)
    if pair is None:
        raise SettingsError(
            f"Images {first + 1} and {second + 1} cannot be compared: their pixels "
            "cannot be mapped to each other. Give images with a CRS and corner "
            "coordinates, or of one size."
        )
    roles = _common_roles(before, after, images)
    there, here = pair.overlaps if first < second else pair.overlaps[::-1]
    box, source = _whole(here), _whole(there)
    # Pixels of the earlier image along one of the later: the coarser one sets the grid.
    ratio = math.sqrt(there.area / here.area)
    step = max(1.0, 1 / ratio, box.width / max_side, box.height / max_side)
    width, height = (max(1, round(side / step)) for side in (box.width, box.height))
    new = _values(after, box, width, height, [bands[1] for bands in roles.values()])
    edge = math.ceil(2 * step * ratio)  # a margin to interpolate at the border
    source = HBB(source.x0 - edge, source.y0 - edge, source.x1 + edge, source.y1 + edge)
    source = source.clip(before.width, before.height) or source
    shrink = max(1.0, step * ratio)
    w, h = (max(1, round(side / shrink)) for side in (source.width, source.height))
    old = _values(before, source, w, h, [bands[0] for bands in roles.values()])
    at = registration.positions(second, box, width, height, first)
    at -= (source.x0, source.y0)
    at *= (w / source.width, h / source.height)
    # Rounding lets equal grids meet their pixels exactly, without neighbours.
    old = bilinear(old, np.round(at, 6))
    valid: Cover = np.isfinite(np.concatenate([old, new])).all(axis=0)
    if not valid.any():
        raise SettingsError(
            f"Images {first + 1} and {second + 1} have no pixel with data in common. "
            "Check their nodata values with gdalinfo."
        )
    layers = [dict(zip(roles, date, strict=True)) for date in (old, new)]
    return Dates(layers[0], layers[1], valid, Window(box, width, height))


def _require_one_kind(before: Raster, after: Raster, images: tuple[int, int]) -> None:
    if (before.sensor == "sar") != (after.sensor == "sar"):
        raise SettingsError(
            f"Image {images[0] + 1} is {before.sensor} and image {images[1] + 1} is "
            f"{after.sensor}: changes are computed between images of one kind only. "
            "Give two radar images, or two optical ones."
        )


def _common_roles(
    before: Raster, after: Raster, images: tuple[int, int]
) -> dict[str, tuple[str, str]]:
    """Return what both measure -> the band of each that does."""
    roles = {}
    for role, names in ROLES.items():
        found = [
            next((n for n in names if n in r.bands), None) for r in (before, after)
        ]
        if found[0] and found[1]:
            roles[role] = (found[0], found[1])
    if not roles:
        listed = [", ".join(raster.bands) for raster in (before, after)]
        raise SettingsError(
            f"Images {images[0] + 1} ({listed[0]}) and {images[1] + 1} ({listed[1]}) "
            "have no band in common to compare. Give images with the same bands."
        )
    return roles


def _whole(part: Polygon) -> HBB:
    """Return the box of whole pixels around a part; rounding errors add none."""
    box = part.hbb
    return HBB(
        math.floor(round(box.x0, 3)),
        math.floor(round(box.y0, 3)),
        math.ceil(round(box.x1, 3)),
        math.ceil(round(box.y1, 3)),
    )


def _values(
    raster: Raster, box: HBB, width: int, height: int, bands: Sequence[str]
) -> NDArray[np.float32]:
    """Read bands as numbers to compare, radar in dB; nan where there is no data."""
    read = raster.read(box, width, height, bands).astype(np.float32)
    values: NDArray[np.float32] = np.ma.filled(read, np.nan)
    if raster.sensor != "sar" or raster.guess.domain == "dB":
        return values
    factor = 10 if raster.guess.domain == "power" else 20
    floor = FLOORS.get(raster.guess.domain, 1.0)
    decibel: NDArray[np.float32] = factor * np.log10(np.maximum(values, floor))
    return decibel
