"""Cutting texts so that a text encoder reads all of every piece.

An encoder that reads 256 tokens ignores the rest without a word. Texts are cut at
paragraphs, then sentences, then words, by the encoder's own tokenizer; neighbouring
pieces share their last sentence, so that what a sentence refers to is not lost.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from rsvlm.retrieval.passages import Passage

#: Number of tokens of a text, special tokens included.
Count = Callable[[str], int]

#: Tokens that an encoder adds to every text, at most.
SPECIAL = 4

_PARAGRAPH = re.compile(r"\n\s*\n")
# A full stop after a capital or a digit alone ("U. S.", "No. 5") ends no sentence.
_SENTENCE = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)\s+(?=[\"'(\[]?[^\Wa-z])")


def embedded_text(title: str, text: str) -> str:
    """Return what the encoder reads of a passage: its title first."""
    if not title or text.casefold().startswith(title.casefold()):
        return text
    return f"{title}. {text}"


def chunked(passage: Passage, count: Count, limit: int) -> Iterator[Passage]:
    """Yield a passage, or the pieces of one that is too long.

    Args:
        passage: What to cut. Its title stands before every piece.
        count: The encoder's number of tokens of a text.
        limit: Most tokens that the encoder reads.

    Yields:
        Passages whose embedded text has at most ``limit`` tokens. Together they hold
        every word of the text, in order.

    Raises:
        ValueError: If not even a single character fits beside the title.
    """
    pieces = list(split(passage.text, passage.title, count, limit))
    if len(pieces) == 1:
        yield replace(passage, text=pieces[0]) if pieces[0] != passage.text else passage
        return
    for piece in pieces:
        yield replace(passage, text=piece)


def split(text: str, title: str, count: Count, limit: int) -> Iterator[str]:
    """Yield the pieces of a text that fit beside a title."""
    # A token is at least a byte, which spares most rows of a gazetteer the counting.
    short = len(f"{title}. {text}".encode()) + SPECIAL <= limit
    if short or count(embedded_text(title, text)) <= limit:
        yield text
        return
    current: list[str] = []
    for sentence in _sentences(text):
        for part in _fitting(sentence, title, count, limit):
            joined = " ".join([*current, part])
            if not current or _fits(joined, title, count, limit):
                current.append(part)
                continue
            yield " ".join(current)
            overlap = [current[-1], part] if len(current) > 1 else [part]
            fits = _fits(" ".join(overlap), title, count, limit)
            current = overlap if fits else [part]
    if current:
        yield " ".join(current)


def _sentences(text: str) -> Iterator[str]:
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE.split(paragraph):
            if sentence.strip():
                yield " ".join(sentence.split())


def _fits(text: str, title: str, count: Count, limit: int) -> bool:
    # The title counts even where the piece happens to begin with it.
    return max(count(text), count(f"{title}. {text}" if title else text)) <= limit


def _fitting(text: str, title: str, count: Count, limit: int) -> Iterator[str]:
    """Yield a sentence in pieces that fit: halves at a space, else anywhere."""
    if _fits(text, title, count, limit):
        yield text
        return
    if len(text) < 2:
        raise ValueError(
            f"the title {title[:60]!r} alone fills the {limit} tokens of the encoder"
        )
    middle = len(text) // 2
    spaces = (text.rfind(" ", 0, middle), text.find(" ", middle))
    at = min((s for s in spaces if s > 0), key=lambda s: abs(s - middle), default=0)
    yield from _fitting(text[: at or middle], title, count, limit)
    yield from _fitting(text[at or middle :].lstrip(), title, count, limit)
