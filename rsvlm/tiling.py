"""Tiles of a raster, and the union of what was found in them.

A large raster is read tile by tile. Tiles overlap, so that an object which one tile
cuts is whole in the next; :func:`merge` removes the doubles and the cut parts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Region, intersection_area, nms
from rsvlm.seams import joined

#: A cut part goes when this share of its area lies in a fuller region.
CONTAINED = 0.7
#: A region touches a tile border when it is nearer than this share of the tile.
#: Text units are 1/1000 of a view, so a border can be missed by a few of them.
TOUCHING = 0.01


def grid(width: int, height: int, tile: int, overlap: float) -> list[HBB]:
    """Cover a raster with square tiles of one size.

    Tiles at the right and lower border are shifted inwards instead of being smaller;
    only a raster smaller than a tile has smaller ones.

    Args:
        width: Raster width, pixels.
        height: Raster height, pixels.
        tile: Side of a tile, pixels.
        overlap: Share of a tile that its neighbour repeats, in [0, 1).

    Returns:
        Boxes of whole pixels, row by row.

    Raises:
        SettingsError: If the tile or the overlap cannot be used.

    >>> [(t.x0, t.x1) for t in grid(250, 100, 100, 0.0)]
    [(0, 100), (100, 200), (150, 250)]
    """
    if tile < 1:
        raise SettingsError(f"tile size {tile} is below 1 pixel; give a larger one.")
    if not 0 <= overlap < 1:
        raise SettingsError(
            f"tile overlap {overlap} is not in [0, 1); give a share such as 0.2."
        )
    return [
        HBB(x, y, min(x + tile, width), min(y + tile, height))
        for y in _starts(height, tile, overlap)
        for x in _starts(width, tile, overlap)
    ]


def merge(
    regions_by_tile: Sequence[Sequence[Region]],
    tiles: Sequence[HBB],
    threshold: float = 0.5,
) -> list[Region]:
    """Unite the regions of overlapping tiles.

    A region that touches a border between tiles may be a part of an object. It goes
    when most of it lies in a larger region of the same label. This comes before the
    suppression of doubles, which cannot tell a part from the whole by confidence.

    Args:
        regions_by_tile: Regions of every tile, in raster pixels.
        tiles: The tiles, in the same order; together they cover the raster.
        threshold: IoU above which two regions of one label are the same object.

    Returns:
        The regions that stay, by falling confidence.

    Raises:
        ValueError: If the two sequences differ in length.
    """
    pairs = [
        (region, tile)
        for regions, tile in zip(regions_by_tile, tiles, strict=True)
        for region in regions
    ]
    if not pairs:
        return []
    parts = _cut_parts([region for region, _ in pairs], _are_cut(pairs, tiles))
    kept = [pair for i, pair in enumerate(pairs) if i not in parts]
    return nms(joined(kept), threshold)


def _are_cut(
    pairs: Sequence[tuple[Region, HBB]], tiles: Sequence[HBB]
) -> NDArray[np.bool_]:
    """Say which regions touch a tile border that is not a border of the raster."""
    sides = np.array([tile.corners[0] + tile.corners[2] for tile in tiles])  # (K, 4)
    raster = np.concatenate([sides[:, :2].min(0), sides[:, 2:].max(0)])
    found = np.array([_bounds(region) for region, _ in pairs])  # (N, 4)
    tile = np.array([box.corners[0] + box.corners[2] for _, box in pairs])
    margin = TOUCHING * np.tile(tile[:, 2:] - tile[:, :2], 2)
    touches = np.abs(found - tile) <= margin
    beyond = np.hstack([found[:, :2] < tile[:, :2], found[:, 2:] > tile[:, 2:]])
    cut: NDArray[np.bool_] = ((touches | beyond) & (tile != raster)).any(1)
    return cut


def _cut_parts(regions: Sequence[Region], cut: NDArray[np.bool_]) -> set[int]:
    """Return the indices of cut regions that lie in a larger one of their label."""
    boxes = np.array([_bounds(region) for region in regions])  # (N, 4)
    areas = np.array([region.shape.area for region in regions])
    names = [(region.image, region.label) for region in regions]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    groups = np.array([numbers[name] for name in names])
    parts = set()
    for i in map(int, np.flatnonzero(cut)):
        near = (boxes[:, :2] < boxes[i, 2:]) & (boxes[:, 2:] > boxes[i, :2])
        fuller = near.all(1) & (groups == groups[i]) & (areas > areas[i])
        if any(
            intersection_area(regions[i].shape, regions[j].shape)
            >= CONTAINED * areas[i]
            for j in map(int, np.flatnonzero(fuller))
        ):
            parts.add(int(i))
    return parts


def _bounds(region: Region) -> tuple[float, float, float, float]:
    box = region.shape.hbb
    return box.x0, box.y0, box.x1, box.y1


def _starts(size: int, tile: int, overlap: float) -> list[int]:
    stride = max(1, round(tile * (1 - overlap)))
    return [*range(0, size - tile, stride), max(size - tile, 0)]
