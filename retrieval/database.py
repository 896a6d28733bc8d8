"""One SQLite file that is the truth of a store: what it has committed, it keeps.

Journal mode is WAL and commits wait for the disk, so that a process or a machine may
die at any moment: afterwards the store holds everything that was acknowledged, and
nothing of what was not. Files beside it (vectors, FAISS snapshots) count only as far as
a row here says so.
"""

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from rsvlm.errors import RsvlmError

#: Seconds that a writer waits for another process to end its transaction.
PATIENCE = 60.0
#: Values bound in one statement; SQLite's own limit is far above.
BOUND = 500


class StoreError(RsvlmError):
    """Raised when a store cannot be opened, is damaged, or does not fit."""


class Database:
    """A SQLite file shared by threads; several processes may use it at a time.

    .. versionadded:: 0.1
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            StoreError: If it is no SQLite file, is damaged, or cannot be written.
        """
        self.path = path
        self.lock = threading.RLock()
        self._is_writing = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
        except (OSError, sqlite3.Error) as error:
            raise self._refusal(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._connection.close()

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query.

        Raises:
            StoreError: If the file is damaged.
        """
        with self.lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._refusal(error) from None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction, or join the open one; all of it is kept, or nothing.

        Only the outermost block commits. Other writers wait meanwhile.

        Raises:
            StoreError: If the file is damaged, full, or another process holds it.
        """
        with self.lock:
            if self._is_writing:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise self._refusal(error) from None
            self._is_writing = True
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise self._refusal(error) from None
                raise
            finally:
                self._is_writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let several reads see one state, whatever other processes commit."""
        with self.lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    @property
    def version(self) -> tuple[int, int]:
        """What is another after every change, of this process or of others."""
        ((others,),) = self.read("PRAGMA data_version")
        return int(others), self._connection.total_changes

    @property
    def is_writing(self) -> bool:
        """Whether a transaction is open."""
        return self._is_writing

    def problems(self) -> list[str]:
        """Return what SQLite's own check finds wrong with the file, one line each."""
        try:
            rows = self.read("PRAGMA quick_check")
        except StoreError as error:
            return [str(error)]
        return [f"{self.path.name}: {row[0]}" for row in rows if row[0] != "ok"]

    def _refusal(self, error: Exception) -> StoreError:
        return StoreError(
            f"The store {str(self.path)!r} cannot be used: {error}. Check the path, or "
            "restore the file from a copy."
        )


def table_name(name: str) -> str:
    """Return a name that is safe inside a statement.

    Raises:
        ValueError: If it is none.
    """
    if not re.fullmatch(r"[a-z][a-z_]*", name):
        raise ValueError(f"{name!r} is no name of a table")
    return name


def batches(values: Sequence[Any], size: int = BOUND) -> Iterator[Sequence[Any]]:
    """Cut a sequence into parts that one statement can bind."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
