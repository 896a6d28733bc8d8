"""Relevance of a passage to a question about an image: meaning, words, place, picture.

Each signal is a number of its own meaning, and the score is their weighted mean, not a
fusion of ranks: reciprocal ranks say which passage is better, but not whether any is
good, and without a threshold that means the same for every question there is no
abstention. Candidates come from every signal; BM25 orders those of the words, and the
score takes the share of the question's words that a passage holds, by rarity.

Source:
    Picture and text: RS-RAG, https://arxiv.org/abs/2504.04988, section 3.3:
    a * cos(picture) + (1 - a) * cos(text).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsvlm.questions import IMAGE, plain
from rsvlm.retrieval.knowledge import KnowledgeBase

#: Cosines of sentences that have nothing in common, and of those that say the same.
COSINES = (0.15, 0.75)
#: Distance at which nearness has fallen to 1 / e, km.
NEAR_KM = 30.0
#: What a passage on the country of the scene gets for its place.
COUNTRY_NEAR = 0.6

_WORD = re.compile(r"\w[\w'-]*")
_IMAGE = re.compile(IMAGE)
_EMPTY = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "please",
        "show",
        "tell",
        "that",
        "the",
        "their",
        "them",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "name",
        "list",
        "give",
        "find",
        "near",
        "nearby",
        "nearest",
        "closest",
        "around",
        "here",
        "lie",
        "lies",
        "located",
        "scene",
        "image",
        "picture",
        "photo",
        "area",
        "region",
        "about",
        "known",
        "much",
        "many",
        "far",
    ]
)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each signal counts; 0 leaves a signal out.

    Attributes:
        dense: Cosine of question and passage.
        words: Share of the question's words, by rarity.
        place: How much of the score a far place takes away, 0 to 1.
        picture: Weight ``a`` of the picture where a passage has one, 0 to 1.
    """

    dense: float = 0.5
    words: float = 0.5
    place: float = 0.5
    picture: float = 0.7


def content_words(question: str) -> list[str]:
    """Return the words of a question that say what it is about.

    >>> content_words("Which airports lie in this image?")
    ['airports']
    """
    text = _IMAGE.sub(" ", plain(question))
    found = (word.strip("'-") for word in _WORD.findall(text))
    return list(dict.fromkeys(w for w in found if w not in _EMPTY and len(w) > 1))


def rarity(base: KnowledgeBase, words: Sequence[str]) -> dict[str, float]:
    """Return the weight of each word: high for those that few passages hold."""
    count = max(len(base), 1)
    return {word: math.log(1 + count / (1 + base.frequency(word))) for word in words}


def coverage(
    base: KnowledgeBase, weights: dict[str, float], ids: Sequence[int]
) -> dict[int, float]:
    """Return the share of the words that each passage holds, by rarity, 0 to 1."""
    total = sum(weights.values())
    shares = dict.fromkeys(ids, 0.0)
    for word, weight in weights.items():
        for id in base.holding(word, ids):
            shares[id] += weight / total
    return shares


def meaning(cosine: float) -> float:
    """Return a cosine as relevance, 0 to 1."""
    low, high = COSINES
    return min(max((cosine - low) / (high - low), 0.0), 1.0)


def nearness(km: float) -> float:
    """Return 1 inside the image, falling with the distance."""
    return math.exp(-km / NEAR_KM)


def score(
    weights: Weights,
    dense: float | None,
    words: float,
    near: float | None,
    picture: float | None,
) -> float:
    """Return the relevance of a passage, 0 to 1.

    Args:
        weights: How much each signal counts.
        dense: Cosine with the question; None without a vector.
        words: Share of the question's words.
        near: Nearness of its place; None without a place.
        picture: Cosine of its picture with the image; None without one.
    """
    parts = [(weights.words, words)]
    if dense is not None:
        parts.append((weights.dense, meaning(dense)))
    total = sum(weight for weight, _ in parts)
    text = sum(weight * part for weight, part in parts) / total if total else 0.0
    if picture is not None:
        share = weights.picture
        text = share * max(picture, 0.0) + (1 - share) * text
    return text if near is None else text * (1 - weights.place * (1 - near))
