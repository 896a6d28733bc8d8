"""Options and letters of multiple-choice questions as data sets write them."""

import re
from collections.abc import Sequence
from typing import Any

from rsvlm.formats.upstream import Fields

#: Letters of options, in order.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARK = re.compile(r"^\s*(?:\(([A-Za-z])\)|([A-Za-z])\s*[.):,])\s*")


def option_texts(lines: Sequence[str], entry: Fields, key: str) -> tuple[str, ...]:
    """Return the texts of options without their letters, such as ``(A) Red``.

    Raises:
        ParseError: If there are fewer than two, or the letters are not A, B, ..
    """
    texts = []
    for number, line in enumerate(lines):
        mark = _MARK.match(line)
        letter = (mark[1] or mark[2]).upper() if mark else None
        if letter is not None and letter != LETTERS[number]:
            # "I. M. Pei Tower" has no letter of an option: only a full run counts.
            if any(_MARK.match(other) is None for other in lines):
                letter, mark = None, None
            else:
                raise entry.fault(
                    repr(key), f"has option {letter} where {LETTERS[number]} belongs"
                )
        texts.append(line[mark.end() :].strip() if mark else line.strip())
    if not 2 <= len(texts) <= len(LETTERS):
        raise entry.fault(repr(key), f"has {len(texts)} options, not 2 to 26")
    return tuple(texts)


def split_question(text: str) -> tuple[str, list[str]]:
    r"""Return a question and the options that follow it in the same text.

    Options begin a line or follow one another on it, with their letters in order:
    ``Which?\nA.red\nB.blue`` or ``Which? A. red B. blue``.
    """
    lettered = split_letters(text, newline=True) or split_letters(text)
    if lettered is None:
        return text.strip(), []
    start, options = lettered
    return text[:start].strip(), options


def split_letters(text: str, newline: bool = False) -> tuple[int, list[str]] | None:
    """Return where the options begin in a text and the options, None without any.

    Args:
        text: Text with options ``A. ..``, ``B) ..`` or ``(C) ..``.
        newline: Whether each option begins a line.
    """
    before = r"(?:^|\n)\s*" if newline else r"(?:^|\s)"
    places: list[tuple[int, int]] = []
    at = 0
    for letter in LETTERS:
        mark = re.compile(rf"{before}(?:\({letter}\)|{letter}\s*[.):])\s*")
        hit = mark.search(text, at)
        if hit is None:
            break
        places.append((hit.start(), hit.end()))
        # The blank after one option is the blank before the next.
        at = hit.end()
    if len(places) < 2:
        return None
    ends = [start for start, _ in places[1:]] + [len(text)]
    options = [
        text[begin:end].strip().rstrip(",;").strip()
        for (_, begin), end in zip(places, ends, strict=True)
    ]
    return places[0][0], options


def letters_of(answer: Any, count: int, entry: Fields, key: str) -> tuple[str, ...]:
    """Return the letters of a right answer, sorted.

    Args:
        answer: ``"B"``, ``"(B)"``, ``"B. red"``, ``"A,C"``, ``"AC"`` or a list of them.
        count: Number of options.
        entry: Where it stands, for errors.
        key: Key of the answer.

    Raises:
        ParseError: If it names no option or one that is not there.
    """
    parts = answer if isinstance(answer, list) else [answer]
    known = LETTERS[:count]
    letters = set[str]()
    for part in parts or [None]:
        read = _read_letters(part, known) if isinstance(part, str) else ""
        if not read:
            raise entry.fault(
                repr(key), f"is {answer!r:.60}, not among the {count} options"
            )
        letters |= set(read)
    return tuple(sorted(letters))


def _read_letters(text: str, known: str) -> str:
    """Return the letters that a text names, nothing where it names none of them."""
    words = re.findall(r"[A-Za-z]+", text)
    if words and all(len(word) == 1 for word in words):
        letters = "".join(words).upper()  # "B", "(b)", "A, C"
    elif len(words) == 1 and words[0].isupper() and len(set(words[0])) == len(words[0]):
        letters = words[0]  # "AC"
    else:
        letters = "?"
    if not set(letters) <= set(known) and (mark := _MARK.match(text)):
        letters = (mark[1] or mark[2]).upper()  # "B. red"
    return letters if set(letters) <= set(known) else ""
