"""Where to look: the windows of a raster in which objects are searched.

Small objects need pixels. A raster that fits one view is looked at whole; a larger
one by overlapping tiles at a ground resolution at which the objects that the region
head knows have their usual size in pixels.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from rsvlm.geometry import HBB
from rsvlm.tiling import grid

#: Finest ground resolution worth looking at, m/px: below it a vehicle fills a tile.
FINEST_GSD = 0.3
#: Shared part of neighbouring tiles: an object that one cuts is whole in the next.
OVERLAP = 0.2


class Sized(Protocol):
    """What is needed to know of a raster."""

    @property
    def width(self) -> int:
        """Columns, px."""
        ...

    @property
    def height(self) -> int:
        """Rows, px."""
        ...

    @property
    def gsd(self) -> float | None:
        """Ground sample distance, m/px."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Windows to look at, and whether they are as fine as they should be.

    Attributes:
        windows: Parts of the raster, in raster pixels.
        side: Longest side of a rendered window, in px.
        coarse: True where the budget made the windows larger than wanted.
    """

    windows: tuple[HBB, ...]
    side: int
    coarse: bool = False

    def size(self, window: HBB) -> tuple[int, int]:
        """Return the columns and rows at which a window is rendered, aspect kept."""
        # Small pictures are enlarged: that is how the region head learned them.
        scale = self.side / max(window.width, window.height)
        return (
            max(1, round(window.width * scale)),
            max(1, round(window.height * scale)),
        )


def plan_search(
    raster: Sized, side: int, zoom: Literal["auto", "none"] = "auto", budget: int = 36
) -> Plan:
    """Return the windows in which to search for objects.

    Args:
        raster: The raster.
        side: Longest side of a view that the region head takes, in px.
        zoom: ``"none"`` looks at the whole raster at once.
        budget: Most windows.

    Returns:
        The plan. Its windows cover the raster.
    """
    whole = HBB(0, 0, raster.width, raster.height)
    fine = 1.0
    if raster.gsd is not None and raster.gsd < FINEST_GSD:
        fine = FINEST_GSD / raster.gsd
    tile = round(side * fine)
    if zoom == "none" or max(raster.width, raster.height) <= 1.5 * tile:
        return Plan((whole,), side)
    coarse = False
    while len(windows := grid(raster.width, raster.height, tile, OVERLAP)) > budget:
        tile, coarse = round(tile * 1.25), True
    return Plan(tuple(windows), side, coarse)
