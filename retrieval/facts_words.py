"""Words of composed answers: names, lists, distances and their evidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rsvlm.answer_parts import Evidence
from rsvlm.retrieval.asked import Asked
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.knowledge import Near
from rsvlm.retrieval.passages import Passage, geometry

_DIRECTIONS = (
    "north", "north-east", "east", "south-east", "south", "south-west", "west",
    "north-west",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence and the passages it is made of.

    Attributes:
        text: ``{0}`` stands for the citation of the first passage, and so on.
        cited: The passages.
        confidence: 0 to 1.
        nothing: Whether it says that nothing was found.
    """

    text: str
    cited: tuple[Near, ...] = ()
    confidence: float = 0.95
    nothing: bool = False


def source_of(near: Near, number: int, score: float | None = None) -> Evidence:
    """Return a passage as evidence of an answer."""
    passage = near.passage
    known = math.isfinite(near.km) and passage.place is not None
    return Evidence(
        id=number,
        text=passage.text,
        source=passage.source,
        licence=passage.licence,
        url=passage.url,
        score=score,
        distance_km=near.km if known else None,
    )


def named(passage: Passage, bare: bool = False) -> str:
    """Return the name of a thing with what tells it from others of that name."""
    facts, name = passage.facts, passage.title
    if passage.kind == "airport":
        code = facts.get("iata") or facts.get("icao")
        return f"{name} ({code})" if code else name
    if passage.kind == "port":
        return f"{name} ({facts['locode']})" if "locode" in facts else name
    if passage.kind == "place" and facts.get("population") and not bare:
        return f"{name} ({facts['population']:,} inhabitants)"
    return name


def nouns(asked: Asked) -> tuple[str, str]:
    """Return the words for one thing of a kind and for several."""
    if asked.kind == "place" and asked.least:
        return ("city", "cities") if asked.least >= 50_000 else ("town", "towns")
    return asked.kind, f"{asked.kind}s"


def listed(names: Sequence[str]) -> str:
    """Return names as a list in words.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def measured(footprint: Footprint, near: Near) -> tuple[float, str]:
    """Return the distance of a thing from an image, km, and its direction in words."""
    if near.passage.place is None:
        return math.inf, ""
    place = geometry(near.passage.place)
    target = place.representative_point() if place.geom_type != "Point" else place
    direction = footprint.direction(target.x, target.y)
    return footprint.distance_km(place), _DIRECTIONS[round(direction / 45) % 8]
