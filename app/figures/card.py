"""Sections of a Markdown file that a command writes: what stands between two comments.

::

    <!-- figures: begin -->
    ...
    <!-- figures: end -->
"""

import re
from collections.abc import Mapping
from pathlib import Path

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.results import write_text

_MARK = re.compile(r"^<!-- (?P<name>[a-z]+): (?P<side>begin|end) -->$", re.MULTILINE)


def sections(text: str, where: str) -> list[str]:
    """Return the names of the marked sections of a text, in order.

    Raises:
        ParseError: If a section is not closed, or begins within another.
    """
    names: list[str] = []
    inside = ""
    for mark in _MARK.finditer(text):
        name, begins = mark["name"], mark["side"] == "begin"
        if (
            begins != (inside == "")
            or (not begins and name != inside)
            or (begins and name in names)
        ):
            raise ParseError(
                f"{where}: {mark[0]!r} does not fit. Each section begins and ends once, "
                "none within another."
            )
        inside = name if begins else ""
        if begins:
            names.append(name)
    if inside:
        raise ParseError(
            f"{where}: the section {inside!r} has no end. Add its comment."
        )
    return names


def written(text: str, contents: Mapping[str, str], where: str) -> str:
    """Return a text with the contents of its marked sections put in.

    Args:
        text: The text; what stands outside of the marks is kept.
        contents: Name of a section -> what stands in it; others are kept.
        where: File, for errors.

    Raises:
        ParseError: If the marks do not fit.
        SettingsError: If none of the sections is in the text.
    """
    names = [name for name in sections(text, where) if name in contents]
    if not names:
        wanted = next(iter(contents))
        raise SettingsError(
            f"{where} has no place for {', '.join(contents)}. Add the lines "
            f"'<!-- {wanted}: begin -->' and '<!-- {wanted}: end -->' where it belongs."
        )
    for name in names:
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        head, rest = text.split(begin, 1)
        tail = rest.split(end, 1)[1]
        text = f"{head}{begin}\n{contents[name]}\n\n{end}{tail}"
    return text


def write(path: Path, contents: Mapping[str, str]) -> None:
    """Write the marked sections of a file.

    Raises:
        SettingsError: If it is missing, or has none of the sections.
        ParseError: If its marks do not fit.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        raise SettingsError(
            f"There is no file {str(path)!r}. Correct --into."
        ) from None
    write_text(path, written(text, contents, path.name))
