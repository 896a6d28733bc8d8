"""Captions as numbers: tokens interned, n-grams counted by sorting.

A :class:`Corpus` holds the token ids of every sentence of a benchmark in one array,
each hypothesis followed by its references. :func:`ngrams` walks over n-gram orders; as
the runs of one n-gram come sorted by sentence, a sample's hypothesis and references lie
side by side, so that counting, clipping and document frequencies are single passes of
numpy. The metrics of :mod:`rsvlm.eval.metrics.captions` need nothing else.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import undefined

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Bits of a signed 64-bit integer that hold a sort key and a place together.
_BITS = 63


@dataclass(frozen=True)
class Corpus:
    """Token ids of the hypotheses and references of N samples.

    S sentences: for each sample its hypothesis, then its references.

    Attributes:
        tokens: Ids of all tokens, sentence after sentence, shape (T,).
        lengths: Tokens of each sentence, shape (S,).
        first: The sentence that is the hypothesis of each sample, shape (N,).
        vocabulary: Number of different tokens.
    """

    tokens: NDArray[np.int32]
    lengths: Ints
    first: Ints
    vocabulary: int

    @classmethod
    def build(
        cls,
        hypotheses: Iterable[Iterable[str]],
        references: Iterable[Iterable[Iterable[str]]],
        names: Sequence[str] = (),
    ) -> "Corpus":
        """Intern tokenised captions; iterators do, the texts are read once.

        Args:
            hypotheses: Tokens of one caption a sample; none for a missing reply.
            references: Tokens of the reference captions of each sample, in the same
                order; references without a token are left out.
            names: What errors call the samples; else their place from 0.

        Raises:
            SettingsError: If there is no sample, a sample has no reference, or the
                numbers of hypotheses and references differ.
        """
        ids: defaultdict[str, int] = defaultdict()
        ids.default_factory = ids.__len__
        tokens, lengths, first = array("i"), array("i"), array("q")
        known = ids.__getitem__

        def add(sentence: Iterable[str]) -> int:
            before = len(tokens)
            tokens.extend(map(known, sentence))
            return len(tokens) - before

        pairs = zip(hypotheses, references, strict=True)
        try:
            for number, (hypothesis, captions) in enumerate(pairs):
                first.append(len(lengths))
                lengths.append(add(hypothesis))
                lengths.extend(filter(None, map(add, captions)))
                if len(lengths) - first[-1] == 1:
                    name = names[number] if names else str(number)
                    raise SettingsError(
                        f"Sample {name} has no reference caption with a word in it. "
                        "Give it one, or take the sample out of the benchmark."
                    )
        except ValueError as error:
            if isinstance(error, SettingsError):
                raise
            raise SettingsError(
                "There are not as many hypotheses as samples with references. "
                "Pair them by id, with an empty caption where a reply is missing."
            ) from None
        if not first:
            raise undefined("a caption metric", "0 samples")
        return cls(
            np.frombuffer(tokens, dtype=np.int32),
            np.array(lengths, dtype=np.int64),
            np.array(first, dtype=np.int64),
            len(ids),
        )

    def __len__(self) -> int:
        """Return the number of samples, N."""
        return len(self.first)

    @cached_property
    def starts(self) -> Ints:
        """Place of each sentence's first token, shape (S,)."""
        starts: Ints = np.cumsum(self.lengths) - self.lengths
        return starts

    @cached_property
    def owner(self) -> NDArray[np.int32]:
        """Sample of each sentence, shape (S,)."""
        counts = np.diff(self.first, append=len(self.lengths))
        return np.repeat(np.arange(len(self), dtype=np.int32), counts)

    @cached_property
    def is_hypothesis(self) -> Bools:
        """Whether each sentence is a hypothesis, shape (S,)."""
        flags = np.zeros(len(self.lengths), dtype=np.bool_)
        flags[self.first] = True
        return flags

    @cached_property
    def reference_counts(self) -> Ints:
        """Number of references of each sample, shape (N,)."""
        counts: Ints = np.diff(self.first, append=len(self.lengths)) - 1
        return counts


@dataclass(frozen=True)
class Grams:
    """Some n-grams of one order, as R runs sorted by n-gram, then by sentence.

    Attributes:
        n: Their order.
        gram: Number of the n-gram, from 0 in this block, shape (R,).
        sentence: Sentence that holds it, shape (R,).
        count: How often it does, shape (R,).
        pairs: First run of each (n-gram, sample) pair, shape (Q,). A pair's first run
            is the hypothesis if that holds the n-gram at all.
        sample: Sample of each pair, shape (Q,).
    """

    n: int
    gram: NDArray[np.int32]
    sentence: NDArray[np.int32]
    count: Ints
    pairs: Ints
    sample: NDArray[np.int32]

    @cached_property
    def pair_sizes(self) -> Ints:
        """Number of runs of each pair, shape (Q,)."""
        sizes: Ints = np.diff(self.pairs, append=len(self.gram))
        return sizes


def ngrams(corpus: Corpus, order: int = 4, block: int = 1 << 19) -> Iterator[Grams]:
    """Yield all n-grams of a corpus for n = 1, 2, ..., order.

    All places of one n-gram are in one block.

    Args:
        corpus: The sentences.
        order: Largest n.
        block: Tokens that a block holds, more only if one n-gram has more places.
    """
    sentences = np.arange(len(corpus.lengths), dtype=np.int32)
    sentence_of = np.repeat(sentences, corpus.lengths)  # (T,)
    gram_at = np.zeros(len(corpus.tokens), dtype=np.int32)  # the (n-1)-gram there, (T,)
    for n in range(1, order + 1):
        gram, sentence = _sorted_grams(corpus, n, sentence_of, gram_at)
        start = 0
        while start < len(gram):
            last = gram[min(start + block, len(gram)) - 1]
            end = int(np.searchsorted(gram, last, side="right"))
            yield _runs(corpus, n, gram[start:end], sentence[start:end])
            start = end


def _sorted_grams(
    corpus: Corpus,
    n: int,
    sentence_of: NDArray[np.int32],
    gram_at: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return n-gram and sentence of every place, sorted; ``gram_at`` moves on to n."""
    length = max(len(sentence_of) - n + 1, 0)
    inside = sentence_of[:length] == sentence_of[n - 1 :]
    # An n-gram is an (n-1)-gram and one more token.
    keys = gram_at[:length][inside].astype(np.int64)
    keys *= corpus.vocabulary
    keys += corpus.tokens[n - 1 :][inside]
    order, new = sort_keys(keys)
    del keys
    places = np.flatnonzero(inside).astype(np.int32)[order]
    del order
    gram = np.cumsum(new, dtype=np.int32)
    gram -= 1
    gram_at[places] = gram
    return gram, sentence_of[places]


def _runs(
    corpus: Corpus, n: int, gram: NDArray[np.int32], sentence: NDArray[np.int32]
) -> Grams:
    """Return the places of a block of n-grams as runs."""
    starts = np.flatnonzero(changes(gram) | changes(sentence))
    count = np.diff(starts, append=len(gram))
    gram, sentence = gram[starts] - gram[0], sentence[starts]
    owner = corpus.owner[sentence]
    pairs = np.flatnonzero(changes(gram) | changes(owner))
    return Grams(n, gram, sentence, count, pairs, owner[pairs])


def sort_keys(keys: Ints) -> tuple[Ints | NDArray[np.int32], Bools]:
    """Sort keys, equal ones in the order they come; the array is used up.

    Args:
        keys: Integers from 0, shape (M,).

    Returns:
        The order, shape (M,), and whether each sorted key differs from the one before
        it, shape (M,); the first one does.
    """
    bits = len(keys).bit_length()
    if bits < 32 and int(keys.max(initial=0)).bit_length() + bits <= _BITS:
        # Sorting numbers that hold key and place is several times faster than argsort.
        keys <<= bits
        keys |= np.arange(len(keys), dtype=np.int32)
        keys.sort()
        order = np.empty(len(keys), dtype=np.int32)
        np.bitwise_and(keys, (1 << bits) - 1, out=order, casting="unsafe")
        keys >>= bits
        return order, changes(keys)
    stable = np.argsort(keys, kind="stable")
    return stable, changes(keys[stable])


def changes(values: NDArray[np.int64] | NDArray[np.int32]) -> Bools:
    """Return whether each value differs from the one before it; the first one does.

    >>> changes(np.array([3, 3, 5])).tolist()
    [True, False, True]
    """
    flags = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=flags[1:])
    return flags
