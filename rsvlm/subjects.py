"""The object that a question names, as a phrase, a noun and a known label.

What is not the object is taken off from both ends: question words, orders, measures,
articles in front; the image, copulas, colours behind. What stays is the description,
and the head of its noun is looked up among the labels.
"""

import re
from dataclasses import dataclass, field

from rsvlm.questions import ASKING, IMAGE, NUMBER, head_label, plain, split_options
from rsvlm.referring_cues import cued, labels_in
from rsvlm.referring_words import reworded

_BE = r"(?:is|are|was|were|be|been|being)"
_PLACE = (
    r"(?:at|in|inside|on|onto|upon|of|near|nearby|by|beside|besides|behind|before|under"
    r"|underneath|below|beneath|over|above|along|alongside|across|between|among|amid"
    r"|around|round|within|outside|from|with|without|to|toward|towards|next|close"
    r"|adjacent|along|off|against|through|for|that|which|who|whose|where|than|as|while"
    r"|per|side by side|(?:closest|nearest|farthest|furthest) to"
    r"|(?:left|right|north|south|east|west|ahead|top|bottom|\w+-?(?:east|west)) of)"
)
_STATE = (
    r"(?:parked|moored|docked|anchored|berthed|located|situated|positioned|placed|built"
    r"|sailing|moving|flying|driving|standing|waiting|lying|surrounded|covered"
    r"|connected"
    r"|visible|present|shown|seen|stand|lie|sit|sitting|facing|heading|going|taken"
    r"|there|here|now|currently)"
)
_MEASURE = (
    r"(?:number|count|amount|quantity|area|size|extent|length|width|height|shape"
    r"|colou?r"
    r"|locations?|positions?|whereabouts|coordinates?|orientation|direction|condition|type"
    r"|kind|sort|class|category|percentage|fraction|share|proportion|coverage"
    r"|(?:segmentation\s)?masks?|segmentation|polygons?|outlines?|contours?"
    r"|boundar(?:y|ies)|(?:bounding[- ])?box(?:es)?|description|summary|overview"
    r"|caption|report"
    r"|changes?|differences?|map)"
)
_GROUP = (
    r"(?:group|row|cluster|line|pair|set|fleet|lot|plenty|bunch|couple|dozens"
    r"|hundreds|thousands|instance|majority|most|all|each|any|some|one)s?\sof"
)
_ORDER = (
    r"(?:find|locate|locali[sz]e|detect|show|point|mark|box|circle|spot|identify"
    r"|pinpoint"
    r"|highlight|segment|outline|delineate|trace|extract|map|mask|draw|give|get|put"
    r"|place"
    r"|return|provide|create|make|produce|generate|output|predict|write|list|label|name"
    r"|count|tally|measure|calculate|compute|estimate|determine|describe|caption"
    r"|explain"
    r"|summari[sz]e|classify|compare|contrast|run|perform|do|tell|see|look|looking"
    r"|search"
    r"|searching|indicate|state|specify|enumerate|mention|recogni[sz]e|check|report|annotate|notice|observe"
    r"|paint|colou?r(?:\sin)?|shade|fill(?:\sin)?)"
)
#: What may stand before the object; taken off until nothing matches.
_BEFORE = re.compile(
    rf"""^(?:
      how\s(?:many|much|large|big|long|wide|tall|high|deep|old|far|fast|dense)\b
    | apart\b
    | (?:(?:at|in|on)\s)?(?:what|which)
      \s(?:place|spot|position|location|part|side|corner|quadrant|site|point)s?
      (?:\sof\s{IMAGE})?\s{_BE}\b
    | (?:what|which|why|when|who|where|how)\b(?:\s(?:exactly|else))?
    | (?:{_BE}|do|does|did|has|have|had|can|could|will|would|should|if|whether)\b
    | (?:i|we|you|it)\s(?:am|can|see|have|want|need)?\b
    | (?:there|please|and|then|me|us|out|about|all\sof|of|at|for|to|around|on|or)\b
    | {_ORDER}\b
    | (?:the\s|a\s|an\s)?(?:(?!{_PLACE}\b)[\w-]+\s){{0,2}}?{_MEASURE}
      \s(?:(?:{_BE}\s)?(?:covered|occupied|taken\sup)\s)?(?:of|for|around|by)\b
    | {_MEASURE}\s{_BE}\s
    | (?:changes?|differences?|(?:bounding\s)?box(?:es)?)\s(?:in|to|on|between)\b
    | (?:hectares?|acres?|square\s\w+|km2|m2|ha|area|land|space|surface|percent)
      (?:\s(?:of|do|does|is|are))?\b
    | {IMAGE}\s(?:{_BE}\s)?(?:covered\sby|occupied\sby|contains?|shows?|includes?
      |depicts?|have|has|of)?
    | {_GROUP}
    | (?:more|fewer|less|at\sleast|at\smost|exactly|over|only|just|about|around)
      (?:\sthan)?\s(?:one|{NUMBER})\b
    | (?:the|a|an|all|any|every|each|some|these|those|this|that|my|our|its|their|both
      |other|individual|single|different|various|exact|total|covered|one|{NUMBER})
      \b(?![-.])
    )\s*""",
    re.VERBOSE,
)
_COLOUR = (
    r"(?:white|black|red|green|blue|yellow|brown|gr[ae]y|orange|silver|dark|bright"
    r"|light)"
)
#: What may stand behind the object; taken off until nothing matches.
_AFTER = re.compile(
    rf"""(?:^|[\s,]+)(?:
      (?:(?:in|on|of|from|within|inside|across|throughout)\s)?{IMAGE}
    | (?:that\s)?(?:do|can|could)\s(?:you|we|i|one)(?:\s\w+)?
    | (?:that\s)?(?:you|we|i|one)\s(?:can\s)?(?:see|find|count|spot|detect|identify)
    | (?:can|could|may)\s{_BE}(?:\s\w+)?
    | (?:in|on|for)\s(?:it|me|us|this|here|total|detail|general|hectares|acres
      |square\s\w+|km2|m2|pixels)
    | {_BE}|do|does|did|has|have|can|there|here|visible|present|shown|seen|located
      |situated|taken|exist|appear|cover|occupy|overall|altogether|too|now|currently
      |it|this|that|these|those|any|like|doing|called|made\sof|used\sfor|at\sall
      |or\snot|yes\sor\sno|exactly|you|one|sentences?|words?
    | (?:location|position|colou?r|outline|mask)s?
    | {_COLOUR}|dry|wet|full|empty|busy|dense|large|big|small|long|wide|damaged|paved
    | open|closed|clean|dirty|healthy|straight|round|circular|curved|rectangular|flooded
    | moving|different|changed?|changing|grown|shrunk
    | with\s(?:a\s|an\s|its\s|their\s)?(?:bounding\s)?(?:box(?:es)?|masks?|polygons?
      |places?|positions?|locations?|coordinates?)
    | (?:more|less|\w+er)\sthan\b.*
    | equal\sto\b.* | (?:seem|look|appear)s?\b.*
    )$""",
    re.VERBOSE,
)
_LINK = re.compile(
    rf"\b(?:(?:that|which|who) )?(?:{_BE}|has|have)(?: {_BE}| there| now| currently)*"
    rf" (?={_PLACE}\b|{_STATE}\b)"
)
_CUT = re.compile(
    rf"\s(?:{_PLACE}|{_STATE}(?=\s*$|\s(?:{_PLACE}|here|there|nearby))|and|or"
    rf"|{_BE})(?!\S)"
)
_ASIDE = re.compile(
    rf"\s(?:visible |shown )?(?:in|on|from|within|inside|across) {IMAGE}"
    r"|\s(?:do|can|could) (?:you|we|i) (?:see|count|find|spot|identify|detect)\b"
    r"|\s(?:visible|present|located|situated|shown|seen)(?=\s\w)"
    rf"|\s(?:do|does) {IMAGE} (?:show|contain|have)|(?<=\w) counts?\b(?! of)"
    r"|(?<!s),(?= (?!and\b|or\b|an?\b|the\b))"
)
_PREDICATE = re.compile(
    rf"^how many (?:of )?(?:(?:the|these|those) )?([\w -]+?) are ({_COLOUR})$"
)
#: What follows describes the object: "whose roof is red", "that are longer than 50 m".
#: But "at which place" begins a question.
_RELATIVE = re.compile(
    r"(?<=\w)(?<!^at)(?<!^in)(?<!^on)( (?:that|which|who|whose) )(?!you |we |i |can )"
)
#: A verb behind the object: a copula, or what stands before another article.
_VERB = re.compile(
    rf"\s(?:{_BE}\s.*|(?!(?:{_PLACE}|{_STATE}|and|or|both|all|half|\w+(?:ing|ed))\b)"
    r"[\w'-]+\s(?:an?|the|this|its|their|any)\s.*)$"
)
_CLAUSE = re.compile(
    rf"[?!;:\n]|\.(?:\s|$)|,?\s(?:and\s)?(?:if so,?\s)?(?=(?:where|how|what)\b)"
    rf"|,\s(?:and\s|then\s)?(?=(?:{ASKING}|{_ORDER}|with|please|including|answer)\b)"
)
_SETTING = re.compile(
    r"(?:in|on|at|near|within|inside|along|for|from|around|by|given)\b"
)
#: Words that name no object by themselves.
_NOTHING = {
    "object", "objects", "thing", "things", "target", "targets", "item", "items",
    "everything", "anything", "something", "nothing", "it", "this", "that", "here",
    "there", "what", "who", "you", "i", "we", "them", "they", "one", "two", "each",
    "other", "all", "more", "less", "area", "place", "location", "region", "site",
    "land", "use", "cover", "landscape", "surroundings", "content", "contents",
    "detail", "details", "scene", "class", "category", "kind", "type", "sort",
    "change", "changes", "difference", "differences", "happening", "happened",
    "going", "visible", "different", "new", "second", "first", "sentence", "word",
    "words", "date", "dates", "weather", "detection", "report", "caption",
    "between",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that a question names.

    Attributes:
        phrase: Description in lower case, such as ``"white ships at the pier"``.
        label: Canonical name of the head noun (``"ship"``), None for unknown words.
        noun: The noun with its adjectives, such as ``"white ships"``.
        beside: Whether the ground next to it is meant.
        instead: Labels that serve as well where it is not there, the best first.
    """

    phrase: str
    label: str | None
    noun: str
    beside: bool = field(default=False, repr=False)
    instead: tuple[str, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The label, or the noun in the singular where there is none."""
        return self.label or _singular(self.noun)


#: How another thing lies to an object that is named after it.
_LYING = re.compile(
    r"\s*(?:next|beside|besides|under|underneath|beneath|below|above|over|behind|near|nearby|of"
    r"|with|by|alongside|around|along|on|at|in|inside|within|from|across|between)\b"
)
#: Words that were taken for an object where they only lead to one.
_NO_THING = re.compile(
    r"(?:eyes|foot|head|corner|shot|frame|rectangle|square|circle|spotlight|marker|pin|box|bbox"
    r"|pixel|bounds|limits|interest|down|up|lower|upper|left|right|top|bottom|edge|side|part|the"
    r"|in|from|at|after|one|first|second|third|last|\w+(?:ed|est|most))(?:$| (?=\w))"
)


def subject(question: str) -> Subject | None:
    """Return the object that a question or an order is about.

    The first object named counts. The head of its noun decides the label, so that
    the pier in "ships at the pier" and the harbor in "harbor cranes" do not.

    Args:
        question: What the user wrote, in any case, with or without punctuation.

    Returns:
        The object, or None where none is named, as in "Describe this scene".

    >>> subject("How many white ships are at the pier?")
    Subject(phrase='white ships at the pier', label='ship', noun='white ships')
    """
    stem, _ = split_options(question)
    found = _first(stem)
    by_cues = cued(stem)
    # "The ship nearest basketball court" is about a ship.
    other = None if by_cues is None else by_cues.other
    told = None if other is None else other.label
    if by_cues is None or (found and found.label not in (None, told)):
        return found
    label = str(by_cues.label)
    if found and label not in labels_in(found.noun):
        lying = _LYING.match(found.phrase.removeprefix(found.noun))
        if lying and _NO_THING.sub("", found.noun):
            return found  # what stands beside it, or a part of it
    return Subject(found.phrase if found else label, label, label)


def _first(stem: str) -> Subject | None:
    """Return the first object that is named, None where none is."""
    clauses = [part.strip() for part in _CLAUSE.split(reworded(plain(stem)))]
    clauses.sort(key=lambda part: bool(_SETTING.match(part)))  # "In the bay, how many"
    for clause in clauses:
        if (phrase := _object(clause)) is not None:
            noun = _CUT.split(phrase, maxsplit=1)[0].strip(" ,")
            label = None if _SETTING.match(noun) else head_label(noun)
            return Subject(phrase, label, noun)
    return None


def _object(clause: str) -> str | None:
    """Return the phrase of the object in one clause, None where there is none."""
    phrase = _LINK.sub("", _ASIDE.sub("", clause))
    phrase = _PREDICATE.sub(r"\2 \1", phrase)  # "how many cars are white"
    phrase, link, detail = (*_RELATIVE.split(phrase, maxsplit=1), "", "")[:3]
    shorter = None
    while shorter != phrase:
        phrase = phrase if shorter is None else shorter
        shorter = _BEFORE.sub("", phrase, count=1).strip(" ,.-")
        if shorter == phrase:
            shorter = _AFTER.sub("", phrase, count=1).strip(" ,.-")
    phrase = _VERB.sub("", phrase)
    phrase = f"{phrase}{link}{detail}".strip(" ,.-")
    return None if set(re.findall(r"\w+", phrase)) <= _NOTHING else phrase


def _singular(noun: str) -> str:
    """Return a noun phrase with its last word in the singular."""
    for ending, by in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if noun.endswith(ending) and len(noun) > len(ending) + 2:
            return noun.removesuffix(ending) + by
    return noun if noun.endswith(("ss", "us", "is", "gas")) else noun.removesuffix("s")


#: Words of other languages that English descriptions do not hold.
_FOREIGN = re.compile(
    r"[^\x00-\x7f]|\b(?:les?|la|los?|las|el|il|gli|der|die|das|den|dem|und|une?|des?"
    r"|du|et|y|e|os|um|uma|no|na|em|im|dans|sur|con|por|het|een|alle|tous|todos)\b"
)
_ATTRIBUTE = re.compile(
    r"\b(?:colou?r|shape|type|kind|material|age|date|time|season|height|width|length"
    r"|resolution|sensor|gsd|crs|projection|weather|name|orientation|direction"
    r"|condition|yes|no|test|help)\W*$"
)
_ARTICLE = re.compile(
    rf"(?:the|an?|all|any|every|each|both|this|that|these|those|{NUMBER}) "
)
_FINITE = re.compile(r"\b(?:is|are|was|were|do|does|has|have|can|i|you|we|me|my)\b")
#: "rotate the image": an unknown verb stands where an adjective cannot.
_OTHER_ORDER = re.compile(r"\w+ (?:\w+ )?(?:the|an?|this|these|all|every)\b")


def described(text: str) -> str:
    """Return the noun of a description that is no sentence, "" for other texts.

    Args:
        text: A question made plain by :func:`rsvlm.questions.plain`.

    >>> described("the red car by the pier"), described("where is the red car?")
    ('red car', '')
    """
    found = subject(text)
    if not found or re.match(ASKING, text) or _ATTRIBUTE.search(text):
        return ""
    article = _ARTICLE.match(text)
    if _FINITE.search(text) and not (article and found.label):
        return ""  # but "the vehicle is on the left" describes a vehicle
    short = len(text.split()) <= 3 or found.noun.endswith("s")
    unknown = "?" in text or _FOREIGN.search(text) or _OTHER_ORDER.match(text)
    guessed = short and not unknown
    return found.noun if found.label or article or guessed else ""
