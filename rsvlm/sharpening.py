"""Outlines for the boxes that an engine gave: no decoder state leaves the engine."""

import time
from collections.abc import Sequence

from rsvlm.findings import Finder, Refiner, ShapeKind
from rsvlm.focus import RasterPart
from rsvlm.geometry import HBB, Region
from rsvlm.progress import report
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.search import State, trace_step
from rsvlm.zoom import FINEST_GSD, Plan


def sharpened(
    head: Finder | None,
    state: State,
    rasters: Sequence[Raster],
    regions: tuple[Region, ...],
    kind: ShapeKind,
) -> tuple[Region, ...]:
    """Return regions with outlines, where there is what draws them.

    Regions near each other share a view: what costs time is to encode one.

    Args:
        head: The region head.
        state: The question; a step is added for each view.
        rasters: All rasters, open.
        regions: Boxes of an engine, in raster pixels.
        kind: Kind of the outlines; boxes need none.
    """
    if kind == "hbb" or not isinstance(head, Refiner):
        return regions
    out, views = [], list[View]()
    for number, region in enumerate(regions):
        report("outline", number, len(regions))
        raster = rasters[region.image]
        box = region.shape.hbb.clip(raster.width, raster.height)
        if box is None:
            out.append(region)
            continue
        start = time.perf_counter()
        part = _part(head, raster, box)
        view = next((v for v in views if _shows(v, region.image, part, box)), None)
        seen = view or _drawn(head, part, region.image)
        out.append(head.refine(seen, region, kind))
        if view is None:
            views.append(seen)
            state.trace.append(trace_step("refine", seen, start))
    return tuple(out)


def close_view(head: Finder, raster: Raster, box: HBB, image: int) -> View:
    """Return the view in which a head looks at a box.

    Args:
        head: What will look at it.
        raster: The raster, open.
        box: What lies in the middle, in raster pixels and inside the raster.
        image: Number of the raster.
    """
    return _drawn(head, _part(head, raster, box), image)


def _part(head: Finder, raster: Raster, box: HBB) -> RasterPart:
    """Return the ground around a box that a head is shown."""
    near = isinstance(head, Refiner) and head.magnifies
    return RasterPart(raster, [box], 0 if near else native_side(head, raster))


def _drawn(head: Finder, part: RasterPart, image: int) -> View:
    size = Plan((), head.side).size(part.box)
    return part.whole.view(part.box, *size, image=image)


def native_side(head: Finder | None, raster: Raster) -> int:
    """Return the side of the part of a raster that a view of a head shows, px."""
    fine = max(1.0, FINEST_GSD / raster.gsd) if raster.gsd else 1.0
    return round(head.side * fine) if head is not None else 0


def _shows(view: View, image: int, part: RasterPart, box: HBB) -> bool:
    """Whether a view shows a box as well as one of its own part would.

    It is as fine, and shows as much ground around the box as the box is large.
    """
    shown, own = view.window.box, part.box
    if view.image != image or _long(shown) > 1.01 * _long(own):
        return False
    dx, dy = box.width / 2, box.height / 2
    wide = HBB(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)
    inside = wide.clip(part.whole.width, part.whole.height)
    return inside is not None and inside.intersection(shown) >= 0.99 * inside.area


def _long(box: HBB) -> float:
    return max(box.width, box.height)
