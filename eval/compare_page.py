"""A comparison of runs as Markdown and as one HTML page."""

import math
from collections.abc import Sequence

from rsvlm.eval import charts, page
from rsvlm.eval.compare import Change, Comparison, Row
from rsvlm.eval.metrics.paired import Paired
from rsvlm.eval.metrics.power import detectable_difference

_HEADER = (
    "benchmark", "protocol", "before", "after", "difference", "95 % interval",
    "p (McNemar)", "detectable", "n", "better", "worse",
)  # fmt: skip
_LEAD = (
    "Differences are after minus before, on the samples that both runs have; intervals "
    "draw images, not questions. Detectable is the smallest difference that as many "
    "samples show four times out of five."
)


def comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    blocks = [f"# {_title(comparison)}\n\n{_LEAD}\n"]
    ruler = ("---", "---", *["---:"] * (len(_HEADER) - 2))
    for other in _others(comparison):
        rows = [row for row in comparison.rows if row.other == other]
        cells = [_HEADER, ruler, *(_markdown_cells(row) for row in rows)]
        table = "\n".join("| " + " | ".join(line) + " |" for line in cells)
        blocks.append(f"## {_escaped(_against(comparison, other))}\n\n{table}\n")
        if notes := _notes(rows):
            blocks.append("\n".join(f"- {_escaped(note)}" for note in notes) + "\n")
    if warnings := _warnings(comparison):
        lines = "\n".join(f"- {_escaped(text)}" for text in warnings)
        blocks.append(f"## Before you read the numbers\n\n{lines}\n")
    return "\n".join(blocks)


def comparison_page(comparison: Comparison) -> str:
    """Return the comparison as one self-contained page."""
    blocks = [page.note(text) for text in _warnings(comparison)]
    numeric = frozenset(range(2, len(_HEADER)))
    for other in _others(comparison):
        rows = [row for row in comparison.rows if row.other == other]
        bars = [
            charts.Bar(
                f"{row.benchmark}: {row.protocol}",
                row.paired.difference,
                row.paired.ci95,
                row.paired.n,
            )
            for row in rows
            if row.paired is not None
        ]
        title = _against(comparison, other)
        blocks.append(page.heading(title))
        blocks.append(page.table(_HEADER, [_cells(row) for row in rows], numeric, 0))
        blocks += [page.note(text) for text in _notes(rows)]
        if bars:
            drawn = charts.differences(bars, title)
            blocks.append(f'<div class="wide">{drawn}</div>')
        for row in rows:
            if row.primary and (row.better or row.worse):
                blocks.append(page.heading(f"Samples of {row.benchmark}", 3))
                blocks += _changed("Better", row.better)
                blocks += _changed("Worse", row.worse)
    return page.page(_title(comparison), "".join(blocks), _LEAD)


def _changed(name: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    header = (
        "sample", "asked", "reference", "before", "after", "said before", "said after",
    )  # fmt: skip
    rows = [
        (
            change.id,
            change.asked,
            change.reference,
            charts.number(change.before),
            charts.number(change.after),
            change.said_before,
            change.said_after,
        )
        for change in changes
    ]
    inner = page.table(header, rows, frozenset({3, 4}))
    return [page.folded(f"{name}: {len(changes)}", inner, is_open=name == "Worse")]


def _title(comparison: Comparison) -> str:
    others = _others(comparison)
    return f"{comparison.reference} against {', '.join(others)}"


def _against(comparison: Comparison, other: str) -> str:
    names = [
        f"{name} ({model})" if (model := comparison.models.get(name)) else name
        for name in (comparison.reference, other)
    ]
    return f"before: {names[0]}, after: {names[1]}"


def _others(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(row.other for row in comparison.rows))


def _warnings(comparison: Comparison) -> list[str]:
    warnings = list(comparison.notes)
    tested = sum(row.paired is not None for row in comparison.rows)
    if tested > 1:
        warnings.append(
            f"{tested} differences are shown and none is corrected for that: of 20 "
            "without an effect, one is expected to look like one."
        )
    return warnings


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = []
    for row in rows:
        if row.note:
            notes.append(f"{row.benchmark}, {row.protocol}: {row.note}.")
    seen = set()
    for row in rows:
        if (row.only_before or row.only_after) and row.benchmark not in seen:
            seen.add(row.benchmark)
            notes.append(
                f"{row.benchmark}: {row.only_before} samples are only in the first run "
                f"and {row.only_after} only in the other; they are left out."
            )
    return notes


def _cells(row: Row) -> tuple[str, ...]:
    before, after = (
        "not available" if value is None else charts.number(value)
        for value in (row.before, row.after)
    )
    paired = row.paired
    if paired is None:
        return row.benchmark, row.protocol, before, after, *["-"] * (len(_HEADER) - 4)
    interval = "-"
    if paired.ci95 is not None:
        interval = " to ".join(map(charts.signed, paired.ci95))
    return (
        row.benchmark,
        row.protocol,
        before,
        after,
        charts.signed(paired.difference),
        interval,
        "-" if paired.p_mcnemar is None else _p(paired.p_mcnemar),
        _detectable(paired),
        str(paired.n),
        str(paired.better),
        str(paired.worse),
    )


def _detectable(paired: Paired) -> str:
    if paired.stderr is None:
        return "-"
    deviation = paired.stderr * math.sqrt(paired.n)
    return charts.number(detectable_difference(paired.n, deviation))


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _markdown_cells(row: Row) -> tuple[str, ...]:
    benchmark, protocol, *rest = _cells(row)
    return _escaped(benchmark), f"`{_escaped(protocol)}`", *rest


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
