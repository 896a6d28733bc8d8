"""Outlines for the boxes that an engine gave: no decoder state leaves the engine."""

import time
from collections.abc import Sequence

from rsvlm.findings import Finder, Refiner, ShapeKind
from rsvlm.geometry import HBB, Region
from rsvlm.progress import report
from rsvlm.raster import Raster
from rsvlm.search import State, trace_step


def sharpened(
    head: Finder | None,
    state: State,
    rasters: Sequence[Raster],
    regions: tuple[Region, ...],
    kind: ShapeKind,
) -> tuple[Region, ...]:
    """Return regions with outlines, where there is what draws them.

    Args:
        head: The region head.
        state: The question; steps are added.
        rasters: All rasters, open.
        regions: Boxes of an engine, in raster pixels.
        kind: Kind of the outlines; boxes need none.
    """
    if kind == "hbb" or not isinstance(head, Refiner):
        return regions
    out = []
    for number, region in enumerate(regions):
        report("outline", number, len(regions))
        raster = rasters[region.image]
        start = time.perf_counter()
        window = around(region.shape.hbb, raster.width, raster.height)
        if window is None:
            out.append(region)
            continue
        scale = head.side / max(window.width, window.height)
        size = (
            max(1, round(window.width * scale)),
            max(1, round(window.height * scale)),
        )
        view = raster.view(window, *size, image=region.image)
        out.append(head.refine(view, region, kind))
        state.trace.append(trace_step("refine", view, start))
    return tuple(out)


def around(box: HBB, width: int, height: int) -> HBB | None:
    """Return a box with as much around it as it is large, inside an image.

    The ground beside an object tells what belongs to it.

    >>> around(HBB(10, 10, 20, 30), 100, 35)
    HBB(x0=0, y0=0, x1=30, y1=35)
    """
    dx, dy = max(box.width, 1), max(box.height, 1)
    wide = HBB(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)
    return wide.clip(width, height)
