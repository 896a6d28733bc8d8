"""Tables of scores with their provenance, and the report of runs.

A number alone says little: every score carries the protocol that made it, the number
of samples, its 95 % interval and what a trivial answer scores on the same samples.
:func:`write_report` writes Markdown, CSV and one HTML file for runs that are done.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsvlm.errors import SettingsError
from rsvlm.eval.report_page import report_page
from rsvlm.eval.results import Part, Result, Run, read_run, write_text


def _named(values: dict[str, float]) -> str:
    return ", ".join(
        f"{_cell(name)} {_number(value)}" for name, value in values.items()
    )


def _number(value: float) -> str:
    return f"{value:.3f}"


def _cell(text: str) -> str:
    """Return a text that cannot end a table cell or its line."""
    return " ".join(text.split()).replace("|", "\\|")


def write_report(
    folders: Sequence[Path],
    out: Path,
    images: Mapping[str, Path] | None = None,
    count: int = 20,
) -> list[Path]:
    """Write ``report.md``, ``table.csv`` and ``report.html``.

    Args:
        folders: Folders of runs that are scored.
        out: Folder to write to.
        images: Benchmark -> folder that the paths of its images start from; without
            it the page shows no pictures.
        count: Most samples among the best and among the worst.

    Returns:
        The files.

    Raises:
        SettingsError: If no run is given, two share a name, or one is not scored.
        ParseError: If a file of a run is damaged.
    """
    runs = read_runs(folders)
    texts = {
        "report.md": report_markdown(runs),
        "table.csv": report_csv(runs),
        "report.html": report_page(runs, images or {}, count),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read runs, each of which gets a name of its own.

    Raises:
        SettingsError: If no run is given, two are the same folder, or one is not
            scored.
    """
    if not folders:
        raise SettingsError("There is no run. Give the folder of at least one run.")
    places = [folder.resolve() for folder in folders]
    if len(set(places)) < len(places):
        raise SettingsError(
            f"The same run is given twice: {[str(f) for f in folders]}. Name each once."
        )
    runs = [read_run(folder) for folder in folders]
    names = [run.name for run in runs]
    if len(set(names)) < len(names):  # a/run and b/run: the parents tell them apart
        names = ["/".join(place.parts[-2:]) for place in places]
    return [
        Run(name, run.manifest, run.benchmarks)
        for name, run in zip(names, runs, strict=True)
    ]


def report_markdown(runs: Sequence[Run]) -> str:
    """Return the results of runs as Markdown: one table a run and benchmark."""
    blocks = ["# Evaluation\n"]
    header = (
        "protocol", "value", "95 % interval", "n", "failed", "unparsed", "baselines",
    )  # fmt: skip
    ruler = ("---", "---:", "---:", "---:", "---:", "---:", "---")
    for run in runs:
        model = f" ({_cell(run.model)})" if run.model else ""
        blocks.append(f"## {_cell(run.name)}{model}\n")
        for benchmark in run.benchmarks.values():
            rows = [header, ruler, *(_cells(result) for result in benchmark.results)]
            table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
            blocks.append(f"### {_cell(benchmark.name)}\n\n{table}\n")
            notes = run.notes(benchmark.name)
            parts = [
                f"- `{_cell(result.protocol)}`: "
                + "; ".join(_part(part) for part in benchmark.parts(result))
                for result in benchmark.results
                if result.groups
            ]
            if notes or parts:
                lines = [*(f"- Note: {_cell(note)}" for note in notes), *parts]
                blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def report_csv(runs: Sequence[Run]) -> str:
    """Return the results of runs as CSV, one line a protocol and part."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["run", "model", "benchmark", "version", "protocol", "metric", "primary",
         "legacy", "part", "value", "ci95_low", "ci95_high", "stderr_clt",
         "stderr_clustered", "n", "n_failed", "n_unparsed", "subset", "baselines"]
    )  # fmt: skip
    for run in runs:
        for benchmark in run.benchmarks.values():
            for r in benchmark.results:
                names = [run.name, run.model, r.benchmark, r.version, r.protocol,
                         r.metric, int(r.primary), int(r.legacy)]  # fmt: skip
                baselines = "; ".join(
                    f"{k}={v:g}" for k, v in r.baselines.items() if v is not None
                )
                writer.writerow(
                    [*names, "all", r.value, *(r.ci95 or ("", "")), r.stderr_clt,
                     r.stderr_clustered, r.n, r.n_failed, r.n_unparsed, int(r.subset),
                     baselines]
                )  # fmt: skip
                for part in benchmark.parts(r):
                    low, high = part.ci95 or ("", "")
                    writer.writerow(
                        [*names, part.name, part.value, low, high, "", "", part.n,
                         "", "", int(r.subset), ""]
                    )  # fmt: skip
    return buffer.getvalue()


def _part(part: Part) -> str:
    if part.value is None:
        return f"{_cell(part.name)} not available"
    text = f"{_cell(part.name)} {_number(part.value)}"
    if part.ci95 is not None:
        text += f" ({_number(part.ci95[0])} to {_number(part.ci95[1])})"
    return text if part.n is None else f"{text}, n {part.n}"


def _cells(result: Result) -> tuple[str, ...]:
    marks = ["primary"] if result.primary else ["legacy"] if result.legacy else []
    marks += ["lower is better"] if result.details.get("lower_is_better") else []
    interval = "-"
    if result.ci95 is not None:
        interval = f"{_number(result.ci95[0])} to {_number(result.ci95[1])}"
    known = {name: v for name, v in result.baselines.items() if v is not None}
    return (
        f"`{_cell(result.protocol)}`" + (f" ({', '.join(marks)})" if marks else ""),
        "not available" if result.value is None else _number(result.value),
        interval,
        str(result.n),
        f"{result.failure_rate:.1%}",
        f"{result.unparsed_rate:.1%}",
        _named(known) or "-",
    )
