"""Two or more runs on the same samples: differences with intervals, and who changed.

The first run is the reference. Scores are paired by the id of the sample, so that how
hard the samples are cancels out; images, not questions, are drawn for the intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rsvlm.errors import RsvlmError, SettingsError
from rsvlm.eval.manifest import differences
from rsvlm.eval.metrics.paired import Paired, paired_difference
from rsvlm.eval.metrics.resampling import resample_ci
from rsvlm.eval.records import Prediction, ScoreRow
from rsvlm.eval.report import read_runs
from rsvlm.eval.results import BenchmarkRun, Result
from rsvlm.eval.sample_cards import asked_text, right_text

#: Resamples where every draw computes a metric anew.
_RESAMPLES = 300
_CLOSE = 1e-9


@dataclass(frozen=True)
class Change:
    """One sample on which two runs differ.

    Attributes:
        id: The sample.
        asked: Its question.
        reference: What is right.
        before: Score of the reference.
        after: Score of the other run.
        said_before: What the reference said.
        said_after: What the other run said.
    """

    id: str
    asked: str
    reference: str
    before: float
    after: float
    said_before: str
    said_after: str


@dataclass(frozen=True)
class Row:
    """One protocol: a run against the reference.

    Attributes:
        benchmark: Name of the benchmark.
        protocol: Id of the protocol.
        other: Name of the run that is compared.
        primary: Whether the protocol is the primary one.
        before: Value of the reference on the shared samples.
        after: Value of the other run on them.
        paired: Difference, above 0 where ``after`` is larger; None: not to be told.
        only_before: Samples that only the reference has.
        only_after: Samples that only the other run has.
        note: What must be known to read it.
        better: Samples whose own score rose, the largest change first; that is better
            even where a lower value of the protocol is.
        worse: Samples whose own score fell.
    """

    benchmark: str
    protocol: str
    other: str
    primary: bool
    before: float | None
    after: float | None
    paired: Paired | None
    only_before: int = 0
    only_after: int = 0
    note: str = ""
    better: tuple[Change, ...] = ()
    worse: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        reference: Name of the first run.
        models: Name of a run -> its model.
        rows: One a benchmark, protocol and further run.
        notes: In what the runs differ besides the model.
    """

    reference: str
    models: Mapping[str, str]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return the comparison as Markdown."""
        from rsvlm.eval.compare_page import comparison_markdown

        return comparison_markdown(self)

    def html(self) -> str:
        """Return the comparison as one self-contained page."""
        from rsvlm.eval.compare_page import comparison_page

        return comparison_page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON, without single samples."""
        rows = [
            {
                "benchmark": row.benchmark,
                "protocol": row.protocol,
                "run": row.other,
                "before": row.before,
                "after": row.after,
                "difference": row.paired.difference if row.paired else None,
                "ci95": row.paired.ci95 if row.paired else None,
                "p_mcnemar": row.paired.p_mcnemar if row.paired else None,
                "n": row.paired.n if row.paired else 0,
                "note": row.note or None,
            }
            for row in self.rows
        ]
        return {"reference": self.reference, "rows": rows, "notes": list(self.notes)}


def compare(folders: Sequence[Path], count: int = 20) -> Comparison:
    """Compare runs with the first of them.

    Args:
        folders: Folders of two or more runs that are scored.
        count: Most changed samples to keep of each kind.

    Raises:
        SettingsError: If there are fewer than two runs, one is not scored, or they
            share no protocol of a benchmark, or no sample.
        ParseError: If a file of a run is damaged.
    """
    if len(folders) < 2:
        raise SettingsError(
            f"{len(folders)} run cannot be compared. Give the folders of two or more."
        )
    runs = read_runs(folders)
    reference = runs[0]
    rows, notes = [], []
    for other in runs[1:]:
        found = differences(reference.manifest, other.manifest)
        notes += [f"{reference.name} and {other.name}: {note}" for note in found]
        shared = [name for name in reference.benchmarks if name in other.benchmarks]
        for name in shared:
            rows += _rows(
                reference.benchmarks[name], other.benchmarks[name], other.name, count
            )
    if not rows:
        known = {run.name: sorted(run.benchmarks) for run in runs}
        raise SettingsError(
            f"The runs share no protocol of a benchmark: {known}. Run the same "
            "benchmark with each model."
        )
    return Comparison(
        reference.name,
        {run.name: run.model for run in runs},
        tuple(rows),
        tuple(dict.fromkeys(notes)),
    )


def _rows(
    before: BenchmarkRun, after: BenchmarkRun, other: str, count: int
) -> list[Row]:
    theirs = {result.protocol: result for result in after.results}
    return [
        _row(before, after, mine, theirs[mine.protocol], other, count)
        for mine in before.results
        if mine.protocol in theirs
    ]


def _row(
    before: BenchmarkRun,
    after: BenchmarkRun,
    mine: Result,
    theirs: Result,
    other: str,
    count: int,
) -> Row:
    """Compare one protocol of two runs."""
    old = {row.id: row for row in before.rows.get(mine.protocol, ())}
    new = {row.id: row for row in after.rows.get(mine.protocol, ())}
    ids = [id for id in old if id in new]
    fixed: dict[str, Any] = {
        "benchmark": mine.benchmark,
        "protocol": mine.protocol,
        "other": other,
        "primary": mine.primary,
        "only_before": len(old) - len(ids),
        "only_after": len(new) - len(ids),
    }
    if mine.value is None or theirs.value is None or not old or not new:
        note = "not scored in both runs"
        return Row(
            before=mine.value, after=theirs.value, paired=None, note=note, **fixed
        )
    if not ids:
        raise SettingsError(
            f"The runs share no sample of {mine.benchmark}: they were asked others. "
            "Compare runs of the same samples."
        )
    lower = bool(mine.details.get("lower_is_better"))
    first, second = [old[id].score for id in ids], [new[id].score for id in ids]
    clusters = [old[id].cluster for id in ids]
    paired = paired_difference(second, first, clusters)
    better, worse = _changes(before, after, ids, old, new, count)
    values: tuple[float | None, float | None] = (_mean(first), _mean(second))
    note = "lower is better" if lower else ""
    is_mean = all(
        abs(_mean([row.score for row in rows.values()]) - result.value) < _CLOSE
        for rows, result in ((old, mine), (new, theirs))
        if result.value is not None
    )
    if not is_mean:
        again = None
        if not mine.details.get("repeats") and not theirs.details.get("repeats"):
            again = _again(before, after, mine.protocol, ids, clusters, paired)
        if again is None:
            values = (mine.value, theirs.value)
            note = (
                "the value is no mean of scores; difference and interval are those of "
                "the mean score of a sample" + (", where higher is better" * lower)
            )
        else:
            *both, paired = again
            values = (both[0], both[1])
    return Row(
        before=values[0], after=values[1], paired=paired, note=note, better=better,
        worse=worse, **fixed,
    )  # fmt: skip


def _again(
    before: BenchmarkRun,
    after: BenchmarkRun,
    protocol: str,
    ids: Sequence[str],
    clusters: Sequence[str | None],
    paired: Paired,
) -> tuple[float, float, Paired] | None:
    """Compare a value that is no mean, such as corpus BLEU, by scoring again.

    Both runs are scored on the shared samples and on the same resamples of them.

    Returns:
        Value before, value after, and the difference; None where the folders do not
        hold what is needed.
    """
    from rsvlm.eval.protocols import apply
    from rsvlm.eval.run_folder import BenchmarkFolder

    scored = []
    for run in (before, after):
        try:
            definition = BenchmarkFolder(run.folder).benchmark()
            found = next(p for p in definition.protocols if p.id == protocol)
            samples = [run.samples[id] for id in ids]
            said = [run.predictions.get(id) or _missing(id) for id in ids]
            scored.append(apply(found, samples, said, group_by=definition.group_by))
        except (RsvlmError, StopIteration, KeyError):
            return None
    first, second = scored
    if first.resample is None or second.resample is None:
        return None
    old, new = first.resample, second.resample

    def change(indices: Sequence[int]) -> float:
        return new(indices) - old(indices)

    with np.errstate(all="ignore"):  # of odd resamples
        ci95 = resample_ci(change, len(ids), clusters, _RESAMPLES)
    difference = second.value - first.value
    told = Paired(difference, ci95, None, len(ids), paired.better, paired.worse)
    return first.value, second.value, told


def _changes(
    before: BenchmarkRun,
    after: BenchmarkRun,
    ids: Sequence[str],
    old: Mapping[str, ScoreRow],
    new: Mapping[str, ScoreRow],
    count: int,
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Return the samples whose score rose and fell most."""

    def change(id: str) -> Change:
        sample = before.samples.get(id)
        return Change(
            id,
            asked_text(sample) if sample else "",
            right_text(sample) if sample else "",
            old[id].score,
            new[id].score,
            _said(before.predictions.get(id)),
            _said(after.predictions.get(id)),
        )

    # Among equal changes a hash decides, so that not all are of one class.
    mixed = sorted(ids, key=lambda id: sha256(id.encode()).digest())
    rise = {id: new[id].score - old[id].score for id in ids}
    better = sorted((id for id in mixed if rise[id] > 0), key=lambda id: -rise[id])
    worse = sorted((id for id in mixed if rise[id] < 0), key=lambda id: rise[id])
    return tuple(map(change, better[:count])), tuple(map(change, worse[:count]))


def _said(prediction: Prediction | None) -> str:
    if prediction is None or not prediction.answered:
        return f"({prediction.status if prediction else 'no reply'})"
    text = prediction.raw if prediction.parsed is None else prediction.parsed
    shown = text if len(text) <= 200 else f"{text[:199]}…"
    return shown or "(empty)"


def _missing(id: str) -> Prediction:
    return Prediction(id=id, status="error", error="not asked")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
