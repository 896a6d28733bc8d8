"""Questions for a purpose in words that no pattern knows: likened to examples.

A sentence encoder puts the question near sentences of its meaning; a linear map from
its vector to the purposes, fitted to the examples by least squares, says which one is
meant, or that it is none. Only questions that name no known object are likened at all.
"""

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.cache import cache_folder, replacing
from rsvlm.errors import AssetError
from rsvlm.questions import options, plain
from rsvlm.reasons import PURPOSES, Purpose, is_fact
from rsvlm.reasons_examples import EXAMPLES, OTHER
from rsvlm.referring_cues import labels_in
from rsvlm.subjects import subject

#: Texts to unit vectors, shape (B, D).
Vectors = Callable[[Sequence[str]], NDArray[np.float32]]

#: Weight of a small map against a fit that is exact, and how much more a purpose must be
#: meant than none: chosen by halves of the examples (docs/log.md).
RIDGE, MARGIN = 0.1, 0.2
#: Sentences that are encoded at once.
BATCH = 64

#: How a question or an order asks for something that is not named.
_ASKS = re.compile(
    r"\b(?:where|which|what|whatever|whichever|(?:any|some)(?:thing|where|body)"
    r"|how (?:would|could|can))\b|^(?:segment|find|show|locate|mark|outline|point|pick"
    r"|choose|select|suggest|highlight|identify|give|trace|delineate|draw|map|shade|spot)\b"
)
#: What is there, and which of a list it is: no purpose.
_PLAIN = re.compile(
    r"\b(?:can|could|do|would|might) (?:you|be|i|we)(?: \w+)? (?:see|seen|recogni[sz]e"
    r"|visible|shown|find out)\b|\bone of\b|\bwhat share\b"
    r"|^(?:where|what|which \w+)(?: else)? (?:is|are|was|were) "
    r"(?:the|this|that|these|it|in|there|on)\b"
    r"|\b(?:which|what) (?:class|classes|numbers?|letters?|pixels|quadrant|direction|side"
    r"|model)\b|^what (?:is|lies|stands|comes) (?:next|beside|adjacent|between|after)\b"
)


#: "Find the greenhouse" names a thing, not what it is for.
_NAMES = re.compile(
    r"^(?:(?:find|show|locate|segment|mark|outline|point|pick|choose|select|highlight"
    r"|identify|give|trace|delineate|draw|map|shade|spot) )(?:me |us |out |to |at )?"
    r"(?:all |any |every |each |some )?(?:the |an? )?(?:[\w-]+ ){0,2}[\w-]+$"
)


def may_be_likened(question: str) -> bool:
    """Whether a question may ask for a purpose without a word that tells it.

    >>> may_be_likened("Where could a parachute come down?")
    True
    >>> may_be_likened("Where is the church?")
    False
    """
    text = plain(question)
    if is_fact(text) or _PLAIN.search(text) or len(options(question)) > 1:
        return False
    if _NAMES.search(text.rstrip(" .!")):
        return False
    if not _ASKS.search(text):
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
    found = next(known for known in PURPOSES if known.name == keys[best])
    # "The tennis court's fence" is no question for where to play.
    return None if labels_in(plain(question)) & set(found.labels) else found


def _weights(vectors: Vectors) -> NDArray[np.float64]:
    """Return the map from a vector to the purposes and, last, to none of them.

    It is kept in the cache: 800 sentences take seconds to encode. Their words and what
    the encoder makes of one of them name the file.
    """
    texts = [*EXAMPLES.values(), OTHER]
    key = sha256(repr((texts, RIDGE)).encode())
    key.update(vectors([OTHER[0]]).round(2).astype(np.float32).tobytes())
    name = Path("purposes", f"{key.hexdigest()[:24]}.npy")
    with suppress(AssetError, OSError, ValueError, EOFError):
        known: NDArray[np.float64] = np.load(cache_folder() / name)
        if known.shape[1:] == (len(texts),):
            return known
    found = _fitted(texts, vectors)
    with suppress(AssetError, OSError):  # no room costs time, and nothing else
        path = cache_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as handle:
            np.save(handle, found)
    return found


def _fitted(texts: Sequence[Sequence[str]], vectors: Vectors) -> NDArray[np.float64]:
    """Return the least-squares map from vectors of texts to their groups."""
    kinds = np.repeat(np.arange(len(texts)), [len(group) for group in texts])
    flat = [text for group in texts for text in group]
    # Long ones together: a batch is padded to its longest.
    order = sorted(range(len(flat)), key=lambda i: len(flat[i]))
    known = np.zeros((len(flat), vectors(flat[:1]).shape[1]))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        known[part] = vectors([flat[i] for i in part])
    # Each kind weighs the same in all, so that the many of OTHER do not win.
    even = 1 / np.sqrt(np.bincount(kinds))[kinds][:, None]
    inputs, wanted = known * even, np.eye(len(texts))[kinds] * even
    gram = inputs @ inputs.T + RIDGE * np.eye(len(inputs))
    return np.asarray(inputs.T @ np.linalg.solve(gram, wanted))
