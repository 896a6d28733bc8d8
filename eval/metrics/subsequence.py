"""Longest common subsequences of captions, all pairs of a corpus at once.

ROUGE-L needs one for each reference. A machine word holds a row of the dynamic program,
one bit a token of the hypothesis, and every pair advances together; hypotheses of more
tokens than a word has bits take Python's unbounded integers.
"""

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.caption_corpus import Corpus, Ints, sort_keys

_WORD_BITS = 64


def common_lengths(corpus: Corpus) -> Ints:
    """Return the longest common subsequence of each reference with its hypothesis.

    All pairs advance together, a token of every reference at a time; a machine word
    holds the row of the dynamic program.

    Source:
        Hyyro, 2004, "Bit-parallel LCS-length computation revisited".
    """
    common = np.zeros(len(corpus.lengths), dtype=np.int64)
    given = corpus.lengths[corpus.first][corpus.owner]
    fits = ~corpus.is_hypothesis & (given > 0) & (given <= _WORD_BITS)
    short = np.flatnonzero(fits)
    short = short[np.argsort(-corpus.lengths[short], kind="stable")]
    lengths = corpus.lengths[short]
    marks = _marks(corpus)
    rows = np.full(len(short), np.iinfo(np.uint64).max, dtype=np.uint64)
    starts = corpus.starts[short]
    for step in range(int(lengths[0]) if len(lengths) else 0):
        active = int(np.searchsorted(-lengths, -step, side="left"))
        row, mark = rows[:active], marks[starts[:active] + step]
        hits = row & mark
        rows[:active] = (row + hits) | (row & ~mark)
    unused = (_WORD_BITS - given[short]).astype(np.uint64)
    full = np.uint64(np.iinfo(np.uint64).max)
    zeros = (~rows & (full >> unused)).view(np.uint8).reshape(len(short), 8)
    common[short] = np.unpackbits(zeros, axis=1).sum(axis=1)
    for sentence in np.flatnonzero(~corpus.is_hypothesis & (given > _WORD_BITS)):
        hypothesis = corpus.first[corpus.owner[sentence]]
        common[sentence] = _long_common_length(
            *(_sentence(corpus, int(index)) for index in (hypothesis, sentence))
        )
    return common


def _marks(corpus: Corpus) -> NDArray[np.uint64]:
    """Return, for each token, at which places of its hypothesis it stands, (T,)."""
    sentences = np.arange(len(corpus.lengths))
    sentence_of = np.repeat(sentences, corpus.lengths)
    owners = corpus.owner[sentence_of].astype(np.int64)
    order, new = sort_keys(owners * corpus.vocabulary + corpus.tokens)
    places = np.arange(len(corpus.tokens)) - corpus.starts[sentence_of]
    marked = corpus.is_hypothesis[sentence_of] & (places < _WORD_BITS)
    bits = np.uint64(1) << np.minimum(places, _WORD_BITS - 1).astype(np.uint64)
    bits[~marked] = 0
    groups = np.flatnonzero(new)
    marks = np.zeros(len(order), dtype=np.uint64)
    if len(groups):
        merged = np.bitwise_or.reduceat(bits[order], groups)
        marks[order] = np.repeat(merged, np.diff(groups, append=len(order)))
    return marks


def _sentence(corpus: Corpus, index: int) -> list[int]:
    start = int(corpus.starts[index])
    tokens: list[int] = corpus.tokens[start : start + corpus.lengths[index]].tolist()
    return tokens


def _long_common_length(hypothesis: list[int], reference: list[int]) -> int:
    """Return the same for a long hypothesis, on Python's unbounded integers."""
    places: dict[int, int] = {}
    for place, token in enumerate(hypothesis):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(hypothesis)) - 1
    row = full
    for token in reference:
        hits = row & places.get(token, 0)
        row = (row + hits | row - hits) & full
    return len(hypothesis) - row.bit_count()
