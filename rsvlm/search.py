"""Looking for objects: the windows of every raster, through the region finder.

The state of one question is here too, since every step of the assistant adds to it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rsvlm.answer import Evidence, TraceStep
from rsvlm.findings import Finder, Findings, Purpose, Scan, ShapeKind
from rsvlm.focus import RasterPart
from rsvlm.geometry import HBB, Region
from rsvlm.labels import is_visible
from rsvlm.messages import Generation
from rsvlm.progress import report
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.subjects import Subject
from rsvlm.tasks import Task
from rsvlm.tiling import merge
from rsvlm.zoom import Plan, ZoomName, plan_search

#: IoU above which two regions of one label are the same object.
SAME = 0.45

#: Returns what is known of a raster that was looked at in advance, None of others.
Scans = Callable[[Raster], Scan | None]


@dataclass
class State:
    """What is known so far about one question.

    Attributes:
        question: What is asked.
        task: Kind of answer.
        subject: What it is about, where the question names it.
        views: One picture of each raster.
        trace: Steps so far.
        warnings: What the user should know.
        evidence: Passages of knowledge.
        timing: Stage -> ms.
        images: Indices of the rasters that are asked about.
        extra: More pictures of them, drawn in other ways.
        closer: Index of a raster -> windows that fit the question, best first.
        reply: What the model has answered while it zoomed in.
    """

    question: str
    task: Task
    subject: Subject | None
    views: list[View]
    trace: list[TraceStep] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    evidence: tuple[Evidence, ...] = ()
    timing: dict[str, float] = field(default_factory=dict)
    images: tuple[int, ...] = (0,)
    extra: tuple[View, ...] = ()
    closer: Mapping[int, tuple[View, ...]] = field(default_factory=dict)
    reply: Generation | None = None


def search(
    finder: Finder,
    state: State,
    rasters: Sequence[Raster],
    shape: ShapeKind,
    zoom: ZoomName,
    purpose: Purpose = "locate",
    images: tuple[int, ...] | None = None,
    scans: Scans | None = None,
) -> Findings:
    """Return the objects that a question is about, in all its rasters.

    A raster that was scanned is not looked at again, but for the outlines of what was
    found in it.

    Args:
        finder: What finds them in a view.
        state: The question; its subject says what to look for, None means all labels
            that the finder knows. Steps and warnings are added.
        rasters: Opened images.
        shape: Kind of the regions.
        zoom: ``"none"`` looks at each raster as a whole only.
        purpose: Which cut of the finder holds.
        images: Indices of the rasters to look at; None for all.
        scans: Knows what was found in rasters in advance.
    """
    label = state.subject.label if state.subject else None
    wanted = [label] if label in finder.labels else list(finder.labels)
    regions: list[Region] = []
    best = missed = 0.0
    for index in range(len(rasters)) if images is None else images:
        raster = rasters[index]
        names = [str(n) for n in wanted if is_visible(str(n), raster.gsd)]
        if not names:
            continue
        plan, known = plan_search(raster, finder.side, zoom), None
        scan = scans(raster) if scans and plan.is_cut and _is_whole(raster) else None
        if scan is not None:
            plan = Plan(scan.windows, finder.side)
            known = scan.find(names, purpose, index)
        elif plan.coarse and index in state.closer:
            # One thing is asked about, and this is where it is, at full resolution.
            boxes = tuple(view.window.box for view in state.closer[index])
            plan = Plan(boxes, finder.side)
        if plan.coarse and purpose == "locate":
            state.warnings.append(
                f"The image is large: it was searched in {len(plan.windows)} windows at "
                "reduced resolution; small objects may be missing."
            )
        parts = []
        for number, window in enumerate(plan.windows):
            report("search", number, len(plan.windows))
            start = time.perf_counter()
            if known and (shape == "hbb" or not known[number].regions):
                found = known[number]
                if found.regions:
                    state.trace.append(_known_step(window, index, found.best))
            else:
                view = raster.view(window, *plan.size(window), image=index)
                found = finder.find(view, names, shape, purpose)
                state.trace.append(trace_step("refine", view, start, found.best))
            parts.append(found.regions)
            best = max(best, found.best)
            missed += found.missed
        regions += merge(parts, plan.windows, SAME)
    return Findings(tuple(regions), best, missed)


def _is_whole(raster: Raster) -> bool:
    """Whether pixels are counted as in the file, by which a scan goes."""
    return not isinstance(raster, RasterPart)


def _known_step(window: HBB, image: int, score: float) -> TraceStep:
    return TraceStep(
        step="known",
        image=image,
        window=(window.x0, window.y0, window.x1, window.y1),
        score=score,
        note="found by an earlier scan of the image",
    )


def trace_step(
    name: str, view: View, start: float, score: float | None = None
) -> TraceStep:
    """Return one line of the trace; ``start`` is of ``time.perf_counter``."""
    box = view.window.box
    return TraceStep(
        step=name,
        image=view.image,
        window=(box.x0, box.y0, box.x1, box.y1),
        size=(view.window.width, view.window.height),
        rendering=view.rendering,
        sensor=view.sensor,
        score=score,
        ms=round(1000 * (time.perf_counter() - start)),
    )
