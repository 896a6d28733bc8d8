"""Question answering: short answers compared after normalisation.

Two ways to match, and their names are part of the protocol: ``exact`` compares
normalised texts, ``exact-canonical`` also reads number words, drops articles and takes
hyphens and underscores for spaces. Neither accepts a text that merely contains the
answer ("not sure" contains "no"), and an empty reply is always wrong. The rules that
others use stand in :mod:`rsvlm.eval.metrics.matching`.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from rsvlm.eval.metrics.checks import check_pairs

Match = Literal["exact", "exact-canonical"]

_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
)
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS)}
_ARTICLES = frozenset({"a", "an", "the"})
#: A hyphen or underscore between two words; the sign of "-5" stays.
_JOINED = re.compile(r"(?<=[^\W_])[-_\u2010\u2011\u2013]+(?=[^\W_])")
_LEAD_IN = re.compile(r"the answer is\b[\s:]*")
_FIRST = re.compile(r"(yes|no)\b")
#: Replies that start with yes or no and say neither.
_UNDECIDED = re.compile(
    r"(yes\W+(or\W+|and\W+)?no|no\W+(or\W+|and\W+)?yes)$|no (idea|clue|answer)\b"
)


# Answers repeat; long replies are few. The bound keeps the memory small.
@lru_cache(maxsize=16_384)
def normalise(text: str) -> str:
    """Return a text in the form that answers are compared in.

    Unicode NFKC, lower case, single spaces, no final ``.?!``, no leading "the answer
    is".

    >>> normalise("The answer is:  Yes.")
    'yes'
    """
    text = unicodedata.normalize("NFKC", text).lower()
    text = " ".join(text.split()).rstrip(" .?!")
    return _LEAD_IN.sub("", text, count=1) if _LEAD_IN.match(text) else text


@lru_cache(maxsize=16_384)
def canonicalise(text: str) -> str:
    """Return a normalised text with digits for number words and without articles.

    >>> canonicalise("The storage-tank"), canonicalise("Two"), canonicalise("-5")
    ('storage tank', '2', '-5')
    """
    words = _JOINED.sub(" ", normalise(text)).split()
    kept = [word for word in words if word not in _ARTICLES]
    # "A" may be the letter of an option: a text of articles alone stays.
    return " ".join(_NUMBERS.get(word, word) for word in kept or words)


def is_match(
    prediction: str | None, answers: Sequence[str], match: Match = "exact-canonical"
) -> bool:
    """Return whether a reply equals one of the accepted answers.

    Args:
        prediction: The reply, None where there is none.
        answers: The accepted answers; empty ones match nothing.
        match: How texts are compared.

    >>> is_match("Two.", ["2"]), is_match("", [""]), is_match("not sure", ["no"])
    (True, False, False)
    """
    form = normalise if match == "exact" else canonicalise
    given = form(prediction or "")
    return bool(given) and any(given == form(answer) for answer in answers)


def accuracy(
    predictions: Sequence[str | None],
    answers: Sequence[Sequence[str]],
    match: Match = "exact-canonical",
) -> float:
    """Return the share of questions answered right; a missing reply is wrong.

    Args:
        predictions: One reply a question, None where there is none.
        answers: The accepted answers of each question, in the same order.
        match: How texts are compared.

    Returns:
        Accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no question, or the lengths differ.
    """
    check_pairs(predictions, answers, "accuracy")
    right = [
        is_match(prediction, accepted, match)
        for prediction, accepted in zip(predictions, answers, strict=True)
    ]
    return sum(right) / len(right)


def parse_yes_no(text: str | None) -> bool | None:
    """Read a yes/no reply by its first word; None when it is neither.

    >>> parse_yes_no("No, there is none."), parse_yes_no("The answer is yes")
    (False, True)
    >>> parse_yes_no("not sure"), parse_yes_no("yes or no"), parse_yes_no("")
    (None, None, None)
    """
    reply = normalise(text or "").lstrip("*\"'([ ")
    first = _FIRST.match(reply)
    if first is None or _UNDECIDED.match(reply):
        return None
    return first[1] == "yes"
