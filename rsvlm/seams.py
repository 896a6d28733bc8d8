"""Objects larger than the overlap of two tiles: their parts become one region.

Such an object is whole in no tile. Each tile sees a part that ends at its border, and
where the tiles overlap both parts show the same.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rsvlm.geometry import (
    HBB,
    OBB,
    Mask,
    Polygon,
    Region,
    Shape,
    intersection_area,
)

#: Share of the smaller part in the overlap of the tiles that both must show.
AGREEING = 0.5
#: A part reaches a border when it is nearer than this share of its tile.
NEAR = 0.01


def joined(found: Sequence[tuple[Region, HBB]]) -> list[Region]:
    """Join the parts of objects that borders between tiles cut.

    Args:
        found: Regions and the tile that each was found in, in raster pixels.

    Returns:
        The regions, those of one object as one with the confidence of its surest part,
        in the order of their first parts.
    """
    owner = list(range(len(found)))
    # The few that reach a border: of thousands of regions not every pair is compared.
    cut = [i for i, (region, tile) in enumerate(found) if any(_reached(region, tile))]
    for place, i in enumerate(cut):
        for j in cut[:place]:
            (one, tile), (other, its) = found[i], found[j]
            if owner[i] != owner[j] and _are_parts(one, tile, other, its):
                old, new = max(owner[i], owner[j]), min(owner[i], owner[j])
                owner = [new if value == old else value for value in owner]
    groups: dict[int, list[Region]] = {}
    for number, (region, _) in zip(owner, found, strict=True):
        groups.setdefault(number, []).append(region)
    return [_union(parts) for parts in groups.values()]


def _are_parts(one: Region, tile: HBB, other: Region, its: HBB) -> bool:
    if tile == its or (one.label, one.image) != (other.label, other.image):
        return False
    if not _ends_within(one, tile, its) or not _ends_within(other, its, tile):
        return False
    x0, y0 = max(tile.x0, its.x0), max(tile.y0, its.y0)
    x1, y1 = min(tile.x1, its.x1), min(tile.y1, its.y1)
    if x0 >= x1 or y0 >= y1:
        return False
    common = HBB(x0, y0, x1, y1)
    areas = [intersection_area(r.shape, common) for r in (one, other)]
    shared = intersection_area(one.shape, other.shape)
    return shared > 0 and shared >= AGREEING * min(areas)


def _reached(region: Region, tile: HBB) -> tuple[bool, bool, bool, bool]:
    """Say which borders of its tile a region reaches: left, right, upper, lower."""
    box, dx, dy = region.shape.hbb, NEAR * tile.width, NEAR * tile.height
    return (
        box.x0 <= tile.x0 + dx,
        box.x1 >= tile.x1 - dx,
        box.y0 <= tile.y0 + dy,
        box.y1 >= tile.y1 - dy,
    )


def _ends_within(region: Region, tile: HBB, other: HBB) -> bool:
    """Say whether a region reaches a border of its tile that lies in another tile."""
    left, right, upper, lower = _reached(region, tile)
    return (
        (left and other.x0 < tile.x0 < other.x1)
        or (right and other.x0 < tile.x1 < other.x1)
        or (upper and other.y0 < tile.y0 < other.y1)
        or (lower and other.y0 < tile.y1 < other.y1)
    )


def _union(parts: Sequence[Region]) -> Region:
    best = max(parts, key=lambda region: region.confidence)
    if len(parts) == 1:
        return best
    shapes: list[Shape] = [region.shape for region in parts]
    masks = [shape for shape in shapes if isinstance(shape, Mask)]
    if len(masks) == len(shapes):
        return replace(best, shape=_union_of_masks(masks))
    if all(isinstance(shape, Polygon | OBB) for shape in shapes):
        return replace(best, shape=_union_of_outlines(shapes))
    return replace(best, shape=_around(shapes))


def _around(shapes: Sequence[Shape]) -> HBB:
    boxes = [shape.hbb for shape in shapes]
    return HBB(
        min(box.x0 for box in boxes), min(box.y0 for box in boxes),
        max(box.x1 for box in boxes), max(box.y1 for box in boxes),
    )  # fmt: skip


def _union_of_masks(masks: Sequence[Mask]) -> Mask:
    frame = _around([mask.window for mask in masks])
    pixels = np.zeros((int(frame.height), int(frame.width)), bool)
    for mask in masks:
        y, x = int(mask.window.y0 - frame.y0), int(mask.window.x0 - frame.x0)
        h, w = mask.size
        pixels[y : y + h, x : x + w] |= mask.to_array()
    return Mask.from_array(pixels, int(frame.x0), int(frame.y0))


def _union_of_outlines(shapes: Sequence[Shape]) -> Shape:
    import shapely

    whole = shapely.union_all([shape.to_shapely() for shape in shapes])
    largest = max(shapely.get_parts(whole), key=lambda part: float(part.area))
    rings = [
        tuple((float(x), float(y)) for x, y in ring.coords[:-1])
        for ring in (largest.exterior, *largest.interiors)
    ]
    polygon = Polygon(rings[0], tuple(rings[1:]))
    turned = all(isinstance(shape, OBB) for shape in shapes)
    return polygon.min_area_obb() if turned else polygon
