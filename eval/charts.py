"""Charts as SVG text, for reports that need no library and no network.

Each function returns one ``<svg>`` element. Colours are CSS variables that the page of
:mod:`rsvlm.eval.page` sets for light and dark; every text is escaped.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Most classes that a confusion matrix is drawn with numbers for.
MAX_NUMBERED = 20
#: Most classes that it is drawn for at all.
MAX_CLASSES = 60
#: Most points of a line that are marked.
MAX_DOTS = 25

_ROW, _GAP, _WIDTH = 20, 6, 720
#: Width of a letter at 12 px, a little more than most fonts need.
_LETTER = 6.8
_COLOURS = ("--c1", "--c2", "--c3", "--c4", "--c5", "--c6")


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        label: What it is.
        value: Its length; None: not available.
        ci95: Interval, drawn as a whisker.
        n: Number of samples.
        marks: Values to compare with, such as a baseline, by name.
    """

    label: str
    value: float | None
    ci95: tuple[float, float] | None = None
    n: int | None = None
    marks: Mapping[str, float] | None = None


def bars(rows: Sequence[Bar], title: str, top: float | None = None) -> str:
    """Draw horizontal bars with intervals, values, and marks of baselines.

    Args:
        rows: The bars, from top to bottom.
        title: What is shown, for readers who cannot see it.
        top: Value at the right end; None: 1, or the longest bar where that is more.
    """
    values = [v for row in rows for v in _numbers_of(row)]
    end = top or max([1.0, *values])
    start = min([0.0, *values])
    left = _label_width([row.label for row in rows])
    scale = _Scale(start, end, left, _WIDTH - 170)
    body = [_axis(scale, len(rows))]
    for index, row in enumerate(rows):
        y = index * (_ROW + _GAP) + _GAP
        middle = y + _ROW / 2
        body.append(_text(left - 8, middle, _cut(row.label), "end", hint=row.label))
        if row.value is None:
            body.append(_text(left + 4, middle, "not available", dim=True))
            continue
        zero, x = scale(0.0), scale(row.value)
        body.append(
            f'<rect x="{_n(min(zero, x))}" y="{_n(y + 2)}" width="{_n(abs(x - zero))}" '
            f'height="{_ROW - 4}" fill="var(--c1)"/>'
        )
        for name, value in (row.marks or {}).items():
            at = scale(value)
            body.append(
                f'<line x1="{_n(at)}" x2="{_n(at)}" y1="{_n(y)}" y2="{_n(y + _ROW)}" '
                f'stroke="var(--c2)" stroke-width="3"><title>{_e(name)} '
                f"{number(value)}</title></line>"
            )
        if row.ci95:
            body.append(_whisker(scale, row.ci95, middle))
        counted = f"  n {row.n}" if row.n is not None else ""
        words = number(row.value) + counted
        if row.ci95:
            low, high = map(number, row.ci95)
            words = f"{number(row.value)} [{low}, {high}]{counted}"
        body.append(_text(_WIDTH - 162, middle, words))
    return _svg(body, _WIDTH, len(rows) * (_ROW + _GAP) + 30, title)


def differences(rows: Sequence[Bar], title: str) -> str:
    """Draw differences with their intervals around a line at zero."""
    values = [v for row in rows for v in _numbers_of(row)]
    reach = max([1e-9, *map(abs, values)]) * 1.1
    left = _label_width([row.label for row in rows])
    scale = _Scale(-reach, reach, left, _WIDTH - 190)
    body = [_axis(scale, len(rows))]
    for index, row in enumerate(rows):
        middle = index * (_ROW + _GAP) + _GAP + _ROW / 2
        body.append(_text(left - 8, middle, _cut(row.label), "end", hint=row.label))
        if row.value is None:
            body.append(_text(left + 4, middle, "not available", dim=True))
            continue
        if row.ci95:
            body.append(_whisker(scale, row.ci95, middle))
        body.append(
            f'<circle cx="{_n(scale(row.value))}" cy="{_n(middle)}" r="5" '
            'fill="var(--c1)"/>'
        )
        words = signed(row.value)
        if row.ci95:
            words += f" [{signed(row.ci95[0])}, {signed(row.ci95[1])}]"
        body.append(_text(_WIDTH - 182, middle, words))
    return _svg(body, _WIDTH, len(rows) * (_ROW + _GAP) + 30, title)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    x_label: str,
    y_label: str,
    *,
    diagonal: bool = False,
    sizes: Sequence[float] = (),
) -> str:
    """Draw lines through points (x, y), with both axes from 0 to 1.

    Args:
        series: Name -> its points, by rising x.
        title: What is shown, for readers who cannot see it.
        x_label: What x is.
        y_label: What y is.
        diagonal: Draw y = x, where confidence equals accuracy.
        sizes: Share of the samples behind each point, in [0, 1]; drawn as its area.
    """
    width, height = 460, 320
    x_axis, y_axis = _Scale(0, 1, 60, width - 20), _Scale(0, 1, height - 60, 15)
    body = []
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        level = _n(y_axis(tick))
        ends = f'x1="60" x2="{width - 20}" y1="{level}" y2="{level}"'
        body += [
            f'<line {ends} stroke="var(--grid)"/>',
            _text(52, y_axis(tick), f"{tick:g}", "end", dim=True),
            _text(x_axis(tick), height - 46, f"{tick:g}", "middle", dim=True),
        ]
    body += [
        _text((width + 40) / 2, height - 26, x_label, "middle"),
        _turned(14, height / 2 - 22, -90, _text(0, 0, y_label, "middle")),
    ]
    if diagonal:
        body.append(
            f'<line x1="60" y1="{height - 60}" x2="{width - 20}" y2="15" '
            'stroke="var(--dim)" stroke-dasharray="4 4"/>'
        )
    for index, (name, points) in enumerate(series.items()):
        colour = f"var({_COLOURS[index % len(_COLOURS)]})"
        places = [(x_axis(_share(x)), y_axis(_share(y))) for x, y in points]
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in places)
        body.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        if len(points) > MAX_DOTS:
            places = []
        for position, ((x, y), (px, py)) in enumerate(
            zip(points, places, strict=False)
        ):
            share = sizes[position] if position < len(sizes) else 0.0
            radius = max(3.0, 16 * math.sqrt(max(share, 0.0)))
            body.append(
                f'<circle cx="{_n(px)}" cy="{_n(py)}" r="{_n(radius)}" fill="{colour}" '
                f'fill-opacity=".75"><title>{_e(name)}: {_e(x_label)} {number(x)}, '
                f"{_e(y_label)} {number(y)}</title></circle>"
            )
        if len(series) > 1:
            left = 64 + index * (width - 84) / len(series)
            body.append(_text(left, height - 8, name, colour=colour))
    return _svg(body, width, height, title)


def confusion(
    labels: Sequence[str], counts: Sequence[Sequence[float]], title: str
) -> str:
    """Draw a confusion matrix: rows are the truth, columns what was said.

    A cell is as dark as its share of the row. Beyond ``MAX_CLASSES`` classes only the
    most frequent ones are drawn.

    Args:
        labels: Names of the classes; a last column without a row of its own, such as
            "none of them", may follow.
        counts: Samples of each truth and reply, shape (rows, columns).
        title: What is shown, for readers who cannot see it.
    """
    order = list(range(len(counts)))
    if len(order) > MAX_CLASSES:
        order = sorted(order, key=lambda row: -sum(counts[row]))[:MAX_CLASSES]
        order.sort()
    extra = list(range(len(counts), len(counts[0]) if counts else 0))
    columns = order + extra
    names = [*labels, *["(none)"] * len(columns)]
    cell = max(10, min(34, 640 // max(len(columns), 1)))
    left = top = _label_width(labels)
    body = []
    for j, column in enumerate(columns):
        x = left + (j + 0.5) * cell
        name = _text(0, 0, _cut(names[column]), hint=names[column])
        body.append(_turned(x, top - 6, -60, name))
    for i, row in enumerate(order):
        y = top + i * cell
        total = sum(counts[row])
        body.append(
            _text(left - 6, y + cell / 2, _cut(names[row]), "end", hint=names[row])
        )
        for j, column in enumerate(columns):
            count = counts[row][column]
            share = count / total if total else 0.0
            x = left + j * cell
            words = f"truth {names[row]}, said {names[column]}: {count:g} ({share:.0%})"
            body.append(
                f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" '
                f'fill="var({"--c1" if row == column else "--c3"})" '
                f'fill-opacity="{0.04 + 0.96 * share:.2f}"><title>{_e(words)}</title>'
                "</rect>"
            )
            if count and len(columns) <= MAX_NUMBERED:
                middle = x + (cell - 1) / 2
                ink = "var(--page)" if share > 0.6 else "var(--ink)"
                body.append(
                    _text(middle, y + cell / 2, f"{count:g}", "middle", colour=ink)
                )
    width = left + len(columns) * cell + 90
    return _svg(body, width, top + len(order) * cell + 6, title)


def number(value: float) -> str:
    """Return a number with three decimals, fewer where it is large.

    >>> number(0.61249), number(123.456)
    ('0.612', '123.5')
    """
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def signed(value: float) -> str:
    """Return a number with its sign.

    >>> signed(0.05), signed(-0.0001)
    ('+0.050', '-0.000')
    """
    return f"{value:+.3f}" if abs(value) < 100 else f"{value:+.1f}"


@dataclass(frozen=True)
class _Scale:
    """Maps values to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def _numbers_of(row: Bar) -> list[float]:
    own = [] if row.value is None else [row.value]
    return [*own, *(row.ci95 or ()), *(row.marks or {}).values()]


def _axis(scale: _Scale, rows: int) -> str:
    """Return grid lines with their values, below so many rows."""
    bottom = rows * (_ROW + _GAP) + _GAP
    step = _step(scale.high - scale.low)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    parts = []
    for tick in range(first, last + 1):
        x, value = _n(scale(tick * step)), tick * step
        ink = "--dim" if tick == 0 else "--grid"
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="0" y2="{bottom}" stroke="var({ink})"/>'
        )
        shown = f"{round(value, 10):g}"
        parts.append(_text(float(x), bottom + 12, shown, "middle", dim=True))
    return "".join(parts)


def _step(span: float) -> float:
    """Return a round distance of ticks: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(step * power for step in (1, 2, 5, 10) if step * power * 6 >= span)


def _whisker(scale: _Scale, ci95: tuple[float, float], y: float) -> str:
    low, high = (_n(scale(value)) for value in ci95)
    line = f'<line x1="{low}" x2="{high}" y1="{_n(y)}" y2="{_n(y)}"/>'
    ends = "".join(
        f'<line x1="{x}" x2="{x}" y1="{_n(y - 4)}" y2="{_n(y + 4)}"/>'
        for x in (low, high)
    )
    return f'<g stroke="var(--ink)" stroke-width="1.5">{line}{ends}</g>'


def _label_width(labels: Sequence[str]) -> int:
    longest = max((len(_cut(label)) for label in labels), default=0)
    return int(longest * _LETTER) + 20


def _cut(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:31]}…"


def _text(
    x: float,
    y: float,
    text: str,
    anchor: str = "start",
    *,
    dim: bool = False,
    hint: str = "",
    colour: str = "",
) -> str:
    ink = colour or f"var({'--dim' if dim else '--ink'})"
    more = f"<title>{_e(hint)}</title>" if hint and hint != text else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{ink}" '
        f'dominant-baseline="central">{_e(text)}{more}</text>'
    )


def _turned(x: float, y: float, degrees: int, inner: str) -> str:
    """Return what is drawn at the origin at (x, y), turned clockwise on screen."""
    return f'<g transform="translate({_n(x)} {_n(y)}) rotate({degrees})">{inner}</g>'


def _svg(body: Sequence[str], width: float, height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" role="img" '
        f'font-size="12"><title>{_e(title)}</title>{"".join(body)}</svg>'
    )


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _e(text: object) -> str:
    return html.escape(str(text))
