"""Lengths, distances and densities that a question asks for, by geometry.

The sentence carries the number that the regions give: in metres where the image has a
place on the Earth, in pixels elsewhere, and said so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsvlm.geometry import Mask, Polygon, Region
from rsvlm.georeference import GeoReference
from rsvlm.labels import count_phrase
from rsvlm.questions import plain
from rsvlm.subjects import Subject, subject

Kind = Literal["length", "width", "distance", "density"]

_UNIT = r"(?:km|kilomet\w+|met(?:re|er)s?|m|pixels?|px|feet)"
_LENGTH = re.compile(
    rf"^(?:how (?:many {_UNIT} )?long (?:is|are|was|were)|.*\blengths? of|measure how long)\b"
)
_WIDTH = re.compile(
    rf"^(?:how (?:many {_UNIT} )?wide (?:is|are|was|were)|.*\bwidths? of|measure how wide)\b"
)
_DISTANCE = re.compile(
    r"^(?:how far (?:apart |away )?(?:is|are|was|were)"
    rf"|how many {_UNIT} (?:apart |away )?(?:is|are|was|were|lie|lies|from|between)"
    r"|.*\bdistances? (?:between|from|of|to))\b"
)
_DENSITY = re.compile(r"\bdensity of\b|\bhow dense(?:ly)?\b")
_PER = re.compile(
    r"\b(?:per|(?:on|in|for) (?:a|each|every|one)) (?:(?:square )?(?:hectare|kilomet\w+)|ha|km2?)\b"
)
_PAIR = re.compile(
    r"^(?:the |a |an )?(?P<first>.+?) (?:and|to|from|away from) (?:the|a|an) (?P<second>.+)$"
)
_PER_HA = re.compile(r"\b(?:hectare|ha)s?\b")


@dataclass(frozen=True, slots=True)
class Measure:
    """What is to be measured.

    Attributes:
        kind: Which quantity.
        first: The object.
        second: Where a distance ends, if it is another description.
        per_ha: Whether a density is wanted for a hectare; else for a km2.
    """

    kind: Kind
    first: Subject
    second: Subject | None = None
    per_ha: bool = False


def measure_of(question: str) -> Measure | None:
    """Return what a question asks to be measured, None for other questions.

    >>> found = measure_of("How far is the ship from the bridge?")
    >>> found.kind, found.first.label, found.second.label
    ('distance', 'ship', 'bridge')
    """
    asked = plain(question).strip(" ?.!")
    if match := _DISTANCE.search(asked):
        rest = asked[match.end() :].strip()
        if pair := _PAIR.search(rest):
            first, second = _known(pair["first"]), _known(pair["second"])
            if first and second:
                return Measure("distance", first, second)
        about = _known(rest)
        return Measure("distance", about) if about else None
    if _PER.search(asked) or _DENSITY.search(asked):
        about = _known(_PER.sub("", _DENSITY.sub("where are the", asked)))
        per_ha = bool(_PER_HA.search(asked))
        return Measure("density", about, per_ha=per_ha) if about else None
    kinds: tuple[tuple[Kind, re.Pattern[str]], ...]
    kinds = (("length", _LENGTH), ("width", _WIDTH))
    for kind, pattern in kinds:
        match = pattern.search(asked)
        if match and (about := _known(asked[match.end() :])):
            return Measure(kind, about)
    return None


def _known(words: str) -> Subject | None:
    found = subject(words)
    return found if found and found.label else None


def sides(region: Region, place: GeoReference | None) -> tuple[float, float]:
    """Return the longer and the shorter side of a region, m or px.

    Of the smallest turned box around its outline, or of the box where it has none.
    """
    shape = region.shape
    if isinstance(shape, Mask):
        shape = max(shape.polygons(), key=lambda ring: ring.area).min_area_obb()
    elif isinstance(shape, Polygon):
        shape = shape.min_area_obb()
    a, b, c, _ = shape.corners[:4]
    edges = sorted(_distance(p, q, place) for p, q in ((a, b), (b, c)))
    return edges[1], edges[0]


def apart(first: Region, second: Region, place: GeoReference | None) -> float:
    """Return the distance between the nearest points of two regions, m or px."""
    from shapely.ops import nearest_points

    p, q = nearest_points(first.shape.to_shapely(), second.shape.to_shapely())
    return _distance((p.x, p.y), (q.x, q.y), place)


def _distance(
    p: tuple[float, float], q: tuple[float, float], place: GeoReference | None
) -> float:
    if place is not None:
        return place.distance_m(p, q)
    return float(((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2) ** 0.5)


def length_text(value: float, in_metres: bool) -> str:
    """Return a length in the unit that suits it.

    >>> length_text(1234.0, True), length_text(12.34, True), length_text(99.6, False)
    ('1.23 km', '12.3 m', '100 px')
    """
    if not in_metres:
        return f"{value:.0f} px"
    return f"{value / 1000:.2f} km" if value >= 1000 else f"{value:.3g} m"


def sides_text(
    kind: Kind, name: str, regions: Sequence[Region], place: GeoReference | None
) -> str:
    """Answer how long or wide something is."""
    which = 0 if kind == "length" else 1
    word = "long" if kind == "length" else "wide"
    values = [
        length_text(sides(region, place)[which], place is not None)
        for region in regions
    ]
    if len(values) == 1:
        return f"The {name} is {values[0]} {word}."
    return f"{count_phrase(len(values), name)}, {', '.join(values)} {word}."


def distance_text(first: Region, second: Region, place: GeoReference | None) -> str:
    """Answer how far two things are from each other."""
    value = apart(first, second, place)
    between = (
        f"The two nearest {first.label}s"
        if first.label == second.label
        else f"The {first.label} and the {second.label}"
    )
    if value < 1:
        return f"{between} touch each other."
    return f"{between} are {length_text(value, place is not None)} apart."


def density_text(count: int, name: str, area_m2: float | None, per_ha: bool) -> str:
    """Answer how many there are on an area.

    >>> density_text(6, "ship", 2e6, False)
    '6 ships on 2.00 km2: 3 per km2.'
    """
    said = count_phrase(count, name)
    if not area_m2:
        return (
            f"{said}; how many that is on an area cannot be told, since the image has "
            "no place on the Earth."
        )
    if per_ha:
        hectares = area_m2 / 1e4
        return f"{said} on {hectares:,.2f} ha: {count / hectares:.3g} per ha."
    return f"{said} on {area_m2 / 1e6:,.2f} km2: {count / (area_m2 / 1e6):.3g} per km2."
