"""Questions for a purpose in words that no pattern knows: likened to examples.

A sentence encoder puts the question near sentences of its meaning; a linear map from
its vector to the purposes, fitted to the examples by least squares, says which one is
meant, or that it is none. Only questions that suppose something, and that name no known
object, are likened at all: "where is the church?" asks for a thing, not for a purpose.
"""

import re
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.questions import plain
from rsvlm.reasons import PURPOSES, Purpose, is_fact
from rsvlm.reasons_examples import EXAMPLES, OTHER
from rsvlm.subjects import subject

#: Texts to unit vectors, shape (B, D).
Vectors = Callable[[Sequence[str]], NDArray[np.float32]]

#: Weight of a small map against a fit that is exact; chosen on validation wordings.
RIDGE = 0.03
#: How much more a purpose must be meant than none.
MARGIN = 0.03

#: How a question or an order asks for something that is not named.
_ASKS = re.compile(
    r"\b(?:where|which|what|how (?:would|could))\b|^(?:segment|find|show|locate|mark"
    r"|outline|point|pick|choose|select|suggest|highlight|identify|give)\b"
)
_SUPPOSES = re.compile(
    r"\b(?:could|would|might|may|should|can|needs?|has|have|suits?|likely|lets?|wants?"
    r"|does|do)\b"
)
#: What is there, and which of a list it is: no purpose.
_PLAIN = re.compile(
    r"\b(?:can|could|do|would|might) (?:you|be|i|we)(?: \w+)? (?:see|seen|recogni[sz]e"
    r"|visible|shown|find out)\b|\bone of\b|\bwhat share\b"
    r"|^(?:where|what|which \w+)(?: else)? (?:is|are|was|were) "
    r"(?:the|this|that|these|it|in|there|on)\b"
)


def may_be_likened(question: str) -> bool:
    """Whether a question may ask for a purpose without a word that tells it.

    >>> may_be_likened("Where could a parachute come down?")
    True
    >>> may_be_likened("Where is the church?")
    False
    """
    text = plain(question)
    if is_fact(text) or _PLAIN.search(text):
        return False
    if not (_ASKS.search(text) and _SUPPOSES.search(text)):
        return False
    named = subject(question)
    return named is None or named.label is None


def likened(
    question: str, vectors: Vectors, names: Collection[str] = frozenset(EXAMPLES)
) -> Purpose | None:
    """Return the purpose that a question is most like; None where that is none.

    Args:
        question: What the user wrote.
        vectors: The sentence encoder; it should keep what it has encoded.
        names: Keys of the purposes that can be served.
    """
    keys = [name for name in EXAMPLES if name in names]
    if not keys or not may_be_likened(question):
        return None
    weights = _weights(vectors)
    rows = [*map(list(EXAMPLES).index, keys), len(EXAMPLES)]
    scores = (vectors([question])[0] @ weights)[rows]
    best = int(scores[:-1].argmax())
    if scores[best] - scores[-1] < MARGIN:
        return None
    return next(known for known in PURPOSES if known.name == keys[best])


def _weights(vectors: Vectors) -> NDArray[np.float64]:
    """Return the map from a vector to the purposes and, last, to none of them."""
    texts = [*EXAMPLES.values(), OTHER]
    kinds = np.repeat(np.arange(len(texts)), [len(group) for group in texts])
    known = vectors([text for group in texts for text in group]).astype(float)
    # Each kind weighs the same in all, so that the many of OTHER do not win.
    even = 1 / np.sqrt(np.bincount(kinds))[kinds][:, None]
    inputs, wanted = known * even, np.eye(len(texts))[kinds] * even
    gram = inputs @ inputs.T + RIDGE * np.eye(len(inputs))
    return np.asarray(inputs.T @ np.linalg.solve(gram, wanted))
