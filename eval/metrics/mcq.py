"""Multiple choice: the letters that a reply chooses.

The name of the extractor is part of a protocol's id. ``robust`` reads a letter only
where the reply states one; the others reproduce published scripts, which take the
first capital A-E anywhere ("A river" is A) or every a-e of the text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from rsvlm.errors import UnknownNameError
from rsvlm.eval.metrics.vqa import canonicalise, normalise

Letters = frozenset[str]
Extractor = Callable[[str, Sequence[str], bool], Letters]

_LABEL = re.compile(r"\s*(?:\(([A-Za-z])\)|([A-Za-z])[.):])\s*")
_AROUND = " \t\r\n*_`\"'"
_ALONE = re.compile(r"\(?([A-Za-z])[).:,]?")
_IN_BRACKETS = re.compile(r"\(([A-Za-z])\)")
_AT_START = re.compile(
    r"(?:\(([A-Za-z])\)|\*\*\(?([A-Za-z])\)?[.:]?\*\*|([A-Za-z])[.:)])"
)
_BOLD = re.compile(r"\*\*([A-Z])\*\*")
_LINE_START = re.compile(r"^\s*(?:[-*]\s*)?(?:\(([A-Z])\)|([A-Z])[.:)])", re.MULTILINE)
_STATED = re.compile(
    r"\b(?:answer|option|choice)(?:s|\(s\))?\s*(?:(?:is\(are\)|is|are)\s*:?|:)\s*"
    r"(?:option\s+|choice\s+)?[*_`\"']*",
    re.IGNORECASE,
)
#: Other brackets around a lone letter, those of LaTeX included.
_BOXED = re.compile(r"\\boxed\{\s*([A-Za-z])\s*\}|\[\s*([A-Za-z])\s*\]")
_LEAD_WORDS = re.compile(r"^(?:both|options?|choices?|letters?)\s+", re.IGNORECASE)
_STATED_LETTER = re.compile(
    # A small letter must end the statement: "the answer is a river" names none.
    r"\(([A-Za-z])\)|([A-Z])(?![\w'\u2019-])|([a-z])(?=[\s.)\]*_`\"']*$)"
)
_ITEM = r"[(\[]*[A-Za-z][)\]]*"
# One way only to read each gap: a second would make long lists exponentially slow.
_GAP = r"(?:\s*[,;/&.]\s*(?:and\s+)?|\s+(?:and\s+)?)"
_SEVERAL = re.compile(rf"{_ITEM}(?:{_GAP}{_ITEM})*")
_SINGLE_LETTERS = re.compile(r"(?<![A-Za-z])([A-Za-z])(?![A-Za-z])")


def extract(
    reply: str | None,
    options: Sequence[str] = (),
    *,
    multi: bool = False,
    extractor: str = "robust",
) -> Letters:
    """Return the letters that a reply chooses; none where it states none.

    Args:
        reply: The model's text, None where there is none.
        options: Texts of the options in letter order, with or without "(A)" before
            them; empty: letters A to Z, and no text to compare with.
        multi: Whether several letters may be right together. Otherwise a reply that
            names two letters has chosen none.
        extractor: Name of an entry of ``EXTRACTORS``.

    Raises:
        UnknownNameError: If there is no such extractor.

    >>> sorted(extract("The answer is (C).", ["red", "blue", "grey"]))
    ['C']
    >>> sorted(extract("A river", ["red", "river"]))
    ['B']
    >>> sorted(extract("A, C and D", ["w", "x", "y", "z"], multi=True))
    ['A', 'C', 'D']
    """
    if extractor not in EXTRACTORS:
        raise UnknownNameError("extractor", extractor, EXTRACTORS)
    if reply is None or not reply.strip():
        return frozenset()
    return EXTRACTORS[extractor](reply, options, multi)


def is_right(chosen: Letters, answers: Sequence[str]) -> bool:
    """Return whether the chosen letters are right.

    Args:
        chosen: What :func:`extract` returned.
        answers: Accepted answers. One of several letters ("ACD", "A, C, D") is right
            as a set only; single letters are alternatives.

    >>> is_right(frozenset("B"), ["A", "B"]), is_right(frozenset("A"), ["AC"])
    (True, False)
    """
    return bool(chosen) and any(chosen == letters_of(answer) for answer in answers)


def letters_of(answer: str) -> Letters:
    """Return the letters of an accepted answer such as "A", "(a)", "AC" or "A, C"."""
    return frozenset(letter for letter in answer.upper() if letter in ascii_uppercase)


def option_text(option: str) -> str:
    """Return an option without the letter that labels it.

    >>> option_text("(B) Dense residential"), option_text("River")
    ('Dense residential', 'River')
    """
    label = _LABEL.match(option)
    return option[label.end() :].strip() if label else option.strip()


def _robust(reply: str, options: Sequence[str], multi: bool) -> Letters:
    """Try the forms in which a letter is stated, the surest first."""
    allowed = frozenset(ascii_uppercase[: len(options)] if options else ascii_uppercase)
    read = _read_several if multi else _read_one
    text = _BOXED.sub(lambda match: f"({match[1] or match[2]})", reply)
    chosen = read(text.strip("$" + _AROUND), allowed)
    return chosen or _by_text(reply, options, multi)


def _read_one(text: str, allowed: Letters) -> Letters:
    if alone := _ALONE.fullmatch(_LEAD_WORDS.sub("", text, count=1)):
        return frozenset(alone[1].upper()) & allowed
    if start := _AT_START.match(text):
        # "(A) or (B)" has chosen neither, nor have two lines with a letter each.
        letters = _groups(_IN_BRACKETS, text) if text.startswith("(") else set[str]()
        letters |= _groups(_LINE_START, text)
        letters.add(next(filter(None, start.groups())).upper())
        if len(letters) == 1 and letters <= allowed:
            return frozenset(letters)
    for tail in _stated(text):
        if several := _letter_list(tail, allowed):
            return several if len(several) == 1 else frozenset()
        if letter := _STATED_LETTER.match(tail):
            found = frozenset(next(filter(None, letter.groups())).upper())
            return found & allowed
    marked = _groups(_IN_BRACKETS, text) or _groups(_BOLD, text)
    return frozenset(marked) if len(marked) == 1 and marked <= allowed else frozenset()


def _read_several(text: str, allowed: Letters) -> Letters:
    if chosen := _letter_list(text, allowed):
        return chosen
    for tail in _stated(text):
        if chosen := _letter_list(tail, allowed):
            return chosen
    for pattern in (_IN_BRACKETS, _LINE_START):
        letters = _groups(pattern, text)
        if letters and letters <= allowed:
            return frozenset(letters)
    return frozenset()


def _stated(text: str) -> list[str]:
    """Return what follows each "answer is", to the end of its line; the last first."""
    ends = [match.end() for match in _STATED.finditer(text)]
    return [text[end:].partition("\n")[0].strip() for end in reversed(ends)]


def _letter_list(text: str, allowed: Letters) -> Letters:
    """Return the letters of "A, C and D", "A C" or "ACD"; none if there is more."""
    text = _LEAD_WORDS.sub("", text.strip(f"{_AROUND}.[]"), count=1)
    if re.fullmatch(r"[A-Z]{2,}", text) and len(set(text)) == len(text):
        letters = frozenset(text)
    elif _SEVERAL.fullmatch(text):
        letters = frozenset(x.upper() for x in _SINGLE_LETTERS.findall(text))
    else:
        return frozenset()
    return letters if letters <= allowed else frozenset()


def _by_text(reply: str, options: Sequence[str], multi: bool) -> Letters:
    """Return the letters of the options whose text the reply consists of."""
    parts = [reply, option_text(reply)]
    if multi:
        parts += re.split(r",|;|\n|\band\b", normalise(reply))
    # "B Blue": canonicalise would drop the letter A for an article.
    said = {form(part) for part in parts for form in (canonicalise, normalise)} - {""}
    found = frozenset(
        letter
        for letter, option in zip(ascii_uppercase, options, strict=False)
        if (text := canonicalise(option_text(option))) in said
        or f"{letter.lower()} {text}" in said
    )
    return found if multi or len(found) == 1 else frozenset()


def _groups(pattern: re.Pattern[str], text: str) -> set[str]:
    found = (match.groups() for match in pattern.finditer(text))
    return {next(filter(None, groups)).upper() for groups in found}


#: Lead-ins that the published scripts cut out, wherever they stand. Four more in their
#: lists are joined by a missing comma and never occur.
_LEAD_INS = (
    "The best answer is", "The correct answer is", "The answer is", "The answer",
)  # fmt: skip


def _mme_realworld(reply: str, options: Sequence[str], multi: bool) -> Letters:
    """Take the first capital A-E, else the option whose text holds the reply.

    Source:
        The scorer of MME-RealWorld, https://arxiv.org/abs/2408.13257, as in ImageRAG.
    """
    labelled = [
        option if option.startswith("(") else f"({letter}) {option}"
        for letter, option in zip(ascii_uppercase, options, strict=False)
    ]
    return _first_capital(reply, labelled)


def _lmms_eval(reply: str, options: Sequence[str], multi: bool) -> Letters:
    """Do the same without the options' texts: lmms-eval passes bare letters."""
    return _first_capital(reply, [f"({letter})" for letter in "ABCDE"])


def _first_capital(reply: str, labelled: Sequence[str]) -> Letters:
    text = _without_lead_ins(reply)
    if capital := re.search("[ABCDE]", text):
        return frozenset(capital[0])
    if len(text.split()) <= 10:
        for option in labelled:
            if text.lower() in option.lower():
                return frozenset(option[1])
    return frozenset()


def _xlrs(reply: str, options: Sequence[str], multi: bool) -> Letters:
    """Take every letter in brackets, else every a-e of the text, words included.

    Source:
        lmms-eval's task of XLRS-Bench, https://arxiv.org/abs/2503.23771.
    """
    text = _without_lead_ins(reply)
    if not re.search("[ABCDE]", text):
        return frozenset()
    bracketed = re.findall(r"\(([a-eA-E])\)", text)
    return frozenset(x.upper() for x in bracketed or re.findall("[a-eA-E]", text))


def _without_lead_ins(reply: str) -> str:
    text = reply.strip()
    for lead_in in _LEAD_INS:
        text = text.replace(lead_in, "")
    return text


#: Extractors by the name that protocols use.
EXTRACTORS: Mapping[str, Extractor] = {
    "robust": _robust,
    "mme-realworld": _mme_realworld,
    "lmms-eval": _lmms_eval,
    "xlrs": _xlrs,
}
