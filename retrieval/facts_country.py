"""What is known of the country of a scene, or of one that is named."""

import re

from rsvlm.retrieval.asked import Asked
from rsvlm.retrieval.facts_words import Told, listed, measured
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.knowledge import KnowledgeBase, Near
from rsvlm.retrieval.passages import Passage, geometry
from rsvlm.retrieval.sources_world import country_name

#: A scene so near to the border of a country on the sea lies in it: borders are drawn
#: at 1:10 million, about a kilometre off in places.
COAST_KM = 5.0
#: Beyond, a scene at sea has no country to name.
SEA_KM = 370.0
#: Smaller shares of a scene are not named.
LEAST_SHARE = 0.005

_ALSO = {
    "usa": "United States", "us": "United States", "america": "United States",
    "united states of america": "United States", "uk": "United Kingdom",
    "great britain": "United Kingdom", "britain": "United Kingdom",
    "england": "United Kingdom", "holland": "Netherlands", "uae": "United Arab Emirates",
    "burma": "Myanmar", "czech republic": "Czechia", "turkiye": "Turkey",
}  # fmt: skip
#: What is asked -> subject of the Factbook's passage, name of the fact.
_IN_PROSE = {
    "highest": ("elevation", "highest"), "lowest": ("elevation", "lowest"),
    "languages": ("people", "languages"),
}  # fmt: skip
_PHRASES = {
    "capital": "The capital of {country} is {value}",
    "currency": "The currency of {country} is the {value}",
    "population": "{country} has a population of {value}",
    "area": "The area of {country} is {value} km2",
    "neighbours": "{country} borders on {value}",
    "highest": "The highest point of {country} is {value}",
    "lowest": "The lowest point of {country} is {value}",
    "languages": "Languages of {country}: {value}",
}


class CountryFacts:
    """Composes sentences on countries."""

    def __init__(self, base: KnowledgeBase) -> None:
        """Take the countries of a base."""
        self.base = base

    def shares(self, footprint: Footprint) -> list[tuple[Near, float]]:
        """Return the countries of a scene and their shares of its land, largest first.

        At sea, the country whose coast is at most :data:`COAST_KM` away.
        """
        found = self.base.within(footprint, 0.0, ["country"])
        areas = [(near, _shared(footprint, near.passage)) for near in found]
        total = sum(area for _, area in areas) or 1.0
        shares = [(near, area / total) for near, area in areas]
        shares = [pair for pair in shares if pair[1] >= LEAST_SHARE or len(shares) == 1]
        if shares:
            return sorted(shares, key=lambda pair: -pair[1])
        coast = self.base.within(footprint, COAST_KM, ["country"])
        return [(near, 1.0) for near in coast[:1]]

    def tell(self, asked: Asked, footprint: Footprint | None) -> Told:
        """Return the sentence on a country."""
        if asked.name is not None:
            near = self.called(asked.name)
            if near is None:
                return Told(
                    f"No evidence found: the knowledge base knows no place called "
                    f"{asked.name!r}.",
                    nothing=True,
                )
            return self._value(asked, near)
        assert footprint is not None
        shares = self.shares(footprint)
        if not shares:
            return self._at_sea(footprint)
        if asked.what != "name":
            return self._value(asked, shares[0][0])
        names = [
            f"{country_name(near.passage.title)} {{{i}}}"
            if len(shares) == 1
            else f"{country_name(near.passage.title)} ({share:.0%} of its land) {{{i}}}"
            for i, (near, share) in enumerate(shares)
        ]
        cited = tuple(near for near, _ in shares)
        return Told(
            f"The scene lies in {listed(names)}.", cited, max(0.5, shares[0][1])
        )

    def called(self, name: str) -> Near | None:
        """Return a country by its name."""
        plain = re.sub(r"^the ", "", name.casefold().strip())
        found = self.base.titled(_ALSO.get(plain, plain), ["country"])
        return Near(*found[0], float("inf")) if found else None

    def _at_sea(self, footprint: Footprint) -> Told:
        near = self.base.nearest(footprint, ["country"], SEA_KM)
        if not near:
            return Told(
                f"No evidence found: the scene lies at sea, and no country within "
                f"{SEA_KM:.0f} km of it.",
                nothing=True,
            )
        km, direction = measured(footprint, near[0])
        name = country_name(near[0].passage.title)
        return Told(
            f"The scene lies at sea; the nearest country is {name}, {km:.0f} km to the "
            f"{direction} {{0}}.",
            (near[0],),
        )

    def _value(self, asked: Asked, near: Near) -> Told:
        country, passage = near.passage.title, near.passage
        if asked.what in _IN_PROSE:
            subject, fact = _IN_PROSE[asked.what]
            found = self.base.titled(f"{country}: {subject}", ["text"])
            pairs = [(id, p) for id, p in found if fact in p.facts]
            held = [(id, p) for id, p in pairs if str(p.facts[fact]) in p.text]
            if not pairs:
                return _lacking(asked, country, near)
            id, passage = (held or pairs)[0]
            near = Near(id, passage, near.km)
        else:
            fact = {"area": "area_km2"}.get(asked.what, asked.what)
        if fact not in passage.facts:
            return _lacking(asked, country, near)
        value = passage.facts[fact]
        if asked.what == "neighbours":
            text = listed([country_name(name) for name in str(value).split("; ")])
        else:
            text = f"{value:,}" if isinstance(value, int | float) else str(value)
        name = country_name(country)
        sentence = _PHRASES[asked.what].format(country=name, value=text)
        sentence = (sentence[0].upper() + sentence[1:]).rstrip(".")
        return Told(f"{sentence} {{0}}.", (near,))


def _lacking(asked: Asked, country: str, near: Near) -> Told:
    return Told(
        f"No evidence found: the knowledge base has no {asked.what} of "
        f"{country_name(country)} {{0}}.",
        (near,),
        nothing=True,
    )


def _shared(footprint: Footprint, passage: Passage) -> float:
    """Return the area that scene and country share, square degrees."""
    import shapely

    if passage.place is None:
        return 0.0
    shared = shapely.intersection(footprint.shape, geometry(passage.place))
    return float(shared.area) or 1e-12
