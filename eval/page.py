"""The HTML page around a report: one file, no script, nothing fetched.

The page forbids itself any connection, so that it shows the same on any machine, and
no text of a model can become part of it: every text is escaped.
"""

import html
from collections.abc import Mapping, Sequence

#: Nothing is loaded but pictures inside the page and its own styles.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { --page: #fff; --ink: #1c2024; --dim: #667085; --grid: #e4e7ec; --card: #f7f8fa;
  --c1: #2f6fb3; --c2: #d97706; --c3: #b4413c; --c4: #3f8f5a; --c5: #7a5bb0;
  --c6: #777; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --ink: #e6e8eb;
  --dim: #98a2b3; --grid: #30363d; --card: #1d2126; --c1: #5b9bd8; --c2: #f0a03c;
  --c3: #e0726c; --c4: #68b884; --c5: #a98be0; --c6: #aaa } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 26px; margin: 0 0 4px } h2 { font-size: 20px; margin: 44px 0 6px;
  border-top: 1px solid var(--grid); padding-top: 16px } h3 { font-size: 15px;
  margin: 26px 0 6px }
p { margin: 4px 0 10px } .dim, .file { color: var(--dim) }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 14px }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--grid);
  vertical-align: top } th { font-weight: 600; color: var(--dim); white-space: nowrap }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.key { font-weight: 600 } code { font-size: 13px; overflow-wrap: anywhere }
svg { max-width: 100%; height: auto; display: block }
.charts { display: flex; flex-wrap: wrap; gap: 8px 32px; align-items: start }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr));
  gap: 14px } .card { background: var(--card); border: 1px solid var(--grid);
  border-radius: 6px; padding: 10px; overflow-wrap: anywhere; font-size: 13px }
.card p { margin: 3px 0 } .card .score { font-weight: 600 }
.card .picture { width: 100%; border-radius: 3px } .file { font-size: 11px }
.missing { color: var(--dim); font-style: italic }
.note { border-left: 3px solid var(--c2); padding: 2px 10px; margin: 8px 0 }
.key-reference, .key-answer { display: inline-block; width: 10px; height: 10px;
  border: 1px solid #000; vertical-align: baseline }
details { margin: 10px 0 } summary { cursor: pointer; font-weight: 600 }
pre { font-size: 12px; background: var(--card); padding: 12px; overflow-x: auto }
@media print { body { max-width: none } .card { break-inside: avoid } }
"""


def page(title: str, body: str, lead: str = "") -> str:
    """Return a whole page.

    Args:
        title: Heading, plain text.
        body: HTML below it.
        lead: A sentence under the heading, plain text.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="dim">{escape(lead)}</p>'
        f"{body}</body></html>\n"
    )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    numeric: frozenset[int] = frozenset(),
    key: int | None = None,
) -> str:
    """Return a table of plain texts.

    Args:
        header: Names of the columns.
        rows: Cells.
        numeric: Columns that hold numbers, counted from 0.
        key: Column that stands out.
    """
    kinds = [
        ' class="num"' if i in numeric else ' class="key"' if i == key else ""
        for i in range(len(header))
    ]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>"
        for name, kind in zip(header, kinds, strict=True)
    )
    lines = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(cell)}</td>"
            for cell, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def note(text: str) -> str:
    """Return a sentence that should be read before the numbers."""
    return f'<p class="note">{escape(text)}</p>'


def heading(text: str, level: int = 2, anchor: str = "") -> str:
    """Return a heading; ``anchor`` is what a link names."""
    mark = f' id="{escape(anchor)}"' if anchor else ""
    return f"<h{level}{mark}>{escape(text)}</h{level}>"


def folded(summary: str, inner: str, is_open: bool = False) -> str:
    """Return a part that opens on a click."""
    state = " open" if is_open else ""
    return f"<details{state}><summary>{escape(summary)}</summary>{inner}</details>"


def fields(entries: Mapping[str, object]) -> str:
    """Return names and values, one a line; what is empty is left out."""
    rows = [(name, value) for name, value in entries.items() if value not in ("", None)]
    return table(("", ""), rows, key=0) if rows else ""


def escape(text: object) -> str:
    """Return a text that cannot become part of the page."""
    return html.escape(str(text))
