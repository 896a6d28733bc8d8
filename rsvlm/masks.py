"""Pixel masks: run-length code over a rectangle of the raster.

They are used through :mod:`rsvlm.geometry`, which states the coordinate convention.
pycocotools keeps the code, rasterio draws outlines; both are imported where they are
used, because importing them is slow.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from rsvlm.shapes import HBB, Polygon, Ring

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True)
class Mask:
    """Pixel mask: COCO run-length code over a rectangle of the raster.

    The rectangle may hold up to 2**32 - 1 pixels, a limit of the code.

    Attributes:
        counts: Compressed COCO counts.
        size: Rows and columns (h, w) of the rectangle.
        window: The rectangle, in whole raster pixels.
    """

    kind: ClassVar[Literal["mask"]] = "mask"
    counts: str
    size: tuple[int, int]
    window: HBB

    def __post_init__(self) -> None:
        if (self.window.height, self.window.width) != tuple(self.size):
            raise ValueError(f"size (h, w) = {self.size} does not fit {self.window}")

    @classmethod
    def from_array(cls, array: NDArray[np.bool_], x0: int = 0, y0: int = 0) -> Self:
        """Encode an array, shape (H, W), whose first pixel lies at (x0, y0)."""
        from pycocotools import mask

        rle = mask.encode(np.asfortranarray(array, dtype=np.uint8))
        h, w = array.shape
        return cls(rle["counts"].decode(), (h, w), HBB(x0, y0, x0 + w, y0 + h))

    @property
    def _rle(self) -> dict[str, object]:
        return {"counts": self.counts, "size": list(self.size)}

    def to_array(self) -> NDArray[np.bool_]:
        """Return the pixels of the window, shape (H, W)."""
        from pycocotools import mask

        return cast(NDArray[np.bool_], mask.decode(self._rle).astype(bool))

    @property
    def area(self) -> float:
        """Number of set pixels."""
        from pycocotools import mask

        return float(mask.area(self._rle))

    @property
    def hbb(self) -> HBB:
        """Smallest box around the set pixels; an empty box when none is set."""
        from pycocotools import mask

        x, y, w, h = map(float, mask.toBbox(self._rle))
        return HBB(x, y, x + w, y + h).scale(1, 1, self.window.x0, self.window.y0)

    def polygons(self) -> list[Polygon]:
        """Return the outlines of the connected parts, holes kept, in raster pixels."""
        from rasterio.features import shapes

        parts = shapes(self.to_array().astype(np.uint8), connectivity=4)
        found = []
        for geometry, value in parts:
            if value:
                exterior, *holes = (
                    tuple(
                        (x + self.window.x0, y + self.window.y0) for x, y in ring[:-1]
                    )
                    for ring in geometry["coordinates"]
                )
                found.append(Polygon(exterior, tuple(holes)))
        return found

    @property
    def corners(self) -> Ring:
        """Exterior of the largest part; no points when no pixel is set."""
        largest = max(self.polygons(), key=lambda part: part.area, default=None)
        return largest.exterior if largest else ()

    def scale(self, sx: float, sy: float, dx: float = 0, dy: float = 0) -> "Mask":
        """Map every point to (x * sx + dx, y * sy + dy) by nearest neighbour.

        The result covers the whole pixels around the mapped set pixels only, so that
        a small object on a huge raster stays small.
        """
        from pycocotools import mask

        box = self.hbb
        target = box.scale(sx, sy, dx, dy)
        # A rounding error must not add a row, hence the rounding before the ceiling.
        x0, y0 = math.floor(round(target.x0, 6)), math.floor(round(target.y0, 6))
        x1, y1 = math.ceil(round(target.x1, 6)), math.ceil(round(target.y1, 6))
        if x0 == x1 or y0 == y1:
            return Mask.from_array(np.zeros((y1 - y0, x1 - x0), dtype=bool), x0, y0)
        window = HBB(x0, y0, x1, y1)
        left, top = int(box.x0 - self.window.x0), int(box.y0 - self.window.y0)
        pixels = self.to_array()[top:, left:][: int(box.height), : int(box.width)]
        columns = np.floor((np.arange(x0, x1) + 0.5 - dx) / sx - box.x0).astype(int)
        rows = np.floor((np.arange(y0, y1) + 0.5 - dy) / sy - box.y0).astype(int)
        counts = _sampled_runs(pixels, rows, columns)
        size = (y1 - y0, x1 - x0)
        rle = mask.frPyObjects({"counts": counts, "size": list(size)}, *size)
        return Mask(rle["counts"].decode(), size, window)

    def to_shapely(self) -> "BaseGeometry":
        """Return the outlines as one valid shapely geometry, in pixels."""
        import shapely

        return shapely.unary_union([part.to_shapely() for part in self.polygons()])


def _sampled_runs(
    pixels: NDArray[np.bool_], rows: NDArray[np.int_], columns: NDArray[np.int_]
) -> list[int]:
    """Return the COCO run lengths of ``pixels[rows][:, columns]``.

    The sampled array is never built: it may have the size of a whole raster, while
    its columns repeat a few columns of a coarse mask.

    Args:
        pixels: Source, shape (h, w).
        rows: Source row of each of the H output rows; outside the source means 0.
        columns: Source column of each of the W output columns, likewise.

    Returns:
        Lengths of runs of 0 and 1 in turn, column by column, starting with 0.
    """
    height, width = len(rows), len(columns)
    padded = np.pad(pixels, 1)  # the border stands for everything outside
    rows = np.clip(rows, -1, pixels.shape[0]) + 1
    columns = np.clip(columns, -1, pixels.shape[1]) + 1
    starts = padded[rows[0], columns]  # (W,)
    ends = padded[rows[-1], columns]
    inner = {
        int(column): np.flatnonzero(np.diff(padded[rows, column])) + 1
        for column in np.unique(columns)
    }
    before = np.concatenate([[False], ends[:-1]])
    changes = [np.flatnonzero(starts != before) * height]
    changes += [inner[int(c)] + i * height for i, c in enumerate(columns)]
    edges = np.sort(np.concatenate(changes))
    lengths: list[int] = np.diff(edges, prepend=0, append=height * width).tolist()
    return lengths
