"""Objects cut from real images by their outlines, pasted on other real images.

A cut is scaled, turned, matched in brightness, blended at its edge and given a shadow.
The ground is chosen flat, so that nothing is pasted on a house, and water for ships.

Source:
    Pasting objects with their outlines: Ghiasi et al., "Simple Copy-Paste is a Strong
    Data Augmentation Method for Instance Segmentation", CVPR 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil, cos, hypot, pi, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from rsvlm.samples import Target

#: Class -> shortest and longest length in the world, m.
LENGTHS = {
    "airplane": (18.0, 62.0),
    "ship": (14.0, 110.0),
    "storage tank": (12.0, 50.0),
    "tennis court": (32.0, 36.0),
    "basketball court": (27.0, 30.0),
    "baseball diamond": (50.0, 90.0),
    "ground track field": (150.0, 185.0),
}
#: Class -> height as a share of the length, for what stands high enough for a shadow.
HEIGHTS = {"airplane": 0.09, "ship": 0.06, "storage tank": 0.35}
#: Light that a shadow takes away.
DARK = 0.5
#: Least and largest ratio of a pasted object's size to its own: more would blur it.
SCALES = (0.2, 1.25)
#: Least length of a pasted object, px; longest, as a share of the ground's side.
LEAST_PX, MOST = 9.0, 0.5
#: Softness of the edge, px.
FEATHER = 0.7
#: Places that are tried for each object.
TRIES = 40


@dataclass(frozen=True, slots=True)
class Cut:
    """One object of a real image.

    Attributes:
        label: Its class.
        pixels: RGB of the window around it, shape (h, w, 3).
        ring: Its outline in that window, px.
        light: Bright level of the image that it is from, 0-255.
    """

    label: str
    pixels: NDArray[np.uint8]
    ring: tuple[tuple[float, float], ...]
    light: float

    @property
    def length(self) -> float:
        """Largest extent, px."""
        points = np.array(self.ring)
        gaps = points[:, None] - points[None]
        return float(np.hypot(gaps[..., 0], gaps[..., 1]).max())


def cut(pixels: NDArray[np.uint8], target: Target) -> Cut | None:
    """Return an object of an image, None where it cannot be used.

    Args:
        pixels: The image, RGB, shape (H, W, 3).
        target: The object; one outline that does not touch the border is needed.
    """
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = target.hbb
    inside = x0 > 1 and y0 > 1 and x1 < width - 1 and y1 < height - 1
    if target.label not in LENGTHS or len(target.polygons) != 1 or not inside:
        return None
    left, top = max(int(x0) - 4, 0), max(int(y0) - 4, 0)
    window = pixels[top : int(y1) + 5, left : int(x1) + 5]
    flat = target.polygons[0]
    ring = tuple(
        (x - left, y - top) for x, y in zip(flat[::2], flat[1::2], strict=True)
    )
    return Cut(target.label, window, ring, bright(pixels))


def bright(pixels: NDArray[np.uint8]) -> float:
    """Return the bright level of an image, 0-255."""
    return float(np.percentile(pixels[::4, ::4], 90))


def paste(
    ground: NDArray[np.uint8],
    cuts: Sequence[tuple[Cut, float]],
    rng: np.random.Generator,
    there: Sequence[Target] = (),
) -> tuple[NDArray[np.uint8], tuple[Target, ...]]:
    """Paste objects on a ground, those that find a place.

    Args:
        ground: RGB, shape (H, W, 3).
        cuts: Objects and their lengths in px of the ground, in the order of pasting.
        rng: Draws turns, places and light.
        there: Objects of the ground, which are not covered.

    Returns:
        The new picture, and what was pasted, in its pixels.
    """
    picture = ground.astype(np.float32)
    rough = _roughness(ground)
    taken = np.zeros(ground.shape[:2], bool)
    for target in there:
        x0, y0, x1, y1 = target.hbb
        taken[max(int(y0) - 3, 0) : int(y1) + 4, max(int(x0) - 3, 0) : int(x1) + 4] = 1
    pasted = []
    level = bright(ground)
    sun, slant = float(rng.uniform(0, 2 * pi)), float(rng.uniform(0.6, 1.6))
    for one, length in cuts:
        scale = length / one.length
        fits = LEAST_PX <= length <= MOST * min(ground.shape[:2])
        if not fits or not SCALES[0] <= scale <= SCALES[1]:
            continue
        turned, alpha, ring = _turned(one, scale, float(rng.uniform(0, 360)))
        place = _place(
            rough, taken, alpha > 0.05, ground if one.label == "ship" else None, rng
        )
        if place is None:
            continue
        row, column = place
        h, w = alpha.shape
        reach = HEIGHTS.get(one.label, 0.0) * length * slant
        _shade(picture, alpha, place, (reach * sin(sun), reach * cos(sun)))
        gain = float(np.clip(level / max(one.light, 1.0), 0.75, 1.3))
        under = picture[row : row + h, column : column + w]
        under += alpha[..., None] * (turned * gain - under)
        # Things that touch could not be told apart.
        taken[max(row - 3, 0) : row + h + 3, max(column - 3, 0) : column + w + 3] = True
        pasted.append(_target(one.label, ring, column, row))
    return picture.clip(0, 255).round().astype(np.uint8), tuple(pasted)


def _shade(
    picture: NDArray[np.float32],
    alpha: NDArray[np.float32],
    place: tuple[int, int],
    way: tuple[float, float],
) -> None:
    """Darken the ground that an object hides from the sun, ``way`` rows and columns off."""
    steps = ceil(max(abs(way[0]), abs(way[1])))
    if not steps:
        return
    height, width = picture.shape[:2]
    dark = np.zeros((height, width), np.float32)
    for step in range(1, steps + 1):
        row, column = (
            at + round(part * step / steps) for at, part in zip(place, way, strict=True)
        )
        top, left = max(row, 0), max(column, 0)
        low, right = (
            min(row + alpha.shape[0], height),
            min(column + alpha.shape[1], width),
        )
        if low > top and right > left:
            part = alpha[top - row : low - row, left - column : right - column]
            np.maximum(dark[top:low, left:right], part, out=dark[top:low, left:right])
    picture *= 1 - DARK * dark[..., None]


def encoded(picture: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Return a picture as JPEG."""
    data = BytesIO()
    Image.fromarray(picture).save(data, format="JPEG", quality=quality)
    return data.getvalue()


def _turned(
    one: Cut, scale: float, degrees: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[tuple[float, float]]]:
    """Return pixels, opacity and outline of a cut, scaled and turned, trimmed."""
    h, w = one.pixels.shape[:2]
    size = (max(2, round(w * scale)), max(2, round(h * scale)))
    sx, sy = size[0] / w, size[1] / h
    colours = Image.fromarray(one.pixels).resize(size, Image.Resampling.LANCZOS)
    mask = Image.new("L", (size[0] * 4, size[1] * 4))
    ring = [(x * sx, y * sy) for x, y in one.ring]
    ImageDraw.Draw(mask).polygon(
        [(x * 4 - 0.5, y * 4 - 0.5) for x, y in ring], fill=255
    )
    mask = mask.reduce(4)
    side = int(hypot(*size)) + 6
    shift = ((side - size[0]) // 2, (side - size[1]) // 2)
    wide, cover = Image.new("RGB", (side, side)), Image.new("L", (side, side))
    # The window's own ground reaches out to the border, or edges would turn dark.
    wide.paste(colours.resize((side, side)), (0, 0))
    wide.paste(colours, shift)
    cover.paste(mask, shift)
    bicubic = Image.Resampling.BICUBIC
    wide, cover = wide.rotate(degrees, bicubic), cover.rotate(degrees, bicubic)
    cover = cover.filter(ImageFilter.GaussianBlur(FEATHER))
    c, s, mid = cos(radians(degrees)), sin(radians(degrees)), side / 2
    moved = [(x + shift[0] - mid, y + shift[1] - mid) for x, y in ring]
    points = [(mid + c * x + s * y, mid - s * x + c * y) for x, y in moved]
    left, top, right, low = cover.getbbox() or (0, 0, side, side)
    box = (slice(top, low), slice(left, right))
    alpha = np.asarray(cover, np.float32)[box] / np.float32(255)
    pixels = np.asarray(wide, np.float32)[box]
    return pixels, alpha, [(x - left, y - top) for x, y in points]


def _roughness(ground: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the change of brightness from pixel to pixel, summed from the top left.

    The sum over any rectangle then takes four look-ups; shape (H + 1, W + 1).
    """
    gray = ground.mean(-1, dtype=np.float32)
    change = np.abs(np.diff(gray, axis=0, append=gray[-1:]))
    change += np.abs(np.diff(gray, axis=1, append=gray[:, -1:]))
    return np.pad(change, ((1, 0), (1, 0))).cumsum(0).cumsum(1)


def _place(
    rough: NDArray[np.float32],
    taken: NDArray[np.bool_],
    shape: NDArray[np.bool_],
    water: NDArray[np.uint8] | None,
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Return row and column of the flattest free place that was tried, None without one."""
    h, w = shape.shape
    height, width = taken.shape
    best: tuple[float, int, int] | None = None
    if h >= height - 4 or w >= width - 4:
        return None
    for _ in range(TRIES):
        row, column = (
            int(rng.integers(2, height - h - 1)),
            int(rng.integers(2, width - w - 1)),
        )
        if taken[row : row + h, column : column + w].any():
            continue
        if water is not None and not _is_water(
            water[row : row + h, column : column + w]
        ):
            continue
        low, right = row + h, column + w
        total = (
            rough[low, right]
            - rough[row, right]
            - rough[low, column]
            + rough[row, column]
        )
        mean = float(total) / (h * w)
        if best is None or mean < best[0]:
            best = (mean, row, column)
    return best[1:] if best else None


def _is_water(pixels: NDArray[np.uint8]) -> bool:
    """Whether a window is even, not bright, and less red than other colours, as water is."""
    red, green, blue = (float(v) for v in pixels.reshape(-1, 3).mean(0))
    even = float(pixels.mean(-1).std()) < 9
    dark = red + green + blue < 390
    return even and dark and red + 3 < max(green, blue) and green < (red + blue) / 2 + 9


def _target(label: str, ring: list[tuple[float, float]], x: int, y: int) -> Target:
    points = [(round(u + x, 2), round(v + y, 2)) for u, v in ring]
    xs, ys = [u for u, _ in points], [v for _, v in points]
    flat = tuple(value for point in points for value in point)
    return Target(
        label=label, hbb=(min(xs), min(ys), max(xs), max(ys)), polygons=(flat,)
    )
