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
        view = next((v for v in views if _shows(v, region.image, box)), None)
        seen = view or close_view(head, raster, box, region.image)
        out.append(head.refine(seen, region, kind))
        if view is None:
            views.append(seen)
            state.trace.append(trace_step("refine", seen, start))
    return tuple(out)


def close_view(head: Finder, raster: Raster, box: HBB, image: int) -> View:
    """Return a view around a box at the resolution of the head's training.

    A view that is magnified more is strange to a head (docs/log.md).

    Args:
        head: What will look at it.
        raster: The raster, open.
        box: What lies in the middle, in raster pixels and inside the raster.
        image: Number of the raster.
    """
    part = RasterPart(raster, [box], native_side(head, raster))
    size = Plan((), head.side).size(part.box)
    return raster.view(part.box, *size, image=image)


def native_side(head: Finder | None, raster: Raster) -> int:
    """Return the side of the part of a raster that a view of a head shows, px."""
    fine = max(1.0, FINEST_GSD / raster.gsd) if raster.gsd else 1.0
    return round(head.side * fine) if head is not None else 0


def _shows(view: View, image: int, box: HBB) -> bool:
    """Whether a view shows a box with as much ground around it as a view of its own."""
    if view.image != image:
        return False
    dx, dy = box.width / 2, box.height / 2
    wide = HBB(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)
    shown = view.window.box
    whole = wide.intersection(shown) >= 0.9 * wide.area
    return whole and max(box.width, box.height) >= max(shown.width, shown.height) / 64
