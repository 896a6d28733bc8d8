"""Conversations about an image, as LLaVA, OpenAI and ms-swift write them.

A JSON list or JSON lines, an object each: ``image`` (or ``images``, a name or a list of
names) with ``conversations`` of ``{"from": "human" | "gpt", "value"}``, ``messages`` of
``{"role", "content"}``, or ``question`` (``query``) and ``answer`` (``response``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.formats.images import Images
from rsvlm.formats.upstream import Fields, read_objects
from rsvlm.samples import ImageRef

IMAGE_KEYS = ("image", "images", "image_name", "image_path", "filename", "img")
#: Who speaks.
_ASKS, _ANSWERS = ("human", "user"), ("gpt", "assistant")


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation about one image.

    Attributes:
        number: Its place in the file, from 0.
        where: Its place in words, for errors.
        image: The image; its path is relative to the folder of the data set.
        turns: Question and answer of each turn, without the mark of the image.
    """

    number: int
    where: str
    image: ImageRef
    turns: tuple[tuple[str, str], ...]


def read_talks(path: Path, images: Images) -> Iterator[Talk]:
    """Yield the conversations of a file; those without an image are left out.

    Args:
        path: JSON list or JSON lines.
        images: The images of the data set.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    for number, entry in enumerate(read_objects(path)):
        if not any(entry.values.get(key) for key in IMAGE_KEYS):
            continue
        image = images.ref(image_name(entry), entry.where)
        yield Talk(number, entry.where, image, tuple(pairs(entry)))


def pairs(entry: Fields) -> list[tuple[str, str]]:
    """Return question and answer of each turn of an entry.

    Raises:
        ParseError: If there is none, or the speakers do not take turns.
    """
    for key, who, what in (
        ("conversations", "from", "value"),
        ("messages", "role", "content"),
    ):
        if entry.has(key):
            return _turns(entry, key, who, what)
    return [
        (
            _plain(entry.text("question", "query")),
            entry.text("answer", "response", "gt"),
        )
    ]


def image_name(entry: Fields) -> str:
    """Return the name of the image of an entry, of several the first.

    Raises:
        ParseError: If there is none.
    """
    value: Any = entry.raw(*IMAGE_KEYS)
    if isinstance(value, list):
        value = value[0] if value else ""
    if not isinstance(value, str) or not value.strip():
        raise entry.fault("'image'", "is no name of a file")
    return value


def _turns(entry: Fields, key: str, who: str, what: str) -> list[tuple[str, str]]:
    said = [
        (turn.text(who).lower(), turn.text(what))
        for turn in entry.objects(key)
        if turn.text(who).lower() != "system"
    ]
    asked, answered = said[::2], said[1::2]
    fits = len(asked) == len(answered) and asked
    if (
        not fits
        or any(speaker not in _ASKS for speaker, _ in asked)
        or any(speaker not in _ANSWERS for speaker, _ in answered)
    ):
        raise entry.fault(repr(key), "lack a question or an answer")
    return [
        (_plain(question), answer)
        for (_, question), (_, answer) in zip(asked, answered, strict=True)
    ]


def _plain(question: str) -> str:
    return question.replace("<image>", "").strip()
