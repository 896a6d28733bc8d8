"""Reading many tiles of a raster: each block decoded once, memory flat.

Rows of tiles are read at once, as wide as memory allows, and cut: a block of the file is
decoded for all tiles over it, and the block cache still holds it for the next row. That
is worth more than any order of single windows. GDAL decodes the blocks of a row with
several threads, and while it does, the row before is drawn.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB, Window
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval.tiles_grid import Pyramid

#: Pixels that are drawn at once: 6 MB of colours.
PART = 2 * 2**20
#: Threads that read while the caller works: one decodes, one draws.
WORKERS = 2

#: Numbers of tiles, and their pictures.
Batch = tuple[NDArray[np.int64], list[View]]


def read_tiles(
    raster: Raster, pyramid: Pyramid, tiles: NDArray[np.int64]
) -> Iterator[Batch]:
    """Yield the pictures of tiles, part by part.

    Args:
        raster: An opened raster.
        pyramid: The tiles of it.
        tiles: Numbers of the wanted ones.

    Raises:
        ImageError: If a part cannot be decoded.
    """
    parts = deque(_parts(pyramid, tiles))
    pool = ThreadPoolExecutor(WORKERS)
    waiting: deque[tuple[NDArray[np.int64], Future[list[View]]]] = deque()
    try:
        while parts or waiting:
            while parts and len(waiting) < WORKERS:
                part = parts.popleft()
                waiting.append((part, pool.submit(_read, raster, pyramid, part)))
            part, future = waiting.popleft()
            yield part, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _parts(pyramid: Pyramid, tiles: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Group the tiles of a row that are read at once.

    Coarse levels come first: if the work is broken off, a search can go down from what
    there is. The parts of a level come column by column: blocks under the next part then are those of the last
    one, whatever the width of the raster, and the small block cache still has them.
    """
    corners = pyramid.drawn[tiles]
    widest = max(pyramid.side, PART // pyramid.side - pyramid.side)
    above = -pyramid.levels[tiles]
    keys = np.stack([above, corners[:, 0] // widest, corners[:, 1]], 1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    return [part for part in np.split(tiles[order], cuts) if len(part)]


def _read(raster: Raster, pyramid: Pyramid, part: NDArray[np.int64]) -> list[View]:
    """Read what is around some tiles of one row, and cut it."""
    scale = pyramid.scales[int(pyramid.levels[part[0]])]
    drawn = pyramid.drawn[part]
    x0, y0 = map(int, drawn[:, :2].min(0))
    x1, y1 = map(int, drawn[:, 2:].max(0))
    whole = raster.view(
        HBB(x0 * scale, y0 * scale, x1 * scale, y1 * scale), x1 - x0, y1 - y0
    )
    views = []
    for left, top, right, bottom in drawn.tolist():
        rows, columns = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
        box = HBB(left * scale, top * scale, right * scale, bottom * scale)
        views.append(
            View(
                whole.pixels[rows, columns],
                Window(box, right - left, bottom - top),
                whole.sensor,
                whole.rendering,
                whole.legend,
                valid=None if whole.valid is None else whole.valid[rows, columns],
            )
        )
    return views
