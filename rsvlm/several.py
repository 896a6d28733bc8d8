"""Several images in one answer: places carried over, statements joined, dates compared."""

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean as mean

import numpy as np

from rsvlm.answer import TraceStep
from rsvlm.answering import Answerer, Options, Verdict
from rsvlm.changes import find_changes
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Region, iou
from rsvlm.raster import Raster
from rsvlm.registration import Registration
from rsvlm.replies import counts
from rsvlm.rounds import heading
from rsvlm.search import State, trace_step

#: Share of the place that is shown around it.
CONTEXT = 0.15
#: IoU from which regions of two sensors are one place.
SAME_PLACE = 0.1


def joined(
    parts: Sequence[tuple[int | None, Verdict]], sensors: Sequence[str]
) -> Verdict:
    """Return one verdict of several; each statement says which image it rests on.

    Args:
        parts: Image that a statement is about, None for all, and the statement.
        sensors: Sensor of each raster.
    """
    texts = [
        f"{heading(image, sensors)}: {verdict.text}" if image is not None
        else verdict.text
        for image, verdict in parts
    ]  # fmt: skip
    regions = tuple(region for _, verdict in parts for region in verdict.regions)
    given = [verdict for _, verdict in parts if not verdict.abstained]
    numbers = {verdict.count for verdict in given}
    return Verdict(
        " ".join(texts),
        mean([verdict.confidence for verdict in given]) if given else 1.0,
        regions,
        numbers.pop() if len(numbers) == 1 else None,
        abstained=not given,
    )


def placed_elsewhere(
    verdict: Verdict, sensors: Sequence[str], registration: Registration
) -> Verdict:
    """Return a verdict whose regions are drawn in the images of other sensors too.

    A region that was found in both is not drawn twice, and the text says how many
    both sensors show.

    Args:
        verdict: What was found.
        sensors: Sensor of each raster.
        registration: Maps between the images.
    """
    own = list(verdict.regions)
    added: list[Region] = []
    agreed = 0
    for region in own:
        for image, sensor in enumerate(sensors):
            if sensor == sensors[region.image]:
                continue
            shape = registration.map(region.shape, region.image, image)
            if shape is None:
                continue
            there = [
                r
                for r in own
                if r.image == image
                and r.label == region.label
                and iou(r.shape.hbb, shape.hbb) >= SAME_PLACE
            ]
            if there:
                agreed += region.image < image
            else:
                added.append(replace(region, shape=shape, image=image))
    text = verdict.text
    if agreed:
        what = "one place" if agreed == 1 else f"{agreed} places"
        text += f" Both sensors agree on {what}."
    if added:
        text += (
            f" {len(added)} region{'s' * (len(added) > 1)} found by one sensor "
            f"{'are' if len(added) > 1 else 'is'} placed in the other image through "
            "the ground."
        )
    return replace(verdict, text=text, regions=(*own, *added))


def place_of(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    registration: Registration,
    found: Sequence[Region],
    image: int,
    options: Options,
) -> Verdict:
    """Say what an image shows at a place that another image, or itself, has.

    Args:
        answerer: Engine and seekers.
        state: The question; a step is added.
        rasters: All rasters.
        registration: Maps between them.
        found: The place, as regions of any image, best first.
        image: Index of the image that is asked about.
        options: As of the question.
    """
    raster = rasters[image]
    boxes = [
        (region, shape.hbb)
        for region in found
        if (shape := registration.map(region.shape, region.image, image))
    ]
    if not boxes:
        text = "the place was not found, so there is nothing to say about it."
        return Verdict(text, 1.0, abstained=True)
    region, box = next((item for item in boxes if item[0].image == image), boxes[0])
    start = time.perf_counter()
    dx, dy = CONTEXT * box.width, CONTEXT * box.height
    around = HBB(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)
    window = around.clip(raster.width, raster.height) or box
    side = answerer.engine.capabilities.max_side
    scale = min(1.0, side / max(window.width, window.height))
    width, height = (
        max(1, round(length * scale)) for length in (window.width, window.height)
    )
    view = raster.view(window, width, height, image=image)
    state.trace.append(trace_step("zoom", view, start))
    cover = answerer.seeker.shares_in(state, raster, image, box)
    words, sure = "", region.confidence
    able = answerer.engine.capabilities
    if not cover or raster.sensor in able.sensors - able.weak:
        # What a model that saw no such images, or few, says is worth less than a measure.
        words, sure = answerer.describe(state, rasters, view, options)
    echo = _brightness(raster, box)
    text = f"At the {region.label}: {words} {cover} {echo}"
    return Verdict(" ".join(text.split()), sure, (), None)


def _brightness(raster: Raster, box: HBB) -> str:
    """Say how strong the radar echo of a place is, compared with all of the image."""
    if raster.sensor != "sar":
        return ""
    whole = raster.preview(512).pixels[..., 0].astype(float)
    part = raster.view(box, 64, 64).pixels[..., 0].astype(float)
    weaker = float(np.mean(whole < np.median(part)))
    return f"Half of it has a stronger echo than {weaker:.0%} of the image."


def compare(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    registration: Registration,
    options: Options,
) -> Verdict:
    """Say what changed from each image to the next, or describe them one by one.

    Images of one sensor whose pixels map to each other are compared on one grid: areas
    and regions of what changed come from that. Others are described.

    Args:
        answerer: Engine and seekers.
        state: The question.
        rasters: All rasters, in the order of time.
        registration: Maps between them.
        options: As of the question.
    """
    told: list[str] = []
    regions: list[Region] = []
    sure: list[float] = []
    sensors = {raster.sensor for raster in rasters}
    for first in range(len(rasters) - 1 if len(sensors) == 1 else 0):
        second = first + 1
        start = time.perf_counter()
        try:
            found = find_changes(
                rasters[first], rasters[second], registration, state.question,
                images=(first, second),
            )  # fmt: skip
        except SettingsError as error:
            state.warnings.append(str(error))
            continue
        spent = round(1000 * (time.perf_counter() - start))
        state.trace.append(
            TraceStep(step="compare", image=second, sensor=rasters[second].sensor,
                      score=found.share, ms=spent)
        )  # fmt: skip
        state.warnings += [w for w in found.warnings if w not in state.warnings]
        told.append(found.text)
        regions += found.regions
        sure += [region.confidence for region in found.regions] or [0.5]
    if answerer.engine.capabilities.together >= len(rasters):
        reply, generation = answerer.generate(state, options)
        told.append(reply.text)
        sure.append(generation.certainty)
    if told:
        return Verdict(" ".join(told), mean(sure), tuple(regions), len(regions))
    return _one_by_one(answerer, state, rasters, options)


def _one_by_one(
    answerer: Answerer, state: State, rasters: Sequence[Raster], options: Options
) -> Verdict:
    parts = []
    everything = replace(state, subject=None)
    for image, view in enumerate(state.views):
        words, sure = answerer.describe(state, rasters, view, options)
        one = replace(everything, images=(image,))
        found = answerer.seeker.search(one, rasters, "hbb", options.zoom, "anything")
        seen = counts([region.label for region in found.regions])
        text = f"{words} Found: {seen or 'no known object'}."
        parts.append((image, Verdict(text, sure, found.regions)))
    whole = joined(parts, [raster.sensor for raster in rasters])
    least = min(part.confidence for _, part in parts)
    return replace(whole, confidence=least, count=None)
