"""Markdown of figures, leaks and failures, as a card and a README hold them."""

from collections.abc import Mapping, Sequence

from rsvlm.app.figures.failures import Failure
from rsvlm.app.figures.figure import Figure
from rsvlm.app.figures.leaks import Leak, Leaks

#: Pictures that a line names.
NAMED = 6
#: How the failures are looked at.
DRAWN = (
    "The pictures are for research and stand in no card. With the data, this draws the "
    "best and the worst answers, boxes and masks included:"
)


def figures_text(
    figures: Sequence[Figure], commands: Mapping[str, str], about: str
) -> str:
    """Return the table of figures with the command of each part.

    Args:
        figures: The rows.
        commands: Part -> the command that measures the same.
        about: What was measured and by what, one sentence.
    """
    parts = list(dict.fromkeys(figure.part for figure in figures))
    marks = {part: chr(ord("a") + number) for number, part in enumerate(parts)}
    header = "| measured | protocol | value | 95 % | n | baseline | goal | by |"
    lines = [about, "", header, "|---|---|---|---|---|---|---|---|"]
    lines += [_row(figure, marks[figure.part]) for figure in figures]
    lines += ["", "Measured by:", "", "```sh"]
    lines += [f"{commands[part]}  # {marks[part]}" for part in parts]
    lines += ["```"]
    notes = [line for figure in figures for line in _notes(figure)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _row(figure: Figure, mark: str) -> str:
    value = (
        f"not measured: {figure.missing}" if figure.value is None else _value(figure)
    )
    low_high = (
        "" if figure.ci95 is None else "-".join(_number(v, figure) for v in figure.ci95)
    )
    if figure.unit and low_high:
        low_high = f"all: {low_high}"
    baseline = ", ".join(
        f"{name} {_number(value, figure)}" for name, value in figure.baselines.items()
    )
    count = "" if figure.n is None else f"{figure.n}{' (a part)' * figure.is_subset}"
    goal = figure.goal
    if goal and figure.is_met is not None:
        goal = f"{goal}: {'met' if figure.is_met else 'not met'}"
    cells = (
        figure.title, f"`{figure.source}`", value, low_high, count, baseline, goal, mark,
    )  # fmt: skip
    return "| " + " | ".join(cell(text) for text in cells) + " |"


def _value(figure: Figure) -> str:
    assert figure.value is not None
    text = f"**{_number(figure.value, figure, 3)}**"
    return f"{text} {figure.unit}" if figure.unit else text


def _number(value: float, figure: Figure, digits: int = 2) -> str:
    return f"{value:.{2 if figure.unit else digits}f}"


def _notes(figure: Figure) -> list[str]:
    notes = []
    if figure.groups:
        told = ", ".join(
            f"{name.partition('=')[2] or name} {value:.3f}"
            for name, value in figure.groups.items()
            if value is not None
        )
        notes.append(f"- {figure.title}: {told}")
    if figure.note:
        notes.append(f"- {figure.title}: {figure.note}")
    if figure.n_failed:
        notes.append(
            f"- {figure.title}: {figure.n_failed} of {figure.n} got no reply and count as wrong"
        )
    return notes


def leaks_text(leaks: Leaks) -> str:
    """Return what is known of training pictures among the measured ones."""
    if leaks.listed is None:
        return (
            "The checkpoint has no `train-images.txt`, so it is not known whether it was "
            "trained on what it is measured on."
        )
    how = (
        f"`train-images.txt` lists {leaks.listed:,} pictures, those of validation and "
        f"calibration included; {leaks.found:,} of them are in the data folders, "
        f"{leaks.placed:,} at a known place, and could be compared by look (thumbnails, "
        "turned and mirrored, correlation 0.95) and by place (common ground)."
    )
    lines = [
        how,
        "",
        "| benchmark | pictures | same file | same look | same place |",
        "|---|---|---|---|---|",
    ]
    for leak in leaks.leaks:
        if leak.note:
            cells = [leak.benchmark, f"not compared: {leak.note}", "", "", ""]
        else:
            place = f"{len(leak.same_place)} of {leak.with_place} with a place"
            cells = [
                leak.benchmark, str(leak.images), str(len(leak.same_file)),
                str(len(leak.same_look)), place if leak.with_place else "no place known",
            ]  # fmt: skip
        lines.append("| " + " | ".join(cell(text) for text in cells) + " |")
    notes = [line for leak in leaks.leaks for line in _found(leak)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _found(leak: Leak) -> list[str]:
    lines = []
    if leak.same_file:
        lines.append(f"- {leak.benchmark}, same file: {_some(leak.same_file)}")
    for words, pairs in (("look", leak.same_look), ("place", leak.same_place)):
        if pairs:
            shown = [f"{test} (training: {train}, {s:.2f})" for test, train, s in pairs]
            lines.append(f"- {leak.benchmark}, same {words}: {_some(shown)}")
    return lines


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    shown = ", ".join(cell(name) for name in names[:NAMED])
    return f"{shown}, and {more} more" if more > 0 else shown


def failures_text(failures: Sequence[Failure], runs: Sequence[str]) -> str:
    """Return the gallery of failures.

    Args:
        failures: The wrong answers.
        runs: Folders of the runs, for the command that draws them.
    """
    if not failures:
        return "No wrong answer is known."
    lines = [
        "Wrong answers, the surest first, one a picture. Boxes are x0, y0, x1, y1 in pixels.",
        "",
        "| benchmark | sample | picture | asked | answered | right | confidence |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in failures:
        sure = "" if one.confidence is None else f"{one.confidence:.2f}"
        cells = (
            one.benchmark, f"`{one.sample}`", one.image, one.question, one.answer,
            one.truth, sure,
        )  # fmt: skip
        lines.append("| " + " | ".join(cell(text) for text in cells) + " |")
    lines += [
        "",
        DRAWN,
        "",
        "```sh",
        f"rsvlm eval report {' '.join(runs)} --out runs/report",
        "```",
    ]
    return "\n".join(lines)


def cell(text: str) -> str:
    """Return a text that cannot end a cell or its line."""
    return " ".join(text.split()).replace("|", "\\|")
