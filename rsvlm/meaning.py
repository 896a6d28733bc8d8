"""Which of the regions of an image a question means: descriptions joined to pixels.

:mod:`rsvlm.referring` reads the words and :mod:`rsvlm.selecting` compares regions; what
lies between them is here: where north is in an image, and what colour a region has.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rsvlm.errors import ImageError
from rsvlm.geometry import HBB, Region
from rsvlm.raster import Raster
from rsvlm.referring import Referring, referring
from rsvlm.referring_cues import cued
from rsvlm.selecting import select
from rsvlm.subjects import Subject

#: Step towards north by which the direction is found, degrees.
_STEP = 1e-4
#: Part of a box, around its middle, that shows the object and not what is around it.
_CORE = 0.6
#: Side at which that part is read, px.
_READ = 16

#: Finds all regions of a subject in one image.
Find = Callable[[Subject, int], Sequence[Region]]


def read(
    subject: Subject, question: str, north: tuple[float, float] = (0.0, -1.0)
) -> Referring:
    """Return what a question says about its subject: by grammar, else by cues.

    Args:
        subject: The subject.
        question: The question.
        north: Unit vector towards north in the image, x to the right and y down.
    """
    found = referring(subject.phrase, question, north)
    vague = found.other is not None and bool(found.other.unused)
    other_thing = found.label != subject.label
    if found.kind and not (found.unused or vague or other_thing):
        return found
    by_cues = cued(question, north)
    if by_cues is None or by_cues.label != subject.label:
        return found
    more = (by_cues.rank and not found.rank) or (
        by_cues.towards is not None and found.towards is None
    )
    better = not found or other_thing or (by_cues.kind and (vague or not found.kind))
    better = better or (found.unused and more)
    return by_cues if better else found


def meant(
    subject: Subject, question: str, raster: Raster, known: Callable[[str], bool]
) -> Referring:
    """Return what a question says about its subject in an image.

    Args:
        subject: The subject.
        question: The question.
        raster: The image.
        known: Whether objects of a label can be found in it; how something lies to
            others is not used.
    """
    found = read(subject, question, north_of(raster))
    named = [other for other in (found.other, found.also) if other is not None]
    if all(known(str(other.label)) for other in named):
        return found
    unused = f"{found.unused} {found.beside}".strip()
    return replace(found, kind="", other=None, also=None, unused=unused)


def chosen(
    regions: Sequence[Region],
    about: Referring,
    raster: Raster,
    image: int,
    find: Find,
    warnings: list[str],
) -> list[Region]:
    """Return the regions of one image that are meant.

    Args:
        regions: All of the label.
        about: What is said about them.
        raster: The image.
        image: Its index.
        find: Finds the other objects that are named.
        warnings: A sentence is added where such an object is not there.
    """
    size, north = (raster.width, raster.height), north_of(raster)

    def others(other: Referring) -> list[Region]:
        name = str(other.label)
        found = list(find(Subject(name, name, name), image))
        if not found:
            line = f"No {name} was found, so that nothing can be told by it."
            if line not in warnings:
                warnings.append(line)
        return select(found, other, size, others, colour, north) if other else found

    def colour(region: Region) -> tuple[float, float, float] | None:
        return colour_of(region, raster)

    return select(regions, about, size, others, colour, north)


def north_of(raster: Raster) -> tuple[float, float]:
    """Return the unit vector towards north, x to the right and y down.

    Up, where an image has no place on the Earth.
    """
    place = raster.georeference
    up = (0.0, -1.0)
    if place is None:
        return up
    middle = (raster.width / 2, raster.height / 2)
    lon, lat = place.lonlat([middle])[0]
    if not (np.isfinite(lon) and abs(lat) + _STEP < 90):
        return up
    x, y = place.pixels([(lon, lat + _STEP)], middle)[0] - np.array(middle)
    size = float(np.hypot(x, y))
    return (float(x / size), float(y / size)) if np.isfinite(size) and size else up


def colour_of(region: Region, raster: Raster) -> tuple[float, float, float] | None:
    """Return the mean RGB of the middle of a region in 0-1; None where it has no data."""
    box = region.shape.hbb
    (x, y), dx, dy = box.center, box.width * _CORE / 2, box.height * _CORE / 2
    inside = HBB(x - dx, y - dy, x + dx, y + dy).clip(raster.width, raster.height)
    if inside is None or not inside.area:
        return None
    try:
        view = raster.view(inside, _READ, _READ)
    except ImageError:
        return None
    red, green, blue = view.pixels.reshape(-1, 3).mean(0) / 255
    return float(red), float(green), float(blue)
