"""Choosing among options that a question lists, by what is known."""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rsvlm.raster import Raster
from rsvlm.retrieval.asked import Asked
from rsvlm.retrieval.facts_scene import scene_passage
from rsvlm.retrieval.facts_words import measured
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.knowledge import Near

if TYPE_CHECKING:
    from rsvlm.retrieval.facts import FactComposer

#: An option is taken when it is at most this factor off, or these degrees.
FACTOR = 1.5
DEGREES = 0.1

_UNITS = {"cm": 0.01, "m": 1.0, "km": 1000.0, "metres": 1.0, "meters": 1.0}
_LENGTH = re.compile(r"([\d.,]+)\s*(km|cm|m|metres|meters)\b", re.IGNORECASE)
_ANGLE = re.compile(r"(-?\d+(?:\.\d+)?)\s*\u00b0?\s*([NSEW])", re.IGNORECASE)

Picked = tuple[int, Near]


def choose(
    asked: Asked,
    options: Sequence[str],
    rasters: Sequence[Raster],
    footprint: Footprint | None,
    composer: "FactComposer",
) -> Picked | None:
    """Return the index of the right option and the passage that says so.

    None where nothing known decides.
    """
    if asked.kind == "scene":
        return _measure(asked, options, rasters[0])
    if footprint is None:
        return None
    if asked.kind == "country" and asked.what == "name":
        for near, _ in composer.countries.shares(footprint):
            for index, option in enumerate(options):
                same = composer.countries.called(option)
                if same is not None and same.id == near.id:
                    return index, near
        return None
    if asked.kind in ("place", "airport", "port") and asked.what == "name":
        return _nearest(asked.kind, options, footprint, composer)
    return None


def _nearest(
    kind: str, options: Sequence[str], footprint: Footprint, composer: "FactComposer"
) -> Picked | None:
    """Return the option that lies nearest to the scene, of several in it to its centre."""
    centre = Footprint.at(footprint.lon, footprint.lat)
    found = []
    for index, option in enumerate(options):
        near = composer.called(option, kind, footprint)
        if near is not None and math.isfinite(near.km):
            found.append((near.km, measured(centre, near)[0], index, near))
    if not found:
        return None
    _, _, index, near = min(found, key=lambda item: item[:3])
    return index, near


def _measure(asked: Asked, options: Sequence[str], raster: Raster) -> Picked | None:
    passage = scene_passage(raster)
    if passage is None:
        return None
    facts = passage.facts
    off = []
    for option in options:
        if asked.what == "position":
            off.append(_degrees_off(option, float(facts["lon"]), float(facts["lat"])))
        else:
            key = "pixel_m" if asked.what == "pixel" else "width_m"
            off.append(_factor_off(option, float(facts[key])))
    best = min(range(len(options)), key=off.__getitem__)
    limit = DEGREES if asked.what == "position" else math.log(FACTOR)
    return (best, Near(0, passage, 0.0)) if off[best] <= limit else None


def _factor_off(option: str, metres: float) -> float:
    found = _LENGTH.search(option)
    if not found or metres <= 0:
        return math.inf
    try:
        length = float(found[1].replace(",", "")) * _UNITS[found[2].lower()]
    except ValueError:
        return math.inf
    return abs(math.log(length / metres)) if length > 0 else math.inf


def _degrees_off(option: str, lon: float, lat: float) -> float:
    given: dict[str, float] = {}
    for number, letter in _ANGLE.findall(option):
        sign = -1 if letter.upper() in "SW" else 1
        given["lat" if letter.upper() in "NS" else "lon"] = sign * float(number)
    if len(given) < 2:
        return math.inf
    turn = abs(given["lon"] - lon) % 360
    return max(min(turn, 360 - turn), abs(given["lat"] - lat))
