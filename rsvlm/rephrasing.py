"""Says a question of something else: of other objects, of another image.

The words of the question stay, so that "How many white ships are at the pier?" becomes
"How many cars are at the pier?". Texts are plain (:func:`rsvlm.questions.plain`) and
have no mark at their end.
"""

import re

from rsvlm.followup_words import (
    DEFINITE,
    DESCRIBE,
    LARGE,
    LEAD,
    LONG,
    ORDINALS,
    OUTLINE,
    PRONOUN,
    SHOW,
    SUPERLATIVE,
    WIDE,
    ZOOM,
)
from rsvlm.labels import FORMS, plural_of
from rsvlm.questions import ASKING, IMAGE
from rsvlm.subjects import Subject

#: Where a question names an image.
IN_IMAGE = re.compile(
    r"\b(?:the )?(?:images? (?P<number>\d+)"
    r"|(?P<word>first|second|third|fourth|other|radar|sar|optical|multispectral)"
    r" (?:image|picture|photo|scene))\b"
)
#: "the white ones", "those near the pier", "the largest".
_ONES = re.compile(
    rf"^(?:the |a |an |any )?(?:(?P<before>[\w -]*?) ?\b(?:ones?)|(?P<super>{SUPERLATIVE})"
    r"|(?P<those>those))(?: (?P<after>(?:near|by|at|in|on|next|left|right|north|south|east|west"
    r"|above|below|beside|close|around|along|inside|outside|with|that|of|to|under|behind)\b.*))?$"
)
_VERBAL = re.compile(
    rf"^(?:{ASKING}|there|show|find|outline|segment|count|describe|mark|zoom|look|any\b|list"
    r"|compare|detect|locate|thanks?|hello)"
)


_PLACED = re.compile(
    r" (?:near|by|at|in|on|next|left|right|north|south|east|west|above|below|of|with|that)\b"
)
#: Known words that are plural.
_PLURALS = frozenset(
    plural_of(f) for f in FORMS if plural_of(f) in FORMS and plural_of(f) != f
)


def without_lead(text: str) -> tuple[str, bool]:
    """Return a text without "and", "what about" in front, and whether it had one."""
    found = LEAD.match(text)
    return (
        (text[found.end() :].strip(), True) if found and found.end() else (text, False)
    )


def another(text: str, head: str, led: bool, asks: bool) -> str | None:
    """Return the description that takes the place of the last subject, or None.

    Args:
        text: The follow-up, without what leads it in.
        head: Canonical name of the last subject, which "ones" stand for; "" unknown.
        led: Whether something led it in, such as "and".
        asks: Whether it ended in a question mark.

    >>> another("the white ones near the pier", "ship", True, True)
    'white ships near the pier'
    """
    if not text or _VERBAL.match(text) or len(text.split()) > 8:
        return None
    if (found := _ONES.match(text)) and head:
        words = [found["before"] or found["super"] or ""]
        single = bool(re.search(r"\bone\b", text) or found["super"])
        words += [head if single else plural_of(head), found["after"] or ""]
        return " ".join(" ".join(words).split())
    text = re.sub(r"^(?:the|an?|some|all|any|every|those|these) ", "", text)
    named = _PLACED.split(text)[0]
    known = any(named == form or named.endswith(f" {form}") for form in FORMS)
    return text if known and (led or (asks and len(text.split()) <= 3)) else None


def said_of(question: str, about: Subject, new: str, task: str) -> str:
    """Return a question about one description as one about another.

    Args:
        question: The question, plain, without its mark.
        about: What it is about.
        new: The other description.
        task: Kind of answer; decides where the words cannot be exchanged.

    >>> from rsvlm.subjects import subject
    >>> asked = "is there a bridge"
    >>> said_of(asked, subject(asked), "storage tanks", "vqa")
    'are there storage tanks'
    """
    many = is_plural(new)
    if task == "count":
        if re.search(SUPERLATIVE, new) or (not many and _PLACED.search(new)):
            return f"where is the {new}"
        new = new if many else plural_of(new) if new in FORMS else new
    placed = (
        " " in new and new.split()[-1] not in about.noun and about.phrase in question
    )
    old = about.phrase if placed else about.noun
    pattern = re.compile(
        rf"(?:\b(?P<be>is|are) (?P<there>there )?)?(?:\b(?P<article>an?|the|any|some) )?"
        rf"(?<![\w-]){re.escape(old)}(?![\w-])"
    )
    found = pattern.search(question)
    if found is None:
        return asked_of(new, task)
    words = []
    if found["be"]:
        plural = many or (found["article"] is None and found["be"] == "are")
        covers = found["article"] is None and not found["there"]
        words += [found["be"] if covers else "are" if plural else "is"]
        words += ["there"] if found["there"] else []
    article = found["article"]
    if article in ("any", "some") and not many:
        article = "a"
    if article in ("a", "an"):
        article = None if many else "an" if new[0] in "aeiou" else "a"
    words += [article] if article else []
    return question[: found.start()] + " ".join([*words, new]) + question[found.end() :]


def asked_of(what: str, task: str) -> str:
    """Return the question of a task about a description."""
    be = "are" if is_plural(what) else "is"
    if task == "count":
        return f"how many {what} are there"
    if task == "segment":
        return f"outline the {what}"
    return f"where {be} the {what}"


def is_plural(description: str) -> bool:
    """Return whether the noun of a description is plural.

    >>> is_plural("white ships near the pier"), is_plural("bus"), is_plural("water")
    (True, False, False)
    """
    noun = _PLACED.split(description)[0]
    words = noun.split()
    endings = (" ".join(words[start:]) for start in range(len(words)))
    known = next((ending for ending in endings if ending in FORMS), None)
    return known in _PLURALS if known else noun.endswith("s")


def in_image(question: str, where: str, link: str) -> str:
    """Return a question asked of another image, or of a part of every image.

    >>> in_image("how many cars are in image 1", "the other one", "in")
    'how many cars are in image 2'
    """
    named = IN_IMAGE.search(question)
    where = re.sub(r" one$", " image", where)
    if re.search(r"\bother\b", where):
        number = named and (
            named["number"] or str(ORDINALS.get(named["word"] or "", 0))
        )
        where = f"image {3 - int(number)}" if number in ("1", "2") else "image 2"
    place = re.fullmatch(
        r"(?:the )?(?:radar|sar|optical|multispectral)(?: data)?", where
    )
    where = f"the {where.split()[-1]} image" if place and "data" not in where else where
    if named:
        return question[: named.start()] + where + question[named.end() :]
    whole = re.search(rf"\b(?:in|on|of|from) {IMAGE}$", question)
    if whole:
        question = question[: whole.start()].strip()
    inner = re.search(rf"\bof {IMAGE}(?= (?:is|are)\b)", question)
    if inner and IN_IMAGE.search(where):
        return question[: inner.start()] + f"of {where}" + question[inner.end() :]
    return f"{question} {link or 'in'} {where}"


def predicate(text: str, what: str, many: bool) -> str:
    """Return a follow-up about a description, in the words that the rules know.

    Args:
        text: The follow-up, plain; "@" stands where an ordinal stood.
        what: The description, such as "this ship".
        many: Whether it is plural.

    >>> predicate("how big is it", "this ship", False)
    'how large is this ship'
    """
    be = "are" if many else "is"
    if ZOOM.search(text) or DESCRIBE.search(text):
        return f"describe {what}"
    if OUTLINE.search(text):
        return f"segment {what}" if text.startswith("segment") else f"outline {what}"
    if SHOW.search(text):
        return f"where {be} {what}"
    if LARGE.search(text):
        total = re.search(r"\b(?:total|combined|whole|overall)\b", text)
        if total:
            return f"what is the total area of {what}"
        asked = re.search(r"\barea\b", text)
        return f"what is the area of {what}" if asked else f"how large {be} {what}"
    if LONG.search(text):
        return f"how long {be} {what}"
    if WIDE.search(text):
        return f"how wide {be} {what}"
    noun = what.removeprefix("this ").removeprefix("these ").removeprefix("the ")
    found = re.fullmatch(r"is (?:it|that|@) (?:really |actually )?(an? (.+))", text)
    if found and found[2] in FORMS:
        return f"is this {found[1]}"
    if "@" in text:
        said = re.sub(r"\b(?:its|their)\b", "", text).replace("@", what, 1)
    else:
        said = DEFINITE.sub(rf"\g<asked> {what}", text)
        said = PRONOUN.sub(
            lambda m: f"{what}'s" if m[0] in ("its", "their") else what, said, count=1
        )
    if many:
        said = re.sub(
            r"\b(is|was|does)(?= these\b)", lambda m: _PLURAL_VERB[m[0]], said
        )
    return said if noun in said else f"{said} {what}"


_PLURAL_VERB = {"is": "are", "was": "were", "does": "do"}


def sentence(words: str) -> str:
    """Return plain words as a sentence with its mark.

    >>> sentence("outline this ship"), sentence("where is it")
    ('Outline this ship.', 'Where is it?')
    """
    order = re.match(
        r"(?:outline|segment|describe|detect|compare|show|find|count)\b", words
    )
    return words[:1].upper() + words[1:] + ("." if order else "?")
