"""Answers about a place itself: its outline, its size, its distance to others.

The outline of a box is drawn by what refines boxes; numbers come from it. What an
earlier answer outlined already is measured as it is, so that two answers agree.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean as mean

from rsvlm.answering import Answerer, Options, Verdict, area_of, kind_of
from rsvlm.explaining import place_text, shown_text
from rsvlm.findings import Finder, Findings, Refiner, ShapeKind
from rsvlm.focus import Focus
from rsvlm.followup_words import FAR, LARGE, LARGER, LONG, WIDE
from rsvlm.geometry import HBB, Mask, Polygon, Region, Shape, iou
from rsvlm.labels import count_phrase
from rsvlm.measures import (
    Kind,
    Measure,
    apart,
    distance_text,
    length_text,
    sides,
    sides_text,
)
from rsvlm.measuring import measured
from rsvlm.questions import plain
from rsvlm.raster import Raster
from rsvlm.replies import area_text, unknown_text
from rsvlm.search import State, trace_step
from rsvlm.sharpening import close_view, sharpened
from rsvlm.subjects import Subject, subject

#: Areas that are told one by one, at most.
LISTED = 8
#: IoU from which an object that was found again is the one that is meant.
SAME = 0.4
#: Confidence in a box of which no outline stands out: it may be one or not.
UNDRAWN = 0.5
#: Kind -> shapes that serve for it as they are.
_OUTLINES: dict[ShapeKind, tuple[type[Shape], ...]] = {
    "obb": (), "polygon": (Polygon,), "mask": (Mask, Polygon)
}  # fmt: skip

_THIS = r"\b(?:this|these|that|those|it|they|them)\b"


def about_itself(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    places: Sequence[Focus],
    options: Options,
) -> Verdict | None:
    """Outline, measure, compare or show places; None for other questions.

    Args:
        answerer: Engine and seekers.
        state: The question; steps and warnings are added.
        rasters: All rasters, open.
        places: What is asked about, at least one.
        options: Shape, zoom, seed, stream.
    """
    text, about = _bare(state.question), state.subject
    far, larger = FAR.match(text), LARGER.search(text)
    if far and re.search(_THIS, text):
        return _distance(answerer, state, rasters, places, options)
    if larger and re.search(_THIS, text) and len(places) == 2:
        return _compared(answerer, state, rasters, places, larger["word"])
    if about is not None and not _is_this(state):
        return None
    measure: ShapeKind | None = "obb" if LONG.match(text) or WIDE.match(text) else None
    if measure is None and state.task.name not in ("segment", "ground"):
        return None
    kind = measure or kind_of(state, options)
    regions, sure = _outlined(answerer, state, rasters, places, kind)
    place = rasters[regions[0].image].georeference
    if measure:
        which: Kind = "length" if LONG.match(text) else "width"
        return Verdict(sides_text(which, _name(regions), regions, place), sure, regions)
    if state.task.name == "ground":
        said = shown_text(regions)
        if len(regions) == 1:
            lonlat = place.lonlat([regions[0].shape.hbb.center])[0] if place else None
            said = place_text(regions[0], None if lonlat is None else tuple(lonlat))
        return Verdict(said, sure, regions, len(regions))
    return Verdict(_area_said(rasters, regions, text), sure, regions, len(regions))


def _is_this(state: State) -> bool:
    """Whether the subject is what is pointed to: "this ship", not "the ship"."""
    noun = state.subject.noun if state.subject else ""
    named = rf"{_THIS} (?!from\b|to\b)(?:[\w-]+ )?{re.escape(noun)}"
    return bool(noun and re.search(named, _bare(state.question)))


def _outlined(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    places: Sequence[Focus],
    kind: ShapeKind,
) -> tuple[tuple[Region, ...], float]:
    """Return the places with their outlines, and how sure these are.

    That is the confidence of what was found there, or how well the outline fills the
    box, whichever is less: geometry agrees with itself or does not.
    """
    # Beside regions of earlier answers, "this ship" is one of these, not what was drawn.
    drawn = all(place.region is None for place in places)
    label = state.subject.name if drawn and state.subject and _is_this(state) else ""
    regions, sure, boxes = [], [], 0
    for place in places:
        region = place.region or Region(place.box, label, 1.0, place.image)
        if kind != "hbb" and not isinstance(region.shape, _OUTLINES[kind]):
            outline = _drawn(answerer.seeker.finder, state, rasters, region, kind)
            boxes += isinstance(outline.shape, HBB)
            sure.append(min(region.confidence, outline.confidence))
            kept = region.confidence if place.region else outline.confidence
            region = replace(outline, confidence=kept)
        else:
            sure.append(region.confidence)
        regions.append(region)
    if boxes:
        what = "the box was" if boxes == 1 else f"{boxes} boxes were"
        state.warnings.append(f"No outline stands out: {what} measured instead.")
    return tuple(regions), mean(sure)


def _drawn(
    head: Finder | None,
    state: State,
    rasters: Sequence[Raster],
    region: Region,
    kind: ShapeKind,
) -> Region:
    """Return a region with its outline; its confidence is that of the outline.

    What the finder knows by name is looked for again.
    """
    raster = rasters[region.image]
    if head is not None and head.labels and raster.sensor != "sar":
        start = time.perf_counter()
        view = close_view(head, raster, region.shape.hbb, region.image)
        known = region.label in head.labels
        names = [region.label] if known else list(head.labels)
        found = head.find(view, names, kind, "presence").regions
        state.trace.append(trace_step("refine", view, start))
        here = region.shape.hbb
        best = max(found, key=lambda r: iou(r.shape.hbb, here), default=None)
        if best is not None and _is_there(best.shape.hbb, here):
            return replace(best, label=region.label or best.label)
        if isinstance(head, Refiner):
            return _filling(head.refine(view, region, kind), region)
    (drawn,) = sharpened(head, state, rasters, (region,), kind)
    return _filling(drawn, region)


def _filling(drawn: Region, region: Region) -> Region:
    """Return an outline whose confidence is how well it fills what it was drawn for."""
    fills = iou(drawn.shape.hbb, region.shape.hbb)
    return replace(drawn, confidence=UNDRAWN if isinstance(drawn.shape, HBB) else fills)


def _is_there(found: HBB, place: HBB) -> bool:
    """Whether a thing is what a box was drawn around, tightly or not."""
    x, y = place.center
    over = found.x0 <= x <= found.x1 and found.y0 <= y <= found.y1
    return iou(found, place) >= SAME or (
        over and found.intersection(place) >= found.area / 2
    )


def _distance(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    places: Sequence[Focus],
    options: Options,
) -> Verdict | None:
    """Measure from the places to each other, or to what the question names."""
    regions, sure = _outlined(answerer, state, rasters, places, "obb")
    place = rasters[regions[0].image].georeference
    if len(regions) > 1:
        if len({region.image for region in regions}) > 1:
            said = "The places lie in different images: no distance can be measured."
            return Verdict(said, 1.0, abstained=True)
        pairs = [(a, b) for i, a in enumerate(regions) for b in regions[i + 1 :]]
        nearest = min(pairs, key=lambda pair: apart(pair[0], pair[1], place))
        return Verdict(distance_text(*nearest, place), sure, nearest)
    rest = re.split(r" (?:from|to|and) ", _bare(state.question), maxsplit=1)
    other = subject(rest[-1]) if len(rest) > 1 else None
    if other is None or other.label is None:
        return None
    one = replace(
        state, images=(regions[0].image,), subject=other, question=other.phrase
    )
    reason = answerer.seeker.cannot(one, rasters)
    if reason or not answerer.seeker.can_seek(one, rasters):
        reason = reason or unknown_text(other.name, answerer.seeker.labels)
        return Verdict(reason, 1.0, abstained=True)
    name = regions[0].label or "place"
    here = Subject("", None, name)

    def find(about: State) -> Findings:
        if about.subject is here:
            return Findings(regions, sure)
        return answerer.seeker.search(about, rasters, "obb", options.zoom, "locate")

    measure = Measure("distance", here, other)
    said, found = measured(measure, one, rasters, find)
    known = [region.confidence for region in found.regions] or [1 - found.best]
    return Verdict(said, mean(known), found.regions)


def _compared(
    answerer: Answerer,
    state: State,
    rasters: Sequence[Raster],
    places: Sequence[Focus],
    word: str,
) -> Verdict:
    """Answer whether one place is larger, longer or wider than the other."""
    by_length = word in ("longer", "shorter", "wider", "narrower")
    kind: ShapeKind = "obb" if by_length else "mask"
    regions, sure = _outlined(answerer, state, rasters, places, kind)
    if any(isinstance(region.shape, HBB) for region in regions):
        # An outline against a box would compare two different things.
        regions = tuple(replace(r, shape=r.shape.hbb) for r in regions)
    grounds = [rasters[region.image].georeference for region in regions]
    metres = all(ground is not None for ground in grounds)
    values, said = [], []
    for region, ground in zip(regions, grounds, strict=True):
        ground = ground if metres else None
        if by_length:
            which = 0 if word in ("longer", "shorter") else 1
            value = sides(region, ground)[which]
            told = length_text(value, metres)
        else:
            area = ground.area_m2(region.shape) if ground else None
            value = region.shape.area if area is None else area
            told = area_text(area, region.shape.area)
        x, y = region.shape.hbb.center
        values.append(value)
        said.append(
            f"{told} (the {region.label or 'place'} at x {x:.0f}, y {y:.0f} px)"
        )
    first, second = values
    less = word in ("smaller", "shorter", "narrower")
    is_so = first < second if less else first > second
    if word == "the same size":
        is_so = abs(first - second) <= 0.1 * max(first, second)
    return Verdict(
        f"{'Yes' if is_so else 'No'}: {said[0]} against {said[1]}.", sure, regions
    )


def _area_said(rasters: Sequence[Raster], regions: Sequence[Region], text: str) -> str:
    """Say how large regions are; their sides as well where "how large" was asked."""
    name = _name(regions)
    if len(regions) == 1:
        said = f"The {name} covers {area_of(rasters, regions)}"
        if not LARGE.match(text) or "area" in text:
            return f"{said}."
        place = rasters[regions[0].image].georeference
        long, wide = (
            length_text(v, place is not None) for v in sides(regions[0], place)
        )
        return f"{said}; it is {long} long and {wide} wide."
    total = area_of(rasters, regions)
    said = f"{count_phrase(len(regions), name)}, covering {total}"
    if len(regions) > LISTED:
        return f"{said} in all."
    return f"{said} in all: {', '.join(area_of(rasters, [r]) for r in regions)}."


def _name(regions: Sequence[Region]) -> str:
    labels = {region.label for region in regions}
    return (labels.pop() if len(labels) == 1 else "object") or "place"


def _bare(question: str) -> str:
    return plain(question).strip(" ?.!")
