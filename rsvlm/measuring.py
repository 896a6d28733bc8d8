"""Answers how long, how far and how dense by the regions that are found."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rsvlm.findings import Findings
from rsvlm.geometry import HBB, Region
from rsvlm.measures import (
    Measure,
    apart,
    density_text,
    distance_text,
    sides_text,
)
from rsvlm.raster import Raster
from rsvlm.replies import nothing_text
from rsvlm.search import State
from rsvlm.subjects import Subject

#: Finds the regions of a state's subject.
Find = Callable[[State], Findings]


def measured(
    measure: Measure, state: State, rasters: Sequence[Raster], find: Find
) -> tuple[str, Findings]:
    """Return the answer to a question for a quantity, and the regions it rests on.

    Args:
        measure: What is asked.
        state: The question.
        rasters: All rasters, open.
        find: Finds the regions of a subject, outlines where the quantity needs them.

    Returns:
        A sentence, and what was found; no region where something is missing.
    """

    def of(about: Subject) -> Findings:
        return find(replace(state, subject=about, question=about.phrase))

    first = of(measure.first)
    if not first.regions and measure.kind != "density":
        return nothing_text(measure.first.name), first
    raster = rasters[state.images[0]]
    place = raster.georeference
    if measure.kind == "density":
        whole = HBB(0, 0, raster.width, raster.height)
        area = place.area_m2(whole) if place else None
        count = len(first.regions)
        return density_text(count, measure.first.name, area, measure.per_ha), first
    if measure.kind == "distance":
        return _distance(measure, first, of, raster)
    name = measure.first.name
    return sides_text(measure.kind, name, first.regions, place), first


def _distance(
    measure: Measure, first: Findings, of: Callable[[Subject], Findings], raster: Raster
) -> tuple[str, Findings]:
    """Measure between the nearest two regions of different descriptions, or of one."""
    place, name = raster.georeference, measure.first.name
    best = first.best
    if measure.second is None:
        pairs = [
            (a, b) for i, a in enumerate(first.regions) for b in first.regions[i + 1 :]
        ]
        lacking = f"Only one {name} was found: there is no distance to measure."
    else:
        second = of(measure.second)
        best = min(best, second.best)
        pairs = [(a, b) for a in first.regions for b in second.regions]
        lacking = nothing_text(measure.second.name)
    if not pairs:
        return lacking, Findings((), best)

    def between(pair: tuple[Region, Region]) -> float:
        return apart(*pair, place)

    nearest = min(pairs, key=between)
    return distance_text(*nearest, place), Findings(nearest, best)
