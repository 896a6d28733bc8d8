"""The pyramid of overlapping tiles of one raster: levels, boxes, children.

Level 0 is the finest: tiles of ``tile`` raster pixels. Every level above doubles the
side, up to one tile that holds the whole raster. A tile is drawn at the side that the
encoder sees, so that a level is a regular grid of whole pixels in its own picture of
the raster, and a part of that picture can be read at once and cut.
"""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rsvlm.geometry import HBB
from rsvlm.tiling import grid


class TileSettings(BaseModel):
    """How a raster is cut.

    Attributes:
        tile: Side of the finest tiles, raster px.
        overlap: Share of a tile that its neighbour repeats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile: int = Field(448, ge=16)
    overlap: float = Field(0.125, ge=0, le=0.5)


class Pyramid:
    """Tiles of every level, numbered level by level and row by row.

    Attributes:
        scales: Raster pixels per drawn pixel of each level, the finest first.
        drawn: Tiles in pixels of the picture of their level, shape (N, 4), whole.
        levels: Level of each tile, shape (N,).
        boxes: Tiles in raster pixels, clipped to it, shape (N, 4).

    .. versionadded:: 0.2
    """

    def __init__(
        self, width: int, height: int, side: int, settings: TileSettings
    ) -> None:
        """Lay the tiles.

        Args:
            width: Of the raster, px.
            height: Of the raster, px.
            side: Of a drawn tile, px.
            settings: Size and overlap.
        """
        self.width, self.height, self.side = width, height, side
        self.settings = settings
        longest = max(width, height)
        above = max(0, math.ceil(math.log2(longest / settings.tile)))
        tiles = [settings.tile * 2**level for level in range(above)]
        tiles.append(min(settings.tile * 2**above, longest))
        self.scales = [tile / side for tile in tiles]
        drawn, levels = [], []
        for level, scale in enumerate(self.scales):
            # A picture that ends inside a pixel gets that pixel, half of it empty.
            columns, rows = (
                max(1, math.ceil(size / scale - 1e-6)) for size in (width, height)
            )
            cut = grid(columns, rows, side, settings.overlap)
            drawn += [[t.x0, t.y0, t.x1, t.y1] for t in cut]
            levels += [level] * len(cut)
        self.drawn = np.array(drawn, np.int64)
        self.levels = np.array(levels, np.int64)
        factor = np.array(self.scales)[self.levels, None]
        self.boxes: NDArray[np.float64] = np.minimum(
            self.drawn * factor, np.array([width, height, width, height], np.float64)
        )

    def __len__(self) -> int:
        return len(self.levels)

    def box(self, tile: int) -> HBB:
        """Return a tile in raster pixels."""
        return HBB(*map(float, self.boxes[tile]))

    def of_level(self, level: int) -> NDArray[np.int64]:
        """Return the tiles of a level."""
        return np.flatnonzero(self.levels == level)

    def children(self, tile: int) -> NDArray[np.int64]:
        """Return the tiles one level below whose middle lies in a tile."""
        below = self.of_level(int(self.levels[tile]) - 1)
        boxes = self.boxes[below]
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        x0, y0, x1, y1 = self.boxes[tile]
        inside = (middle >= (x0, y0)).all(1) & (middle <= (x1, y1)).all(1)
        return below[inside]
