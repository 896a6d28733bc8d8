"""Pickle files of others, read without running anything in them.

A pickle is a program. This reader knows the values of JSON and tuples only: it imports
nothing, so no function of the file can be called, and refuses files that are too large.
"""

import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

from rsvlm.errors import ParseError

#: Largest file that is read, in bytes; refs(unc).p of RRSIS-D has 6 MB.
MOST_BYTES = 1 << 28
#: Most values in a file, and how deep they may be nested.
MOST_VALUES = 5_000_000
DEEPEST = 32
#: What a broken or a hostile pickle raises.
BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
    ImportError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip


class _Unpickler(pickle.Unpickler):
    """Refuses every name that a pickle wants to import."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"wants to import {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("refers to an object outside of the file")


def read_pickle(path: Path) -> Any:
    """Return the value of a pickle of lists, dicts, tuples, texts and numbers.

    Raises:
        ParseError: If there is no such file, it is too large or cut, or holds anything
            else; it is never run.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError:
        raise ParseError(
            f"There is no file {path.name!r} in {str(path.parent)!r}. "
            "Name the folder that holds the data set as it was unpacked."
        ) from None
    if size > MOST_BYTES:
        raise ParseError(
            f"{path.name} has {size >> 20} MiB, more than {MOST_BYTES >> 20}. "
            "Fetch the file again."
        )
    try:
        # Files of Python 2 hold byte texts, which the encoding turns into texts.
        value = _Unpickler(io.BytesIO(data), encoding="latin-1").load()
    except BROKEN as error:
        raise ParseError(
            f"{path.name} is refused: {str(error)[:200] or type(error).__name__}. "
            "Fetch the file again from its publisher."
        ) from None
    _check(value, path.name)
    return value


def _check(value: Any, name: str) -> None:
    """Refuse other types, and more or deeper values than annotations have."""
    level: list[Any] = [value]
    count = 0
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple):
                below += item
            elif not isinstance(item, str | int | float | None):
                raise ParseError(
                    f"{name} holds a value of type {type(item).__name__}. "
                    "Fetch the file again from its publisher."
                )
            if len(below) > MOST_VALUES:
                break
        count += len(level)
        # One list may stand in a thousand places: what counts is what would be read.
        if count + len(below) > MOST_VALUES:
            raise ParseError(
                f"{name} unfolds to more than {MOST_VALUES} values. "
                "Fetch the file again from its publisher."
            )
        if not below:
            return
        level = below
    raise ParseError(
        f"{name} is nested deeper than {DEEPEST} levels. "
        "Fetch the file again from its publisher."
    )
