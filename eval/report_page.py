"""The HTML report: scores, charts, the best and the worst samples, the manifest.

One file that needs nothing else. Charts come from :mod:`rsvlm.eval.charts`, pictures of
samples from :mod:`rsvlm.eval.pictures`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsvlm.eval import charts, page
from rsvlm.eval.metrics.calibration import reliability
from rsvlm.eval.results import BenchmarkRun, Result, Run
from rsvlm.eval.sample_cards import cards, extremes

#: Fewest confidences that a reliability diagram is drawn from.
MIN_CONFIDENCES = 20


def report_page(
    runs: Sequence[Run], images: Mapping[str, Path], count: int = 20
) -> str:
    """Return the page of one or more runs.

    Args:
        runs: The runs.
        images: Benchmark -> folder that the paths of its images start from; others
            are shown without pictures.
        count: Most samples among the best and among the worst.
    """
    blocks = [_overview(runs)]
    for index, run in enumerate(runs):
        for benchmark in run.benchmarks.values():
            anchor = f"r{index}-{benchmark.name}"
            title = benchmark.name
            if len(runs) > 1:
                title = f"{benchmark.name}: {run.name}"
            blocks.append(page.heading(title, 2, anchor))
            blocks += [page.note(text) for text in run.notes(benchmark.name)]
            blocks += _benchmark(benchmark)
            blocks.append(_samples(benchmark, images.get(benchmark.name), count))
    blocks.append(page.heading("What was run"))
    blocks += [_manifest(run) for run in runs]
    title = "Evaluation" if len(runs) > 1 else f"Evaluation: {runs[0].name}"
    models = dict.fromkeys(run.model for run in runs if run.model)
    return page.page(title, "".join(blocks), f"Model: {', '.join(models) or 'unknown'}")


def _overview(runs: Sequence[Run]) -> str:
    """Return the primary score of every benchmark and run."""
    header = ("benchmark", "run", "protocol", "value", "95 % interval", "n", "failed",
              "unparsed", "baselines")  # fmt: skip
    rows = [
        (benchmark.name, run.name, *_cells(benchmark.primary))
        for run in runs
        for benchmark in run.benchmarks.values()
    ]
    rows.sort(key=lambda row: row[0])
    links = " ".join(
        f'<a href="#r{i}-{page.escape(name)}">{page.escape(name)}</a>'
        for i, run in enumerate(runs)
        for name in run.benchmarks
    )
    jump = f"<p>{links}</p>" if len(rows) > 1 else ""
    return page.table(header, rows, frozenset({3, 4, 5, 6, 7}), key=0) + jump


def _benchmark(benchmark: BenchmarkRun) -> list[str]:
    """Return tables and charts of one benchmark."""
    header = ("protocol", "value", "95 % interval", "n", "failed", "unparsed",
              "baselines")  # fmt: skip
    numeric = frozenset({1, 2, 3, 4, 5})
    rows = [_cells(result) for result in benchmark.results]
    blocks = [page.table(header, rows, numeric, key=0)]
    shares = [
        result
        for result in benchmark.results
        if result.value is not None
        and result.value <= 1
        and not result.details.get("lower_is_better")
    ]
    if len(shares) > 1:
        bars = [
            charts.Bar(
                _name(r), r.value, r.ci95, None,
                {k: v for k, v in r.baselines.items() if v is not None},
            )
            for r in shares
        ]  # fmt: skip
        drawn = charts.bars(bars, f"Scores of {benchmark.name} under each protocol")
        blocks += [
            page.heading("The same replies under each protocol", 3),
            '<p class="dim">Whiskers: 95 % interval. Orange: baselines.</p>',
            f'<div class="wide">{drawn}</div>',
        ]
    # The primary protocol in the open, the others folded.
    ranked = sorted(benchmark.results, key=lambda r: r is not benchmark.primary)
    for result in ranked:
        inner = _groups(benchmark, result) + _plots(benchmark, result) + _more(result)
        if not inner:
            continue
        if result is benchmark.primary:
            blocks.append(inner)
        else:
            blocks.append(page.folded(f"More about {result.protocol}", inner))
    return blocks


def _groups(benchmark: BenchmarkRun, result: Result) -> str:
    parts = benchmark.parts(result)
    if not parts:
        return ""
    bars = [charts.Bar(p.name, p.value, p.ci95, p.n) for p in parts]
    drawn = charts.bars(bars, f"{result.protocol} by part")
    title = page.heading(f"By part, {result.protocol}", 3)
    return f'{title}<div class="wide">{drawn}</div>'


def _plots(benchmark: BenchmarkRun, result: Result) -> str:
    plots = dict(result.plots)
    if result is benchmark.primary and "reliability" not in plots:
        plots |= _reliability_of(benchmark, result)
    drawn = []
    for kind, draw in _DRAWN.items():
        data = plots.get(kind)
        if isinstance(data, Mapping):
            title, chart = draw(data)
            drawn.append(f"<div>{page.heading(title, 3)}{chart}</div>")
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _reliability_of(benchmark: BenchmarkRun, result: Result) -> dict[str, Any]:
    """Return the reliability of the model's own confidences, where it gave them."""
    said = benchmark.predictions
    pairs = [
        (found.confidence, row.score)
        for row in benchmark.rows.get(result.protocol, ())
        if (found := said.get(row.id)) is not None
        and found.answered
        and found.confidence is not None
        and 0 <= row.score <= 1
    ]
    if len(pairs) < MIN_CONFIDENCES:
        return {}
    bins = reliability([sure for sure, _ in pairs], [score for _, score in pairs])
    return {
        "reliability": {
            "confidence": bins.confidence.tolist(),
            "accuracy": bins.accuracy.tolist(),
            "count": bins.count.tolist(),
        }
    }


def _accuracy_over_threshold(data: Mapping[str, Any]) -> tuple[str, str]:
    points = list(zip(data["thresholds"], data["accuracy"], strict=True))
    title = "Accuracy over IoU threshold"
    return title, charts.lines({"accuracy": points}, title, "IoU threshold", "accuracy")


def _confusion(data: Mapping[str, Any]) -> tuple[str, str]:
    title = "Confusion: rows are the truth, columns the answers"
    return title, charts.confusion(data["labels"], data["counts"], title)


def _reliability(data: Mapping[str, Any]) -> tuple[str, str]:
    title = "Reliability: does confidence mean what it says?"
    points = list(zip(data["confidence"], data["accuracy"], strict=True))
    total = sum(data["count"]) or 1
    sizes = [count / total for count in data["count"]]
    chart = charts.lines(
        {"score": points}, title, "confidence", "mean score", diagonal=True, sizes=sizes
    )
    return title, chart


def _risk_coverage(data: Mapping[str, Any]) -> tuple[str, str]:
    points = list(zip(data["coverage"], data["risk"], strict=True))
    title = "Risk over coverage: errors among the surest answers"
    return title, charts.lines({"risk": points}, title, "share answered", "risk")


#: Kind of a plot of :class:`rsvlm.eval.scored.Scored` -> what draws it.
_DRAWN = {
    "acc_iou": _accuracy_over_threshold,
    "confusion": _confusion,
    "reliability": _reliability,
    "risk_coverage": _risk_coverage,
}


_SHOWN_ELSEWHERE = frozenset({"note", "lower_is_better"})


def _more(result: Result) -> str:
    """Return the further numbers of a result."""
    shown = {
        name: charts.number(value) if isinstance(value, float) else value
        for name, value in result.details.items()
        if isinstance(value, int | float | str) and name not in _SHOWN_ELSEWHERE
    }
    if result.stderr_clt is not None:
        shown["standard error, samples independent"] = charts.number(result.stderr_clt)
    if result.stderr_clustered is not None:
        clustered = charts.number(result.stderr_clustered)
        shown["standard error, clustered by image"] = clustered
    if repeats := result.details.get("repeats"):
        shown["repeats"] = ", ".join(charts.number(v) for v in repeats if v is not None)
    if not shown:
        return ""
    return page.folded(f"Further numbers, {result.protocol}", page.fields(shown))


def _samples(benchmark: BenchmarkRun, images: Path | None, count: int) -> str:
    result = benchmark.primary
    rows = benchmark.rows.get(result.protocol, ())
    if not rows:
        return ""
    best, worst = extremes(rows, benchmark.predictions, count)
    key = (
        '<p class="dim">By the primary protocol; among equal scores the surest come '
        'first. <span class="key-reference" style="background:#00e5ff"></span> '
        'reference <span class="key-answer" style="background:#ffd60a"></span> answer'
        "</p>"
    )
    blocks = [page.heading("Single samples", 3), key]
    for name, chosen, is_open in (("Worst", worst, True), ("Best", best, False)):
        if chosen:
            inner = cards(chosen, benchmark.predictions, benchmark.samples, images)
            blocks.append(page.folded(f"{name} {len(chosen)}", inner, is_open))
    return "".join(blocks)


def _manifest(run: Run) -> str:
    if not run.manifest:
        return page.note(f"{run.name} has no run.json, so it cannot be repeated.")
    content = json.dumps(dict(run.manifest), indent=1, ensure_ascii=False)
    return page.folded(f"run.json of {run.name}", f"<pre>{page.escape(content)}</pre>")


def _name(result: Result) -> str:
    """Return a protocol with what must be known to read its value."""
    marks = ["legacy"] if result.legacy else []
    marks += ["lower is better"] if result.details.get("lower_is_better") else []
    return f"{result.protocol} ({', '.join(marks)})" if marks else result.protocol


def _cells(result: Result) -> tuple[str, ...]:
    value = "not available" if result.value is None else charts.number(result.value)
    interval = "-"
    if result.ci95 is not None:
        interval = " to ".join(map(charts.number, result.ci95))
    baselines = ", ".join(
        f"{name} {charts.number(v)}"
        for name, v in result.baselines.items()
        if v is not None
    )
    return (
        _name(result),
        value,
        interval,
        str(result.n),
        f"{result.failure_rate:.1%}",
        f"{result.unparsed_rate:.1%}",
        baselines or "-",
    )
