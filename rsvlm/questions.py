"""Reading a question: its plain words, the options it lists, yes/no forms.

Patterns over English words, without a model: the same question is always read the
same way, and a wrong reading can be named. Other languages are not understood; their
questions name no object and list no options unless they share English words.
"""

import re

from rsvlm.labels import FORMS, SCENES

#: Characters of a question that are read; the rest is ignored.
MAX_LENGTH = 2000

#: A noun phrase that means the whole picture.
IMAGE = (
    r"(?:(?:(?:the|this|that|these|those|both|either|each|whole|entire|given|first"
    r"|second|third|two|left|right|satellite|aerial|drone|sar|optical|radar|input"
    r"|remote[- ]sensing)\s+)*(?:image|imagery|picture|pic|photo|photograph|scene)s?\b"
    r"|(?:the|this|that|each)\s(?:view|shot|snapshot|tile|raster)\b)"
)

#: A number, as a digit or a word.
NUMBER = (
    r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|fifty"
    r"|a\s(?:dozen|hundred))"
)

#: Words that open a question rather than an order or a description.
ASKING = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|what"
    r"|which|why|when|who|whose|how|where|if|whether)\b"
)

_SPELLING = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (r"[\u2018\u2019\u02bc`\u00b4]", "'"),
        (r"[\u201c\u201d\"*]", ""),
        (r"\b(what|where|how|who|there)'?s\b", r"\1 is"),
        (r"\b(it|that)'s\b", r"\1 is"),
        (r"\b(i)'?m\b", r"\1 am"),
        (r"\b(i)'d\b", r"\1 would"),
        (r"\b(?:(is|are|do|does)n'?t|(can)'?t)\b", r"\1\2"),
        (r"\bhow (?:mnay|mny|manny|meny|amny|mani)\b", "how many"),
        (r"\b(?:wher|whre|wehre|whare)\b|^were(?= (?:is|are)\b)", "where"),
        (r"^(?:\s*(?:\[\w+\]|<\w+>))+", ""),
        (r"\s+", " "),
    )
)
#: Words worth correcting: no other English word lies within one typing error.
_KEYWORDS = (
    "classify", "compare", "delineate", "describe", "detect", "difference",
    "everything", "highlight", "image", "locate", "outline", "picture", "segment",
    "summarise", "summarize",
)  # fmt: skip
_REAL_WORDS = {"defect", "defects", "locale", "images", "imaged", "compere"}

#: Polite or empty openings: what follows is the question itself.
_OPENING = re.compile(
    r"""^(?:
      (?:hi|hello|hey|dear\s\w+|thanks?|thank\syou|ok|okay
        |please|pls|plz|kindly|just|sorry|excuse\sme|quick\squestion)\b
    | (?:so|well|now|also|then|and|but|first|again)
      (?:,|\s(?=(?:is|are|do|does|can|could|what|which|how|where|please|tell|show)\b))
    | (?:can|could|would|will)\s(?:you|u)\b(?!\s(?:see|notice|say))
    | (?:i|we)\s(?:would\s)?(?:like|want|need|wish|love)\b(?:\syou)?(?:\sto\b)?
    | (?:i|we)\swonder\b | (?:do|would)\syou\s(?:happen\sto\s)?(?:know|mind)\b
    | (?:is\sit|would\sit\sbe)\spossible\sto\b
    | (?:be\sable\sto|help\s(?:me|us)|try\sto)\b
    | (?:tell|show|give)\s(?:me|us)\s(?=(?:if|whether|how|what|which|who|when|why)\b)
    | (?:tell\s(?:me|us)|let\s(?:me|us)\sknow|say)\s(?=where|the\b)
    | let\s(?:me|us)\sknow\b
    | (?:know|see|say|tell)\s(?=(?:if|whether|how|what|which|who)\b)
    | (?:find\sout|figure\sout|work\sout|check|verify|determine)\s
      (?=(?:if|whether|how|what|which|who|when|why)\b)
    )[\s,.!:;-]*""",
    re.VERBOSE,
)
_BLANKS = re.compile(r"\s+")
_SIGNS = re.compile(r"(\W{8})\W+")
_CLOSING = re.compile(r"[\s,.!-]*\b(?:please|pls|plz|thanks?|thank you)\b[\s.!]*$")


def tidy(text: str) -> str:
    """Return a text without long runs of blanks and signs.

    They mean nothing, and the rules over words take minutes with them.

    >>> tidy("Where  is it?" + " !" * 400)
    'Where is it? ! ! ! '
    """
    text = _BLANKS.sub(lambda run: "\n" if "\n" in run[0] else " ", text)
    return _SIGNS.sub(r"\1", text)


def plain(question: str) -> str:
    """Return a question in lower case, without polite openings and typing errors.

    >>> plain("Hello! Could you please tell me WHERE\u2019S the ship?")
    'where is the ship?'
    """
    text = question[:MAX_LENGTH].lower().strip()
    for pattern, by in _SPELLING:
        text = pattern.sub(by, text)
    text = re.sub(r"[a-z]{4,}", lambda word: _corrected(word[0]), text)
    text = text.strip()
    while text != (shorter := _CLOSING.sub("", _OPENING.sub("", text, count=1))):
        text = shorter
    return text.strip()


def _corrected(word: str) -> str:
    """Return the keyword that is one typing error away, else the word."""
    if word in _KEYWORDS or word in _REAL_WORDS:
        return word
    for right in _KEYWORDS:
        inflected = word.startswith(right)
        if word[0] != right[0] or abs(len(word) - len(right)) > 1 or inflected:
            continue
        start = 0
        while start < min(len(word), len(right)) and word[start] == right[start]:
            start += 1
        a, b = word[start:], right[start:]
        swapped = len(a) > 1 and a[1] + a[0] + a[2:] == b
        if swapped or a[1:] == b or a == b[1:] or a[1:] == b[1:]:
            return right
    return word


def head_label(noun: str) -> str | None:
    """Return the canonical name of the longest known form that ends a noun.

    >>> head_label("white oil tanks"), head_label("harbor cranes")
    ('storage tank', None)
    """
    words = re.split(r"[\s_-]+", noun.strip())
    endings = (" ".join(words[start:]) for start in range(len(words)))
    return next((FORMS[form] for form in endings if form in FORMS), None)


# --- listed options -------------------------------------------------------------

_MARK = re.compile(
    r"(?:^|(?<=[\s,;?.!:]))[(\[]?([A-Ha-h1-8])(?:[)\]]\s*|[.:]\s+)(?=\S)"
)
_WHOLE = (
    rf"(?:{IMAGE}|(?:this|the)\s(?:area|place|region|site|land)|it|this|that|they"
    r"|these)"
)
_CHOICE = (
    r"(?:which|one of|choose|pick|select|options?|class(?:es|ify)?|categor\w+|labels?"
    r"|following|candidates?|answers?)\b"
)
_CHOOSE = r"(?:choose|pick|select|decide|classify|categori[sz]e|answer|label)\b"
_AMONG = r"\b(?:from|between|among|as|into|with|of|either)\s"
_DOES = r"(?:is|are|was|do|does|would you say)\s"
_FITS = r"(?:is|are|was|do|does|has|can|best|fits?|\w+er)\b"
_HEDGE = r"(?:(?:is|looks?|seems?|shows?|more|mainly|mostly|rather|either|like)\s)*"
_NAME = r"[\w-]+(?: [\w-]+)?"
#: Where a list of options stands, the last group of each; tried in this order.
_LISTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_CHOICE}[^:]*:\s*([^:?]+)\??$",
        rf"^.*\b{_CHOICE}[^?]*\?\s+([^?]*(?:,|/|\bor\b)[^?]*)\??$",
        rf"\b{_CHOOSE}.*?{_AMONG}(.+)$",
        rf"^which (?:one )?of (.+? or [\w -]+?) {_FITS}",
        rf"^{_DOES}{_WHOLE}\s{_HEDGE}(.+\bor\b.+)$",
        rf"^(?:what|which|who)\b[^,]* {_FITS}[^,]*,\s*(.+\bor\b.+)$",
        rf"^((?!{ASKING}){_NAME} or {_NAME})\?$",
    )
)
_EITHER = re.compile(
    r"^(?:is|are|was|were|does|do) (?:the|this|these|most|all) (?P<left>[\w -]+)"
    r" or (?!the\b|a\b|an\b)(?P<right>[\w-]+(?: [\w-]+)?)$",
    re.IGNORECASE,
)


def options(question: str) -> list[str]:
    """Return the answers that a question offers, as written, without articles.

    >>> options("Is it a rural or an urban area?"), options("Sky? (A) clear (B) cloudy")
    (['rural', 'urban area'], ['clear', 'cloudy'])
    """
    _, lettered = split_options(question)
    if lettered:
        return lettered
    text = " ".join(question[:MAX_LENGTH].split())
    if re.search(r"\byes\s?(?:or|/)\s?no\b", text, re.IGNORECASE):
        return ["yes", "no"]
    text = re.sub(
        r"^(?:please|so|well|hi|hello)\b[\s,]*", "", text, flags=re.IGNORECASE
    )
    text = text.rstrip(" .!")
    for pattern in _LISTS:
        if (found := pattern.search(text)) and len(items := _items(found[1])) > 1:
            return items
    if found := _EITHER.match(text.rstrip("?")):
        size = len(found["right"].split())
        return [" ".join(found["left"].split()[-size:]), found["right"]]
    return []


def split_options(question: str) -> tuple[str, list[str]]:
    """Split "Which? (A) x (B) y" into its question and its options."""
    run: list[re.Match[str]] = []
    for mark in _MARK.finditer(question[:MAX_LENGTH]):
        wanted = (
            chr(ord(run[-1][1]) + 1) if run else mark[1] if mark[1] in "Aa1" else ""
        )
        if mark[1] == wanted:
            run.append(mark)
    if len(run) < 2:
        return question, []
    ends = [*(mark.start() for mark in run[1:]), len(question)]
    texts = [question[mark.end() : end] for mark, end in zip(run, ends, strict=True)]
    return question[: run[0].start()], [text.strip(" \t\n,;.") for text in texts]


#: Names that hold an "or" themselves, such as "river or lake".
_OR_NAMES = re.compile(
    "|".join(re.escape(form) for form in FORMS if " or " in form), re.IGNORECASE
)


def _items(listing: str) -> list[str]:
    """Split a list in words; empty where it is not a list of short names."""
    listing = _OR_NAMES.sub(lambda name: name[0].replace(" ", "_"), listing)
    listing = listing.strip(" ?.!()[]{}")
    word = "or" if re.search(r"\bor\b", listing, re.IGNORECASE) else "and"
    mark = "[,;|]" if re.search("[,;|]", listing) else "/"  # "A320/A321" in a list
    parts = re.split(rf"\s*(?:{mark}|\b{word}\b)\s*", listing, flags=re.IGNORECASE)
    article = re.compile(r"^(?:an?|the|either|and)\s+", re.IGNORECASE)
    items = [article.sub("", part.strip(" '\"?.!()[]")) for part in parts]
    items = [
        item.replace("_", " ") if _OR_NAMES.fullmatch(item.replace("_", " ")) else item
        for item in items
    ]
    items = [item for item in items if item]
    short = all(len(item.split()) <= 5 for item in items)
    asked = any(re.match(ASKING, item, re.IGNORECASE) for item in items)
    return items if short and not asked else []


# --- yes or no ------------------------------------------------------------------

_COMPARES = re.compile(
    rf"\b(?:more|fewer|less|as many|at least|at most|exactly|only) |\bthere {NUMBER}\b"
    r"|\b(?:chang\w+|difference)"
)
_PRESENCE = re.compile(
    rf"""^(?:
      (?:is|are|was|were)\sthere\b | (?:if|whether)\sthere\s(?:is|are|was|were)\b
    | (?:do|does|did|can|could)\s(?:you|we|i|one)\s(?:see|notice|spot|find|recogni[sz]e)
      \s(?!what|where|how)
    | (?:do|does|did)\s(?:{IMAGE}|it|this|(?:this|the)\s(?:area|place|region))
      \s(?:contain|have|show|include|feature|depict)\b
    | (?:is|are|was|were)\s(?!this\b|that\b|it\b|these\b).*\b
      (?:present|visible|(?:to\sbe\s)?(?:seen|found|shown))
      (?:\s(?:in|on|at|near|here)\b.*)?\W*$
    | (?:is|are|was|were)\s(?:an?|any|some)\s.*\b(?:in|on)\s{IMAGE}\W*$
    | (?:can|could)\s.*\bbe\s(?:seen|found|spotted|made\sout)\b
    | any\s(?!idea|chance|thing)
    | (?:do|does|did)\s.*\b(?:appear|exist|occur)\b
    | .*[,\s]yes\sor\sno\W*$
    )""",
    re.VERBOSE,
)


def is_presence(question: str) -> bool:
    """Return whether a yes/no question asks if a thing is there at all.

    >>> is_presence("Is there a ship?"), is_presence("Is this a forest?")
    (True, False)
    """
    text = plain(question)
    return bool(_PRESENCE.match(text)) and not _COMPARES.search(text)


_KIND = (
    r"(?:urban|suburban|rural|residential|industrial|commercial|agricultural|forested"
    r"|wooded|coastal|mountainous|natural|built-up|arid)\b"
)
_SCENE = re.compile(
    rf"^(?:(?:is|was)\s{_WHOLE}|(?:do|does)\s{_WHOLE}\s(?P<shows>show|depict|look like)"
    rf"|{_WHOLE}\sis)\s(?:(?:mainly|mostly|really|of|showing|more)\s)*(?P<what>.*)$"
)


def asks_scene(question: str) -> bool:
    """Return whether a yes/no question asks for the class of the whole picture.

    >>> asks_scene("Is this a forest?"), asks_scene("Is this ship moving?")
    (True, False)
    """
    text = re.sub(r"^(?:would you say|do you think)(?: that)? ", "", plain(question))
    if not (found := _SCENE.match(text)):
        return False
    what = found["what"].strip(" ?.!")
    named = head_label(re.sub(r"^(?:an?|the)\s", "", what)) in SCENES
    return bool(named or re.match(_KIND, what)) or (
        not found["shows"] and bool(re.match(r"an?\s\w", what))
    )


_OPEN = re.compile(
    r"(?:(?:at|in|on|of|from|to|for|with|by|under|near) )?"
    r"(?:what|which|who|whose|where|when|why|how)\b"
)


def is_open(question: str) -> bool:
    """Return whether a question asks for more than yes or no.

    >>> is_open("What lies north of it?"), is_open("Is there a lake?")
    (True, False)
    """
    return bool(_OPEN.match(plain(question)))
