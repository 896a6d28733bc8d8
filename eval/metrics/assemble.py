"""From rows to a :class:`Scored`: what the adapters of text metrics share.

A statistic maps the numbers of some rows to a value. The headline, the value of each
group and every bootstrap resample are the same statistic on other rows, so they cannot
drift apart.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.vqa import normalise
from rsvlm.eval.records import Prediction, ScoreRow
from rsvlm.eval.scored import Scored, value_of
from rsvlm.samples import Sample

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
#: Value of the rows of these numbers, repeats allowed, shape (n,).
Statistic = Callable[[Indices], float]


def text_of(prediction: Prediction) -> str | None:
    """Return the text that a prediction is judged by; None where nothing was said.

    An abstention says nothing: its text is a reason, and the rules that look for an
    answer anywhere in it would find one.
    """
    if not prediction.answered or prediction.abstained:
        return None
    text = prediction.raw if prediction.parsed is None else prediction.parsed
    return text if normalise(text) else None


def in_scope(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    types: Sequence[str] | None,
) -> tuple[list[Sample], list[Prediction]]:
    """Return the samples of these types with their predictions; None: all.

    Raises:
        SettingsError: If none is left, or the lengths differ.
    """
    check_pairs(predictions, samples, "the metric")
    if types is None:
        return list(samples), list(predictions)
    wanted = set(types)
    kept = [
        pair
        for pair in zip(samples, predictions, strict=True)
        if pair[0].type in wanted
    ]
    if not kept:
        known = sorted({str(sample.type) for sample in samples})
        raise SettingsError(
            f"No sample is of type {', '.join(sorted(wanted))}; there are: "
            f"{', '.join(known)}. Correct 'types' of the protocol."
        )
    return [sample for sample, _ in kept], [prediction for _, prediction in kept]


def scored(
    rows: Sequence[ScoreRow],
    *,
    statistic: Statistic | None = None,
    details: Mapping[str, Any] | None = None,
    plots: Mapping[str, Any] | None = None,
    baselines: Mapping[str, float] | None = None,
) -> Scored:
    """Return the outcome of a protocol.

    Args:
        rows: One row a sample that the protocol covers.
        statistic: What the value is; None: the mean of the rows' scores.
        details: Further numbers.
        plots: Data for a report.
        baselines: Values of trivial answers.
    """
    scores = np.fromiter((row.score for row in rows), dtype=np.float64, count=len(rows))
    measure = statistic or (lambda indices: float(scores[indices].mean()))
    value = measure(np.arange(len(rows)))
    resample = None
    if statistic is not None:
        resample = _on_any(statistic)
    return Scored(
        value=value,
        rows=tuple(rows),
        groups=_groups(rows, measure),
        details={"invalid_rate": _invalid(rows), **(details or {})},
        resample=resample,
        plots=plots or {},
        baselines=baselines or {},
    )


def codes(values: Iterable[str]) -> tuple[Indices, list[str]]:
    """Return the number of each value and the values, sorted.

    >>> codes(["b", "a", "b"])
    (array([1, 0, 1]), ['a', 'b'])
    """
    listed = list(values)
    names = sorted(set(listed))
    number = {name: position for position, name in enumerate(names)}
    return np.array([number[name] for name in listed], dtype=np.int64), names


def mean_of_means(scores: Floats, group: Indices, divide_by: int | None) -> Statistic:
    """Return the statistic that averages the mean of each group (AA, macro).

    Args:
        scores: One score a row, shape (n,).
        group: Number of each row's group, from 0 on, shape (n,).
        divide_by: Number of groups to divide by; None: those with rows.
    """

    def statistic(indices: Indices) -> float:
        drawn = group[indices]
        count = np.bincount(drawn)
        total = np.bincount(drawn, weights=scores[indices])
        held = count > 0
        return float((total[held] / count[held]).sum() / (divide_by or held.sum()))

    return statistic


def most_common(values: Iterable[str]) -> str:
    """Return the most frequent value; of several the first by name."""
    counts = Counter(values)
    if not counts:
        raise undefined("the majority", "0 answers")
    return min(counts, key=lambda name: (-counts[name], name))


def types_of(samples: Sequence[Sample], field: str) -> list[str]:
    """Return the value of a field of each sample as text."""
    return [str(value_of(sample, field)) for sample in samples]


def _groups(rows: Sequence[ScoreRow], measure: Statistic) -> dict[str, float]:
    """Return "field=value" -> value on those rows, where it is defined."""
    members: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        for key in row.group.items():
            members.setdefault(key, []).append(position)
    groups = {}
    for (field, value), positions in sorted(members.items()):
        try:
            groups[f"{field}={value}"] = measure(np.array(positions))
        except SettingsError:
            continue  # such as one class only
    return groups


def _on_any(statistic: Statistic) -> Callable[[Sequence[int]], float]:
    return lambda indices: statistic(np.asarray(indices, dtype=np.int64))


def _invalid(rows: Sequence[ScoreRow]) -> float:
    return sum(not row.parse_ok for row in rows) / len(rows) if rows else 0.0
