"""Descriptions said in other words, brought to the words that :mod:`rsvlm.referring` reads.

"The ship with the greatest length", "the second airplane from the left" and "the court
neighbouring the road" say what "the longest ship", "the second leftmost airplane" and
"the court near the road" say. One table of rewritings keeps the grammar small.
"""

import re
from collections.abc import Callable

#: Words of a side, as people say them -> the superlative of the grammar.
_MOST = {
    "left": "leftmost", "right": "rightmost", "top": "topmost", "up": "topmost",
    "upper": "topmost", "high": "topmost", "bottom": "bottommost", "down": "bottommost",
    "lower": "bottommost", "low": "bottommost", "north": "northernmost",
    "south": "southernmost", "east": "easternmost", "west": "westernmost",
}  # fmt: skip
_OPPOSITE = {
    "left": "right", "right": "left", "top": "bottom", "bottom": "top",
    "north": "south", "south": "north", "east": "west", "west": "east",
}  # fmt: skip
_LARGE = r"(?:greatest|largest|biggest|longest|highest|most|maximum|maximal)"
_SMALL = r"(?:smallest|shortest|least|lowest|tiniest|minimum|minimal)"
_SUPER = (
    r"(?:largest|biggest|greatest|smallest|tiniest|longest|shortest|\w+most"
    r"|nearest|closest|farthest|furthest)"
)
_SIDE = r"(?:left|right|top|bottom|upper|lower|up|down|(?:north|south|east|west)(?:ern|erly)?)"
_POINT = r"(?:(?:north|south)[- ]?(?:east|west)|north|south|east|west)"
_IMAGE = r"(?:image|picture|photo|scene|view|frame)"
_COLOUR = r"(?:white|black|gr[ae]y|red|green|blue|yellow|brown|orange|dark|bright)"
_NOUN = r"(?:[\w-]+ ){0,2}?[\w-]+"
_PLACED = (
    r"(?:parked|placed|positioned|situated|located|lying|standing|sitting|built|moored"
    r"|docked|berthed|anchored|found|resting)"
)
_IS = rf"(?:(?:that|which) (?:is|are|lies?|sits?|stands?)(?: {_PLACED})?|{_PLACED})"
_WHO = rf"(?:{_IS} )?"
#: What can follow a word that only says how exactly.
_THEN = (
    r"(?=(?:to the |on the |at the |in the )?(?:left|right|north|south|east|west|above"
    r"|below|over|under|underneath|beneath|beside|next|behind|near|by|in|at|on"
    r"|adjacent|alongside|inside|middle|cent(?:re|er)|\w+(?:east|west))\b)"
)


def _bare(point: str) -> str:
    """Return the name of a side without its ending: "east" for "easterly"."""
    return re.sub(r"(?:ern|erly)$", "", point)


def _extreme(match: re.Match[str]) -> str:
    return _MOST[_bare(match["side"])]


def _counted(match: re.Match[str]) -> str:
    """Return "second leftmost ship" for "second ship from the left"."""
    side, place = _bare(match["side"]), match["place"]
    if place.endswith("last"):
        place = "second" if "second" in place else "first"
        side = _OPPOSITE[side] if match["how"] == "from" else side
    order = "" if place == "first" else f"{place} "
    return f"{order}{_MOST[side]} {match['noun'] or ''}"


def _beyond(match: re.Match[str]) -> str:
    """Return "right of the road" for "that has the road on its left"."""
    return f"{_OPPOSITE[_bare(match['side'])]} of {match['other']}"


def _sized(match: re.Match[str]) -> str:
    """Return "longest" for "that has the greatest length"."""
    small = re.fullmatch(_SMALL, match["how"]) is not None
    if match["what"].startswith("length"):
        return "shortest" if small else "longest"
    return "smallest" if small else "largest"


def _apart(match: re.Match[str]) -> str:
    near = re.fullmatch(_SMALL, match["how"]) is not None
    return "nearest" if near else "farthest from"


_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _rules(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> list[_Rule]:
    return [(re.compile(rf"\b{pattern}\b"), by) for pattern, by in rules]


_RULES = _rules(
    ("1st", "first"), ("2nd", "second"), ("3rd", "third"), ("4th", "fourth"),
    ("5th", "fifth"), (r"(left|right)[- ]hand", r"\1"),
    # Colours
    (rf"({_COLOUR})[- ]colou?red", r"\1"),
    ((rf"(the|an?|any) ({_NOUN}) (?:(?:painted|colou?red)(?: in)?|(?:that|which) (?:is|looks)"
     rf"|with an?) ({_COLOUR})(?: colou?r| paint| roof)?(?! \w)"), r"\1 \3 \2"),
    # Sizes
    ((rf"(?:(?:that|which) )?(?:has|have|having|with|of) the (?P<how>{_LARGE}|{_SMALL})"
     r"(?: overall| total)? (?P<what>area|size|extent|footprint|surface|dimensions"
     r"|diameter|length)"), _sized),
    (rf"({_SUPER}) by (?:area|size|footprint)", r"\1"),
    ((rf"(?:(?:that|which) )?(?:cover|occup|tak)(?:ing|ying|s|es|ies)(?: up)? the "
     rf"(?P<how>{_LARGE}|{_SMALL}) (?P<what>ground|area|space|room|land|surface)"), _sized),
    # Distances
    (rf"(?:with|at|having) the (?P<how>{_LARGE}|{_SMALL}) distance (?:to|from)", _apart),
    (r"(?:least far|the least distance)(?: away)? from", "nearest"),
    (r"most (?:distant|remote) from|as far as possible from", "farthest from"),
    (r"nearest (?:neighbou?r|one) (?:of|to)", "nearest"),
    (r"(nearest|closest|farthest|furthest) one(?= (?:to|from)\b)", r"\1"),
    ((r"(?:(?:that|which) (?:is|lies) )?(?:nearer|closer) (?:to )?(the (?:[\w-]+ ){1,3})than"
     r" (?:the|any|all|every)(?: of)?(?: the)? (?:others?|rest)(?: ones?)?"), r"nearest \1"),
    (r"(?:not|not very|not too) far(?: away)? from", "near"),
    (r"in the (?:immediate |close |direct )?(?:vicinity|neighbou?rhood|proximity) of", "near"),
    (r"a short (?:way|distance)(?: away)? from", "near"),
    ((r"(?:neighbou?ring|adjoining|abutting|flanking|touching|bordering(?: on)?)"
     r"(?= (?:the|an?|some)\b)"), "near"),
    ((r"(?:crossing|atop|on top of|driving (?:on|over|across)|travell?ing (?:on|over|across))"
     r"(?= (?:the|an?|some)\b)"), "on"),
    # Sides of the image
    (rf"{_IMAGE}(?:'s|s)? (?=(?:{_SIDE}|cent(?:re|er)|middle)\b)", ""),
    ((rf"(?:(?:that|which) )?(?:comes?|is|stands?) (?P<place>first|second|third|last)(?P<noun>)"
     rf"(?: if| when)?(?: you)? (?:counting|counted|seen|count) (?P<how>from) the"
     rf" (?P<side>left|right|top|bottom|{_POINT})"), _counted),
    ((rf"(?P<place>first|second(?: to last)?|third|fourth|fifth|last) (?P<noun>(?!to\b){_NOUN}?)"
     rf"(?: if| when)?(?: you)?(?: counting| counted| seen| count)?"
     rf" (?P<how>from|on|at) the (?:far )?(?P<side>left|right|top|bottom|{_POINT})"
     r"(?: side| edge| end)?(?! of\b)"), _counted),
    ((rf"(?:that|which) has (?P<other>(?:the|an?|some) {_NOUN}) (?:on|to|at) its "
     rf"(?P<side>left|right|{_SIDE})(?: side)?"), _beyond),
    ((rf"{_WHO}(?:(?:the )?(?:farthest|furthest)(?: over)?(?: (?:towards?|on|at|in) the)?"
     rf"|most(?: to the)?|(?:on|at|in|to|towards?) the (?:far|extreme|very|outermost))"
     rf"[ -](?P<side>{_SIDE})(?![ -](?:left|right)\b)(?: (?:end|edge|side|margin))?(?! (?:of|corner|from)\b(?! the"
     rf" {_IMAGE}))"), _extreme),
    ((rf"{_WHO}(?:farther|further|more) (?:to the )?(?P<side>{_SIDE})"
     r" than (?:all|any|every|each|the)(?: of)?(?: the)? (?:others?|rest)(?: ones?)?"), _extreme),
    # Comparisons with all others
    (r"than (?:each|every|any)(?: one)?(?: of the)? others?(?: ones?)?", "than the others"),
    ((rf"({_SUPER}) (?:one )?(?:of|among|amongst|out of) (?:all )?(?:of )?(?:the|these|those) "
     rf"(?!(?:{_IMAGE}|others?|lot|two|three|four)\b)"), r"\1 "),
    ((rf"^(?:of|among|amongst|out of) (?:all )?(?:of )?(?:the|these|those) (?P<noun>{_NOUN}),? "
     rf"(?P<rest>.*?)(?P<word>(?:(?:second|third|fourth) )?{_SUPER})(?: one)?(?! \w)"),
     r"\g<rest>\g<word> \g<noun>"),
    # Sides of other objects
    ((rf"(?:directly|immediately|just|right|slightly|exactly|straight|somewhat|shortly|due"
     rf"|a (?:little|bit)|diagonally|close|closely) {_THEN}"), ""),
    ((r"(?:(?:on|at|to) the )?(left|right) (?:side of|from) (?=(?:the|an?|some) )"
     rf"(?!the {_IMAGE}\b)"), r"\1 of "),
    ((rf"(?:(?:on|at|to) the )?({_POINT})(?:ern|erly)?(?: side)? (?:of|from) "
     rf"(?=(?:the|an?|some) )(?!the {_IMAGE}\b)"), r"\1 of "),
    ((rf"that (?:the|an?|some) ({_NOUN}) (?:(?:is|lies|stands|sits) )?"
     r"(next to|beside|near|close to|adjacent to)(?! \w)"), r"\2 the \1"),
)  # fmt: skip


#: "that lies" or "parked" before what tells where.
_STANDING = re.compile(
    rf"\b{_IS} (?=(?:above|below|over|under|underneath|beneath|beside|next|near|nearest"
    r"|closest|close|by|in|at|on|inside|within|adjacent|alongside|along|around|farthest"
    rf"|furthest|left|right|(?:to|on) the|{_POINT} of)\b)"
)


def without_verbs(text: str) -> str:
    """Return a description without the verbs that only lead to a place.

    >>> without_verbs("ship that is moored at the pier")
    'ship at the pier'
    """
    return _STANDING.sub("", text)


def reworded(text: str) -> str:
    """Return a description in the words of the grammar; what is not known stays.

    Args:
        text: A question or a phrase as :func:`rsvlm.questions.plain` makes it.

    >>> reworded("find the second ship from the left")
    'find the second leftmost ship'
    >>> reworded("the tank with the largest footprint just north of the road")
    'the tank largest north of the road'
    """
    for pattern, by in _RULES:
        text = pattern.sub(by, text)
    return " ".join(text.split())
