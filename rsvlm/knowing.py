"""Knowledge in an answer: facts that are composed, citations that are checked.

:class:`Knowledge` is what the assistant asks for passages; :mod:`rsvlm.retrieval` has
one. Facts that a small model would garble (a population, the nearest airport) are
composed from passages. What a model writes itself is checked sentence by sentence: a
citation that does not support its sentence is dropped, and the answer says so. Where
knowledge and pixels disagree, the answer keeps to the pixels and tells.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rsvlm.answer_parts import Evidence
from rsvlm.raster import Raster

#: Cosine or word overlap from which a passage supports a sentence.
SUPPORT = 0.5

_CITATION = re.compile(r"[ \t]?\[(\d{1,9})\]")
_SENTENCE = re.compile(r"(?<=[.!?])(\s+)(?![\[(]\d)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMBER = re.compile(r"\d[\d,.]*")
_EMPTY = frozenset(
    [
        "the",
        "and",
        "are",
        "was",
        "were",
        "that",
        "this",
        "these",
        "those",
        "with",
        "for",
        "from",
        "has",
        "have",
        "its",
        "which",
        "what",
        "into",
        "over",
        "near",
        "about",
        "there",
        "than",
        "then",
        "also",
        "not",
        "but",
        "can",
        "all",
        "any",
        "been",
        "being",
    ]
)


@dataclass(frozen=True, slots=True)
class Composed:
    """An answer made of passages, not generated.

    Attributes:
        text: Sentences with ``[k]`` behind what evidence ``k`` says.
        evidence: The passages, numbered from 1 in the order of their citation.
        confidence: 0 to 1.
        abstained: Whether nothing was found; the text says so.
        rest: Part of the question that asks for no known fact; empty if there is none.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    confidence: float = 1.0
    abstained: bool = False
    rest: str = ""


class Knowledge(Protocol):
    """Source of background knowledge."""

    def search(self, question: str, rasters: Sequence[Raster]) -> Sequence[Evidence]:
        """Return passages, best first, numbered from 1; none where none is relevant."""
        ...

    def compose(self, question: str, rasters: Sequence[Raster]) -> Composed | None:
        """Return the answer to a question for facts; None for other questions."""
        ...

    def known(self, label: str, rasters: Sequence[Raster]) -> Sequence[Evidence]:
        """Return what knowledge places inside the images under a label."""
        ...

    def similarity(self, left: str, right: str) -> float:
        """Return how alike two texts are in meaning, at most 1."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """A text whose citations hold, and what was said about those that did not."""

    text: str
    warnings: tuple[str, ...] = field(default=())


def check_citations(
    text: str,
    evidence: Sequence[Evidence],
    similarity: Callable[[str, str], float] | None = None,
) -> Checked:
    """Drop every citation that does not support its sentence.

    A passage supports a sentence when it holds all its numbers, and either most of its
    words or, by ``similarity``, its meaning.

    Args:
        text: What a model wrote.
        evidence: The passages that it was given.
        similarity: Likeness of two texts in meaning, at most 1; None compares words.

    Returns:
        The text with the citations that hold, and a warning for each that was dropped.
    """
    known = {item.id: item.text for item in evidence}
    warnings: list[str] = []
    pieces = _SENTENCE.split(text)
    for place in range(0, len(pieces), 2):
        sentence = pieces[place]
        bare = _CITATION.sub("", sentence).strip()
        for number in dict.fromkeys(map(int, _CITATION.findall(sentence))):
            if number not in known:
                reason = "does not exist"
            elif supports(known[number], bare, similarity):
                continue
            else:
                reason = f"does not support {_short(bare)!r}"
            pieces[place] = re.sub(rf"[ \t]?\[{number}\]", "", pieces[place])
            warnings.append(f"The citation [{number}] was dropped: it {reason}.")
    return Checked("".join(pieces), tuple(warnings))


def supports(
    passage: str, sentence: str, similarity: Callable[[str, str], float] | None = None
) -> bool:
    """Return whether a passage says what a sentence says.

    >>> supports("Zamperini Field is 31 m above sea level.", "The field lies 31 m high.")
    True
    >>> supports("Zamperini Field is 31 m above sea level.", "The field lies 75 m high.")
    False
    """
    if not _numbers(sentence) <= _numbers(passage):
        return False
    wanted = _words(sentence)
    if wanted and len(wanted & _words(passage)) / len(wanted) >= SUPPORT:
        return True
    return similarity is not None and similarity(passage, sentence) >= SUPPORT


def disagreement(
    label: str, found: int, known: Sequence[Evidence], first: int = 1
) -> tuple[str, tuple[Evidence, ...]]:
    """Return what to tell where the picture lacks what knowledge places in it.

    Args:
        label: What was sought, such as "airport".
        found: How many were found in the picture.
        known: What knowledge places inside the image under that label.
        first: Number of the first piece of evidence that is added.

    Returns:
        A warning, empty where there is nothing to tell, and its evidence, renumbered.
    """
    if found or not known:
        return "", ()
    cited = tuple(
        item.model_copy(update={"id": number})
        for number, item in enumerate(known[:3], start=first)
    )
    marks = " ".join(f"[{item.id}]" for item in cited)
    things = f"{len(known)} {label}{'s' * (len(known) > 1)}"
    text = (
        f"The knowledge base places {things} in the scene {marks}, none was found in "
        "the picture; the answer follows the picture."
    )
    return text, cited


def used_only(text: str, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the evidence that a text cites."""
    cited: Collection[int] = set(map(int, _CITATION.findall(text)))
    return tuple(item for item in evidence if item.id in cited)


def _words(text: str) -> set[str]:
    found = (word.casefold() for word in _WORD.findall(text))
    return {re.sub(r"(?:ies|es|s|ed|ing)$", "", w) for w in found if w not in _EMPTY}


def _numbers(text: str) -> set[str]:
    plain = _CITATION.sub("", text)
    return {n.strip(".,").replace(",", "") for n in _NUMBER.findall(plain)}


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
