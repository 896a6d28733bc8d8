"""Levels and tiles of a raster: halved until all of it fits one tile, as in Deep Zoom."""

from dataclasses import dataclass

from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB

#: Columns and rows of a tile; blocks of most large files are as large.
TILE = 512


@dataclass(frozen=True, slots=True)
class Pyramid:
    """The levels of a raster of so many pixels; the last is full resolution."""

    width: int
    height: int

    @property
    def last(self) -> int:
        """Number of the level at full resolution; level 0 is one tile."""
        return max(0, (-(-max(self.width, self.height) // TILE) - 1).bit_length())

    def tile(self, level: int, column: int, row: int) -> tuple[HBB, int, int]:
        """Return what of the raster a tile shows, and its columns and rows.

        The part may reach beyond the raster by less than a pixel of the tile.

        Raises:
            SettingsError: If there is no such tile.
        """
        factor = 1 << (self.last - level) if 0 <= level <= self.last else 0
        columns, rows = (
            -(-side // factor) if factor else 0 for side in (self.width, self.height)
        )
        x, y = column * TILE, row * TILE
        if not (0 <= x < columns and 0 <= y < rows):
            raise SettingsError(
                f"There is no tile {column}, {row} at level {level}; levels are 0 to "
                f"{self.last}."
            )
        width, height = min(TILE, columns - x), min(TILE, rows - y)
        box = HBB(x, y, x + width, y + height).scale(factor, factor, 0, 0)
        return box, width, height
