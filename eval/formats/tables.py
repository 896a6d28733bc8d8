"""Tables as records: CSV, TSV and, with openpyxl, the first sheet of an XLSX file."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rsvlm.errors import MissingExtraError, ParseError, SettingsError
from rsvlm.eval.formats.rows import Row, Rows, load_rows, text_of

#: Longest cell, characters: some tables hold images as base64.
LONGEST_CELL = min(sys.maxsize, 2**31 - 1)


def load_table(path: Path) -> Rows:
    """Read the rows of a table; the first one names the columns.

    Args:
        path: ``.csv``, ``.tsv``, ``.xlsx``, or ``.json`` and ``.jsonl`` of records.

    Raises:
        ParseError: If the file is no such table, or is empty.
        SettingsError: If the suffix is another one.
        MissingExtraError: If openpyxl is needed and not installed.
    """
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl"):
        return load_rows(path)
    if suffix in (".csv", ".tsv"):
        lines = _delimited(path, "\t" if suffix == ".tsv" else ",")
    elif suffix == ".xlsx":
        lines = _sheet(path)
    else:
        raise SettingsError(
            f"{path.name} is no table that can be read. "
            "Give a .xlsx, .csv, .tsv, .json or .jsonl file."
        )
    found = Rows(tuple(_records(path, lines)))
    if not found.rows:
        raise ParseError(f"{path.name} holds no rows. Check the path.")
    return found


def _records(path: Path, lines: Iterable[Sequence[Any]]) -> Iterator[Row]:
    header: list[str] | None = None
    number = 0
    for place, cells in enumerate(lines, start=1):
        if header is None:
            header = [text_of(cell).strip() for cell in cells]
            continue
        values = {name: cell for name, cell in zip(header, cells, strict=False) if name}
        if not any(text_of(value) for value in values.values()):
            continue
        if len(cells) > len(header):
            raise ParseError(
                f"{path.name}, row {place}: {len(cells)} cells under {len(header)} "
                "column names. Quote texts that hold the separator."
            )
        yield Row(values, f"{path.name}, row {place}", f"{path.stem}:{number}")
        number += 1


def _delimited(path: Path, separator: str) -> Iterator[Sequence[Any]]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from csv.reader(lines, delimiter=separator)
    except (csv.Error, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ParseError(
            f"{path.name} is no table of UTF-8 text: {reason}. Write it again."
        ) from None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ParseError(f"{path.name}: {reason}. Check the path.") from None
    finally:
        csv.field_size_limit(before)


def _sheet(path: Path) -> Iterator[Sequence[Any]]:
    try:
        openpyxl = import_module("openpyxl")  # optional, and without types
    except ImportError:
        raise MissingExtraError("openpyxl", "xlsx") from None
    from zipfile import BadZipFile

    try:
        # Not data_only: an answer that starts with "=" is stored as a formula, and has
        # no value of its own.
        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
    except FileNotFoundError:
        raise ParseError(
            f"{path.name}: there is no such file. Check the path."
        ) from None
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ParseError(
            f"{path.name} is no XLSX table: {reason}. Save it as .xlsx or .csv."
        ) from None
    try:
        yield from book.worksheets[0].iter_rows(values_only=True)
    finally:
        book.close()
