"""Small copies of rasters that come without overviews.

A wide view of such a raster decodes all of it. That is done once, in a thread of its
own, strip by strip; wide views are drawn from the copy then.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.app.viewer.styles import Pixels
from rsvlm.errors import RsvlmError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster

#: Pixels that may be decoded for one view; a copy is made where it would be more.
WIDE = 16 * 2**20
#: Bytes of one copy, and how many copies are kept.
COPY_BYTES, COPIES = 96 * 2**20, 3
#: Longest side of the smallest copy.
LEAST = 512
#: Rows of a copy that are read at a time.
ROWS = 32


@dataclass(frozen=True, slots=True)
class Copy:
    """Some bands of a whole raster, each pixel the mean of ``factor`` x ``factor``.

    Attributes:
        values: Shape (B, rows, columns).
        valid: Where they hold data, shape (rows, columns).
        factor: Raster pixels per pixel.
        is_classes: Whether values are numbers of classes, which are not averaged.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_]
    factor: int
    is_classes: bool = False

    def halved(self) -> "Copy":
        """Return a copy of half the size."""
        rows, columns = (-(-side // 2) for side in self.valid.shape)
        twice = 2 * self.factor
        box = HBB(0, 0, columns * twice, rows * twice)
        return Copy(*self.read(box, columns, rows), twice, self.is_classes)

    def read(self, window: HBB, width: int, height: int) -> Pixels:
        """Read a window, each result pixel the mean of whole pixels of the copy.

        Args:
            window: In pixels of the raster.
            width: Columns of the result.
            height: Rows of the result.
        """
        limits = self.valid.shape
        rows = _edges(window.y0, window.y1, height, self.factor, limits[0])
        columns = _edges(window.x0, window.x1, width, self.factor, limits[1])
        part = slice(rows[0], rows[-1]), slice(columns[0], columns[-1])
        valid, values = self.valid[part], self.values[:, part[0], part[1]]
        if not valid.size:
            shape = (len(values), height, width)
            return np.zeros(shape, self.values.dtype), np.zeros(shape[1:], bool)
        rows, columns = rows - rows[0], columns - columns[0]
        weight = _sums(valid.astype(np.float32), rows, columns)
        if self.is_classes:  # numbers of classes have no mean
            middle = (
                np.minimum((e[:-1] + e[1:]) // 2, e[-1] - 1) for e in (rows, columns)
            )
            return values[:, *np.ix_(*middle)], weight > 0
        sums = _sums(np.where(valid, values, 0).astype(np.float32), rows, columns)
        return (sums / np.maximum(weight, 1)).astype(self.values.dtype), weight > 0


def _edges(
    start: float, end: float, count: int, factor: int, size: int
) -> NDArray[np.intp]:
    """Return where ``count`` pixels start and the last ends, in pixels of a copy."""
    edges = np.linspace(start / factor, end / factor, count + 1)
    return np.clip(np.rint(edges), 0, size).astype(np.intp)


def _sums(
    values: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return sums over rectangles of the last two axes; 0 for empty ones."""
    for axis, edges in ((-2, rows), (-1, columns)):
        starts = np.minimum(edges[:-1], values.shape[axis] - 1)
        values = np.add.reduceat(values, starts, axis)
        full = np.diff(edges) > 0  # reduceat gives one value for an empty piece
        values = values * (full[:, None] if axis == -2 else full)
    return values


class NotReadyError(RsvlmError):
    """Raised when the copy that a picture is drawn from is still being made."""


def reduction(raster: Raster, bands: int) -> int:
    """Return the factor of the copy of so many bands of a raster; 1: it needs none."""
    pixels = raster.width * raster.height
    if pixels <= WIDE * max(raster.factors) ** 2:
        return 1
    stored = "float32" if raster.dtype.startswith("complex") else raster.dtype
    size = pixels * bands * min(4, np.dtype(stored).itemsize)
    factor = 2
    while size / factor**2 > COPY_BYTES:
        factor *= 2
    return factor


class Copies:
    """Makes copies one after another and keeps the latest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, Future[tuple[Copy, ...]]] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, "rsvlm-copy")

    def of(
        self,
        key: Hashable,
        lend: Callable[[], AbstractContextManager[Raster]],
        bands: list[int],
    ) -> tuple[Copy, ...]:
        """Return copies of some bands of a raster, each half as large as the last.

        Args:
            key: Stands for the raster.
            lend: Gives the open raster for as long as the copy takes.
            bands: 1-based indexes.

        Raises:
            NotReadyError: If it is being made, from now at the latest.
            ImageError: If the raster cannot be decoded.
        """
        with self._lock:
            made = self._made.get((key, *bands))
            if made is None:
                made = self._worker.submit(_copy, lend, bands)
                self._made[key, *bands] = made
                while len(self._made) > COPIES:
                    self._made.popitem(last=False)
            self._made.move_to_end((key, *bands))
            if made.done() and made.exception():
                del self._made[key, *bands]  # the next one tries again
        if not made.done():
            raise NotReadyError(
                "The image has no overviews, and a small copy of it is being made. Try "
                "again in a few seconds, or add overviews: gdaladdo -r average FILE."
            )
        return made.result()

    def close(self) -> None:
        """Make no more copies."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def _copy(
    lend: Callable[[], AbstractContextManager[Raster]], bands: list[int]
) -> tuple[Copy, ...]:
    with lend() as raster:
        factor = reduction(raster, len(bands))
        width, height = -(-raster.width // factor), -(-raster.height // factor)
        strips = []
        for top in range(0, height, ROWS):
            rows = min(ROWS, height - top)
            box = HBB(0, top, width, top + rows).scale(factor, factor, 0, 0)
            strips.append(raster.read(box, width, rows, bands))
        is_classes = raster.guess.domain == "classes"
    values = np.concatenate([strip.data for strip in strips], axis=1)
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    valid = np.concatenate([~np.ma.getmaskarray(strip)[0] for strip in strips])
    copies = [Copy(values, valid, factor, is_classes)]
    while max(copies[-1].valid.shape) > LEAST:
        copies.append(copies[-1].halved())
    return tuple(copies)
