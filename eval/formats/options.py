"""Multiple choice in the files of general harnesses: letters, and options in prompts."""

import re
from collections.abc import Sequence

from rsvlm.eval.formats.rows import list_of, text_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LETTERS = re.compile(r"\(?([A-Z](?:\s*[,;&]?\s*(?:and\s+)?[A-Z])*)\)?\.?\Z")
_LINE = re.compile(
    r"^\s*\(?(?P<letter>[A-Z])\s*[).:]\s*(?P<text>.*?)\s*$", re.MULTILINE
)


def letters_of(value: object) -> tuple[str, ...] | None:
    """Return the accepted answers of a reference of letters; None if it is none.

    Letters in one text are right together only and stay together; a list holds
    alternatives.

    >>> letters_of("B"), letters_of("(C)"), letters_of("A, C"), letters_of(["B", "D"])
    (('B',), ('C',), ('AC',), ('B', 'D'))
    >>> letters_of("ACID") is None, letters_of("a ship") is None
    (True, True)
    """
    listed = list_of(value)
    if listed is not None:
        found = [letters_of(item) for item in listed]
        if not found or any(letters is None for letters in found):
            return None
        return tuple(letter for letters in found for letter in letters or ())
    match = _LETTERS.match(text_of(value).strip())
    if match is None:
        return None
    letters = re.findall(r"[A-Z]", match[1])
    # "ACID" is a word; letters that stand together are in order, as "AC" is.
    together = not re.search(r"[\s,;&]", match[1])
    if together and letters != sorted(set(letters)):
        return None
    return ("".join(letters),)


def options_of(prompt: str) -> tuple[str, ...]:
    r"""Return the options that a prompt lists, one a line, from A on.

    >>> options_of("What is it?\n(A) A pier\nB. A ship\nAnswer with the letter.")
    ('A pier', 'A ship')
    """
    texts: list[str] = []
    for match in _LINE.finditer(prompt):
        if match["letter"] == LETTERS[len(texts)] if len(texts) < 26 else False:
            texts.append(match["text"])
        elif match["letter"] == "A":
            texts = [match["text"]]  # a second list: the last one counts
    return tuple(texts) if len(texts) > 1 else ()


def filled(options: Sequence[str], letters: Sequence[str]) -> tuple[str, ...]:
    """Return options that reach the last letter of the references.

    Where the file does not say what the options are, their letters stand for them.
    """
    used = "".join(letters)
    needed = max((LETTERS.index(letter) + 1 for letter in used), default=0)
    return (*options, *LETTERS[len(options) : needed])
