"""Reading a question for knowledge: which facts it asks for, and of what.

Patterns over English words, as in :mod:`rsvlm.questions`. A question is cut where a
second one begins ("..., and which is the largest port nearby?"); every part is read on
its own, and a part that asks for nothing known is left to the model.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from rsvlm.choice import choose_task
from rsvlm.questions import ASKING, asks_scene, is_presence, plain, split_options

#: What can be asked of things of a kind: all that lie in the scene, the nearest, the
#: largest nearby, how far the nearest is.
#: "main" is the largest in the scene, else the nearest: what one would call it by.
Choice = Literal["inside", "nearest", "largest", "main", "distance"]
#: What can be asked about one thing.
Property = Literal[
    "name", "population", "elevation", "capital", "currency", "neighbours", "area",
    "highest", "lowest", "languages", "position", "pixel", "width", "define",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A fact that is asked for.

    Attributes:
        kind: ``airport``, ``port``, ``place``, ``country``, ``scene``, ``term``.
        choice: Which of the things of that kind.
        what: What about it.
        name: The thing by its name; None for what is at or near the scene.
        least: Fewest inhabitants of a place that is meant: a city is larger than a town.
    """

    kind: str
    choice: Choice
    what: Property = "name"
    name: str | None = None
    least: int = 0


_KINDS = {
    "airport": r"(?:airports?|airfields?|aerodromes?|airstrips?)",
    "port": r"(?:(?:sea)?ports?|harbou?rs?)",
    "place": r"(?:cit(?:y|ies)|towns?|settlements?|villages?|populated places?"
    r"|urban cent(?:re|er)s?)",
    "country": r"(?:countr(?:y|ies)|nations?|states?(?= (?:is|does|do|territory)))",
}
_SCENE = (
    r"(?:(?:this|the|that|my) )?(?:scene|image|imagery|picture|photo|area|region|view"
    r"|frame|location|place|site|spot|footprint|tile|raster|map|extent|here)"
)
_HERE = rf"(?:(?:in|within|inside|on|of|at|covered by|shown (?:in|by)|from|to) {_SCENE}|here)"
_NEAR = r"(?:near(?:by|est)?|close(?:st)?|around|surrounding|vicinity|next to|adjacent)"
_LARGE = r"(?:largest|biggest|main|major|most important|greatest|most populous|busiest)"
_NAME = r"(?:the )?(?P<name>[\w][\w .,'()/-]*?)"
_END = r"(?:\s+(?:airport|region))?[ ?.!]*$"

#: A new question begins here.
_CUT = re.compile(
    rf"[,;]?\s+(?:and|also|as well as|plus)\s+(?:also\s+)?(?={ASKING}|(?:name|list|give|tell"
    rf"|find)\b|(?:the|its)\s(?:{_LARGE}|nearest|closest|population|capital|elevation))"
    r"|[?;]\s+(?=\w)",
    re.IGNORECASE,
)


def split(question: str) -> list[str]:
    """Return the questions that a question holds, in order.

    >>> split("Which airports lie here, and which is the largest port nearby?")
    ['Which airports lie here', 'which is the largest port nearby?']
    """
    return [part.strip() for part in _CUT.split(question) if part and part.strip(" ?.")]


def read(question: str) -> Asked | None:
    """Return the fact that a question asks for; None where it asks for none.

    >>> read("What is the nearest airport?").choice
    'nearest'
    >>> read("How many ships are there?") is None
    True
    """
    text = plain(split_options(question)[0]).rstrip(" ?.!:")
    for reader in (_scene, _country, _property, _things, _definition):
        if found := reader(text):
            least = _least(text) if found.kind == "place" and not found.name else 0
            return replace(found, least=least)
    return None


def follows(question: str) -> bool:
    """Whether a part asks how far the thing of the part before it is."""
    text = plain(question)
    return bool(
        re.match(r"(?:how far|at what distance|in which direction)\b", text)
    ) and (bool(re.search(r"\b(?:it|that|this one|they|those)\b", text)))


def _least(text: str) -> int:
    if re.search(r"\bcit(?:y|ies)\b", text):
        return 50_000
    return 5_000 if re.search(r"\btowns?\b", text) else 0


def kinds_in(question: str) -> list[str]:
    """Return the kinds of things that a question names."""
    text = plain(question)
    return [kind for kind, words in _KINDS.items() if re.search(rf"\b{words}\b", text)]


def asks_picture(question: str) -> bool:
    """Return whether a question is one that the picture answers, not knowledge.

    >>> asks_picture("How many ships are there?"), asks_picture("What is speckle?")
    (True, False)
    """
    if read(question) is not None:
        return False
    task, _ = choose_task(question, 1)
    return task != "vqa" or is_presence(question) or asks_scene(question)


def _scene(text: str) -> Asked | None:
    """Read what the georeference of the image tells."""
    centre = r"(?:cent(?:re|er)|middle|mid ?point)"
    if re.search(r"\b(?:coordinates?|latitude|longitude|lat/lon)\b", text) and (
        re.search(rf"\b{centre}\b|\b{_HERE}\b", text)
        or re.fullmatch(r".*\b(?:coordinates?|latitude and longitude)", text)
    ):
        return Asked("scene", "inside", "position")
    if re.search(r"\bpixels?\b", text) and re.search(
        r"\b(?:size|length|large|big|wide|cover|side|resolution)\b", text
    ):
        return Asked("scene", "inside", "pixel")
    if re.search(r"\b(?:ground sampl\w+ distance|gsd|ground resolution)\b", text):
        return Asked("scene", "inside", "pixel")
    if re.search(rf"\bhow wide is (?:the |this )?{_SCENE}", text) or re.search(
        rf"\bwidth of (?:the |this )?{_SCENE}", text
    ):
        return Asked("scene", "inside", "width")
    return None


_COUNTRY_FACTS: tuple[tuple[str, Property], ...] = (
    (r"\bcapital\b(?! (?:of|is) \d)", "capital"),
    (r"\b(?:currency|money)\b", "currency"),
    (r"\b(?:neighbou?r(?:s|ing)?|border(?:s|ing)?)\b", "neighbours"),
    (r"\blanguages?\b", "languages"),
    (r"\bhighest (?:point|mountain|peak|elevation)\b", "highest"),
    (r"\blowest (?:point|elevation)\b", "lowest"),
)


def _country(text: str) -> Asked | None:
    """Read what is asked about the country of the scene, or about one by name."""
    country = rf"\b{_KINDS['country']}\b"
    what: Property | None = None
    for pattern, name in _COUNTRY_FACTS:
        if re.search(pattern, text):
            what = name
            break
    if what is None and re.search(country, text):
        if re.search(r"\b(?:population|people|inhabitants|populous)\b", text):
            what = "population"
        elif re.search(r"\b(?:area|size|how (?:large|big))\b", text):
            what = "area"
    if what is not None:
        if re.search(rf"{country}|\b{_HERE}\b|^(?:the|its) ", text) and not re.search(
            rf"\bof (?!the (?:country|nation)|this |that |{_SCENE})\w", text
        ):
            return Asked("country", "inside", what)
        named = re.search(rf"\bof {_NAME}{_END}", text)
        return Asked("country", "inside", what, named["name"]) if named else None
    asks = r"^(?:in |within |to |for )?(?:which|what|whose|name|list|give|tell|identify|the)\b"
    if re.search(country, text) and re.search(asks, text):
        return Asked("country", "inside")
    return None


def _property(text: str) -> Asked | None:
    """Read a population or an elevation."""
    people = re.search(
        r"\b(?:population|inhabitants|how populous|how many (?:people|residents|persons"
        r"|inhabitants|citizens))\b",
        text,
    )
    height = re.search(
        r"\b(?:elevation|altitude|how high|height above|metres above|meters above)\b",
        text,
    )
    if not people and not height:
        return None
    what: Property = "population" if people else "elevation"
    choice: Choice = "largest" if re.search(rf"\b{_LARGE}\b", text) else "nearest"
    for kind in ("airport", "port", "place"):
        words = _KINDS[kind]
        if kind == "airport" and (
            named := re.search(rf".*\b(?:of|is|at|does) {_NAME} {words}\b(?! of)", text)
        ):
            if not _is_generic(named["name"]):
                return Asked(kind, choice, what, f"{named['name']} airport")
            return Asked(kind, choice, what)
        if re.search(rf"\b{words}\b", text) and not re.search(
            rf"\b{words} of (?!{_SCENE})\w", text
        ):
            return Asked(kind, choice, what)
    named = re.search(
        rf"\b(?:population|inhabitants|residents|people|persons|elevation|altitude)"
        rf"(?: (?:live|living|reside|dwell|are there))? (?:of|in|at|has|does) {_NAME}"
        rf"(?: have)?{_END}",
        text,
    )
    name = named["name"] if named else None
    name = re.sub(r"^(?:city|town|village) of ", "", name) if name else None
    if name and _is_generic(name):
        name = None
    kind = "place" if people else "airport"
    if named is None and not re.search(rf"\b{_HERE}\b|\b{_SCENE}\b|\bhere\b", text):
        return None
    if name is None and kind == "place" and choice == "nearest":
        choice = "main"
    return Asked(kind, choice, what, name)


def _is_generic(name: str) -> bool:
    """Whether words name nothing: "the nearest", "this scene", "a large"."""
    return bool(
        re.fullmatch(
            rf"(?:{_SCENE}|(?:(?:the|a|an|this|that|any|{_NEAR}|{_LARGE})\s?)+"
            rf"(?:{_SCENE})?|(?:ground|land|terrain|surface).*)",
            name,
        )
    )


#: Words between "which" and the thing that is asked for.
_BEFORE = (
    r"(?:me|us|of|all|any|every|each|some|the|its|an?|this|these|those|known|other|nearby|closest|nearest"
    r"|civil|commercial|international|regional|public|populated|big|large|small|single"
    r"|important|main|major|largest|biggest|busiest|greatest|most|populous|names?|one)"
)
#: Words behind the thing; others make it part of a longer name ("harbour crane").
_BEHIND = (
    r"(?:nearby|near|nearest|closest|close|next|in|within|inside|is|are|was|were|lies?"
    r"|does|do|can|could|that|which|around|on|of|to|here|from|shown|seen|visible|located"
    r"|situated|there|by|serves?|has|have|you|we|covered|not|appears?|falls?|with|at|this"
    r"|it|am|i|would|belongs?|contains?|closer|adjacent|surrounding|for)"
)


def _things(text: str) -> Asked | None:
    """Read which airports, ports and places lie in the scene or near it."""
    for kind in ("airport", "port", "place"):
        words = _KINDS[kind]
        near = rf"(?:an?|the)?\s?(?:{_NEAR}|{_LARGE})?\s?(?:{_BEFORE}\s)*{words}"
        if re.match(
            r"(?:how far|at (?:what|which) distance|what is the distance)\b", text
        ):
            if re.search(rf"\b{near}$|\b{near} (?:away|from|lie|located|is)\b", text):
                return Asked(kind, "distance")
            continue
        found = re.match(
            rf"(?:(?:in|within|near|at|to|by|on) )?(?:which|what|name|list|give|tell|show"
            rf"|identify|find|the)(?: (?:is|are|was|were))?(?P<before>(?: {_BEFORE})*)"
            rf" {words}(?P<behind>$| {_BEHIND}\b.*)",
            text,
        )
        if found is None:
            known = rf"(?:is|are) there (?:an?|any) {words} (?:near|close|around|in the vic)"
            if re.match(known, text):
                return Asked(kind, "nearest")
            continue
        both = f"{found['before']} | {found['behind']}"
        if re.search(rf"\b{_LARGE}\b", both):
            return Asked(kind, "largest")
        if re.search(r"\b(?:nearest|closest|closer)\b", both):
            return Asked(kind, "nearest")
        if re.search(
            r"\b(?:near(?:by)?|close|around|serves?|surrounding|next|adj\w+)\b", both
        ):
            return Asked(kind, "nearest")
        if kind == "place" and re.match(
            r"\s?(?:is|was|are|am) (?:this|that|it|shown|i|we|the)\b", found["behind"]
        ):
            return Asked(kind, "main")
        return Asked(kind, "inside")
    if re.search(r"\b(?:nearest|closest) (?:known )?(?:place|settlement)s?\b", text):
        return Asked("place", "nearest")
    if re.match(
        r"(?:which|what) .*\bplaces? (?:is|are|lies?) (?:nearest|closest)\b", text
    ):
        return Asked("place", "nearest")
    where = (
        rf"(?:where (?:is|was|on earth is) (?:this|it|that|{_SCENE})\b.*"
        rf"|where (?:am i|are we)|(?:what|which) (?:place|location) is (?:this|it|shown).*"
        rf"|where was {_SCENE} (?:taken|acquired|captured|recorded).*)"
    )
    return Asked("place", "main") if re.fullmatch(where, text) else None


def _definition(text: str) -> Asked | None:
    """Read a question for the meaning of a word."""
    for pattern in (
        rf"^what (?:does|do) {_NAME} (?:mean|stand for)$",
        rf"^(?:define|explain) {_NAME}(?: to me)?$",
        rf"^what is (?:meant by |an? |the (?:meaning|definition) of )?{_NAME}$",
        rf"^(?:what are) {_NAME}$",
    ):
        if found := re.match(pattern, text):
            name = re.sub(r"^(?:an?|the)\s", "", found["name"])
            return Asked("term", "inside", "define", name)
    return None
