"""The metrics of answered questions: short answers and multiple choice."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics import mcq
from rsvlm.eval.metrics.assemble import (
    codes,
    in_scope,
    mean_of_means,
    most_common,
    scored,
    text_of,
    types_of,
)
from rsvlm.eval.metrics.bins import BINS
from rsvlm.eval.metrics.matching import MATCHES, match_score
from rsvlm.eval.metrics.quantities import is_near
from rsvlm.eval.metrics.vqa import canonicalise, parse_yes_no
from rsvlm.eval.records import Prediction, ScoreRow
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

Average = Literal["OA", "AA"]
#: Scores a reply to a sample.
Judge = Callable[[Sample, str | None], float]
Reader = Callable[[str | None], str | None]


def vqa_accuracy(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    match: str = "exact-canonical",
    bins: str | None = None,
    types: Sequence[str] | None = None,
    average: Average = "OA",
    by: str = "type",
    group_by: Sequence[str] = (),
) -> Scored:
    """Score short answers.

    Args:
        samples: Questions with their accepted answers.
        predictions: Replies, in the same order.
        protocol: Id of the protocol.
        match: Rule of :data:`rsvlm.eval.metrics.matching.MATCHES`.
        bins: Set of :data:`rsvlm.eval.metrics.bins.BINS`: numbers of its types are
            right when they fall into the true bin.
        types: Only questions of these types; None: all.
        average: ``OA``: share of all questions. ``AA``: mean over types.
        by: Field whose values ``AA`` and the majority are taken over.
        group_by: Fields whose values are scored apart.

    Returns:
        Details hold ``OA``, ``AA``, the value of each type, ``invalid_rate``, and for
        ``rel-error<10%`` how many answers are numbers and the accuracy on those.

    Raises:
        SettingsError: If there is no such question, the lengths differ, or WordNet is
            needed and not there.
        UnknownNameError: If there is no such rule or set of bins.
    """
    if bins is not None and bins not in BINS:
        raise UnknownNameError("set of bins", bins, BINS)
    if match not in MATCHES:
        raise UnknownNameError("match", match, MATCHES)
    kept, replies = in_scope(samples, predictions, types)
    readers = BINS[bins] if bins is not None else {}
    seen: dict[tuple[str | None, tuple[str, ...], str | None], float] = {}

    def judge(sample: Sample, text: str | None) -> float:
        key = (text, sample.answers, sample.type)
        if key not in seen:
            reader = readers.get(sample.type or "")
            if reader is None:
                seen[key] = match_score(text, sample.answers, match)
            else:
                said = reader(text)
                truth = {reader(answer) for answer in sample.answers}
                seen[key] = float(said is not None and said in truth)
        return seen[key]

    rows = []
    for sample, prediction in zip(kept, replies, strict=True):
        text = text_of(prediction)
        score = judge(sample, text)
        rows.append(
            row(
                sample, prediction, protocol, score,
                parse_ok=text is not None, group_by=group_by,
            )
        )  # fmt: skip
    forms = [_forms(sample, readers.get(sample.type or "")) for sample in kept]
    baselines = _answer_baselines(kept, forms, types_of(kept, by), judge, average)
    numeric = _numeric(kept, rows) if match == "rel-error<10%" else {}
    return _averaged(kept, rows, average, by, None, baselines, numeric)


def mcq_accuracy(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    extractor: str = "robust",
    types: Sequence[str] | None = None,
    average: Average = "OA",
    by: str = "type",
    n_types: int | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score multiple choice.

    A sample asks for several letters together if its ``meta`` says ``multi``, or if an
    accepted answer has several letters ("ACD"); then the set must be equal. Otherwise
    its answers are letters of which any one is right.

    Args:
        samples: Questions with options and accepted letters.
        predictions: Replies, in the same order.
        protocol: Id of the protocol.
        extractor: Entry of :data:`rsvlm.eval.metrics.mcq.EXTRACTORS`.
        types: Only questions of these types; None: all.
        average: ``OA``: share of all questions (micro). ``AA``: mean over types.
        by: Field whose values ``AA`` and the majority are taken over.
        n_types: Number of types that ``AA`` divides by, present or not; None: those
            that are present.
        group_by: Fields whose values are scored apart.

    Returns:
        Rows hold the letters as ``chosen``; details ``OA``, ``AA``, each type.

    Raises:
        SettingsError: If there is no such question, or the lengths differ.
        UnknownNameError: If there is no such extractor.
    """
    kept, replies = in_scope(samples, predictions, types)
    rows = []
    for sample, prediction in zip(kept, replies, strict=True):
        multi, accepted = _accepted(sample)
        chosen = mcq.extract(
            text_of(prediction), sample.options, multi=multi, extractor=extractor
        )
        rows.append(
            row(
                sample, prediction, protocol, float(mcq.is_right(chosen, accepted)),
                parse_ok=bool(chosen), group_by=group_by,
                chosen="".join(sorted(chosen)),
            )
        )  # fmt: skip
    baselines = _letter_baselines(kept, types_of(kept, by), average, n_types)
    return _averaged(kept, rows, average, by, n_types, baselines)


def _accepted(sample: Sample) -> tuple[bool, tuple[str, ...]]:
    """Return whether letters are chosen together, and the accepted answers."""
    said = sample.meta.get("multi")
    if said is True or str(said).lower() in ("true", "1"):
        return True, ("".join(sample.answers),)
    several = any(len(mcq.letters_of(answer)) > 1 for answer in sample.answers)
    return several, sample.answers


def _averaged(
    samples: Sequence[Sample],
    rows: Sequence[ScoreRow],
    average: Average,
    by: str,
    n_types: int | None,
    baselines: dict[str, float],
    further: Mapping[str, float] | None = None,
) -> Scored:
    """Return the outcome under OA or AA, with the other one in the details."""
    if average not in ("OA", "AA"):
        raise SettingsError(
            f"The average {average!r} is unknown. Use 'OA' (all questions alike) or "
            "'AA' (all types alike)."
        )
    scores = np.array([r.score for r in rows])
    number, names = codes(types_of(samples, by))
    over_types = mean_of_means(scores, number, n_types)
    details = {
        "OA": float(scores.mean()),
        "AA": over_types(np.arange(len(rows))),
        f"by_{by}": {
            name: float(scores[number == position].mean())
            for position, name in enumerate(names)
        },
        f"n_by_{by}": dict(Counter(names[position] for position in number)),
        **(further or {}),
    }
    return scored(
        rows,
        statistic=over_types if average == "AA" else None,
        details=details,
        baselines=baselines,
    )


def _numeric(samples: Sequence[Sample], rows: Sequence[ScoreRow]) -> dict[str, float]:
    """Return how many answers are numbers, and the accuracy on those."""
    scores = [
        one.score
        for sample, one in zip(samples, rows, strict=True)
        if any(is_near(answer, answer) is not None for answer in sample.answers)
    ]
    accuracy = {"numeric_accuracy": sum(scores) / len(scores)} if scores else {}
    return {"n_numeric": len(scores), **accuracy}


def _forms(sample: Sample, reader: Reader | None) -> dict[str, str]:
    """Return what tells the accepted answers apart -> the answer as it is written."""
    read = reader or canonicalise
    forms: dict[str, str] = {}
    for answer in sample.answers:
        forms.setdefault(read(answer) or answer, answer)
    return forms


def _answer_baselines(
    samples: Sequence[Sample],
    forms: Sequence[dict[str, str]],
    groups: Sequence[str],
    judge: Judge,
    average: Average,
) -> dict[str, float]:
    """Score the most frequent answer of each type, always yes, and a random answer.

    The frequencies are those of the scored answers themselves, so "majority" is what a
    constant could reach at best. "random" draws from the answers of the type, equal
    texts counted once.
    """
    number, names = codes(groups)
    common, vocabulary = dict[int, str](), dict[int, int]()
    for position in range(len(names)):
        mine = [forms[i] for i in np.flatnonzero(number == position).tolist()]
        written = {form: answer for one in mine for form, answer in one.items()}
        firsts = [next(iter(one)) for one in mine if one]
        common[position] = written[most_common(firsts)] if firsts else ""
        vocabulary[position] = len(written) or 1
    pairs = list(zip(samples, number.tolist(), strict=True))
    columns = {
        "majority": [judge(sample, common[group]) for sample, group in pairs],
        "random": [
            len(one) / vocabulary[group]
            for one, (_, group) in zip(forms, pairs, strict=True)
        ],
    }
    if any(parse_yes_no(form) is not None for one in forms for form in one):
        columns["always-yes"] = [judge(sample, "yes") for sample in samples]
    return _columns(columns, groups, average, None)


def _letter_baselines(
    samples: Sequence[Sample],
    groups: Sequence[str],
    average: Average,
    n_types: int | None,
) -> dict[str, float]:
    """Score the most frequent letters of each type, and letters drawn at random."""
    number, names = codes(groups)
    truth = [_accepted(sample) for sample in samples]
    sets = [["".join(sorted(mcq.letters_of(a))) for a in right] for _, right in truth]
    common = {
        position: most_common(
            one for i in np.flatnonzero(number == position) for one in sets[i]
        )
        for position in range(len(names))
        if any(sets[i] for i in np.flatnonzero(number == position))
    }
    columns = {
        "majority": [
            float(common.get(group) in right)
            for right, group in zip(sets, number.tolist(), strict=True)
        ],
        "random": [
            len(set(right)) / _choices(len(sample.options), multi)
            for sample, right, (multi, _) in zip(samples, sets, truth, strict=True)
        ],
    }
    return _columns(columns, groups, average, n_types)


def _choices(options: int, multi: bool) -> int:
    """Return how many answers there are to draw from."""
    options = options or 4
    return 2**options - 1 if multi else options


def _columns(
    columns: dict[str, list[float]],
    groups: Sequence[str],
    average: Average,
    n_types: int | None,
) -> dict[str, float]:
    number, _ = codes(groups)
    every = np.arange(len(groups))
    return {
        name: (
            mean_of_means(np.array(values), number, n_types)(every)
            if average == "AA"
            else float(np.mean(values))
        )
        for name, values in columns.items()
    }
