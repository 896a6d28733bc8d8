"""Answers that are composed from passages: nearest airport, country, population.

Nothing is generated: names and numbers are copied from the facts of a passage, and
every sentence cites the passage it is made of. Where the base knows nothing within
reach, the answer says so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rsvlm.answer_parts import Evidence
from rsvlm.knowing import Composed
from rsvlm.questions import split_options
from rsvlm.raster import Raster
from rsvlm.retrieval.asked import Asked, follows, read, split
from rsvlm.retrieval.facts_country import CountryFacts
from rsvlm.retrieval.facts_scene import scene_fact
from rsvlm.retrieval.facts_words import Told, listed, measured, named, nouns, source_of
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.knowledge import KnowledgeBase, Near
from rsvlm.retrieval.options import choose

#: "Nearby" ends here, km.
NEARBY_KM = 100.0
#: Things that a list names; the rest is counted.
LISTED = 12

_CITATION = re.compile(r"\[(\d+)\]")
_MARK = re.compile(r"\{(\d+)\}")


@dataclass
class _Answer:
    """Sentences and the evidence they cite, while they are gathered."""

    sentences: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    confidence: float = 1.0
    found: bool = False
    numbers: dict[int, int] = field(default_factory=dict)

    def cite(self, near: Near) -> str:
        """Return the mark of a passage, adding it to the evidence."""
        if near.id not in self.numbers:
            self.numbers[near.id] = len(self.evidence) + 1
            self.evidence.append(source_of(near, len(self.evidence) + 1, score=1.0))
        return f"[{self.numbers[near.id]}]"

    def say(self, told: Told) -> None:
        """Add a sentence; ``{0}`` in it is the mark of the first passage, and so on."""
        marks = [self.cite(near) for near in told.cited]
        # A name that holds "[3]" must not read as a citation.
        text = _CITATION.sub(r"(\1)", told.text)
        places = dict(enumerate(marks))
        self.sentences.append(
            _MARK.sub(lambda found: places.get(int(found[1]), found[0]), text)
        )
        self.confidence = min(self.confidence, told.confidence)
        self.found |= not told.nothing


class FactComposer:
    """Composes answers from a knowledge base.

    .. versionadded:: 0.1
    """

    def __init__(self, base: KnowledgeBase) -> None:
        """Take the facts of a base."""
        self.base = base
        self.countries = CountryFacts(base)

    def compose(self, question: str, rasters: Sequence[Raster]) -> Composed | None:
        """Answer a question for facts.

        Args:
            question: What the user wrote; it may hold several questions, and options.
            rasters: Opened images.

        Returns:
            The answer; None where no part of the question asks for a known fact.
        """
        stem, options = split_options(question)
        if options:
            listed_options = [option.split("\n")[0].strip() for option in options]
            return self._choose(stem, listed_options, rasters)
        answer, rest = _Answer(), []
        footprint = Footprint.of(rasters)
        for part in split(question):
            asked = read(part)
            if asked is None and answer.sentences and follows(part):
                continue  # every distance is told with its thing
            told = self._tell(asked, rasters, footprint) if asked else None
            if told is None:
                rest.append(part)
            else:
                answer.say(told)
        if not answer.sentences:
            return None
        return Composed(
            " ".join(answer.sentences),
            tuple(answer.evidence),
            answer.confidence,
            abstained=not answer.found and not rest,
            rest=" ".join(rest),
        )

    def _choose(
        self, stem: str, options: Sequence[str], rasters: Sequence[Raster]
    ) -> Composed | None:
        asked, footprint = read(stem), Footprint.of(rasters)
        if asked is None:
            return None
        picked = choose(asked, options, rasters, footprint, self)
        if picked is None:
            return None
        index, near = picked
        answer = _Answer(found=True)
        letter = chr(ord("A") + index)
        answer.say(Told(f"{letter}. {options[index]} {{0}}", (near,)))
        return Composed(answer.sentences[0], tuple(answer.evidence))

    def _tell(
        self, asked: Asked, rasters: Sequence[Raster], footprint: Footprint | None
    ) -> Told | None:
        """Return the sentence that answers one fact; None where it is no known one."""
        if asked.kind == "term":
            return self._definition(asked.name or "")
        if asked.kind == "scene":
            return scene_fact(asked, rasters)
        if asked.name is None and footprint is None:
            return Told(
                "No evidence found: the image has no CRS that places it on the Earth.",
                nothing=True,
            )
        if asked.kind == "country":
            return self.countries.tell(asked, footprint)
        if asked.name is not None:
            return self._by_name(asked, footprint)
        assert footprint is not None
        tellers: dict[str, Callable[[Asked, Footprint], Told]] = {
            "inside": self._inside,
            "nearest": self._nearest,
            "distance": self._nearest,
            "largest": self._largest,
            "main": self._main,
        }
        if asked.what == "name":
            return tellers[asked.choice](asked, footprint)
        return self._property(asked, footprint)

    # --- things in the scene and near it

    def inside(self, kind: str, footprint: Footprint, least: int = 0) -> list[Near]:
        """Return the things of a kind in the scene, the most important first."""
        found = self.base.within(footprint, 0.0, [kind])
        found = [near for near in found if near.passage.weight >= least]
        return sorted(found, key=lambda n: (-n.passage.weight, n.passage.title))

    def nearest(self, kind: str, footprint: Footprint, least: int = 0) -> Near | None:
        """Return the thing nearest to the scene; of those in it, to its centre."""
        found = self.base.nearest(footprint, [kind], NEARBY_KM, least=least)
        inside = [near for near in found if near.km == 0]
        if len(inside) < 2:
            return found[0] if found else None
        centre = Footprint.at(footprint.lon, footprint.lat)
        return min(inside, key=lambda near: measured(centre, near)[0])

    def largest(self, kind: str, footprint: Footprint) -> Near | None:
        """Return the most important thing of a kind nearby; None without sizes."""
        found = self.base.within(footprint, NEARBY_KM, [kind], heaviest=1)
        return found[0] if found and found[0].passage.weight > 0 else None

    def _inside(self, asked: Asked, footprint: Footprint) -> Told:
        found = self.inside(asked.kind, footprint, asked.least)
        one, many = nouns(asked)
        if not found:
            near = self.nearest(asked.kind, footprint, asked.least)
            if near is None:
                return _nothing(one)
            away = self._away(footprint, near)
            return Told(
                f"No {one} of the knowledge base lies in the scene; the nearest is "
                f"{named(near.passage)}, {away} {{0}}.",
                (near,),
            )
        names = [f"{named(near.passage)} {{{i}}}" for i, near in enumerate(found)]
        more = len(found) - LISTED
        text = listed(names[:LISTED] + ([f"{more} more"] if more > 0 else []))
        head = f"{one.capitalize()} in the scene" if len(found) == 1 else (
            f"{many.capitalize()} in the scene"
        )  # fmt: skip
        return Told(f"{head}: {text}.", tuple(found[:LISTED]))

    def _nearest(self, asked: Asked, footprint: Footprint) -> Told:
        near = self.nearest(asked.kind, footprint, asked.least)
        one, _ = nouns(asked)
        if near is None:
            return _nothing(one)
        away = self._away(footprint, near)
        text = f"The nearest {one} is {named(near.passage)}, {away} {{0}}."
        return Told(text, (near,))

    def _largest(self, asked: Asked, footprint: Footprint) -> Told:
        one, _ = nouns(asked)
        near = self.largest(asked.kind, footprint)
        if near is None:
            near = self.nearest(asked.kind, footprint)
            if near is None:
                return _nothing(one)
            return Told(
                f"The knowledge base has no sizes of {nouns(asked)[1]} here; the nearest "
                f"is {named(near.passage)}, {self._away(footprint, near)} {{0}}.",
                (near,),
                confidence=0.5,
            )
        if asked.kind == "airport":
            near = self.base.within(footprint, NEARBY_KM, ["airport"], heaviest=40)[0]
            return Told(
                f"The knowledge base has no sizes of airports; the nearest that airlines "
                f"have a code for is {named(near.passage)}, "
                f"{self._away(footprint, near)} {{0}}.",
                (near,),
                confidence=0.6,
            )
        why = ""
        if asked.kind == "port":
            why = " (by key ports and shipping links; the list has no tonnage)"
        text = f"The largest {one} nearby is {named(near.passage)}{why}"
        return Told(f"{text}, {self._away(footprint, near)} {{0}}.", (near,))

    def _main(self, asked: Asked, footprint: Footprint) -> Told:
        found = self.inside(asked.kind, footprint, asked.least)
        if not found:
            return self._nearest(asked, footprint)
        place = found[0]
        where = place.passage.facts.get("region"), place.passage.facts.get("country")
        parts = ", ".join(str(part) for part in where if part)
        text = f"The largest place in the scene is {named(place.passage)}"
        return Told(f"{text}{f', {parts}' if parts else ''} {{0}}.", (place,))

    def _property(self, asked: Asked, footprint: Footprint) -> Told:
        """Tell the population or elevation of a thing in the scene or near it."""
        if asked.choice == "largest":
            near = self.largest(asked.kind, footprint)
        else:
            inside = self.inside(asked.kind, footprint, asked.least)
            main = asked.choice == "main" and inside
            near = main[0] if main else self.nearest(asked.kind, footprint, asked.least)
        if near is None:
            return _nothing(nouns(asked)[0])
        return self._value(asked, near, self._away(footprint, near))

    def _value(self, asked: Asked, near: Near, away: str) -> Told:
        name, facts = named(near.passage, bare=True), near.passage.facts
        where = f", {away}," if away else ""
        if asked.what == "population" and facts.get("population"):
            text = f"{name}{where} has a population of {facts['population']:,} {{0}}."
            return Told(text, (near,))
        if asked.what == "elevation" and "elevation_m" in facts:
            text = f"{name}{where} lies {facts['elevation_m']} m above sea level {{0}}."
            return Told(text, (near,), confidence=max(0.5, 1 - near.km / 200))
        return Told(
            f"No evidence found: the knowledge base has no {asked.what} of {name} {{0}}.",
            (near,),
            nothing=True,
        )

    def _by_name(self, asked: Asked, footprint: Footprint | None) -> Told:
        name = asked.name or ""
        near = self.called(name, asked.kind, footprint)
        if near is None and asked.what == "population":
            return self.countries.tell(
                Asked("country", "inside", "population", name), footprint
            )
        if near is None:
            return Told(
                f"No evidence found: the knowledge base knows no {asked.kind} "
                f"called {name!r}.",
                nothing=True,
            )
        return self._value(asked, near, "")

    def called(self, name: str, kind: str, footprint: Footprint | None) -> Near | None:
        """Return the thing of a name: near the scene if there is one, else the largest.

        A region may follow the name ("Long Beach, California").
        """
        head, _, region = (part.strip() for part in name.partition(","))
        short = re.sub(r"\s*(?:airport|airfield|port|harbou?r|city)$", "", head)
        found = (
            self.base.titled(head, [kind])
            or self.base.titled_like(head, [kind])
            or self.base.titled(short, [kind])
            or self.base.titled_like(short, [kind])
        )
        if region:
            said = [
                pair for pair in found if region.casefold() in pair[1].text.casefold()
            ]
            found = said or found
        if not found:
            return None
        if footprint is None:
            return Near(*found[0], float("inf"))
        measured_ones = [
            Near(id, passage, measured(footprint, Near(id, passage, 0.0))[0])
            for id, passage in found
        ]
        close = [near for near in measured_ones if near.km <= NEARBY_KM]
        return (close or measured_ones)[0]

    def _away(self, footprint: Footprint, near: Near) -> str:
        if near.km == 0:
            return "in the scene"
        km, direction = measured(footprint, near)
        return f"{km:.1f} km to the {direction}"

    def _definition(self, name: str) -> Told | None:
        found = self.base.terms.get(re.sub(r"[\W_]+", " ", name.casefold()).strip())
        if found is None:
            return None
        return Told(f"{found[1].text} {{0}}", (Near(*found, 0.0),), confidence=0.95)


def _nothing(noun: str) -> Told:
    return Told(
        f"No evidence found: the knowledge base has no {noun} within {NEARBY_KM:.0f} km "
        "of the scene.",
        nothing=True,
    )
