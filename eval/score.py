"""Scores the replies of a run: ``scores.jsonl``, ``metrics.json``, ``failures.jsonl``.

Samples set the order, so that the files do not depend on the order in which replies
came; nothing in them depends on the time either. A metric that cannot be computed here
is reported with the reason and stops no other.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from rsvlm.errors import RsvlmError, SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Benchmark, Protocol
from rsvlm.eval.metrics.paired import clt_stderr, clustered_stderr
from rsvlm.eval.metrics.resampling import mean_ci, resample_ci
from rsvlm.eval.protocols import apply, checked
from rsvlm.eval.records import Prediction, ScoreRow, to_line
from rsvlm.eval.results import (
    METRICS_FILE,
    SCORES_FILE,
    Result,
    write_results,
    write_text,
)
from rsvlm.eval.run_folder import BenchmarkFolder
from rsvlm.eval.scored import Scored
from rsvlm.eval.store import read_predictions
from rsvlm.samples import Sample

FAILURES_FILE = "failures.jsonl"
#: Distance up to which a value is the mean of its rows.
_CLOSE = 1e-9

#: A further column: scores samples and predictions by means of its own.
Column = Callable[[Sequence[Sample], Sequence[Prediction], Sequence[str]], Scored]
_Measure = Callable[[Sequence[Prediction]], Scored]


@dataclass(frozen=True)
class Outcome:
    """A scored protocol: the result that is kept, and its rows."""

    result: Result
    rows: tuple[ScoreRow, ...] = ()


def score_folder(
    folder: BenchmarkFolder,
    *,
    benchmark: Benchmark | None = None,
    subset: bool = False,
    protocols: Sequence[str] = (),
    columns: Mapping[str, Column] | None = None,
    resamples: int = 1000,
) -> list[Result]:
    """Score one benchmark of a run and write its files.

    With ``protocols`` nothing is written: the files hold all of them.

    Args:
        folder: Where samples and predictions lie.
        benchmark: Its definition; None for the one that was asked.
        subset: Whether samples of the benchmark were left out.
        protocols: Only those of these ids; none: all.
        columns: Further protocols by id, such as a judge's.
        resamples: Resamples of the intervals; 0 leaves intervals out.

    Returns:
        One result a protocol.

    Raises:
        UnknownNameError: If a protocol or a metric does not exist.
        SettingsError: If a protocol has a parameter that its metric does not know.
    """
    definition = benchmark or folder.benchmark()
    samples = folder.samples()
    repeats = [
        complete(samples, read_predictions(folder.predictions_file(number)))
        for number in range(folder.repeats())
    ]
    outcomes = score(
        definition, samples, repeats, subset=subset, protocols=protocols,
        columns=columns, resamples=resamples,
    )  # fmt: skip
    results = [outcome.result for outcome in outcomes]
    if protocols:  # a look at some of them leaves the files, which hold all, alone
        return results
    rows = [row for outcome in outcomes for row in outcome.rows]
    write_text(folder.path / SCORES_FILE, "".join(f"{to_line(row)}\n" for row in rows))
    write_results(folder.path / METRICS_FILE, results)
    lines = _failures(outcomes, samples, repeats)
    write_text(folder.path / FAILURES_FILE, "".join(f"{line}\n" for line in lines))
    return results


def complete(
    samples: Sequence[Sample], predictions: Mapping[str, Prediction]
) -> list[Prediction]:
    """Return one prediction a sample; one that is missing is an error."""
    return [
        predictions.get(sample.id)
        or Prediction(id=sample.id, status="error", error="not asked")
        for sample in samples
    ]


def score(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    repeats: Sequence[Sequence[Prediction]],
    *,
    subset: bool = False,
    protocols: Sequence[str] = (),
    columns: Mapping[str, Column] | None = None,
    resamples: int = 1000,
) -> list[Outcome]:
    """Score predictions under every protocol of a benchmark.

    Args:
        benchmark: Its definition.
        samples: What was asked.
        repeats: The predictions of each repeat, in the order of the samples.
        subset: Whether samples of the benchmark were left out.
        protocols: Only those of these ids; none: all.
        columns: Further protocols by id.
        resamples: Resamples of the intervals; 0 leaves intervals out.

    Raises:
        UnknownNameError: If a protocol or a metric does not exist.
        SettingsError: If a protocol has a parameter that its metric does not know.
    """
    further = dict(columns or {})
    known = {protocol.id: protocol for protocol in benchmark.protocols}
    for name in protocols:
        if name not in known and name not in further:
            raise UnknownNameError("protocol", name, [*known, *further])
    measures: list[tuple[Protocol, _Measure]] = []
    for protocol in known.values():
        checked(protocol)  # a wrong definition stops everything, unlike a wrong reply
        measures.append((protocol, _measure(benchmark, protocol, samples, subset)))
    for name, column in further.items():
        measure = partial(_column, column, samples, benchmark.group_by)
        measures.append((Protocol(id=name, metric="judge"), measure))
    return [
        _outcome(benchmark, protocol, samples, repeats, subset, resamples, measure)
        for protocol, measure in measures
        if not protocols or protocol.id in protocols
    ]


def _measure(
    benchmark: Benchmark, protocol: Protocol, samples: Sequence[Sample], subset: bool
) -> _Measure:
    def measure(predictions: Sequence[Prediction]) -> Scored:
        return apply(
            protocol, samples, predictions, group_by=benchmark.group_by, subset=subset
        )

    return measure


def _column(
    column: Column,
    samples: Sequence[Sample],
    group_by: Sequence[str],
    predictions: Sequence[Prediction],
) -> Scored:
    return column(samples, predictions, group_by)


def _outcome(
    benchmark: Benchmark,
    protocol: Protocol,
    samples: Sequence[Sample],
    repeats: Sequence[Sequence[Prediction]],
    subset: bool,
    resamples: int,
    measure: _Measure,
) -> Outcome:
    answered = {prediction.id: prediction.answered for prediction in repeats[0]}
    fixed: dict[str, Any] = {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "protocol": protocol.id,
        "metric": protocol.metric,
        "primary": protocol.primary,
        "legacy": protocol.legacy,
        "subset": subset,
    }
    try:
        if not samples:
            raise SettingsError("There is no sample. Choose some.")
        parts = [measure(repeat) for repeat in repeats]
        scored = parts[0] if len(parts) == 1 else combined(parts)
    except RsvlmError as error:
        # Such as METEOR without Java, or a space of coordinates that is wrong.
        note = " ".join(str(error).split())
        counts = _counts(list(answered.values()), 0)
        return Outcome(Result(value=None, details={"note": note}, **counts, **fixed))
    clusters = None
    if benchmark.cluster_by == "image":
        clusters = [row.cluster for row in scored.rows]
    details = dict(finite(scored.details))
    if len(parts) > 1:
        details["repeats"] = [_number(part.value) for part in parts]
    if _number(scored.value) is None:
        details["note"] = "The metric has no value on these samples."
    # A protocol may look at some types of questions only: its rows are what it scored.
    replied = [answered.get(row.id, True) for row in scored.rows]
    unparsed = sum(
        came and not row.parse_ok
        for came, row in zip(replied, scored.rows, strict=True)
    )
    return Outcome(
        Result(
            value=_number(scored.value),
            baselines=_numbers(scored.baselines),
            groups=_numbers(scored.groups),
            details=details,
            plots=finite(scored.plots),
            **_counts(replied, unparsed),
            **_errors(scored, clusters, resamples),
            **fixed,
        ),
        scored.rows,
    )


def _counts(replied: Sequence[bool], unparsed: int) -> dict[str, int]:
    """Return how many samples a protocol is about, and how many of them have a reply."""
    came = sum(replied)
    return {
        "n": len(replied),
        "n_scored": came,
        "n_failed": len(replied) - came,
        "n_unparsed": unparsed,
    }


def _errors(
    scored: Scored, clusters: Sequence[str | None] | None, resamples: int
) -> dict[str, Any]:
    """Return interval and standard errors of a value.

    Standard errors stand where the value is the mean of the rows only: they say
    nothing about a ratio of sums.
    """
    values = [row.score for row in scored.rows]
    if not values or not math.isfinite(scored.value):
        return {}
    is_mean = abs(sum(values) / len(values) - scored.value) < _CLOSE
    fields: dict[str, Any] = {}
    if is_mean:
        fields["stderr_clt"] = clt_stderr(values)
        if clusters is not None and any(name is not None for name in clusters):
            fields["stderr_clustered"] = clustered_stderr(values, clusters)
    if resamples and is_mean and scored.resample is None:
        fields["ci95"] = mean_ci(values, clusters, resamples)
    elif resamples and scored.resample is not None:
        # Overflows and empty groups of odd resamples are no news to the user.
        with np.errstate(all="ignore"):
            fields["ci95"] = resample_ci(
                scored.resample, len(values), clusters, resamples
            )
    found = fields.get("ci95")
    if found is not None and not all(map(math.isfinite, found)):
        fields["ci95"] = None
    return fields


def combined(parts: Sequence[Scored]) -> Scored:
    """Return the mean of several repeats as one outcome.

    A row holds the mean score of its sample, so that samples stay independent.
    """
    first = parts[0]
    rows = tuple(
        row.model_copy(
            update={
                "score": sum(part.rows[i].score for part in parts) / len(parts),
                "parse_ok": all(part.rows[i].parse_ok for part in parts),
                "details": {"repeats": [part.rows[i].score for part in parts]},
            }
        )
        for i, row in enumerate(first.rows)
    )
    functions = [part.resample for part in parts if part.resample is not None]

    def mean(indices: Sequence[int]) -> float:
        return sum(function(indices) for function in functions) / len(functions)

    return replace(
        first,
        value=sum(part.value for part in parts) / len(parts),
        rows=rows,
        groups={
            name: sum(part.groups.get(name, 0.0) for part in parts) / len(parts)
            for name in first.groups
        },
        resample=mean if len(functions) == len(parts) else None,
    )


def _failures(
    outcomes: Sequence[Outcome],
    samples: Sequence[Sample],
    repeats: Sequence[Sequence[Prediction]],
) -> list[str]:
    """Return a line for every reply that is missing or that could not be read."""
    unread: set[str] = set()
    for outcome in outcomes:
        if outcome.result.primary:
            unread = {row.id for row in outcome.rows if not row.parse_ok}
    lines = []
    for repeat, predictions in enumerate(repeats):
        for sample, prediction in zip(samples, predictions, strict=True):
            if prediction.answered and (repeat or sample.id not in unread):
                continue
            fields = {
                "id": sample.id,
                "status": prediction.status if not prediction.answered else "unparsed",
                "error": prediction.error,
                "raw": prediction.raw,
                "attempt": prediction.attempt,
            }
            if repeat:
                fields["repeat"] = repeat
            lines.append(json.dumps(fields, ensure_ascii=False))
    return lines


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {str(name): _number(value) for name, value in values.items()}


def finite(value: Any) -> Any:
    """Return a value in types that JSON has; NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy
        return finite(value.tolist())
    return str(value)
