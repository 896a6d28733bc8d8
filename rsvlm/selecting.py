"""Applies what a description says beside its label to the regions of that label.

Order: how they lie to other objects, in which part of the image, their colour, then
their rank. Distances are between boxes, in raster pixels.
"""

from collections.abc import Callable, Sequence

import numpy as np

from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region
from rsvlm.referring import COLOURS, Referring, on_image

#: Two objects are near each other up to this many times the longer side of the larger.
NEAR = 1.5
#: A thing lies in a direction when it is at most this much farther sideways.
SIDEWAYS = 1.5
#: Half of the middle part of an image, as a share of its sides.
MIDDLE = 1 / 6

#: Regions of another description.
Others = Callable[[Referring], Sequence[Region]]
#: Mean RGB of a region in 0-1, None where it cannot be read.
ColourOf = Callable[[Region], tuple[float, float, float] | None]

_ON_IMAGE = {
    "left": (-1.0, 0.0), "right": (1.0, 0.0), "above": (0.0, -1.0), "over": (0.0, -1.0),
    "below": (0.0, 1.0), "under": (0.0, 1.0), "beneath": (0.0, 1.0),
    "underneath": (0.0, 1.0), "upper left": (-1.0, -1.0), "top left": (-1.0, -1.0),
    "upper right": (1.0, -1.0), "top right": (1.0, -1.0), "lower left": (-1.0, 1.0),
    "bottom left": (-1.0, 1.0), "lower right": (1.0, 1.0), "bottom right": (1.0, 1.0),
}  # fmt: skip
_GROUND = {
    "north": (0.0, 1.0), "south": (0.0, -1.0), "east": (1.0, 0.0), "west": (-1.0, 0.0),
    "northeast": (1.0, 1.0), "northwest": (-1.0, 1.0), "southeast": (1.0, -1.0),
    "southwest": (-1.0, -1.0),
}  # fmt: skip


def select(
    regions: Sequence[Region],
    meant: Referring,
    size: tuple[int, int],
    others: Others,
    colour_of: ColourOf,
    north: tuple[float, float] = (0.0, -1.0),
) -> list[Region]:
    """Return the regions that a description means.

    Args:
        regions: All regions of its label in one image.
        meant: What it says.
        size: Width and height of the image, px.
        others: Finds the regions of another description in the same image.
        colour_of: Reads the colour of a region.
        north: Unit vector towards north in the image, x to the right and y down.

    Returns:
        Those that fit, best first; none where what they should lie to is not there.
    """
    kept = list(regions)
    if meant.other is not None and meant.also is not None:
        same = meant.also == meant.other
        first = others(meant.other)
        kept = _between(kept, first, first if same else others(meant.also))
    elif meant.other is not None:
        kept = _related(kept, others(meant.other), meant, north)
    if meant.towards is not None:
        kept = _placed(kept, meant, size)
    if meant.colour:
        kept = _coloured(kept, meant, colour_of)
    if meant.rank is not None:
        kept = _ranked(kept, meant, north)
    return kept[: meant.most] if meant.most is not None else kept


def _related(
    regions: Sequence[Region],
    known: Sequence[Region],
    meant: Referring,
    north: tuple[float, float],
) -> list[Region]:
    """Return the regions that lie to others as wanted, nearest first."""
    word = meant.kind.removesuffix(" of")
    word = word.replace("-", " " if word.endswith(("left", "right")) else "")
    if not known:
        return []
    fits: list[tuple[float, Region]] = []
    for region in regions:
        rest = [other for other in known if other.shape.hbb != region.shape.hbb]
        if not rest:
            continue
        gaps = [gap(region.shape.hbb, other.shape.hbb) for other in rest]
        if word.startswith(("nearest", "closest")):
            fits.append((min(gaps), region))
        elif word.startswith(("farthest", "furthest")):
            fits.append((-min(gaps), region))
        elif word in _ON_IMAGE or word in _GROUND:
            way = _ON_IMAGE.get(word) or on_image(_GROUND[word], north)
            there = [
                distance
                for other, distance in zip(rest, gaps, strict=True)
                if _lies(region.shape.hbb, other.shape.hbb, way)
            ]
            if there:
                fits.append((min(there), region))
        elif word in ("in", "on", "inside", "within"):
            if any(_holds(other.shape.hbb, region.shape.hbb) for other in rest):
                fits.append((min(gaps), region))
        else:
            near = [
                distance
                for other, distance in zip(rest, gaps, strict=True)
                if distance
                <= NEAR * max(_longer(region.shape.hbb), _longer(other.shape.hbb))
            ]
            if near:
                fits.append((min(near), region))
    return [region for _, region in sorted(fits, key=lambda item: item[0])]


def _between(
    regions: Sequence[Region], first: Sequence[Region], second: Sequence[Region]
) -> list[Region]:
    """Return the regions between two others, those nearest to the line first."""
    fits: list[tuple[float, Region]] = []
    for region in regions:
        place = np.array(region.shape.hbb.center)
        away = []
        for one in first:
            for two in second:
                start, end = (np.array(o.shape.hbb.center) for o in (one, two))
                whole = float(np.hypot(*(end - start)))
                if not whole or region.shape.hbb in (one.shape.hbb, two.shape.hbb):
                    continue
                (x, y), (dx, dy) = (place - start) / whole, (end - start) / whole
                along, across = float(x * dx + y * dy), float(abs(x * dy - y * dx))
                if 0 < along < 1 and across <= 1 / 2:
                    away.append(across)
        if away:
            fits.append((min(away), region))
    return [region for _, region in sorted(fits, key=lambda item: item[0])]


def _placed(
    regions: Sequence[Region], meant: Referring, size: tuple[int, int]
) -> list[Region]:
    """Return the regions in a part of the image, those deepest in it first."""
    assert meant.towards is not None
    way = np.sign(meant.towards)
    sides = np.array(size, float)

    def inwards(region: Region) -> float:
        """Distance to the side or corner, or to the middle, as a share of the sides."""
        place = np.array(region.shape.hbb.center) / sides - 0.5
        if not way.any():
            return float(np.hypot(*place))
        return float(0.5 - (place * way)[way != 0].mean())

    order = sorted(regions, key=inwards, reverse=meant.away)
    if meant.edge:
        return order
    inside = []
    for region in order:
        place = np.array(region.shape.hbb.center) / sides - 0.5
        if way.any():
            fits = bool(((place * way)[way != 0] > 0).all())
        else:
            fits = bool((np.abs(place) <= MIDDLE).all())
        if fits:
            inside.append(region)
    # "The airplane in the lower left" is there though it may lie a little outside.
    return inside if inside or meant.most is None else order


def _coloured(
    regions: Sequence[Region], meant: Referring, colour_of: ColourOf
) -> list[Region]:
    wanted = np.array(COLOURS[meant.colour])
    fits: list[tuple[float, bool, Region]] = []
    for region in regions:
        shown = colour_of(region)
        if shown is None:
            continue
        apart = {name: _apart(shown, rgb) for name, rgb in COLOURS.items()}
        best = min(apart.values())
        same = _apart(shown, tuple(wanted)) <= best + 0.02
        fits.append((apart[meant.colour], same, region))
    fits.sort(key=lambda item: item[0])
    those = [region for _, same, region in fits if same]
    # One was asked for: the one that is most like it.
    return those if those or meant.most is None else [region for *_, region in fits]


def _apart(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how different two colours look: hue counts more than brightness."""
    a, b = np.array(first), np.array(second)
    light = abs(a.mean() - b.mean())
    hue = np.abs((a - a.mean()) - (b - b.mean())).sum()
    return float(light + 2 * hue)


def _ranked(
    regions: Sequence[Region], meant: Referring, north: tuple[float, float]
) -> list[Region]:
    assert meant.rank is not None
    key, greatest, place = meant.rank
    ways = {
        "x": (1.0, 0.0),
        "y": (0.0, 1.0),
        "north": on_image((0.0, 1.0), north),
        "east": on_image((1.0, 0.0), north),
    }

    def value(region: Region) -> float:
        if key == "area":
            return region.shape.area
        if key == "length":
            return length(region)
        x, y = region.shape.hbb.center
        dx, dy = ways[key]
        return x * dx + y * dy

    order = sorted(regions, key=value, reverse=greatest)
    return order[place - 1 :]


def gap(first: HBB, second: HBB) -> float:
    """Return the distance of two boxes, px; 0 where they touch.

    >>> gap(HBB(0, 0, 2, 2), HBB(5, 6, 8, 8))
    5.0
    """
    dx = max(first.x0 - second.x1, second.x0 - first.x1, 0.0)
    dy = max(first.y0 - second.y1, second.y0 - first.y1, 0.0)
    return float(np.hypot(dx, dy))


def length(region: Region) -> float:
    """Return the longer side of a region, px; of the turned box where it has one."""
    shape = region.shape
    if isinstance(shape, Mask):
        rings = shape.polygons()
        shape = max(rings, key=lambda ring: ring.area).min_area_obb()
    elif isinstance(shape, Polygon):
        shape = shape.min_area_obb()
    return shape.long_edge if isinstance(shape, OBB) else _longer(shape.hbb)


def _longer(box: HBB) -> float:
    return max(box.width, box.height)


def _lies(box: HBB, other: HBB, way: tuple[float, float]) -> bool:
    (x, y), (ox, oy) = box.center, other.center
    norm = float(np.hypot(*way))
    along = ((x - ox) * way[0] + (y - oy) * way[1]) / norm
    across = abs((x - ox) * way[1] - (y - oy) * way[0]) / norm
    return along > 0 and across <= SIDEWAYS * along


def _holds(outer: HBB, inner: HBB) -> bool:
    x, y = inner.center
    return outer.x0 <= x <= outer.x1 and outer.y0 <= y <= outer.y1
