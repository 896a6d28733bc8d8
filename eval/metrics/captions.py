"""Caption metrics: BLEU, ROUGE-L, CIDEr-D and CIDEr, as pycocoevalcap computes them.

All take a :class:`~rsvlm.eval.metrics.caption_corpus.Corpus`, so that one tokenisation
serves every metric::

    corpus = Corpus.build(map(ptb, replies), (map(ptb, refs) for refs in references))
    bleu(corpus).corpus()[3], cider_d(corpus).mean()

An empty hypothesis scores 0 everywhere. Tokenisation decides: on RSICD-like captions
CIDEr moves by 0.3 when the PTB tokens are replaced by a split at spaces.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.caption_corpus import Corpus, Grams, Ints, ngrams
from rsvlm.eval.metrics.checks import undefined
from rsvlm.eval.metrics.subsequence import common_lengths

Floats = NDArray[np.float64]

#: Order of n-grams in BLEU and CIDEr.
ORDER = 4
#: Weight of recall in ROUGE-L, as pycocoevalcap sets it.
_BETA2 = 1.2**2
#: pycocoevalcap's guards against 0 / 0; they show where no n-gram is right.
_TINY, _SMALL = 1e-15, 1e-9


@dataclass(frozen=True)
class Bleu:
    """Counts of BLEU, one row a sample; sums of rows give the score of any part.

    Attributes:
        correct: Clipped n-gram matches, shape (N, 4).
        guessed: n-grams of the hypothesis, shape (N, 4).
        length: Tokens of the hypothesis, shape (N,).
        reference_length: Tokens of the reference closest in length, the shorter one of
            two equally close, shape (N,).
    """

    correct: Floats
    guessed: Floats
    length: Floats
    reference_length: Floats

    def corpus(self, indices: Sequence[int] | Ints | None = None) -> tuple[float, ...]:
        """Return BLEU-1 to BLEU-4 of all samples, or of those at these indices.

        Indices may repeat, as in a bootstrap.

        Raises:
            SettingsError: If there is no index.
        """
        part: Ints | slice = slice(None)
        if indices is not None:
            part = np.asarray(indices, dtype=np.int64)
            if not len(part):
                raise undefined("BLEU", "0 samples")
        values = _bleu(
            self.correct[part].sum(axis=0, keepdims=True),
            self.guessed[part].sum(axis=0, keepdims=True),
            self.length[part].sum(keepdims=True),
            self.reference_length[part].sum(keepdims=True),
        )
        return tuple(float(value) for value in values[0])

    def sentences(self) -> Floats:
        """Return BLEU-1 to BLEU-4 of every sample alone, shape (N, 4).

        Without smoothing, a caption that shares no four tokens in a row with a
        reference has a BLEU-4 near 0; the mean of these is not corpus BLEU.
        """
        return _bleu(self.correct, self.guessed, self.length, self.reference_length)


def bleu(corpus: Corpus) -> Bleu:
    """Count what BLEU-1 to BLEU-4 need, with the closest reference length.

    Source:
        Papineni et al., 2002, https://aclanthology.org/P02-1040; pycocoevalcap 1.2.
    """
    correct = np.zeros((ORDER, len(corpus)))
    for grams in ngrams(corpus, ORDER):
        by_hypothesis = corpus.is_hypothesis[grams.sentence]
        # A pair's first run is the hypothesis, or the n-gram is not in it.
        given = np.where(by_hypothesis, grams.count, 0)[grams.pairs]
        wanted = np.where(by_hypothesis, 0, grams.count)
        wanted = np.maximum.reduceat(wanted, grams.pairs)
        clipped = np.minimum(given, wanted)
        correct[grams.n - 1] += np.bincount(grams.sample, clipped, len(corpus))
    length = corpus.lengths[corpus.first]
    shifts = np.arange(ORDER)
    guessed = np.maximum(length[:, None] - shifts, 0)
    return Bleu(
        np.ascontiguousarray(correct.T),
        guessed.astype(np.float64),
        length.astype(np.float64),
        _closest_length(corpus).astype(np.float64),
    )


def rouge_l(corpus: Corpus) -> Floats:
    """Return ROUGE-L of each sample: best precision and best recall, beta 1.2.

    Precision and recall may come from different references, as in pycocoevalcap.

    Returns:
        Scores in [0, 1], shape (N,).

    Source:
        Lin, 2004, https://aclanthology.org/W04-1013; pycocoevalcap 1.2.
    """
    precision, recall = _precision_recall(corpus)
    best_precision = np.maximum.reduceat(precision, corpus.first)
    best_recall = np.maximum.reduceat(recall, corpus.first)
    return _f_score(best_precision, best_recall, _BETA2)


def rouge_l_mean(corpus: Corpus) -> Floats:
    """Return the mean over references of the ROUGE-L F1: a legacy habit.

    Scripts that follow it also stem the words (Porter), which this does not.

    Returns:
        Scores in [0, 1], shape (N,).
    """
    f1 = _f_score(*_precision_recall(corpus), 1.0)
    return _mean_over_references(corpus, f1)


def cider_d(corpus: Corpus, sigma: float = 6.0) -> Floats:
    """Return CIDEr-D of each sample, times ten as usual.

    Document frequencies come from the references of the whole corpus, so that a score
    holds for this set of samples only: never average over shards.

    Args:
        corpus: The sentences.
        sigma: Width of the penalty on different lengths, in tokens.

    Returns:
        Scores in [0, 10], shape (N,).

    Source:
        Vedantam et al., 2015, https://arxiv.org/abs/1411.5726; pycocoevalcap 1.2.
    """
    given = corpus.lengths[corpus.first][corpus.owner]
    gap = (corpus.lengths - given).astype(np.float64)
    penalty = np.exp(-(gap**2) / (2 * sigma**2))
    return _mean_over_references(corpus, _similarity(corpus, clip=True) * penalty) * 10


def cider(corpus: Corpus) -> Floats:
    """Return CIDEr of each sample: CIDEr-D without clipping and length penalty.

    Words are not stemmed. Long answers that repeat words gain from it; report CIDEr-D.

    Returns:
        Scores in [0, 10], shape (N,).
    """
    return _mean_over_references(corpus, _similarity(corpus, clip=False)) * 10


def _bleu(
    correct: Floats, guessed: Floats, length: Floats, reference_length: Floats
) -> Floats:
    """Return BLEU-1 to BLEU-4 of each row, shape (rows, 4)."""
    precisions = np.cumprod((correct + _TINY) / (guessed + _SMALL), axis=1)
    values: Floats = precisions ** (1 / np.arange(1, ORDER + 1))
    ratio = (length + _TINY) / (reference_length + _SMALL)
    brevity = np.exp(np.minimum(1 - 1 / ratio, 0))
    return values * brevity[:, None]


def _closest_length(corpus: Corpus) -> Ints:
    """Return the reference length closest to the hypothesis of each sample."""
    gap = np.abs(corpus.lengths - corpus.lengths[corpus.first][corpus.owner])
    base = int(corpus.lengths.max()) + 1
    keys = gap * base + corpus.lengths  # the shorter of two equally close
    keys[corpus.first] = np.iinfo(np.int64).max
    closest: Ints = np.minimum.reduceat(keys, corpus.first) % base
    return closest


def _similarity(corpus: Corpus, clip: bool) -> Floats:
    """Return the mean cosine of tf-idf over n-gram orders, shape (S,).

    Entries of hypotheses hold no meaning.
    """
    count = len(corpus.lengths)
    dots, squares = np.zeros((ORDER, count)), np.zeros((ORDER, count))
    for grams in ngrams(corpus, ORDER):
        weights = grams.count * _idf(corpus, grams)[grams.gram]
        by_hypothesis = corpus.is_hypothesis[grams.sentence]
        given = np.where(by_hypothesis, weights, 0.0)[grams.pairs]
        given = np.repeat(given, grams.pair_sizes)
        shared = (np.minimum(given, weights) if clip else given) * weights
        dots[grams.n - 1] += np.bincount(grams.sentence, shared, count)
        squares[grams.n - 1] += np.bincount(grams.sentence, weights**2, count)
    norms = np.sqrt(squares)
    scale = norms * norms[:, corpus.first][:, corpus.owner]
    cosines = np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0)
    mean: Floats = cosines.mean(axis=0)
    return mean


def _idf(corpus: Corpus, grams: Grams) -> Floats:
    """Return log(samples / samples with a reference that holds the n-gram)."""
    # A pair with more than one run, or whose run is no hypothesis, has a reference.
    referenced = ~corpus.is_hypothesis[grams.sentence[grams.pairs]]
    referenced |= grams.pair_sizes > 1
    documents = np.bincount(grams.gram[grams.pairs], referenced)
    idf: Floats = math.log(len(corpus)) - np.log(np.maximum(documents, 1))
    return idf


def _mean_over_references(corpus: Corpus, values: Floats) -> Floats:
    values = np.where(corpus.is_hypothesis, 0.0, values)
    means: Floats = np.add.reduceat(values, corpus.first) / corpus.reference_counts
    return means


def _f_score(precision: Floats, recall: Floats, beta2: float) -> Floats:
    below = recall + beta2 * precision
    above = (1 + beta2) * precision * recall
    return np.divide(above, below, out=np.zeros_like(above), where=above > 0)


def _precision_recall(corpus: Corpus) -> tuple[Floats, Floats]:
    """Return LCS precision and recall of each reference, 0 for hypotheses, (S,)."""
    common = common_lengths(corpus).astype(np.float64)
    given = corpus.lengths[corpus.first][corpus.owner]
    precision = np.divide(common, given, out=np.zeros_like(common), where=given > 0)
    recall = np.divide(
        common, corpus.lengths, out=np.zeros_like(common), where=corpus.lengths > 0
    )
    return precision, recall
