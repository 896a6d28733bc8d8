"""Answers about places that were pointed to: drawn, clicked, or found before.

"Outline this", "how large is it?" are about the place itself (:mod:`rsvlm.pointed`).
Every other question is asked of the ground at the place, a
:class:`rsvlm.focus.RasterPart`, and what is found there is moved back.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from rsvlm.answer import TraceStep
from rsvlm.answering import Answerer, Options, Verdict
from rsvlm.focus import Focus, RasterPart, inside
from rsvlm.geometry import HBB, Region, iou
from rsvlm.labels import COVERS
from rsvlm.pointed import about_itself
from rsvlm.questions import head_label, plain
from rsvlm.raster import Raster
from rsvlm.registration import register
from rsvlm.rounds import images_named
from rsvlm.scenes import window_side
from rsvlm.search import State
from rsvlm.sharpening import native_side
from rsvlm.subjects import subject
from rsvlm.tasks import get_task
from rsvlm.zoom import bounds_of

#: IoU from which a thing that was found is what a box was drawn around.
SAME = 0.3
#: Times the area of a place that a thing around it may have to be what was meant.
AROUND = 16
_IS_A = re.compile(
    r"^(?:is|are) (?:this|that|it|these|those|here) (?:really |also |perhaps )?(?:an? )?(?P<what>[\w -]+?)$"
)
_WHAT = re.compile(
    r"^(?:what|which)(?: (?:kind|sort|type) of (?:object|thing)| object| thing)? (?:is|are) "
    r"(?:this|that|it|these)(?: object| thing)?(?: in the image)?$|^what is in the image$"
)

#: Words for the place.
_HERE = re.compile(
    r"\s*\b(?:(?:right |over |around |near )?here|(?:in|inside|within|at|on) (?:this|the|that) "
    r"(?:marked |selected |drawn )?(?:box|rectangle|place|area|spot|part|window|selection))\b",
    re.IGNORECASE,
)

#: Answers a question about rasters: the whole way of the assistant.
Ask = Callable[[State, Sequence[Raster]], Verdict]


def said_of_part(question: str) -> str:
    """Return a question about a place as one about a picture of that place.

    >>> said_of_part("How much water is here?")
    'How much water is in the image?'
    """
    return _HERE.sub(" in the image", question).strip()


def answer_at(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    focus: Sequence[Focus],
    options: Options,
    ask: Ask,
) -> Verdict:
    """Answer a question about places.

    Args:
        answerer: Engine and seekers.
        state: The question; steps, warnings and evidence are added.
        rasters: All rasters, open.
        focus: The places, at least one.
        options: Shape, zoom, seed, stream.
        ask: Answers a question about parts of the rasters.

    Raises:
        SettingsError: If a place does not lie in its image.
    """
    places = [inside(place, rasters) for place in focus]
    state.trace += [_step(place, rasters) for place in places]
    itself = about_itself(answerer, state, rasters, places, options)
    if itself is not None:
        return itself
    places = _carried(state, rasters, places)
    images = sorted({place.image for place in places})
    parts = [
        _part(answerer, state, rasters[i], [p.box for p in places if p.image == i])
        for i in images
    ]
    asked = _asked(answerer, state)
    verdict = _identified(answerer, asked, parts, options) or ask(asked, parts)
    state.task, state.evidence = asked.task, asked.evidence
    state.trace += [
        step if step.image is None
        else parts[step.image].step_of_whole(step, images[step.image])
        for step in asked.trace
    ]  # fmt: skip
    state.warnings += [line for line in asked.warnings if line not in state.warnings]
    state.timing.update(asked.timing)
    regions = tuple(
        parts[region.image].to_whole(region, images[region.image])
        for region in verdict.regions
    )
    return replace(verdict, regions=regions)


def _step(place: Focus, rasters: Sequence[Raster]) -> TraceStep:
    """Return the line of the trace of a place; its confidence is the score."""
    box = place.box
    found = place.region
    note = (
        f"the {found.label or 'place'} of an earlier answer" if found else "asked about"
    )
    return TraceStep(
        step="focus",
        image=place.image,
        window=(box.x0, box.y0, box.x1, box.y1),
        sensor=rasters[place.image].sensor,
        score=found.confidence if found else None,
        bounds_lonlat=bounds_of(rasters[place.image].georeference, box),
        note=note,
        ms=0,
    )


# --- the ground at the place --------------------------------------------------------


def _carried(
    state: State, rasters: Sequence[Raster], places: list[Focus]
) -> list[Focus]:
    """Return the places in the images that the question names, or compares."""
    sensors = [raster.sensor for raster in rasters]
    wanted = images_named(plain(state.question), sensors)
    if state.task.name == "compare":
        wanted = tuple(range(len(rasters)))
    here = {place.image for place in places}
    if not wanted or set(wanted) <= here:
        return [place for place in places if place.image in (wanted or here)]
    registration = register(rasters)
    found = [place for place in places if place.image in wanted]
    for image in sorted(set(wanted) - here):
        for place in places:
            shape = registration.map(place.box, place.image, image)
            raster = rasters[image]
            box = shape.hbb.clip(raster.width, raster.height) if shape else None
            if box is not None:
                found.append(Focus(image, box))
    if not found:
        state.warnings.append("The place does not lie in the image that was named.")
    return found or places


def _part(
    answerer: Answerer, state: State, raster: Raster, boxes: Sequence[HBB]
) -> RasterPart:
    """Return the part of a raster that finder and scene model can read."""
    if state.subject is not None and state.subject.label in COVERS:
        return RasterPart(raster, boxes, None)
    finder, scenes = answerer.seeker.finder, answerer.seeker.scenes
    least = native_side(finder, raster)
    if scenes is not None and raster.gsd is not None:
        least = max(least, window_side(raster, scenes))
    return RasterPart(raster, boxes, least)


def _asked(answerer: Answerer, state: State) -> State:
    """Return the state of the question at the place."""
    found = _IS_A.match(_bare(state.question))
    label = head_label(found["what"]) if found else None
    if found and label in answerer.seeker.labels:
        said = f"Is there a {found['what']}?"
        return State(said, get_task("vqa"), subject(said), [])
    return State(state.question, state.task, state.subject, [])


def _identified(
    answerer: Answerer, state: State, parts: Sequence[RasterPart], options: Options
) -> Verdict | None:
    """Say what a box was drawn around, where the finder knows it."""
    if not (_WHAT.match(_bare(state.question)) and answerer.seeker.finds_objects):
        return None
    everything = replace(state, subject=None, images=tuple(range(len(parts))))
    found = answerer.seeker.search(everything, parts, "hbb", options.zoom, "locate")
    fits = [
        region for region in found.regions
        if any(_is_meant(region, place) for place in parts[region.image].places)
    ]  # fmt: skip
    if not fits:
        return None
    best = max(fits, key=lambda region: region.confidence)
    article = "an" if best.label[0] in "aeiou" else "a"
    return Verdict(f"This is {article} {best.label}.", best.confidence, (best,))


def _is_meant(region: Region, place: HBB) -> bool:
    box = region.shape.hbb
    x, y = place.center
    over = box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1
    return iou(box, place) >= SAME or (over and box.area <= AROUND * place.area)


def _bare(question: str) -> str:
    return plain(question).strip(" ?.!")
