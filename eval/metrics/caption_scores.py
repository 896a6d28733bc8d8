"""Caption protocols: from samples and replies to a :class:`Scored`.

A missing reply is an empty caption: it scores 0 and is never left out. Protocols of one
benchmark share their tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.assemble import Statistic, most_common, scored, text_of
from rsvlm.eval.metrics.caption_corpus import Corpus
from rsvlm.eval.metrics.caption_peers import meteor, unavailable
from rsvlm.eval.metrics.captions import (
    ORDER,
    bleu,
    cider,
    cider_d,
    rouge_l,
    rouge_l_mean,
)
from rsvlm.eval.metrics.checks import check_pairs
from rsvlm.eval.metrics.tokenizer import TOKENIZERS, TokenizerName
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

CaptionMetric = Literal[
    "bleu1-coco",
    "bleu2-coco",
    "bleu3-coco",
    "bleu4-coco",
    "rougeL-coco",
    "rougeL-mean",
    "cider-d",
    "cider",
    "meteor-1.5",
    "spice",
]
Floats = NDArray[np.float64]
Texts = tuple[str, ...]

#: Metrics whose value is the mean of the samples' scores.
_MEANS: dict[CaptionMetric, Callable[[Corpus], Floats]] = {
    "rougeL-coco": rouge_l,
    "rougeL-mean": rouge_l_mean,
    "cider-d": cider_d,
    "cider": cider,
}
_BLEU_ORDERS: dict[CaptionMetric, int] = {
    "bleu1-coco": 1,
    "bleu2-coco": 2,
    "bleu3-coco": 3,
    "bleu4-coco": ORDER,
}


@dataclass(frozen=True)
class _Outcome:
    """Scores of the samples, and the value of any of them if that is no mean."""

    scores: Floats
    statistic: Statistic | None = None

    @property
    def value(self) -> float:
        if self.statistic is None:
            return float(self.scores.mean())
        return self.statistic(np.arange(len(self.scores)))


def caption_metric(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    metric: CaptionMetric = "cider-d",
    tokenizer: TokenizerName = "ptb",
    group_by: Sequence[str] = (),
    subset: bool = False,
) -> Scored:
    """Score captions.

    Document frequencies of CIDEr come from the references of all these samples, also
    where the value of a group is told.

    Args:
        samples: Samples with reference captions in ``answers``; empty ones are left
            out.
        predictions: The replies, in the same order.
        protocol: Id of the protocol.
        metric: BLEU of the corpus; ROUGE-L with the best precision and recall, or the
            mean F1 over references without stemming; CIDEr-D, which pycocoevalcap
            calls CIDEr; CIDEr without clipping and length penalty; METEOR 1.5, which
            needs Java; SPICE, which is always unavailable.
        tokenizer: Tokens of pycocoevalcap, or words split at spaces: the legacy habit.
        group_by: Fields of a sample whose values are scored apart.
        subset: Whether the samples are not all of the benchmark.

    Returns:
        The value times 1; ``details`` holds it times 100 (``x100``), mean numbers of
        words, the share of references that repeat another one of their image, and
        ``warnings``.

    Raises:
        UnknownNameError: If there is no such metric or tokenizer.
        MissingExtraError: If METEOR is not installed.
        SettingsError: If the metric is unavailable, a sample has no reference, or the
            lengths differ.
        EngineError: If a program of METEOR fails.
    """
    if metric not in get_args(CaptionMetric):
        raise UnknownNameError("caption metric", metric, get_args(CaptionMetric))
    if tokenizer not in TOKENIZERS:
        raise UnknownNameError("tokenizer", tokenizer, TOKENIZERS)
    if metric == "spice":
        raise SettingsError(str(unavailable(metric)))
    check_pairs(predictions, samples, "the caption metric")
    given = tuple(text_of(prediction) or "" for prediction in predictions)
    references = tuple(_references(sample) for sample in samples)
    names = tuple(sample.id for sample in samples)
    corpus = _corpus(tokenizer, given, references, names)
    common = most_common(text for texts in references for text in texts)
    constant = (common,) * len(given)
    if metric == "meteor-1.5":
        outcome, baseline = _meteors(given, constant, references, tokenizer)
    else:
        trivial = _corpus(tokenizer, constant, references, names)
        outcome, baseline = _outcome(metric, corpus), _outcome(metric, trivial)
    rows = [
        row(
            sample,
            prediction,
            protocol,
            score,
            parse_ok=bool(text),
            group_by=group_by,
        )
        for sample, prediction, text, score in zip(
            samples, predictions, given, outcome.scores.tolist(), strict=True
        )
    ]
    return scored(
        rows,
        statistic=outcome.statistic,
        details={
            "x100": outcome.value * 100,
            "subset": subset,
            "tokenizer": tokenizer,
            **_lengths(corpus),
            "repeated_references": _repeats(references),
            "warnings": _warnings(metric, len(samples), subset),
        },
        baselines={"most frequent reference": baseline.value},
    )


def _references(sample: Sample) -> Texts:
    """Return the reference captions of a sample that hold a word."""
    texts = tuple(text for text in sample.answers if text.strip())
    if not texts:
        raise SettingsError(
            f"Sample {sample.id} has no reference caption. "
            "Give it one, or take the sample out of the benchmark."
        )
    return texts


# Replies and the constant of the protocol before: nothing older is asked again.
@lru_cache(maxsize=2)
def _corpus(
    tokenizer: TokenizerName,
    captions: Texts,
    references: tuple[Texts, ...],
    names: Texts,
) -> Corpus:
    tokens = TOKENIZERS[tokenizer]
    truths = (map(tokens, texts) for texts in references)
    return Corpus.build(map(tokens, captions), truths, names)


def _outcome(metric: CaptionMetric, corpus: Corpus) -> _Outcome:
    """Return what a metric makes of captions."""
    if metric in _MEANS:
        return _Outcome(_MEANS[metric](corpus))
    order = _BLEU_ORDERS[metric]
    counts = bleu(corpus)
    return _Outcome(
        counts.sentences()[:, order - 1],
        lambda indices: counts.corpus(indices)[order - 1],
    )


def _meteors(
    given: Texts,
    constant: Texts,
    references: tuple[Texts, ...],
    tokenizer: TokenizerName,
) -> tuple[_Outcome, _Outcome]:
    """Score replies and the constant in one run, as starting METEOR takes seconds."""
    tokens = TOKENIZERS[tokenizer]
    captions = [" ".join(tokens(text)) for text in (*given, *constant)]
    truths = [[" ".join(tokens(text)) for text in texts] for texts in references]
    truths = [[text for text in texts if text] for texts in truths]
    counts = meteor(captions, [*truths, *truths])
    scores, half = counts.sentences(), len(given)
    return (
        _Outcome(scores[:half], counts.corpus),
        _Outcome(scores[half:], lambda indices: counts.corpus(indices + half)),
    )


def _lengths(corpus: Corpus) -> dict[str, float]:
    """Return the mean tokens of replies and references: long answers are punished."""
    words = corpus.lengths[corpus.is_hypothesis].mean()
    wanted = corpus.lengths[~corpus.is_hypothesis].mean()
    return {"words": float(words), "reference_words": float(wanted)}


def _repeats(references: Sequence[Texts]) -> float:
    total = sum(map(len, references))
    return 1 - sum(len(set(texts)) for texts in references) / total


def _warnings(metric: CaptionMetric, count: int, subset: bool) -> list[str]:
    warnings = list[str]()
    if metric not in ("cider", "cider-d"):
        return warnings
    if count == 1:
        warnings.append("CIDEr of one sample is 0 by definition: no n-gram is rare")
    if subset:
        warnings.append(
            f"CIDEr weighs n-grams by the references of these {count} samples: "
            "do not compare it with the whole benchmark"
        )
    return warnings
