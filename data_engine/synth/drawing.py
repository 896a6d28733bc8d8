"""Fills polygons with smooth edges, and blurs."""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
#: Subpixels along a side of a pixel where edges are smooth.
FINE = 4


def coverage(
    *rings: Sequence[Point], side: int, fine: int = FINE
) -> tuple[slice, slice, NDArray[np.float32]] | None:
    """Return how much of each pixel rings cover, within the rows and columns they meet.

    Args:
        rings: Outlines, px; where they overlap the ground counts once.
        side: Rows and columns of the picture, px.
        fine: Subpixels along a side of a pixel.

    Returns:
        Rows, columns, and shares in [0, 1] of that shape; None outside of the picture.
    """
    xs, ys = [x for r in rings for x, _ in r], [y for r in rings for _, y in r]
    left, top = max(floor(min(xs)), 0), max(floor(min(ys)), 0)
    right, low = min(ceil(max(xs)), side), min(ceil(max(ys)), side)
    if right <= left or low <= top:
        return None
    picture = Image.new("L", ((right - left) * fine, (low - top) * fine))
    draw = ImageDraw.Draw(picture)
    for ring in rings:
        points = [((x - left) * fine - 0.5, (y - top) * fine - 0.5) for x, y in ring]
        draw.polygon(points, fill=255)
    shares = np.asarray(picture.reduce(fine), np.float32) / np.float32(255)
    return slice(top, low), slice(left, right), shares


def swept(ring: Sequence[Point], x: float, y: float) -> list[list[Point]]:
    """Return outlines that cover what a ring covers on its way along a vector.

    They are both ends of the way and the path of every edge.
    """
    moved = [(px + x, py + y) for px, py in ring]
    rings = [list(ring), moved]
    for index in range(len(ring)):
        rings.append([ring[index - 1], ring[index], moved[index], moved[index - 1]])
    return rings


def blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return a picture, shape (H, W) or (H, W, C), blurred by a Gaussian of sigma px."""
    reach = max(1, round(2.5 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        wide = [(0, 0)] * picture.ndim
        wide[axis] = (reach, reach)
        padded = np.pad(picture, wide, "edge")
        size = picture.shape[axis]
        total = np.zeros_like(picture)
        for start, tap in enumerate(taps):
            part = slice(start, start + size)
            total += tap * (padded[part] if axis == 0 else padded[:, part])
        picture = total
    return picture
