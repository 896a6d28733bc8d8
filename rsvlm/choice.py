"""Which task a question means, by the words in it.

One table of rules, tried in order: the first whose words stand in the question decides,
and the words are given as the reason. Orders come before questions, the precise before
the general; what no rule knows is answered in a short phrase (``vqa``).
"""

import itertools
import re
from collections.abc import Callable
from typing import NamedTuple

from rsvlm.questions import ASKING, IMAGE, NUMBER, is_presence, options, plain
from rsvlm.subjects import described

# --- tests ----------------------------------------------------------------------


def _any(words: str) -> str:
    """Return the pattern of any of the words; ``_`` stands for a space."""
    return "(?:" + "|".join(words.split()).replace("_", " ") + ")"


def _words(*patterns: str) -> Callable[[str], str]:
    """Return a test for words; it returns the words that it found."""
    compiled = re.compile("|".join(patterns))

    def test(text: str) -> str:
        found = compiled.search(text)
        return found[0].strip(" ,;:.?!") if found else ""

    return test


def _presence(text: str) -> str:
    return " ".join(text.split()[:2]) if is_presence(text) else ""


def _listed(text: str) -> str:
    found = options(text)
    return "" if found in ([], ["yes", "no"]) else f"{found[0]} ... {found[-1]}"


_ABOUT_SCENE = re.compile(
    r"^(?!.*\b(?:taken|acquired|captured|recorded|sensor)\b)(?:is|was|does|do) "
    rf"(?:it|this|that|{IMAGE}|(?:this|the) area)\b"
    r"|\b(?:class|classes|classify|categor\w+|scene|land)\b|^which (?:one )?of"
    r"|^what is (?:it|this)\b|^(?:choose|pick|select|assign)\b"
    rf"|^(?!{ASKING})[\w -]+ or [\w -]+\?$"
)
_PART = re.compile(r" (?:of|over|under|in|on|at|near|by|along|behind) ")


def _listed_scene(text: str) -> str:
    of_a_part = any(_PART.search(option) for option in options(text))
    return _listed(text) if _ABOUT_SCENE.search(text) and not of_a_part else ""


# --- words ----------------------------------------------------------------------

#: Where an order may begin: at the start, behind a mark, "and", "then", "to".
_ORDER = r"(?:^|[,;:.?!]\s*|\b(?:and|then|to|also|just|now|you)\s+)(?:please\s+)?"
_NO_QUESTION = rf"^(?!{ASKING})"
_DESCRIBE = r"(?:describe|summari[sz]e|caption)\b"
#: What may follow "describe" without asking for a description.
_A_FACT = (
    r"(?:the )?(?:exact |approximate |total )*"
    + _any("where how_many how_much number count location position whereabouts")
    + r"\b"
)
_CHANGE = (
    r"\bchang(?:e|es|ed|ing)\b|\bhappened\b|\bevol(?:ve[ds]?|ution)\b"
    r"|\bbetween (?:the|these) two dates\b"
)
_CHANGED = _any(
    r"new newly appeared disappeared demolished destroyed constructed built(?!_up)"
    " added removed grown grew growth shrunk shrank expanded expansion increased"
    " decreased vanished gone arrived departed missing different same identical"
    " similar since"
    " over_time both_dates both_acquisitions"
)
#: What things do between two dates.
_CHANGES = _any(
    "grow grown shrink shrunk expand expanded recede receded spread vanish vanished"
    " appear appeared disappear disappeared change changed cleared flooded gained lost"
)
_PLACE_ON_EARTH = (
    r"where (?:on earth |in the world |exactly )?"
    + _any("was is were are am did does")
    + rf" (?:i|we|you|it|this|that|{IMAGE}"
    + r"|(?:this|the|that) (?:place|area|location|region|site))"
)
_TAKEN = r"(?:being )?" + _any(
    "from taken located captured acquired shot recorded situated come came made"
)
#: What is counted without looking for objects.
_NOT_OBJECTS = (
    r"(?:(?!of|in|per|sq)\w+ ){0,3}?"
    + _any(
        "bands? channels? layers bits? pixels? images pictures colou?rs types kinds"
        " sorts classes categories years months days hours times met(?:re|er)s"
        " kilomet(?:re|er)s km miles feet floors storeys stories percent degrees"
        " people_live people_work"
    )
    + r"\b"
)
_PROPERTY = _any(
    "size dimensions? resolution extent area coordinates location position"
)
_UNIT = _any(r"square sq\.? hectares? acres? ha km2 m2 km\^2 m\^2") + r"\b"
_MEASURE = (
    _any(
        "what_is what_are measure calculate compute estimate determine give find get"
        " tell know"
    )
    + r"(?: me)?(?: the)?(?: (?:total|surface|ground|exact|approximate|rough))* "
    + _any("areas? surfaces? sizes? extents? footprint coverage acreage")
    + r"(?: in [\w ]+?)? (?:of|covered|occupied)\b"
)
_SHARE = (
    _any("percent percentage fraction share proportion")
    + rf" of (?:{IMAGE}|(?:the |this )?(?:\w+ )?(?:area|land|surface|ground|region))"
)
_OUTLINE = _any(
    r"segment outline delineate trace contour mask extract highlight(?!.*\bbox) shade"
    r" paint colou?r_(?:in|all|every|the) map digiti[sz]e vectori[sz]e cut_out"
)
_SHAPE = _any("outline boundary boundaries contour footprint")
_MASK = _any(
    "segmentation masks? polygons? footprints? silhouettes? outlines? contours?"
    " boundary boundaries pixel-?wise"
)
_KIND = _any("kind type sort category class form") + "s?"
_SCENE = (
    _any(
        "scene area place land landscape terrain environment region location zone"
        " setting land-?_?use land-?_?cover ground neighbou?rhood territory site"
        " surroundings"
    )
    + r"\b"
)
_OBJECTS = _any("object thing target item feature instance") + r"s?\b"
_EVERY_OBJECT = r"\b(?:all|every|each|any)(?: of)?(?: the| these)?(?: \w+)? " + _OBJECTS
_POINT = _any(
    r"find(?!_out) locate locali[sz]e pinpoint point mark highlight box circle spot"
    r" identify show look(?:ing)?_for search(?:ing)?_for indicate annotate frame"
    r" encircle ground"
)
_HAND = _any(
    "draw put place give return output add get want need provide show generate"
)
_BEFORE_WHERE = r"(?:^|[,;:.?!]\s*|\b" + (
    _any("and or describe explain me us say know exactly out see indicate so then")
    + r"\s)"
)
_SHOWN = _any(
    "shown visible depicted displayed seen happening going_on captured present"
)
_ALL_OF_IT = (
    r"(?: (?:in|on|from|by|at|there))*"
    rf"(?: (?:{IMAGE}|this place|this|that|it|here))?"
)
_TEXT = _any(
    "overview description summary captions? report paragraph sentences? alt_text"
    " describing"
)


class Rule(NamedTuple):
    """Words that mean a task.

    Attributes:
        task: Name of the task; a ``compare`` needs two images, else it is ``vqa``.
        because: What the words do, for the reason: "'where' asks for a place".
        test: Returns the deciding words of a question made plain, else "".
        two: Whether the rule holds only for two images or more.
    """

    task: str
    because: str
    test: Callable[[str], str]
    two: bool = False


RULES = (
    # Images that differ; "describe" goes before all but that.
    Rule(
        "compare",
        "asks for a comparison",
        _words(
            r"\bcompar(?:e|es|ed|ing|ison)\b",
            r"\bcontrast\b",
            r"\bdiffer(?:s|ence|ences)?\b",
            r"\bbefore (?:and|vs\.?|versus|/) after\b",
            r"\b(?:is|are|looks?|has|have) (?:\w+ )?different\W*$",
        ),
    ),
    Rule(
        "compare",
        "asks for the changes",
        _words(
            rf"^{_DESCRIBE}.*(?:{_CHANGE})",
            rf"^(?:explain|did|has|have|how (?:did|has|have))\b.*(?:{_CHANGE})",
            rf"^(?:where|what|which [\w ]+) (?:did|has|have|was|were)\b.*\b{_CHANGES}\b",
        ),
        two=True,
    ),
    Rule(
        "caption",
        "asks for a description",
        _words(rf"^{_DESCRIBE}(?! (?:to me |me )?(?:exactly )?{_A_FACT})"),
    ),
    # What only sounds like a place or a count.
    Rule(
        "vqa",
        "asks where the image is from",
        _words(
            rf"\b{_PLACE_ON_EARTH} {_TAKEN}\b",
            rf"^{_PLACE_ON_EARTH}\W*$",
            r"\bwhere (?:was|is) the (?:satellite|sensor|camera|drone)\b",
        ),
    ),
    Rule(
        "vqa",
        "asks for a property, not for objects",
        _words(
            rf"\b(?:how many|number of) {_NOT_OBJECTS}",
            rf"\b(?:how (?:large|big) (?:is|are)|{_PROPERTY} of) {IMAGE}",
            r"\bnumber of .+ (?:than|to|as) the number of\b",
            r"\bcount(?:ed|ing)? (?:on|upon)\b",
        ),
    ),
    Rule(
        "segment",
        "asks for an area, which is measured on an outline",
        _words(
            r"\bhow (?:large|big)(?: an area)? (?:is|are|was|were|do|does|did)\b",
            r"\bhow much (?:of|area|land|space|surface|ground)\b",
            r"\bhow much [\w ]+ (?:is|are) (?:there|covered|visible|in)\b",
            rf"\bhow many {_UNIT}",
            rf"\barea in {_UNIT}",
            rf"\b{_MEASURE}",
            rf"\b{_SHARE}",
            r"\bwhat size\b",
            r"\bwhat area (?:does|do|is)\b",
            r"^(?:the )?(?:total )?(?:area|size|extent|surface) of\b",
            r"'s (?:area|size|extent)\b",
            r"\bamount of (?:area|land|space|surface)\b",
            rf"{_ORDER}measure\b(?! the (?:length|width|height|distance)\b)",
        ),
    ),
    Rule(
        "count",
        "asks for a number",
        _words(
            r"\bhow many\b",
            rf"{_ORDER}(?:count|tally|enumerate)\b(?! (?:on|upon|as)\b)",
            r"\bcount of\b",
            r"(?<=\w) count\W*(?:$|[:;,])",
            r"(?<!\ba )\b(?:number|quantity) of\b",
            r"\b(?:amount|total) of (?:[\w-]+ ){0,3}\w*[^s\W]s\b",
            rf"\b(?:more|fewer|less) than (?:one|{NUMBER})\b(?! ?(?:m|km|met|feet|%))",
            rf"^(?:is|are) there (?:at least|at most|exactly|only|over)? ?{NUMBER}\b",
        ),
    ),
    Rule(
        "segment",
        "asks for an outline",
        _words(
            rf"{_ORDER}{_OUTLINE}\b(?! of\b)",
            rf"{_NO_QUESTION}.*\b{_MASK}\b",
            rf"^what (?:is|are) the (?:\w+ )?{_SHAPE}s?\b",
        ),
    ),
    Rule("compare", "asks for the changes", _words(_CHANGE)),
    # Answers to choose from.
    Rule("classify", "are classes to choose from", _listed_scene),
    Rule("vqa", "are answers to choose from", _listed),
    Rule(
        "classify",
        "asks for the class of the scene",
        _words(
            rf"\b(?:what|which) {_KIND} of (?:\w+ )?{_SCENE}",
            r"\b(?:what|which) (?:class|category|label|scene)\b",
            r"^what is (?:the|this) scene\W*$",
            r"\b(?:classify|classified|categori[sz]e|classification)\b",
            r"\b(?:scene|area) (?:class|category|type|label)\b",
            rf"\b(?:class|category|type) of (?:the |this )?{_SCENE}",
            rf"\b(?:class|category) of {IMAGE}",
            rf"^(?:label|tag) {IMAGE}",
            r"^(?!find|locate|where|show|detect|mark|is|are|do|does|why|how|when)"
            r"[^.?!]*\bland[- ]?(?:use|cover)\b",
        ),
    ),
    # Boxes of everything, then of one thing.
    Rule(
        "detect",
        "asks for every object",
        _words(
            rf"{_ORDER}detect\b",
            rf"{_NO_QUESTION}.*\bdetect(?:ion|or)s?\b",
            rf"^(?!(?!where\b){ASKING}).*(?:\beverything\b|{_EVERY_OBJECT})",
            rf"{_EVERY_OBJECT}.*\bbox",
            rf"^list (?:the )?{_OBJECTS}",
            rf"\b{_OBJECTS}.*\bwhere\b",
        ),
    ),
    Rule(
        "ground",
        "asks for a place in the image",
        _words(
            rf"{_BEFORE_WHERE}where(?:abouts)?\b",
            r"\b(?:location|position|whereabouts|coordinate)s? of\b",
            r"^(?:at|in|on) (?:what|which) (?:place|spot|position|location)s? ",
            rf"\b(?:what|which) (?:part|side|corner|quadrant|half) of {IMAGE} \w",
            rf"{_ORDER}{_POINT}\b(?! (?:me )?(?:how|why|if|whether)\b)",
            r"\b(?:looking|searching) for\b",
            r"\b(?:bounding[- ]?box|bbox(?:es)?\b)",
            r"^box(?:es)? (?:around|for|of)",
            rf"{_NO_QUESTION}.*\b{_HAND}\b.*\bbox(?:es)?\b",
        ),
    ),
    Rule(
        "compare",
        "asks for the changes",
        _words(
            rf"\b{_CHANGED}\b",
            r"^(?:has|have|did) .*\b(?:left|leave|moved?|arrive|appear|grow)\b",
        ),
        two=True,
    ),
    # The whole image in words.
    Rule(
        "caption",
        "asks for a description",
        _words(
            rf"^what (?:is|are)(?: there)?(?: {_SHOWN})?{_ALL_OF_IT}\W*$",
            r"^what (?:do|can|could|would) (?:you|we|i|one) (?:see|observe|notice)\b"
            rf"{_ALL_OF_IT}\W*$",
            rf"^what can be (?:seen|observed)\b{_ALL_OF_IT}\W*$",
            rf"^what (?:do|does) (?:{IMAGE}|this|it) (?:show|depict|contain|represent"
            r"|look like)\W*$",
            r"^what am i (?:looking at|seeing)\b",
            rf"^what is (?:this|that|it) an? {IMAGE} of\W*$",
            rf"\bwhat is (?:going on|happening) (?:here|(?:in|on) {IMAGE})",
            r"\b(?:tell|say) (?:\w+ )*?about\b",
            r"\b(?:talk|walk|guide|take) (?:me |us )?(?:about|through)\b",
            rf"{_ORDER}(?:describe|summari[sz]e|explain|characteri[sz]e)\b"
            r"(?! (?:why|how)\b)",
            rf"{_NO_QUESTION}.*\b{_TEXT}\b",
        ),
    ),
    # Everything else.
    Rule("vqa", "asks whether something is there", _presence),
    Rule("vqa", "asks for a fact", _words(rf"^{ASKING}")),
    Rule("ground", "names something to find", described),
)


def choose_task(question: str, images: int = 1) -> tuple[str, str]:
    """Return the task that a question means, and why.

    Args:
        question: What the user wrote.
        images: How many images it is about.

    Returns:
        Name of the task, and a short sentence that quotes the deciding words.

    >>> choose_task("Could you tell me how many ships there are?")
    ('count', "'how many' asks for a number.")
    """
    if not question.strip():
        return "caption", "There is no question, so the image is described."
    text = plain(question)
    # "I am new to this, what does it show": what no rule knows may end in a question.
    asked = re.search(rf"(?<=[,;:.!?] ){ASKING}.*$", text)
    parts = [text, asked[0]] if asked else [text]
    for part, rule in itertools.product(parts, RULES):
        if (rule.two and images < 2) or not (words := rule.test(part)):
            continue
        words = words if len(words) <= 40 else f"{words[:18]} ... {words[-18:]}"
        if rule.task == "compare" and images < 2:
            return "vqa", f"{words!r} {rule.because}, but there is one image."
        return rule.task, f"{words!r} {rule.because}."
    return "vqa", "No word asks for another kind of answer."
