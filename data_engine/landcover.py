"""What covers the ground in an 8-bit Sentinel-2 picture: a rule on colour and texture.

Labels made so are weak: they see what colour and texture tell, in scenes like those
that the constants were chosen on (Los Angeles and San Antonio in autumn, without
cloud). A cell of 16 x 16 pixels that fits no class stays without one.

The constants were set by looking at overlays of 15 tiles. They speak of the colour
after the haze is taken off: without that all of the ground is blue, and a wood can
hardly be told from a lake.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.samples import MaskRle

#: Land-cover classes, in the order of the map's values.
CLASSES = ("water", "vegetation", "built-up land", "bare or dry ground")
WATER, VEGETATION, BUILT_UP, BARE = range(len(CLASSES))
#: Value of a cell without a class.
UNKNOWN = -1
#: Side of a cell, px: about 135 m, so that a row of houses fills one.
CELL = 16

#: Light of the air above dark ground, in the picture's counts: shaded woods and deep
#: lakes of both regions have it.
HAZE = (35.0, 65.0, 90.0)
#: Makes white roofs white once the haze is off.
GAIN = (1.0, 1.14, 1.28)
#: Added to the brightness that colours are divided by, counts: keeps the noise of dark
#: ground from looking like a colour.
FLOOR = 15.0

# Water has no texture. It is blue (sea, reservoirs), dark and bluer than shade, which
# is reddish here (deep lakes), or greener than any field (lakes with algae; the greenest
# fields have a texture above 4).
SMOOTH, VERY_SMOOTH = 8.0, 3.5
BLUE, ALGAE, BLACK = 0.2, 0.35, 1.0
BRIGHTEST_WATER, BRIGHTEST_ALGAE = 70.0, 45.0
# Bare or dry ground is reddish: soil, dry grass and the chaparral of the hills.
# A ploughed field can be purple and smooth.
REDDISH, DARKEST_SOIL, PURPLE = 0.16, 15.0, 0.10
# Built-up land is neutral and rough at 16 px (roofs, streets, gardens), or bright.
ROUGH, DARKEST_TOWN, BRIGHT = 14.0, 30.0, 85.0
# Vegetation is green, or dark without being reddish or blue, and smoother than a town.
GREEN, BRIGHTEST_GREEN, DARK, ROUGHEST_GREEN = 0.10, 75.0, 32.0, 26.0
# Dark, blue and rough: a shore, a pier or the shade of a hill. No class.
SHORE = 0.35


def cover_map(pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the class of every cell.

    Args:
        pixels: Sentinel-2 red, green, blue at 10 m, 8 bit, shape (H, W, 3); rows and
            columns beyond the last whole cell are left out.

    Returns:
        Indices into :data:`CLASSES`, or :data:`UNKNOWN`, shape (H / 16, W / 16).
    """
    rows, columns = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    image = pixels[: rows * CELL, : columns * CELL, :3].astype(np.float32)
    clear = (image - np.array(HAZE, np.float32)) * np.array(GAIN, np.float32)
    cells = clear.reshape(rows, CELL, columns, CELL, 3).swapaxes(1, 2)
    texture = cells.mean(-1).std((2, 3))  # (H / 16, W / 16)
    colour = cells.mean((2, 3))  # (H / 16, W / 16, 3)
    light = colour.mean(-1)
    scale = light.clip(0) + FLOOR
    red = (colour[..., 0] - colour[..., 2]) / scale
    green = (colour[..., 1] - (colour[..., 0] + colour[..., 2]) / 2) / scale

    neutral = red < REDDISH
    town = neutral & ((texture >= ROUGH) & (light >= DARKEST_TOWN) | (light >= BRIGHT))
    purple = (green <= -PURPLE) & (texture < ROUGH) & (red > 0)
    bare = (~neutral | purple) & (light >= DARKEST_SOIL)
    green_or_dark = (green >= GREEN) & (light < BRIGHTEST_GREEN)
    green_or_dark |= (light < DARK) & neutral
    plants = green_or_dark & (texture < ROUGHEST_GREEN)
    blue = (texture <= SMOOTH) & (light < BRIGHTEST_WATER) & (red <= -BLUE)
    still = texture <= VERY_SMOOTH
    algae = still & (green >= ALGAE) & (red <= -0.03) & (light < BRIGHTEST_ALGAE)
    deep = still & (light < BLACK) & (red < 0)

    out = np.full(light.shape, UNKNOWN, np.int8)
    out[town] = BUILT_UP
    out[bare] = BARE
    out[plants] = VEGETATION
    out[plants & (red < -SHORE)] = UNKNOWN
    out[blue | algae | deep] = WATER
    return out


def shares(cells: NDArray[np.int8]) -> dict[str, float]:
    """Return class -> share of the classified cells; empty where fewer than half are.

    >>> shares(np.array([[0, 0], [2, -1]], np.int8))["water"]
    0.667
    """
    known = cells[cells != UNKNOWN]
    if 2 * known.size < cells.size:
        return {}
    counts = np.bincount(known, minlength=len(CLASSES))
    return {
        name: round(float(count) / known.size, 3)
        for name, count in zip(CLASSES, counts, strict=True)
    }


def masks(cells: NDArray[np.int8], shape: Sequence[int]) -> dict[str, MaskRle]:
    """Return class -> where it is, for the classes that are there.

    Args:
        cells: Classes of the cells, or of pixels.
        shape: Rows and columns of the picture, px; ground beyond the last whole cell
            has no class.
    """
    from rsvlm.masks import Mask

    rows, columns = shape[:2]
    side = rows // cells.shape[0]
    whole = np.full((rows, columns), UNKNOWN, np.int8)
    known = np.kron(cells, np.ones((side, side), np.int8))
    whole[: known.shape[0], : known.shape[1]] = known
    return {
        name: MaskRle(size=(rows, columns), counts=Mask.from_array(found).counts)
        for number, name in enumerate(CLASSES)
        if (found := whole == number).any()
    }


def main_class(cover: Mapping[str, float]) -> str | None:
    """Return the class that covers most; None where two cover about as much.

    >>> main_class({"water": 0.6, "vegetation": 0.4})
    'water'
    >>> main_class({"water": 0.5, "vegetation": 0.45}) is None
    True
    """
    ranked = sorted(cover.items(), key=lambda item: -item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < 0.1):
        return None
    return ranked[0][0]
