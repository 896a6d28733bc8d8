"""The records of a JSON or JSONL file, each with the place it stands at.

Readers take what they know from a row and say file, line and key where it is missing.
"""

import ast
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError

#: Longest text that is read as a Python or JSON list, characters.
LONGEST_LIST = 1_000_000
#: Numbers beyond are no coordinates or sizes.
LARGEST = 1e9


@dataclass(frozen=True)
class Row:
    """One record.

    Attributes:
        fields: The record.
        where: File and line, or position, for messages.
        id: ``<file stem>:<0-based line>``, for records without an id.
    """

    fields: Mapping[str, Any]
    where: str
    id: str

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return self.fields.get(key, default)

    def text(self, key: str) -> str:
        """Return the text of a key; "" where it is null.

        Raises:
            ParseError: If the key is missing.
        """
        if key not in self.fields:
            keys = ", ".join(list(self.fields)[:12]) or "none"
            raise ParseError(
                f"{self.where}: there is no {key!r} (keys: {keys}). "
                "Check that --format is the format of the file."
            )
        return text_of(self.fields[key])

    def first(self, *keys: str) -> str:
        """Return the text of the first of these keys that the record has.

        Raises:
            ParseError: If it has none of them.
        """
        for key in keys:
            if key in self.fields:
                return self.text(key)
        return self.text(keys[0])

    def rest(self, *used: str) -> dict[str, Any]:
        """Return the fields that were not used, for ``meta``."""
        return {key: value for key, value in self.fields.items() if key not in used}


@dataclass(frozen=True)
class Rows:
    """The records of a file, and what is to be said about it."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def text_of(value: Any) -> str:
    """Return a value as text: "" for null and NaN, "3" for 3.0.

    >>> text_of(None), text_of(3.0), text_of("3.0"), text_of(float("nan"))
    ('', '3', '3.0', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number that a coordinate may have."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and abs(value) <= LARGEST


def list_of(value: Any) -> list[Any] | None:
    """Return a list, or the list that a text holds; None where there is none.

    >>> list_of(["a"]), list_of('["a", "b"]'), list_of("['a']"), list_of("a")
    (['a'], ['a', 'b'], ['a'], None)
    """
    if isinstance(value, (list, tuple)):
        return list(value)
    if not isinstance(value, str) or len(value) > LONGEST_LIST:
        return None
    text = value.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None


def load_rows(path: Path) -> Rows:
    """Read the records of a JSON list or of a JSONL file.

    A last line that was cut is left out, with a note.

    Raises:
        ParseError: If the file is not text, holds no records, or a line is no JSON
            object; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(
            f"{path.name} is no UTF-8 text (byte {error.start}). "
            "Give the JSON or JSONL file of the results."
        ) from None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ParseError(f"{path.name}: {reason}. Check the path.") from None
    rows = _listed(path, text) if text.lstrip().startswith("[") else None
    found = Rows(rows) if rows is not None else _lines(path, text)
    if not found.rows:
        raise ParseError(f"{path.name} holds no records. Check the path.")
    return found


def _listed(path: Path, text: str) -> tuple[Row, ...]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(
            f"{path.name} starts a JSON list, but is none: {_short(error)}. "
            "Write the results again."
        ) from None
    return tuple(
        _row(path, value, f"{path.name}, record {number + 1}", number)
        for number, value in enumerate(values)
    )


def _lines(path: Path, text: str) -> Rows:
    rows: list[Row] = []
    notes: list[str] = []
    lines = text.split("\n")  # not splitlines(): texts may hold other line marks
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        where = f"{path.name}, line {number + 1}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if rows and number == len(lines) - 1:
                notes.append("The last line of the file is cut: it is left out.")
                break
            raise ParseError(
                f"{where}: {_short(error)}. Correct the line, or write the results "
                "again."
            ) from None
        rows.append(_row(path, value, where, number))
    return Rows(tuple(rows), tuple(notes))


def _row(path: Path, value: Any, where: str, number: int) -> Row:
    if not isinstance(value, dict):
        raise ParseError(
            f"{where}: {text_of(value)[:40]!r} is no JSON object. "
            "Check that --format is the format of the file."
        )
    return Row(value, where, f"{path.stem}:{number}")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
