"""Which of several objects a description means: the largest, the one east of the road.

A region finder knows labels; what tells objects of one label apart is geometry, colour
and the other objects around them. The words are read from the phrase of a question
(:mod:`rsvlm.subjects`) and applied to the regions that were found.
"""

import re
from dataclasses import dataclass
from typing import Literal

from rsvlm.labels import FORMS
from rsvlm.questions import head_label, plain
from rsvlm.referring_words import reworded, without_verbs

Key = Literal["area", "length", "x", "y", "north", "east"]

#: Word -> quantity and whether its greatest value is meant. x to the right, y down.
_SUPERLATIVES: dict[str, tuple[Key, bool]] = {
    **dict.fromkeys(("largest", "biggest", "greatest"), ("area", True)),
    **dict.fromkeys(("smallest", "tiniest"), ("area", False)),
    "longest": ("length", True),
    "shortest": ("length", False),
    **dict.fromkeys(("leftmost", "left-most"), ("x", False)),
    **dict.fromkeys(("rightmost", "right-most"), ("x", True)),
    **dict.fromkeys(("topmost", "top-most", "uppermost", "highest"), ("y", False)),
    **dict.fromkeys(("bottommost", "bottom-most", "lowermost", "lowest"), ("y", True)),
    **dict.fromkeys(("northernmost", "northmost", "most northern"), ("north", True)),
    **dict.fromkeys(("southernmost", "southmost", "most southern"), ("north", False)),
    **dict.fromkeys(("easternmost", "eastmost", "most eastern"), ("east", True)),
    **dict.fromkeys(("westernmost", "westmost", "most western"), ("east", False)),
}
_ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
#: Word of a side -> unit vector towards it, x to the right and y down.
_SIDES = {
    "left": (-1.0, 0.0), "right": (1.0, 0.0), "top": (0.0, -1.0), "upper": (0.0, -1.0),
    "bottom": (0.0, 1.0), "lower": (0.0, 1.0),
}  # fmt: skip
#: The same on the ground, (east, north).
_COMPASS = {
    "north": (0.0, 1.0), "south": (0.0, -1.0), "east": (1.0, 0.0), "west": (-1.0, 0.0),
    "northeast": (1.0, 1.0), "northwest": (-1.0, 1.0),
    "southeast": (1.0, -1.0), "southwest": (-1.0, -1.0),
}  # fmt: skip
_SIDE = "|".join(_SIDES)
_POINT = r"(?:north|south)?-?(?:east|west)(?:ern)?|(?:north|south)(?:ern)?"
_PART = rf"(?:(?:{_SIDE}|{_POINT}|middle|centre|center|central)[- ]?)"
_SUPER = "|".join(sorted(map(re.escape, _SUPERLATIVES), key=len, reverse=True))
_NUMBER = "|".join(_NUMBERS)
_ORDINAL = "|".join(_ORDINALS)
#: Colours and their RGB in 0-1; a region is of the colour that it is nearest to.
COLOURS = {
    "white": (0.92, 0.92, 0.92), "black": (0.08, 0.08, 0.08),
    "dark": (0.08, 0.08, 0.08), "bright": (0.92, 0.92, 0.92),
    "gray": (0.5, 0.5, 0.5), "grey": (0.5, 0.5, 0.5), "red": (0.65, 0.25, 0.2),
    "green": (0.3, 0.5, 0.3), "blue": (0.25, 0.4, 0.65), "yellow": (0.8, 0.75, 0.3),
    "brown": (0.5, 0.4, 0.3), "orange": (0.8, 0.5, 0.25),
}  # fmt: skip
#: Two objects are near each other up to this many times the longer side of the larger.
NEAR = 1.5

_RANK = re.compile(
    rf"\b(?:(?P<ordinal>{_ORDINAL})[ -])?(?P<word>{_SUPER})\b"
    rf"|\b(?P<count>{_NUMBER}) (?P<words>{_SUPER})\b"
)
#: "the ship that is larger than the others" is the largest one.
_COMPARED = re.compile(
    r"\b(?:(?:that|which) (?:is|are|lies?) )?(?P<word>\w+er) than "
    r"(?:(?:all|any)(?: of)? )?(?:the )?(?:others?|rest|other \w+(?: \w+)?)\b"
)
_COMPARATIVES = {
    "larger": "largest", "bigger": "biggest", "greater": "greatest",
    "smaller": "smallest", "tinier": "tiniest", "longer": "longest",
    "shorter": "shortest",
}  # fmt: skip
_MIDMOST = re.compile(
    r"\b(?:that is |lying |located )?(?:middlemost|midmost|innermost|centralmost"
    r"|most central(?:ly)?(?: located| placed)?)\b"
)
_EDGE = re.compile(
    r"\b(?:that is |that are |lying |located )?"
    r"(?P<far>(?:nearest|closest)(?: to)?|(?:farthest|furthest)(?: away)?(?: to| from)?)"
    rf" (?:the )?(?P<side>(?:{_PART})+)(?: ?(?:edge|border|side|margin|end|corner))?"
    r"(?: of (?:the )?(?:image|picture|scene))?(?=$|[\s,.?])"
)
_IN_PART = re.compile(
    rf"\b(?:in|at|on|near|towards?|to|from) (?:the )?(?P<part>{_PART}{{1,2}})"
    r"(?: ?(?:corner|part|half|side|quarter|quadrant|edge|end|area|third))?"
    r"(?: of (?:the )?(?:image|picture|scene))?(?=$|[\s,.])(?!(?: (?:left|right))? of\b)"
)
_RELATION = re.compile(
    rf"\b(?P<kind>(?:to the )?(?:(?:upper|lower|top|bottom)[ -])?(?:left|right) of"
    rf"|(?:to the )?(?:{_POINT}) of|above|below|over|under"
    r"|underneath|beneath|in front of"
    r"|(?:nearest|closest)(?: to)?|(?:farthest|furthest)(?: away)? from|next to|adjacent to"
    r"|beside|besides|by|near|nearby|close to|around|alongside|along|at"
    r"|inside|within|in|on|surrounded by)"
    r" (?:the |a |an |any |some )?(?P<other>[\w -]+)$"
)
_NEAREST = re.compile(
    r"\b(?P<kind>nearest|closest) (?:to )?(?:the |a |an |any )?(?P<other>[\w -]+)$"
)
_BETWEEN = re.compile(
    r"\b(?:in )?between (?:the |an? |some )?(?:two |both )?(?P<other>[\w -]+?)"
    r"(?: and (?:the |an? |another |some )?(?P<also>[\w -]+))?$"
)
_HUE = re.compile(rf"\b(?:{'|'.join(COLOURS)})\b")


@dataclass(frozen=True, slots=True)
class Referring:
    """What tells the meant objects from others of their label.

    Attributes:
        label: Their label, None where it is not known.
        rank: Quantity, whether its greatest value is meant, and which place in that
            order, from 1.
        most: How many are meant at most; None for all that fit.
        towards: Direction of the part of the image where they lie, x to the right and
            y down; (0, 0) is the middle.
        edge: Whether they are meant that lie nearest to that side, or, if away is
            true, farthest from it.
        away: See ``edge``.
        kind: How they lie to ``other``, such as ``"left of"``.
        other: What they lie so to.
        also: The second one, where they lie between two.
        beside: The words of ``kind`` and ``other``.
        colour: A key of :data:`COLOURS`.
        unused: Words that say more, but are not understood.
    """

    label: str | None
    rank: tuple[Key, bool, int] | None = None
    most: int | None = None
    towards: tuple[float, float] | None = None
    edge: bool = False
    away: bool = False
    kind: str = ""
    other: "Referring | None" = None
    also: "Referring | None" = None
    beside: str = ""
    colour: str = ""
    unused: str = ""

    def __bool__(self) -> bool:
        """Whether it says more than the label."""
        return bool(self.rank or self.towards is not None or self.kind or self.colour)


def referring(
    phrase: str, question: str = "", north: tuple[float, float] = (0.0, -1.0)
) -> Referring:
    """Read what a description says beside the label.

    Args:
        phrase: Description in lower case, as :class:`rsvlm.subjects.Subject` holds it.
        question: The whole question, whose other words may tell how many are meant.
        north: Unit vector towards north in the image, x to the right and y down.

    >>> found = referring("largest storage tank left of the bridge")
    >>> found.label, found.rank, found.kind, found.other.label
    ('storage tank', ('area', True, 1), 'left of', 'bridge')
    """
    asked = _COMPARED.sub(_superlative, reworded(plain(question).strip(" ?.!")))
    text = without_verbs(_COMPARED.sub(_superlative, " ".join(phrase.split())))
    towards: tuple[float, float] | None = None
    edge = away = False
    most: int | None = None
    if match := _EDGE.search(asked) or _EDGE.search(text):
        towards, away = direction(match["side"], north), match["far"].endswith("from")
        edge, most = True, 1
        text = _EDGE.sub("", text).strip()
    elif match := _MIDMOST.search(text):
        towards, edge, most = (0.0, 0.0), True, 1
        text = _without(text, match)
    elif match := _IN_PART.search(text):
        towards = direction(match["part"], north)
        text = _without(text, match)
    head, kind, beside, other, also = text, "", "", None, None
    if match := _BETWEEN.search(text):
        one = referring(match["other"], "", north)
        two = referring(match["also"], "", north) if match["also"] else one
        if one.label is not None and two.label is not None:
            head, kind, beside = text[: match.start()].strip(), "between", match[0]
            other, also = one, two
    # A subject ends before "nearest the": what follows is read from the question.
    elif match := _RELATION.search(text) or _NEAREST.search(asked):
        inner = referring(match["other"], "", north)
        if inner.label is not None:
            head = text[: match.start()].strip() if match.string == text else text
            other, beside = inner, match[0]
            kind = re.sub(r"^to the ", "", match["kind"])
    rank, colour = None, ""
    if match := _RANK.search(head):
        key, greatest = _SUPERLATIVES[match["word"] or match["words"]]
        rank = (key, greatest, _ORDINALS.get(match["ordinal"] or "", 1))
        head = _without(head, match)
        counted = _RANK.search(asked) or match
        most = _NUMBERS.get(counted["count"] or "", 1)
    elif (match := _RANK.search(asked)) and match[0] not in phrase:
        # "Which storage tank is the largest?"
        key, greatest = _SUPERLATIVES[match["word"] or match["words"]]
        rank = (key, greatest, _ORDINALS.get(match["ordinal"] or "", 1))
        most = _NUMBERS.get(match["count"] or "", 1)
    if match := _HUE.search(head):
        colour, head = match[0], _without(head, match)
    if kind.startswith(("nearest", "closest", "farthest", "furthest")):
        most = 1
    noun = _CUT.split(head, maxsplit=1)[0].strip()
    label = head_label(noun)
    single = not noun.endswith("s") and not re.search(_MANY, asked)
    if most is None and single and (towards is not None or kind or colour):
        most = 1
    unused = _left(head, label)
    return Referring(
        label,
        rank,
        most,
        towards,
        edge,
        away,
        kind,
        other,
        also,
        beside,
        colour,
        unused,
    )


#: Words behind a noun that no relation was read from.
_CUT = re.compile(
    r"\s(?:in|on|at|of|near|by|beside|with|without|to|from|under|over|along|between"
    r"|next|close|east|west|north|south|left|right|above|below|that|which|whose)\b"
)
#: Words that ask for all objects of a description.
_MANY = r"\b(?:how many|every|each|any|all|count|number of)\b"


def _superlative(match: re.Match[str]) -> str:
    """Return what a comparison with all others says; as it stands where unknown."""
    return _COMPARATIVES.get(match["word"], match[0])


def _left(head: str, label: str | None) -> str:
    """Return the words of a description that its label does not cover."""
    forms = [f for f, name in FORMS.items() if name == label and f in head]
    return " ".join(head.replace(max(forms, key=len, default=""), " ", 1).split())


def _without(text: str, match: re.Match[str]) -> str:
    return " ".join((text[: match.start()] + " " + text[match.end() :]).split())


def direction(words: str, north: tuple[float, float]) -> tuple[float, float]:
    """Return where a side lies, x to the right and y down; (0, 0) is the middle."""
    x = y = 0.0
    joined = re.sub(r"(north|south)[ -](?=east|west)", r"\1", words)
    for word in re.findall(r"[a-z]+", joined):
        if word in _SIDES:
            dx, dy = _SIDES[word]
        elif (point := word.removesuffix("ern")) in _COMPASS:
            dx, dy = on_image(_COMPASS[point], north)
        else:
            continue
        x, y = x + dx, y + dy
    return x, y


def on_image(
    compass: tuple[float, float], north: tuple[float, float]
) -> tuple[float, float]:
    """Return a direction on the ground, (east, north), as one in the image.

    >>> on_image((1.0, 0.0), (0.0, -1.0))
    (1.0, 0.0)
    """
    east = (-north[1], north[0])
    e, n = compass
    return e * east[0] + n * north[0], e * east[1] + n * north[1]
