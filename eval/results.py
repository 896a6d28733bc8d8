"""What an evaluation leaves in its folder: metrics, scores and predictions.

``metrics.json`` of a benchmark is ``{"benchmark", "protocols": [Result, ...]}``. It
holds no times, so that scoring the same predictions again gives the same bytes. Reports
and comparisons read a run through :func:`read_run` and nothing else.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.metrics.intervals import wilson
from rsvlm.eval.metrics.resampling import mean_ci
from rsvlm.eval.records import Prediction, ScoreRow, read_records
from rsvlm.samples import Sample, read_samples

METRICS_FILE = "metrics.json"
SCORES_FILE = "scores.jsonl"
PREDICTIONS_FILE = "predictions.jsonl"
SAMPLES_FILE = "samples.jsonl"

#: Distance up to which two values are the same number.
_CLOSE = 1e-9


class Result(BaseModel):
    """The outcome of one protocol on one benchmark, with what is needed to read it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    benchmark: str
    version: int = 1
    protocol: str
    metric: str = ""
    primary: bool = False
    legacy: bool = False
    n: int = Field(ge=0, description="samples, failures included")
    n_scored: int | None = Field(None, description="samples with a reply")
    n_failed: int = Field(
        0, ge=0, description="no reply: empty, error, timeout, refused"
    )
    n_unparsed: int = Field(0, ge=0, description="a reply from which nothing was read")
    value: float | None = Field(description="None where the metric is undefined")
    ci95: tuple[float, float] | None = Field(
        None, description="bootstrap by cluster; None where it cannot be told"
    )
    stderr_clt: float | None = None
    stderr_clustered: float | None = Field(
        None, description="None where no image is known"
    )
    baselines: dict[str, float | None] = Field(default_factory=dict)
    groups: dict[str, float | None] = Field(default_factory=dict)
    subset: bool = Field(False, description="not all samples of the benchmark")
    details: dict[str, Any] = Field(
        default_factory=dict,
        description="further numbers; note: why there is no value; warnings; repeats",
    )
    plots: dict[str, Any] = Field(default_factory=dict)

    @property
    def failure_rate(self) -> float:
        """Share of samples without a reply, in [0, 1]."""
        return self.n_failed / self.n if self.n else 0.0

    @property
    def unparsed_rate(self) -> float:
        """Share of samples whose reply could not be read, in [0, 1]."""
        return self.n_unparsed / self.n if self.n else 0.0


@dataclass(frozen=True)
class Part:
    """Value on a part of a benchmark, such as one type of question.

    Attributes:
        name: "field=value".
        value: Value of the protocol on that part; None where it is undefined.
        ci95: 95 % interval; None where the value is no mean of scores, or one image
            holds all samples.
        n: Number of samples; None where the scores do not tell.
    """

    name: str
    value: float | None
    ci95: tuple[float, float] | None = None
    n: int | None = None


@dataclass(frozen=True)
class BenchmarkRun:
    """One benchmark of a run.

    Attributes:
        name: Name of the benchmark.
        results: One entry a protocol, in the order of the benchmark.
        folder: Where scores and predictions lie.
    """

    name: str
    results: tuple[Result, ...]
    folder: Path

    @property
    def primary(self) -> Result:
        """The result of the primary protocol, else the first that is no legacy."""
        return min(self.results, key=lambda result: (not result.primary, result.legacy))

    @cached_property
    def rows(self) -> Mapping[str, Sequence[ScoreRow]]:
        """Protocol -> its rows, in the order of the samples; empty without a file."""
        path = self.folder / SCORES_FILE
        found: dict[str, list[ScoreRow]] = {}
        for row in read_records(path, ScoreRow) if path.is_file() else ():
            found.setdefault(row.protocol, []).append(row)
        return found

    @cached_property
    def predictions(self) -> Mapping[str, Prediction]:
        """Id -> what the model said; a later attempt replaces an earlier one."""
        path = self.folder / PREDICTIONS_FILE
        records = read_records(path, Prediction) if path.is_file() else ()
        return {record.id: record for record in records}

    @cached_property
    def samples(self) -> Mapping[str, Sample]:
        """Id -> what was asked; empty without a file."""
        path = self.folder / SAMPLES_FILE
        records = read_samples(path) if path.is_file() else ()
        return {record.id: record for record in records}

    def parts(self, result: Result) -> list[Part]:
        """Return the value of each group of a result, with its interval.

        The interval is that of the mean of the group's scores, so it is left out where
        the protocol's value is something else.
        """
        members: dict[str, list[ScoreRow]] = {}
        for row in self.rows.get(result.protocol, ()):
            for name, of in row.group.items():
                members.setdefault(f"{name}={of}", []).append(row)
        parts = []
        for name, value in result.groups.items():
            own = members.get(name, [])
            is_mean = (
                bool(own) and value is not None and abs(_mean(own) - value) < _CLOSE
            )
            interval = _interval(own) if is_mean else None
            parts.append(Part(name, value, interval, len(own) or None))
        return parts


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: Name of its folder.
        manifest: What ``run.json`` holds; empty where there is none.
        benchmarks: Name -> its results.
    """

    name: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    benchmarks: Mapping[str, BenchmarkRun] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name of what was measured, as far as the manifest says."""
        model = self.manifest.get("model", "")
        return str(model.get("name", "") if isinstance(model, Mapping) else model)

    def notes(self, benchmark: str) -> list[str]:
        """Return what must be known to read the scores of a benchmark."""
        results = self.benchmarks[benchmark].results
        notes = [
            str(entry["leakage"])
            for entry in self.manifest.get("benchmarks", ())
            if entry.get("name") == benchmark and entry.get("leakage")
        ]
        if any(result.subset for result in results):
            notes.append("Only some samples of the benchmark were asked.")
        for result in results:
            told = result.details
            said = [told["note"]] if "note" in told else []
            said += told.get("warnings", ())
            notes += [f"{result.protocol}: {text}" for text in said]
        return list(dict.fromkeys(notes))


def read_run(folder: Path) -> Run:
    """Read the folder of a run.

    Args:
        folder: Folder with ``run.json`` and one folder a benchmark, or the folder of a
            single benchmark.

    Raises:
        SettingsError: If there is nothing scored.
        ParseError: If a file does not hold what it should.
    """
    files = sorted(folder.glob(f"*/{METRICS_FILE}"))
    if (folder / METRICS_FILE).is_file():
        files.insert(0, folder / METRICS_FILE)
    benchmarks: dict[str, BenchmarkRun] = {}
    for path in files:
        for result in (results := tuple(read_results(path))):
            benchmarks[result.benchmark] = BenchmarkRun(
                result.benchmark, results, path.parent
            )
    if not benchmarks:
        raise SettingsError(
            f"{str(folder)!r} holds no scores. Give the folder of a run, and score it "
            "first with rsvlm eval score."
        )
    return Run(folder.resolve().name, _manifest(folder / "run.json"), benchmarks)


def read_results(path: Path) -> list[Result]:
    """Read ``metrics.json``: an object with protocols, a list, or one protocol.

    Raises:
        ParseError: If it is missing or holds no result; names the field.
    """
    content = _json(path)
    entries: Any = content
    if isinstance(content, dict):
        entries = content.get("protocols", [content])
    name = content.get("benchmark") if isinstance(content, dict) else None
    try:
        results = [
            Result.model_validate({"benchmark": name, **entry} if name else entry)
            for entry in entries
        ]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ParseError(
            f"{path}: {where}: {first['msg']}. Score the run again: rsvlm eval score."
        ) from None
    except TypeError:
        raise ParseError(
            f"{path} holds no results. Score the run again: rsvlm eval score."
        ) from None
    return results


def write_results(path: Path, results: Sequence[Result]) -> None:
    """Write ``metrics.json``, whole or not at all.

    Raises:
        SettingsError: If there is no result, or they are of several benchmarks.
    """
    names = sorted({result.benchmark for result in results})
    if len(names) != 1:
        raise SettingsError(
            f"{path.name} holds the results of one benchmark, not of {names}. Write "
            "one file a benchmark."
        )
    entries = [finite(result.model_dump(exclude={"benchmark"})) for result in results]
    content = {"benchmark": names[0], "protocols": entries}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def finite(value: Any) -> Any:
    """Return a value in types that JSON has; NaN and infinity become None.

    >>> finite({"a": float("nan"), 2: (1, 0.5)})
    {'a': None, '2': [1, 0.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy
        return finite(value.tolist())
    return str(value)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def _manifest(path: Path) -> dict[str, Any]:
    content = _json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ParseError(
            f"{path} cannot be read. Score the run first: rsvlm eval score RUN."
        ) from None
    except ValueError as error:
        raise ParseError(
            f"{path} is no JSON: {error}. Run the evaluation again with --fresh."
        ) from None


def _mean(rows: Sequence[ScoreRow]) -> float:
    return sum(row.score for row in rows) / len(rows)


def _interval(rows: Sequence[ScoreRow]) -> tuple[float, float] | None:
    scores, clusters = [row.score for row in rows], [row.cluster for row in rows]
    count = len(set(clusters) - {None}) + clusters.count(None)
    found = mean_ci(scores, clusters)
    if found is not None and found[0] == found[1] and set(scores) <= {0.0, 1.0}:
        # All right or all wrong: the bootstrap would claim to be certain.
        return wilson(count if scores[0] else 0, count)
    return found
