"""One figure with what is needed to read it, and how rows become figures."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from rsvlm.app.figures.measure import Asked
from rsvlm.app.figures.rows import Row
from rsvlm.eval.results import BenchmarkRun, Part, Result


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Record):
    """One row of the table.

    Attributes:
        title: What it is called.
        part: The part that measured it.
        source: Benchmark and protocol.
        value: The figure; None where it is missing.
        ci95: Its 95 % interval, where it can be told.
        n: Samples, runs or cases.
        n_failed: Samples without a reply; they count as wrong.
        baselines: What trivial answers score.
        unit: Of times and memory.
        goal: Goal of the project, in words.
        is_met: Whether the goal is reached; None without goal or figure.
        is_subset: Whether samples of the benchmark were left out.
        groups: Group -> value, where the table tells them.
        note: What must be known to read it, such as training pictures among the samples.
        missing: Why there is no figure.
    """

    title: str
    part: str
    source: str
    value: float | None = None
    ci95: tuple[float, float] | None = None
    n: int | None = None
    n_failed: int = 0
    baselines: dict[str, float] = Field(default_factory=dict)
    unit: str = ""
    goal: str = ""
    is_met: bool | None = None
    is_subset: bool = False
    groups: dict[str, float | None] = Field(default_factory=dict)
    note: str = ""
    missing: str = ""


def missing(row: Row, why: str) -> Figure:
    """Return the figure of a row that could not be measured, with the reason."""
    return Figure(
        title=row.title, part=row.part, source=_source(row), unit=row.unit,
        goal=row.goal, missing=why or "not measured",
    )  # fmt: skip


def measured(
    row: Row,
    value: float,
    ci95: tuple[float, float] | None = None,
    n: int | None = None,
    baselines: Mapping[str, float | None] | None = None,
) -> Figure:
    """Return the figure of a row."""
    known = {name: v for name, v in (baselines or {}).items() if v is not None}
    return Figure(
        title=row.title,
        part=row.part,
        source=_source(row),
        value=value,
        ci95=ci95,
        n=n,
        baselines=known,
        unit=row.unit,
        goal=row.goal,
        is_met=row.is_met(value, next(iter(known.values()), None)),
    )


def of_benchmarks(rows: Sequence[Row], asked: Asked) -> list[Figure]:
    """Return the figures of a part that benchmarks measure."""
    return [_of_benchmark(row, asked) for row in rows]


def _of_benchmark(row: Row, asked: Asked) -> Figure:
    found = asked.run.benchmarks.get(row.benchmark) if asked.run else None
    if found is None:
        return missing(row, asked.missing.get(row.benchmark, ""))
    results = {result.protocol: result for result in found.results}
    result = results.get(row.protocol)
    if result is None:
        return missing(row, f"there is no protocol {row.protocol}")
    if result.value is None:
        return missing(row, str(result.details.get("note", "the value is not defined")))
    figure = _of_group(row, found, result) if row.group else _of_all(row, result)
    manifest = asked.run.manifest if asked.run else {}
    leaks = [
        entry["leakage"]
        for entry in manifest.get("benchmarks", ())
        if entry["name"] == row.benchmark and entry.get("leakage")
    ]
    return figure.model_copy(
        update={
            "n_failed": result.n_failed,
            "is_subset": result.subset,
            "note": " ".join(leaks),
        }
    )


def _of_all(row: Row, result: Result) -> Figure:
    assert result.value is not None
    figure = measured(row, result.value, result.ci95, result.n, result.baselines)
    parts = result.groups or result.details.get("per_class", {})
    return figure.model_copy(update={"groups": parts if row.groups else {}})


def _of_group(row: Row, found: BenchmarkRun, result: Result) -> Figure:
    parts: dict[str, Part] = {part.name: part for part in found.parts(result)}
    part = parts.get(row.group)
    if part is None or part.value is None:
        known = ", ".join(parts) or "none"
        return missing(row, f"there is no group {row.group}; there are: {known}")
    # Baselines are those of all groups: chance is the same in each of them.
    return measured(row, part.value, part.ci95, part.n, result.baselines)


def _source(row: Row) -> str:
    group = f", {row.group}" if row.group else ""
    return f"{row.benchmark}: {row.protocol}{group}"
