"""From tiles to windows: united, with what lies around them, and as a picture of scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB

#: Cells a side of a picture of scores, at most.
CELLS = 32
#: Two windows become one where that covers little more than both do.
WASTE = 1.3


def widened(box: HBB, whole: HBB, context: float, least: float) -> HBB:
    """Return a window with what lies around it, moved into the raster.

    Args:
        box: What should be seen.
        whole: The raster.
        context: Share of the longer side added at each side.
        least: Least side, px; the raster may be smaller.

    >>> widened(HBB(0, 0, 100, 50), HBB(0, 0, 1000, 1000), 0.1, 60)
    HBB(x0=0, y0=0, x1=120.0, y1=70.0)
    """
    margin = context * max(box.width, box.height)
    sides = []
    for low, high, start, end in (
        (box.x0, box.x1, whole.x0, whole.x1),
        (box.y0, box.y1, whole.y0, whole.y1),
    ):
        size = min(max(high - low + 2 * margin, least), end - start)
        at = min(max((low + high - size) / 2, start), end - size)
        sides.append((at, at + size))
    (x0, x1), (y0, y1) = sides
    return HBB(x0, y0, x1, y1)


def unite(
    boxes: Sequence[HBB], whole: HBB, context: float, least: float, most: int
) -> list[tuple[HBB, int]]:
    """Return the windows for some tiles, best first.

    Neighbouring tiles share a window, so that what lies across their border is seen
    once and whole.

    Args:
        boxes: Tiles, best first.
        whole: The raster.
        context: See :func:`widened`.
        least: See :func:`widened`.
        most: Windows at most; tiles that need another one are left out.

    Returns:
        Windows, and the index of the best tile of each.
    """
    windows: list[tuple[HBB, int]] = []
    for index, box in enumerate(boxes):
        for number, (window, first) in enumerate(windows):
            joint = _around(window, box)
            if joint.area <= WASTE * (
                window.area + box.area - window.intersection(box)
            ):
                windows[number] = (joint, first)
                break
        else:
            if len(windows) < most:
                windows.append((box, index))
    found: list[tuple[HBB, int]] = []
    for window, first in windows:
        wide = widened(window, whole, context, least)
        # Windows that grew into one another would show the same twice.
        if all(wide.intersection(other) < 0.7 * wide.area for other, _ in found):
            found.append((wide, first))
    return found


def heat(
    boxes: NDArray[np.float64], scores: NDArray[np.floating], whole: HBB
) -> tuple[tuple[float, ...], ...]:
    """Return the best score of the tiles over each cell of the raster, row by row.

    Cells that no tile lies over have the lowest score of all.

    Args:
        boxes: Tiles in raster pixels, shape (N, 4).
        scores: Shape (N,).
        whole: The raster.

    Returns:
        Rows of at most :data:`CELLS` numbers; none without tiles.
    """
    if not len(scores):
        return ()
    longest = max(whole.width, whole.height)
    columns, rows = (
        max(1, round(CELLS * side / longest)) for side in (whole.width, whole.height)
    )
    cells = np.full((rows, columns), float(scores.min()))
    factor = np.array([columns / whole.width, rows / whole.height] * 2)
    # The large tiles first: a finer one knows better what its cells show.
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for tile in np.lexsort((scores, -np.round(np.log2(areas)))):
        x0, y0, x1, y1 = boxes[tile] * factor
        left, top = int(x0), int(y0)
        right, bottom = max(left + 1, round(x1)), max(top + 1, round(y1))
        cells[top:bottom, left:right] = scores[tile]
    return tuple(tuple(map(float, row)) for row in np.round(cells, 4))


def _around(a: HBB, b: HBB) -> HBB:
    return HBB(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))
