"""Reads the places of ``rsvlm ask --at``: pixels as in the answer's JSON, or degrees."""

import math
from collections.abc import Sequence

from rsvlm.errors import SettingsError
from rsvlm.focus import Focus, around, inside
from rsvlm.geometry import HBB
from rsvlm.raster import Raster

#: Stands before longitude and latitude.
DEGREES = "lonlat:"


def places(texts: Sequence[str], rasters: Sequence[Raster]) -> tuple[Focus, ...]:
    """Return the places that a user gave.

    Args:
        texts: ``"x,y"`` or ``"x0,y0,x1,y1"`` in pixels of the first image, or
            ``"lonlat:LON,LAT"`` or ``"lonlat:WEST,SOUTH,EAST,NORTH"`` in degrees, of
            the first image that shows the place.
        rasters: The images, open.

    Raises:
        SettingsError: If a text is no place, or lies in no image.
    """
    return tuple(_place(text, rasters) for text in texts)


def _place(text: str, rasters: Sequence[Raster]) -> Focus:
    in_degrees = text.lower().startswith(DEGREES)
    numbers = _numbers(text, text[len(DEGREES) :] if in_degrees else text)
    if in_degrees:
        return _on_earth(text, numbers, rasters)
    if len(numbers) == 2:
        return around(rasters[0], numbers[0], numbers[1])
    x0, y0, x1, y1 = numbers
    if not (x0 < x1 and y0 < y1):
        raise SettingsError(
            f"The place {text!r} has no area. Give left, top, right and bottom in "
            "pixels, such as 120,40,310,260."
        )
    return inside(Focus(0, HBB(x0, y0, x1, y1)), rasters)


def _numbers(text: str, listed: str) -> list[float]:
    try:
        numbers = [float(part) for part in listed.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 4) or not all(map(math.isfinite, numbers)):
        raise SettingsError(
            f"The place {text!r} is not understood. Give x,y or x0,y0,x1,y1 in pixels, "
            "or lonlat:LON,LAT or lonlat:WEST,SOUTH,EAST,NORTH in degrees."
        )
    return numbers


def _on_earth(text: str, numbers: list[float], rasters: Sequence[Raster]) -> Focus:
    placed = [(i, r) for i, r in enumerate(rasters) if r.georeference is not None]
    if not placed:
        raise SettingsError(
            f"{rasters[0].name!r} has no CRS, so that {text!r} has no place in it. Give "
            "the place in pixels."
        )
    west, south = numbers[:2]
    east, north = numbers[-2:]
    if west > east or south > north or max(abs(south), abs(north)) > 90:
        raise SettingsError(
            f"The place {text!r} is no place in degrees. Give longitude before latitude, "
            "and west, south, east, north."
        )
    corners = [(west, south), (east, south), (east, north), (west, north)]
    for image, raster in placed:
        assert raster.georeference is not None
        middle = (raster.width / 2, raster.height / 2)
        xs, ys = raster.georeference.pixels(corners, middle).T
        box = (min(xs), min(ys), max(xs), max(ys))
        if not all(map(math.isfinite, box)):
            continue
        if len(numbers) == 2:
            if 0 <= box[0] < raster.width and 0 <= box[1] < raster.height:
                return around(raster, float(box[0]), float(box[1]), image)
        elif HBB(*map(float, box)).clip(raster.width, raster.height):
            return inside(Focus(image, HBB(*map(float, box))), rasters)
    bounds = placed[0][1].georeference
    assert bounds is not None
    shown = bounds.bounds_lonlat(placed[0][1].width, placed[0][1].height)
    raise SettingsError(
        f"No image shows the place {text!r}. {placed[0][1].name!r} reaches from west, "
        f"south to east, north: {', '.join(f'{v:.5f}' for v in shown or ())}."
    )
