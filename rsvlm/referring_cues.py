"""What tells one object from others, read by cues where the grammar reads nothing.

People name the largest ship or the car at the left border in more ways than a grammar
has rules for. Which label, which size, which side and which other object are meant mostly
follows from single words, wherever they stand; the words between them are ignored. So
this comes second, and for one object alone.
"""

import re

from rsvlm.labels import FORMS
from rsvlm.questions import plain
from rsvlm.referring import Key, Referring, direction

_FORM = re.compile(
    rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(FORMS, key=len, reverse=True)))})"
    r"(?:'s|s'|')?(?![\w-])"
)
_SIZE = r"(?:size|area|extent|extension|footprint|surface|ground|space|room|dimensions?|pixels?)"
_OF_SIZE = rf"(?:{_SIZE}|land|extensive|large|big|massive|sizeable|sizable|spacious|voluminous)"
#: Cue of a size -> quantity, and whether its greatest value is meant; the first that fits.
_SIZE_CUES: tuple[tuple[str, tuple[Key, bool]], ...] = (
    (r"dwarfed by|outsized by|exceeded by|surpassed by", ("area", False)),
    ((r"dwarf(?:s|ing)?|outsiz(?:es|ing)|outmeasures|oversized|first in size"
     r"|(?:beats|tops|leads|match|rival|equal)\b.*\bsize"), ("area", True)),
    ((r"(?:no|none|nothing|not one|no other)\b.*\b(?:smaller|tinier|littler|lesser"
     r"|(?:as|so) (?:small|tiny|little|compact))"), ("area", False)),
    ((r"(?:no|none|nothing|not one|no other)\b.*\b(?:larger|bigger|greater|huger"
     r"|(?:as|so) (?:large|big|huge|much|extensive))"), ("area", True)),
    (r"longest|(?:greatest|largest|maximum|maximal|most) length|lengthiest", ("length", True)),
    (r"shortest(?! (?:distance|way|path|gap))|(?:least|smallest|minimum|minimal) length",
     ("length", False)),
    ((r"smallest(?! (?:distance|gap|separation))|tiniest|littlest|slightest|puniest|teeniest"
     r"|(?:minimum|minimal)(?! (?:distance|gap|separation))|minutest|pettiest|dinkiest"
     r"|weeniest|narrowest|runt"
     r"|most (?:small|little|compact|minuscule|diminutive|tiny|modest|petite|minute"
     r"|miniature|undersized)"
     rf"|(?:least|fewest|minimum|minimal|min|lowest|minor) {_SIZE}"
     r"|least (?:extensive|large|big|sizeable|sizable|amount of \w+)"), ("area", False)),
    ((r"largest(?! (?:distance|gap))|biggest|hugest|vastest|bulkiest|widest|broadest"
     r"|grandest|heftiest|mightiest|roomiest"
     r"|most (?:large|big|extensive|sizeable|sizable|spacious|massive|voluminous|expansive"
     r"|enormous|substantial|imposing)"
     rf"|(?:greatest|most|maximum|maximal|max|highest|utmost) (?:\w+ )?{_SIZE}"
     r"|greatest(?! (?:distance|gap))"), ("area", True)),
    ((rf"(?:smaller|tinier|littler|lesser|less {_OF_SIZE})\b.*\bthan|last in size"
     r"|(?:is|measures|takes|occupies|covers)(?: up)? less than (?:that of )?(?:all|any|every|the)"
     r"|(?:is|looks|appears) (?:\w+ )?(?:smaller|tinier)$"), ("area", False)),
    ((rf"(?:larger|bigger|greater|huger|more {_OF_SIZE})\b.*\bthan"
     r"|(?:is|looks|appears) (?:\w+ )?(?:larger|bigger)(?=\W|$)"
     r"|exceed(?:s|ing)|surpass(?:es|ing)|outgrows"), ("area", True)),
)  # fmt: skip
_SIZES = [(re.compile(rf"\b(?:{cue})\b"), what) for cue, what in _SIZE_CUES]
#: Two of them in one question ask for two objects.
_BOTH = (
    (re.compile(r"\b(?:largest|biggest)\b"), "large"),
    (re.compile(r"\b(?:smallest|tiniest)\b"), "small"),
)
_ORDINALS = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_POINT = r"(?:(?:north|south)[- ]?(?:east|west)|north|south|east|west)"
_SIDE = re.compile(
    rf"\b(?:(?P<word>left|right|top|bottom|upper|lower|{_POINT})[- ]?(?:most|hand|wards?|ern(?:most)?"
    r"|erly)?|(?P<up>highest|(?:higher|farther|further) up|uppermost|(?<=the )head(?= of))"
    r"|(?P<down>lowest|lowermost|undermost|(?<=the )foot(?= of)))\b"
    r"(?!-)"
)
#: "right" that means "exactly", and sides of an object, not of the image.
_NO_SIDE = re.compile(
    r"\bright (?=(?:next|beside|in|at|on|by|up|down|near|where|there|here|now|away|against"
    r"|alongside|above|below|under|over|around|along)\b)"
    r"|\b(?:top|highest|lowest) (?:of the (?:list|range|ranking)|value|priority)\b|\bon top of\b"
)
#: What follows a side of something else than the image, such as a road.
_OF_ANOTHER = re.compile(
    r"(?:[- ]?hand)?[- ]?(?:(?:side|edge|end|part|half|corner|border|margin|bank|lane) )?"
    r"of (?:the |an? |its |this |that |some )?(?!(?:the|image|picture|photo\w*|scene|frame|view"
    r"|shot|aerial|map|screen|whole|entire|all|any|every|each|others?|rest|them|these|those"
    r"|lot)\b)\w"
    r"|[- ]?(?:facing|bound|heading|street|road|avenue|beach|gate)\b"
)
#: What comes before a direction of travel, or a part of the object.
_TRAVEL = re.compile(
    r"\b(?:heading|headed|facing|turn(?:s|ing|ed)|going|goes|moving|flying|driving|sailing"
    r"|travell?ing|looking|pointing|pointed|bound|white|black|red|green|blue|yellow|gr[ae]y)"
    r" (?:to(?:wards?)? )?(?:the )?(?:due )?$"
)
_MIDDLE = re.compile(
    r"\b(?:middle(?:most)?|midmost|midpoint|mid-?(?:image|frame|picture|scene|photo)"
    r"|cent(?:re|er)(?:most|d|point|red|ed)?|cent(?:ral|ralmost|rally|rality)|innermost|heart|core"
    r"|bull'?s[- ]?eye)\b"
)
_AWAY = re.compile(r"\b(?:farthest|furthest|most (?:distant|remote))(?: away)? from\b")
#: Cue of how an object lies to another -> kind of relation.
_KINDS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(rf"\b(?:{pattern})\b"), kind)
    for pattern, kind in (
        (r"(?:farthest|furthest|remotest|most (?:distant|remote|removed))", "farthest from"),
        ((r"nearest|closest|nearer|closer|closeness"
         r"|(?:least|shortest|smallest|minimum|minimal) (?:\w+ )?"
         r"(?:distance|way|gap|separation)|(?:least|shortest|smallest) (?:far|away)"
         r"|distance .* (?:least|shortest|smallest|minimal)"), "nearest to"),
        ((r"next (?:(?:door )?to|of)|beside|besides|adjacent|adjacently|adjoin(?:s|ing)?"
         r"|neighbou?r(?:s|ing)?|border(?:s|ing)|abut(?:s|ting)|flank(?:s|ed|ing)|alongside|near|nearby|close"
         r"|side by side|touch(?:es|ing)|sharing|shares|hugging|hugs|vicinity|proximity|by"
         r"|against|juxtaposed|contiguous|around the corner|a stone's throw"), "near"),
    )
]  # fmt: skip
_BEFORE_OTHER = re.compile(
    r"(?:\b(?:to|from|of|by|with|on|against|near|nearest|closest|beside|besides|alongside|"
    r"adjoin\w*|neighbou?r\w*|border\w*|abut\w*|flank\w*|touch\w*|hugg\w*|hugs|shar\w*|next))"
    r" (?:the |an? |some |that |this )?$"
)
#: What asks for several objects.
_SEVERAL = re.compile(
    r"\bhow many\b|\bnumber of\b|\bcount\b|(?<!than )\b(?:every|each)\b(?! other)"
    rf"|(?<!of )(?<!among )(?<!amongst )(?<!than )\ball (?:of )?(?:the )?(?={_FORM.pattern})"
)
#: "what is left of the bridge" is not the bridge.
_WHAT = re.compile(
    r"\bwhat(?:ever)? (?:is|lies|stands|sits|can be seen)(?: there)? (?:to the )?"
    r"(?:next|beside|left|right|near|above|below|behind|between|under|over|around|at|on|in)\b"
)
#: "the ships on the left" are several, "among the ships, the one on the left" is one.
_ONE_OF = re.compile(
    r"\b(?:one|whichever|which of|among|amongst|out of|of (?:all|the))\b"
)
#: What may follow a label; another noun would name another thing, as in "ship wake".
_NEXT = re.compile(
    r"\s*(?:$|[^\w\s-]|-+>?\s|(?:that|which|whose|who|where|be|being|is|are|was|has|have|having|had"
    r"|with|without|and|or|can|could|should|may|must|might|will|would|need|needs|please|one|it|i|you|we|to|in"
    r"|on|at|of|from|by|near|nearest|next|beside|alongside|adjacent|closest|farthest|furthest"
    r"|close|over|under|within|inside|around|along|across|towards?|into|among|amongst|between"
    r"|behind|above|below|beneath|against|than|as|for|so|but|if|there|here|only|just|most|very"
    r"|visible|present|shown|seen|found|all the way"
    r"|dead|bang|plumb|smack|slap|square|squarely|exactly|precisely|roughly|up|down|far|further"
    r"|farther|lies?|sits?|stands?|takes?|covers?|occup(?:y|ies)|spans?|measures?|fills?|looks?"
    r"|seems?|appears?|comes?|goes|ranks?|borders?|touch(?:es)?|hugs?|abuts?|adjoins?|neighbou?rs?"
    r"|flanks?|dwarfs?|exceeds?|surpass(?:es)?|out\w+s|extends?|reach(?:es)?|rests?|does|do"
    r"|(?:left|right|top|bottom|upper|lower|middle|cent\w+|north\w*|south\w*|east\w*|west\w*)"
    r"|(?!(?:park|land|build|moor|berth|cross|warn|light|fuel)ing\b)\w+(?:ed|ing|est|most))\b)"
)
#: What may follow "the ship's": its place, or what it is told by. Its wake is no ship.
_OF_IT = re.compile(
    r"\s*(?:$|[^\w\s]|(?:exact )?(?:coordinates|position|location|place|box|bounding|bounds"
    r"|outline|mask|polygon|pixels?|whereabouts|nearest|closest|neighbou?r|side)\b)"
)
#: What may stand before a label without saying more about it.
_FILLER = re.compile(
    r"(?:no|the|an?|this|that|these|those|which|what|any|some|every|each|other|single|one|of|my|your"
    r"|its|our|by|to|from|for|in|on|at|with|and|or|is|say|whichever|whatever|only|me|please|most"
    r"|among|amongst|all|image'?s?|give|find|show|box|mark|locate|outline|frame|select|grab"
    r"|spot|pick|detect|identify|segment|highlight|point|search|return|get|draw|want|as)"
)


def labels_in(text: str) -> set[str]:
    """Return the labels that are named in a text in lower case.

    >>> sorted(labels_in("boat beside the pier"))
    ['harbor', 'ship']
    """
    return {FORMS[_bare(match[0])] for match in _FORM.finditer(text)}


def _bare(name: str) -> str:
    """Return a name without the ending of an owner."""
    return re.sub(r"(?:'s|s'|')$", "", name)


def cued(question: str, north: tuple[float, float] = (0.0, -1.0)) -> Referring | None:
    """Return the one object that the cues of a question mean.

    Args:
        question: What is asked.
        north: Unit vector towards north in the image, x to the right and y down.

    Returns:
        What tells it from others of its label; None where there is no cue, where several
        are asked for, or where the cues do not go together.

    >>> found = cued("Which tank dwarfs all the others?")
    >>> found.label, found.rank
    ('storage tank', ('area', True, 1))
    """
    text = plain(question)
    named = None if _SEVERAL.search(text) or _WHAT.search(text) else _named(text)
    if named is None:
        return None
    label, other, unused = named
    rest = _NO_SIDE.sub(" ", _FORM.sub(" ", text))
    if other:
        kinds = (kind for pattern, kind in _KINDS if pattern.search(rest))
        told = Referring(other)
        return next(
            (
                Referring(label, most=1, kind=k, other=told, unused=unused)
                for k in kinds
            ),
            None,
        )
    if len({what for pattern, what in _BOTH if pattern.search(rest)}) > 1:
        return None
    rank: tuple[Key, bool] | None = None
    for pattern, what in _SIZES:
        if match := pattern.search(rest):
            rank = what
            if match[0].startswith(("highest", "lowest")):  # no side
                rest = rest.replace(match[0], " ")
            break
    place = next(
        (n for word, n in _ORDINALS.items() if re.search(rf"\b{word}\b", rest)), 1
    )
    sides = {_side(match) for match in _SIDE.finditer(rest) if _is_of_image(match)}
    way = direction(" ".join(sorted(sides)), north) if sides else None
    if way is None and rank is None and any(map(_is_of_image, _MIDDLE.finditer(rest))):
        way = (0.0, 0.0)
    if way == (0.0, 0.0) and sides:
        return None  # left and right
    if way is None and rank is None:
        return None
    return Referring(
        label,
        rank=(*rank, place) if rank else None,
        most=1,
        towards=way,
        edge=rank is None,
        away=bool(_AWAY.search(rest)),
        unused=unused,
    )


def _is_of_image(match: re.Match[str]) -> bool:
    """Whether a side is one of the image, and neither of a road nor a direction."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    return not (_OF_ANOTHER.match(after) or _TRAVEL.search(before))


def _side(match: re.Match[str]) -> str:
    """Return the name of a side as :func:`rsvlm.referring.direction` reads it."""
    if match["up"]:
        return "top"
    if match["down"]:
        return "bottom"
    return {"upper": "top", "lower": "bottom"}.get(match["word"], match["word"])


def _named(text: str) -> tuple[str, str | None, str] | None:
    """Return the label that is meant, the one that it is told by, and a word before it.

    None where none is meant, or more than one could be.
    """
    found: dict[str, bool] = {}  # label -> whether it is named as what is meant
    single: set[str] = set()
    unused = ""
    for match in _FORM.finditer(text):
        name = _bare(match[0])
        if not (_NEXT if match[0] == name else _OF_IT).match(text, match.end()):
            return None
        before = text[: match.start()]
        own = match[0] == name and not _BEFORE_OTHER.search(before)
        found[FORMS[name]] = found.get(FORMS[name], False) or own
        if not name.endswith("s"):
            single.add(FORMS[name])
        word = re.search(r"([\w'-]+) $", before)
        if own and word and not (_FILLER.fullmatch(word[1]) or _is_cue(word[1])):
            unused = word[1]
    if not found or len(found) > 2:
        return None
    meant, *others = sorted(found, key=lambda label: not found[label])
    if meant not in single and not _ONE_OF.search(text):
        return None
    return meant, others[0] if others else None, unused


def _is_cue(word: str) -> bool:
    sizes = (pattern for pattern, _ in _SIZES)
    return any(p.search(word) for p in (*sizes, _SIDE, _MIDDLE)) or word in _ORDINALS
