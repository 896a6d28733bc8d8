"""Draws windows of stored images, for many people at once.

Open rasters, stretches and encoded tiles are kept, the latest and within bounds. A key
always holds the hash of the file, so that a picture never shows another file.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.app.server.lending import OpenRasters
from rsvlm.app.viewer.copies import WIDE, Copies, reduction
from rsvlm.app.viewer.styles import Pixels, Style, draw
from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from rsvlm.render import Ends

_V = TypeVar("_V")

#: Open rasters that are kept, stretches, and bytes of encoded tiles.
OPEN, STRETCHES, TILE_BYTES = 4, 256, 64 * 2**20
#: Longest side of the overview that a stretch is measured on, and pieces read natively
#: where there is no overview: so many a side, of so many pixels.
OVERVIEW, PIECES, PIECE = 512, 4, 128


class Kept(Generic[_V]):
    """The latest values, up to a weight in all; many threads may use it."""

    def __init__(self, most: int, weigh: Callable[[_V], int] = lambda _: 1) -> None:
        self._most, self._weigh, self._weight = most, weigh, 0
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, _V] = OrderedDict()

    def get(self, key: Hashable) -> _V | None:
        """Return a value, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: _V) -> _V:
        """Keep a value and return it."""
        with self._lock:
            if key in self._values:
                self._weight -= self._weigh(self._values.pop(key))
            self._values[key] = value
            self._weight += self._weigh(value)
            while self._weight > self._most and self._values:
                _, old = self._values.popitem(last=False)
                self._weight -= self._weigh(old)
        return value


class Pictures:
    """Draws windows of images."""

    def __init__(self) -> None:
        self._rasters = OpenRasters(OPEN)
        self._ends: Kept[tuple[Ends | None]] = Kept(STRETCHES)
        self._copies = Copies()
        self.tiles: Kept[tuple[bytes, str]] = Kept(
            TILE_BYTES, lambda tile: len(tile[0])
        )

    def raster(
        self, key: str, opener: Callable[[], Raster]
    ) -> AbstractContextManager[Raster]:
        """Lend the open raster of a file; see :meth:`OpenRasters.lend`."""
        return self._rasters.lend(key, opener)

    def draw(
        self,
        key: str,
        opener: Callable[[], Raster],
        style: Style,
        place: Callable[[Raster], tuple[HBB, int, int]],
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Draw a window: colours, shape (H, W, 3), and where there is data, (H, W).

        Args:
            key: As in :meth:`raster`.
            opener: As in :meth:`raster`.
            style: How to draw it.
            place: Tells what to draw, in raster pixels, and the columns and rows of
                the picture.

        Raises:
            NotReadyError: If the raster has no overviews and its copy is not made yet.
        """
        with self.raster(key, opener) as raster:
            bands = style.indexes(raster)
            at = (key, style.rendering, style.bands, style.stretch)
            kept = self._ends.get(at)
            if kept is None:
                ends = style.ends(raster, lambda: _overview(raster, bands))
                kept = self._ends.put(at, (ends,))
            box, width, height = place(raster)
            factor = reduction(raster, len(bands))
            if factor > 1 and box.width / width >= factor and box.area > WIDE / 4:
                lend = partial(self.raster, key, opener)
                copies = self._copies.of(key, lend, bands)
                fine = [c for c in copies if c.factor <= box.width / width]
                pixels = fine[-1].read(box, width, height)
            else:
                pixels = _split(raster.read(box, width, height, bands))
            return draw(style, pixels, raster, kept[0])

    def close(self) -> None:
        """Close every raster."""
        self._copies.close()
        self._rasters.close()


def _overview(raster: Raster, bands: list[int]) -> Pixels:
    """Read the whole raster at low resolution, or pieces where that takes long."""
    width, height = raster.width, raster.height
    if reduction(raster, len(bands)) == 1:
        scale = min(1.0, OVERVIEW / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return _split(raster.read(HBB(0, 0, width, height), *size, bands))
    side = min(PIECE, width, height)
    steps = (np.arange(PIECES) + 0.5) / PIECES
    parts = [
        _split(raster.read(HBB(x, y, x + side, y + side), side, side, bands))
        for x in (steps * (width - side)).astype(int).tolist()
        for y in (steps * (height - side)).astype(int).tolist()
    ]
    values, valid = zip(*parts, strict=True)
    return np.concatenate(values, axis=2), np.concatenate(valid, axis=1)


def _split(read: "np.ma.MaskedArray[Any, Any]") -> Pixels:
    return read.data, ~np.ma.getmaskarray(read)[0]


def encode(
    colours: NDArray[np.uint8], valid: NDArray[np.bool_], kind: str
) -> tuple[bytes, str]:
    """Encode a picture; it is clear where there is no data.

    Args:
        colours: Shape (H, W, 3).
        valid: Where there is data, shape (H, W).
        kind: ``"png"``, or ``"jpg"``: JPEG, which is written three times as fast as
            WebP, but WebP where something is clear.

    Returns:
        The bytes and their media type.
    """
    clear = not valid.all()
    if clear:
        colours = np.dstack([colours, valid * np.uint8(255)])
    out, image = io.BytesIO(), Image.fromarray(np.ascontiguousarray(colours))
    if kind == "png":
        image.save(out, "PNG", compress_level=1)
        return out.getvalue(), "image/png"
    if clear:
        image.save(out, "WEBP", quality=85, method=0)
        return out.getvalue(), "image/webp"
    image.save(out, "JPEG", quality=88, subsampling=0)
    return out.getvalue(), "image/jpeg"
