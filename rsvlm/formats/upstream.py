"""Reading files of others: JSON, JSON lines and CSV, with faults that name the place.

Readers go through :class:`Fields`, so that a missing or odd value is reported with
file, entry and key, and never becomes a record.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.samples import Split

#: Largest file that is read whole, in bytes; the largest known one has 65 MB.
MOST_BYTES = 1 << 30
#: Names that data sets give to the three splits.
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "restval": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_AGAIN = "Fetch the file again, or correct the entry."


@dataclass(frozen=True)
class Fields:
    """One entry of an upstream file, and where it stands."""

    values: Mapping[str, Any]
    where: str

    def fault(self, key: str, what: str) -> ParseError:
        """Return the error for a value that cannot be used."""
        return ParseError(f"{self.where}: {key} {what}. {_AGAIN}")

    def has(self, key: str) -> bool:
        """Whether there is a value other than null or an empty text."""
        return self.values.get(key) not in (None, "")

    def raw(self, *keys: str) -> Any:
        """Return the value of the first key that is there.

        Raises:
            ParseError: If none of the keys is there.
        """
        for key in keys:
            if key in self.values:
                return self.values[key]
        raise self.fault(" or ".join(map(repr, keys)), "is missing")

    def text(self, *keys: str) -> str:
        """Return a text or a number as text, stripped.

        Raises:
            ParseError: If it is missing, empty, or of another type.
        """
        value = self.raw(*keys)
        key = repr(next(key for key in keys if key in self.values))
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.fault(key, f"is {value!r:.60}, not a text")
        if not (stripped := str(value).strip()):
            raise self.fault(key, "is empty")
        return stripped

    def items(self, key: str) -> list[Any]:
        """Return a list.

        Raises:
            ParseError: If it is missing or no list.
        """
        value = self.raw(key)
        if not isinstance(value, list):
            raise self.fault(repr(key), f"is {value!r:.60}, not a list")
        return value

    def objects(self, key: str) -> "Iterator[Fields]":
        """Yield the objects of a list.

        Raises:
            ParseError: If it is no list of objects.
        """
        yield from entries(self.items(key), f"{self.where}, {key}")

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return a list of finite numbers of this length.

        Raises:
            ParseError: If it is anything else.
        """
        value = self.items(key)
        good = len(value) == count and all(
            isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e9
            for v in value
        )
        if not good:
            raise self.fault(repr(key), f"is {value!r:.60}, not {count} numbers")
        return tuple(float(v) for v in value)


def entries(values: Any, where: str) -> Iterator[Fields]:
    """Yield the objects of a list with their place, such as ``a.json, images[3]``.

    Raises:
        ParseError: If it is no list of objects.
    """
    if not isinstance(values, list):
        raise ParseError(f"{where} is no list. {_AGAIN}")
    for number, value in enumerate(values):
        yield as_fields(value, f"{where}[{number}]")


def as_fields(value: Any, where: str) -> Fields:
    """Return an object with its place.

    Raises:
        ParseError: If the value is no object.
    """
    if not isinstance(value, dict):
        raise ParseError(f"{where} is {value!r:.60}, not an object. {_AGAIN}")
    return Fields(value, where)


def read_text(path: Path) -> str:
    """Return a UTF-8 file, a byte order mark dropped.

    Raises:
        ParseError: If there is no such file, or it is too large or no UTF-8.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ParseError(
                f"{path.name} has more than {MOST_BYTES >> 20} MiB. "
                "Give the annotation file of the data set, not its images."
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError:
        raise ParseError(
            f"There is no file {path.name!r} in {str(path.parent)!r}. "
            "Name the folder that holds the data set as it was unpacked."
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ParseError(
            f"{path.name}, line {line}: byte {error.start} is not UTF-8. "
            "Fetch the file again, or save it as UTF-8."
        ) from None


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        ParseError: If it cannot be read; names the line.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ParseError(
            f"{path.name}, line {error.lineno}: {error.msg}. Fetch the file again."
        ) from None
    except RecursionError:
        raise ParseError(
            f"{path.name} is nested too deeply. Fetch the file again."
        ) from None


def read_objects(path: Path) -> Iterator[Fields]:
    """Yield the objects of a JSON list, or of a file with one object a line.

    Raises:
        ParseError: If the file is neither; names the line or the entry.
    """
    text = read_text(path)
    if not text.strip():
        raise ParseError(f"{path.name} is empty. Fetch the file again.")
    if text.lstrip().startswith("["):
        yield from entries(read_json(path), path.name)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            what = getattr(error, "msg", "nested too deeply")
            raise ParseError(f"{where}: {what}. Fetch the file again.") from None
        yield as_fields(value, where)


def read_csv(path: Path, delimiter: str = ",") -> Iterator[Fields]:
    """Yield the rows of a table with a header line, keys in lower case.

    Raises:
        ParseError: If there is no header or no row, or a row is longer than the header.
    """
    # One caption may be longer than the 128 KiB that the module allows by default.
    csv.field_size_limit(min(sys.maxsize, 1 << 24))
    lines = read_text(path).splitlines(keepends=True)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not any(header):
            raise ParseError(f"{path.name} has no header line. Fetch the file again.")
        has_rows = False
        for row in reader:
            where = f"{path.name}, line {reader.line_num}"
            if len(row) > len(header):
                raise ParseError(
                    f"{where}: {len(row)} values for {len(header)} columns. {_AGAIN}"
                )
            if any(row):
                has_rows = True
                yield Fields(dict(zip(header, row, strict=False)), where)
        if not has_rows:
            raise ParseError(
                f"{path.name} ends after line {reader.line_num} without a row. "
                "Fetch the file again."
            )
    except csv.Error as error:
        raise ParseError(
            f"{path.name}, line {reader.line_num}: {error}. {_AGAIN}"
        ) from None


def split_named(name: str, where: str) -> Split:
    """Return which of the three splits a name means.

    Raises:
        ParseError: If it is none.
    """
    try:
        return _SPLIT_NAMES[name.strip().lower()]
    except KeyError:
        raise ParseError(
            f"{where}: unknown split {name!r}. Known: {', '.join(_SPLIT_NAMES)}."
        ) from None


def is_clutter(path: Path) -> bool:
    """Whether a file is what macOS adds to archives, of the same name as the real one.

    >>> is_clutter(Path("__MACOSX/a.xml")), is_clutter(Path("a/._b.jpg"))
    (True, True)
    """
    return path.name.startswith("._") or "__MACOSX" in path.parts


def found(root: Path, *patterns: str) -> list[Path]:
    """Return the files below a folder that fit any pattern, sorted.

    Raises:
        ParseError: If there is none.
    """
    if kept := below(root, *patterns):
        return kept
    raise ParseError(
        f"There is no {' or '.join(patterns)} below {str(root)!r}. "
        "Name the folder that holds the data set as it was unpacked."
    )


def below(root: Path, *patterns: str) -> list[Path]:
    """Return the files below a folder that fit any pattern, sorted; there may be none."""
    files = {path for pattern in patterns for path in root.rglob(pattern)}
    return sorted(p for p in files if p.is_file() and not is_clutter(p))


def only(paths: list[Path]) -> Path:
    """Return the one file of a list, or the first of equal ones.

    Raises:
        ParseError: If two differ: which one is meant is not guessed.
    """
    first, *others = paths
    for other in others:
        if other.read_bytes() != first.read_bytes():
            raise ParseError(
                f"Both {first.name!r} in {str(first.parent)!r} and {other.name!r} in "
                f"{str(other.parent)!r} look like the annotations. Name the folder "
                "of one data set."
            )
    return first
