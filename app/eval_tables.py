"""What ``rsvlm eval`` prints: the list of benchmarks, one of them, and scores."""

import json
from collections.abc import Sequence
from pathlib import Path

from rsvlm.app.eval_data import locate, state
from rsvlm.eval.benchmark import load, load_all
from rsvlm.eval.results import Result
from rsvlm.eval.selection import load_samples
from rsvlm.eval.session import Done

Folders = Sequence[Path]


def listing(data: str | None, include: Folders, as_json: bool) -> str:
    """Return the table of benchmarks."""
    entries = [(b, state(b, data, include)) for b in load_all(include)]
    if as_json:
        return json.dumps(
            [
                {
                    "name": benchmark.name,
                    "version": benchmark.version,
                    "task": benchmark.task,
                    "title": benchmark.title,
                    "data": where,
                    "protocols": [protocol.id for protocol in benchmark.protocols],
                    "license": benchmark.data.license,
                }
                for benchmark, where in entries
            ]
        )
    width = max((len(b.name) for b, _ in entries), default=4)
    return "\n".join(
        f"{b.name:{width}}  {b.task:12} {where:13} {b.title}" for b, where in entries
    )


def shown(name: str, data: str | None, include: Folders, as_json: bool) -> str:
    """Return what a benchmark is."""
    benchmark = load(name, include)
    place = locate(benchmark, data, include)
    count = None
    if place is not None:
        count = len(load_samples(benchmark, place.file))
    fields = benchmark.model_dump(mode="json") | {
        "samples": count,
        "state": state(benchmark, data, include),
    }
    if as_json:
        return json.dumps(fields)
    lines = [
        f"{benchmark.name} (version {benchmark.version}): {benchmark.title}",
        f"source:    {benchmark.source}",
        f"license:   {benchmark.data.license}",
        f"task:      {benchmark.task} ({', '.join(benchmark.modality)})",
        f"samples:   {'?' if count is None else count} ({fields['state']})",
        f"prompt:    {benchmark.prompt.user!r} ({benchmark.prompt.id})",
    ]
    if benchmark.coords:
        coords = benchmark.coords
        lines.append(f"boxes:     {coords.space}, {coords.box}, {coords.angle or '-'}")
    lines.append("protocols:")
    for protocol in benchmark.protocols:
        rules = ", ".join(f"{k}={v}" for k, v in protocol.params.items())
        marks = [m for m in ("primary", "legacy") if getattr(protocol, m)]
        mark = f" [{', '.join(marks)}]" if marks else ""
        lines.append(f"  {protocol.id}: {protocol.metric}({rules}){mark}")
    return "\n".join(lines)


def summary(done: Sequence[Done], as_json: bool) -> str:
    """Return the scores of benchmarks: one JSON value, or a Markdown table."""
    if as_json:
        return json.dumps(
            [
                {
                    "benchmark": entry.name,
                    "failed": entry.failed,
                    "protocols": [r.model_dump(mode="json") for r in entry.results],
                }
                for entry in done
            ]
        )
    head = ("benchmark", "protocol", "value", "95 % interval", "n", "failed",
            "unparsed", "baselines")  # fmt: skip
    rule = ("---", "---", "---:", "---:", "---:", "---:", "---:", "---")
    rows = [_cells(result) for entry in done for result in entry.results]
    notes = [
        f"- {entry.name}, `{result.protocol}`: {text}"
        for entry in done
        for result in entry.results
        for text in _notes(result)
    ]
    if not rows:
        kept = [f"{e.name}: {e.tally.asked if e.tally else 0} asked" for e in done]
        return "\n".join(kept)
    table = ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]
    return "\n".join([*table, *([""] if notes else []), *dict.fromkeys(notes)])


def _notes(result: Result) -> list[str]:
    told = result.details
    notes = [str(told["note"])] if told.get("note") else []
    return notes + [str(text) for text in told.get("warnings", ())]


def _cells(result: Result) -> tuple[str, ...]:
    interval = "-"
    if result.ci95 is not None:
        interval = f"{result.ci95[0]:.3f} to {result.ci95[1]:.3f}"
    baselines = [
        f"{name} {value:.3f}"
        for name, value in result.baselines.items()
        if value is not None
    ]
    marks = (" *" if result.primary else "") + (" (legacy)" if result.legacy else "")
    return (
        result.benchmark,
        f"`{result.protocol}`{marks}",
        "-" if result.value is None else f"{result.value:.3f}",
        interval,
        str(result.n) + (" (a part)" if result.subset else ""),
        str(result.n_failed),
        str(result.n_unparsed),
        ", ".join(baselines) or "-",
    )
