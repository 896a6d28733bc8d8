"""Where to look: the windows of a raster in which objects are searched.

Small objects need pixels. A raster that fits one view is looked at whole; a larger
one by overlapping tiles at a ground resolution at which the objects that the region
head knows have their usual size in pixels.

Where a question is about one small part, a :class:`ZoomPolicy` chooses windows instead:
:mod:`rsvlm.zooming_search` by how well tiles fit the question,
:mod:`rsvlm.zooming_chain` by asking the model.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from rsvlm.answer_parts import TraceStep
from rsvlm.geometry import HBB, Window
from rsvlm.georeference import GeoReference
from rsvlm.messages import Generation
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.tiling import grid

#: What a user may ask for.
ZoomName = Literal["auto", "none", "search", "chain"]

#: Finest ground resolution worth looking at, m/px: below it a vehicle fills a tile.
FINEST_GSD = 0.3
#: A raster up to this many times a tile is looked at as a whole. At 1.55, which would
#: make 1,024 px one view, four times faster, courts of 24 px are lost (docs/log.md).
WHOLE = 1.5
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

    @property
    def is_cut(self) -> bool:
        """Whether the raster is looked at in parts."""
        return len(self.windows) > 1

    def size(self, window: HBB) -> tuple[int, int]:
        """Return the columns and rows at which a window is rendered, aspect kept."""
        # Small pictures are enlarged: that is how the region head learned them.
        scale = self.side / max(window.width, window.height)
        return (
            max(1, round(window.width * scale)),
            max(1, round(window.height * scale)),
        )


def plan_search(
    raster: Sized, side: int, zoom: ZoomName = "auto", budget: int = 36
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
    if zoom == "none" or max(raster.width, raster.height) <= WHOLE * tile:
        return Plan((whole,), side)
    coarse = False
    while len(windows := grid(raster.width, raster.height, tile, OVERLAP)) > budget:
        tile, coarse = round(tile * 1.25), True
    return Plan(tuple(windows), side, coarse)


# --- windows chosen for a question --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Zoom:
    """A window chosen for a closer look.

    Attributes:
        window: What of the raster, and the size it is drawn at.
        score: What it was chosen by.
        level: Of the tile pyramid, 0 the finest.
        note: Why, in words.
        call: Id of the tool call that asked for it, "" for none.
    """

    window: Window
    score: float | None = None
    level: int | None = None
    note: str | None = None
    call: str = ""


@dataclass
class Look:
    """One raster that is looked at closer for a question; a policy adds to it.

    Attributes:
        question: What is asked.
        task: Name of the kind of answer.
        raster: The raster, open.
        views: The overview, then one picture of each window chosen so far.
        image: Index of the raster among those of the question.
        zooms: Windows chosen so far.
        trace: Steps so far.
        warnings: What the user should know.
        reply: The answer of the model, where choosing windows gave it as well.
        last_first: Whether the last window matters most: each led to the next.
    """

    question: str
    task: str
    raster: Raster
    views: list[View]
    image: int = 0
    zooms: list[Zoom] = field(default_factory=list)
    trace: list[TraceStep] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reply: Generation | None = None
    last_first: bool = False

    @property
    def whole(self) -> HBB:
        """The raster, in its pixels."""
        return HBB(0, 0, self.raster.width, self.raster.height)


class ZoomPolicy(Protocol):
    """Chooses the next windows, or stops."""

    def next(self, look: Look) -> Sequence[Zoom]:
        """Return windows to look at next; none to stop.

        Args:
            look: What was seen so far. Steps, warnings and a reply may be added.
        """
        ...


#: Most turns of a policy: a stop for those that never stop.
MOST_TURNS = 16


def look_closer(policy: ZoomPolicy, look: Look) -> list[View]:
    """Let a policy choose windows until it stops, and draw them.

    Args:
        policy: What chooses.
        look: The question; its views, zooms and trace are added to.

    Returns:
        The pictures of the windows, in the order in which they were chosen.

    Raises:
        ImageError: If a window cannot be decoded.
    """
    before = len(look.views)
    for _ in range(MOST_TURNS):
        chosen = policy.next(look)
        if not chosen:
            break
        for zoom in chosen:
            start = time.perf_counter()
            box, window = zoom.window.box, zoom.window
            view = look.raster.view(box, window.width, window.height, image=look.image)
            look.views.append(view)
            look.zooms.append(zoom)
            look.trace.append(zoom_step("zoom", look, zoom, start))
    return look.views[before:]


def zoom_step(name: str, look: Look, zoom: Zoom, start: float) -> TraceStep:
    """Return the line of the trace of a window; ``start`` of ``perf_counter``."""
    box = zoom.window.box
    view = look.views[-1]
    return TraceStep(
        step=name,
        image=look.image,
        window=(box.x0, box.y0, box.x1, box.y1),
        size=(zoom.window.width, zoom.window.height),
        rendering=view.rendering,
        sensor=view.sensor,
        score=zoom.score,
        level=zoom.level,
        scale=zoom.window.scale[0],
        bounds_lonlat=bounds_of(look.raster.georeference, box),
        note=zoom.note,
        ms=round(1000 * (time.perf_counter() - start)),
    )


def bounds_of(
    place: GeoReference | None, box: HBB
) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of a window in degrees, None where unknown.

    As in RFC 7946, west is greater than east across the antimeridian.
    """
    if place is None:
        return None
    points = place.lonlat(box.corners)
    if not np.isfinite(points).all():
        return None
    (west, south), (east, north) = points.min(0), points.max(0)
    if east - west > 180:
        west, east = (
            points[points[:, 0] > 0, 0].min(),
            points[points[:, 0] < 0, 0].max(),
        )
    return float(west), float(south), float(east), float(north)


def drawn_at(box: HBB, side: int) -> Window:
    """Return a window drawn at most ``side`` px long, never larger than it is."""
    scale = min(1.0, side / max(box.width, box.height))
    size = (max(1, round(v * scale)) for v in (box.width, box.height))
    return Window(box, *size)
