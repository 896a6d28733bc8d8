"""What a build has made so far: files in ``OUT/.build`` that a later run goes on from.

Every piece of work ends with one file that comes into being whole, so that a build that
is killed loses no more than the pieces it was at. The folder goes when the build is done.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from rsvlm.data_engine.records import Record, Split
from rsvlm.errors import SettingsError

#: Folder of unfinished work in the folder of a build.
WORK = ".build"
#: The file in it that says what is being built.
IDENTITY = "build.json"

_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


@dataclass(frozen=True, slots=True, order=True)
class Chunk:
    """Records that are worked on together.

    Attributes:
        split: Their split.
        source: Number of their source in the recipe.
        number: Which chunk of source and split.
    """

    split: Split
    source: int
    number: int

    def path(self, out: Path, ending: str) -> Path:
        """Return where something of it is kept, for the folder of a build."""
        name = f"{self.split}-{self.source:03d}-{self.number:06d}.{ending}"
        return out / WORK / name


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records, which hold no images."""
    lines = (json.dumps(_RECORD.dump_python(r, mode="json")) for r in records)
    write_lines(path, lines)


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file, one at a time."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield _RECORD.validate_python(json.loads(line))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file line by line so that it is either whole or not there."""
    with _draft(path) as draft, draft.open(
        "w", encoding="utf-8", errors="replace", newline="\n"
    ) as file:  # fmt: skip
        for line in lines:
            file.write(f"{line}\n")


def write_image(out: Path, name: str, data: bytes) -> None:
    """Write an image of a build, by its path in it, so that it is whole or not there."""
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # What a killed process leaves behind must not lie among the images.
    with _draft(path, out / WORK) as draft:
        draft.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that it is either whole or not there."""
    with _draft(path) as draft:
        draft.write_bytes((json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return the value of a JSON file that a build wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def join(path: Path, parts: Iterable[Path]) -> None:
    """Write files one after the other into one, which is whole or not there."""
    with _draft(path) as draft, draft.open("wb") as file:
        for part in parts:
            with part.open("rb") as data:
                while block := data.read(1 << 20):
                    file.write(block)


def sweep(out: Path) -> None:
    """Remove what a killed process left half-written beside the samples."""
    for draft in out.glob(".*.part"):
        draft.unlink(missing_ok=True)


@contextmanager
def _draft(path: Path, folder: Path | None = None) -> Iterator[Path]:
    # A process that outlives its parent for a moment must not share a draft with us.
    draft = (folder or path.parent) / f".{path.name}.{os.getpid()}.part"
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold the folder of a build, so that no second one writes into it.

    Raises:
        SettingsError: If another process holds it.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    work = out / WORK
    work.mkdir(exist_ok=True)
    with (work / "lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise SettingsError(
                    f"Another process builds {str(out)!r}. Wait for it, or name another "
                    "folder with --out."
                ) from None
            # Some network disks have no locks.
        try:
            yield
        finally:
            if not (work / IDENTITY).is_file():  # nothing was begun
                shutil.rmtree(work, ignore_errors=True)
