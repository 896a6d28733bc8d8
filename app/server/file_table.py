"""Which files the server keeps, in SQLite: what was acknowledged survives a kill.

WAL with ``synchronous=FULL``: a commit is on the disk when it returns. Changes are made
in transactions that lock out other processes from their beginning.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from rsvlm.app.server.errors import ApiError

#: Files that came inside a request, and may go when room is needed.
PASSING = ("inline", "fetched")

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL,
    bytes INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER,
    sha256 TEXT NOT NULL, purpose TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS files_of_owner ON files (owner, sha256);
"""
_COLUMNS = "id, owner, name, bytes, created, expires, sha256, purpose"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that the server keeps for an owner.

    Attributes:
        id: ``file-`` and 32 hexadecimal digits that nobody can guess, or ``sample-``
            and the name of a sample scene.
        owner: Whose it is; empty for what everybody may see.
        name: What its owner calls it.
        bytes: Its size.
        created: Seconds since 1970.
        expires: Likewise; None for never.
        sha256: Hash of its bytes.
        purpose: What it is for, such as ``"vision"`` or ``"batch"``.

    .. versionadded:: 0.2
    """

    id: str
    owner: str
    name: str
    bytes: int
    created: int
    expires: int | None
    sha256: str
    purpose: str


class FileTable:
    """The table of files.

    .. versionadded:: 0.2
    """

    def __init__(self, path: Path) -> None:
        """Open or create the table."""
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLE)

    def close(self) -> None:
        """Close the table."""
        with self._lock:
            self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make several changes at once, or none if an error leaves."""
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _run(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:  # full, read-only or locked
                raise disk_full() from error

    def _files(self, where: str, *values: object) -> list[StoredFile]:
        rows = self._run(f"SELECT {_COLUMNS} FROM files WHERE {where}", *values)
        return [StoredFile(*row) for row in rows]  # type: ignore[arg-type]

    def find(self, owner: str, id: str, now: float) -> StoredFile | None:
        """Return a file of an owner that has not expired."""
        found = self._files(
            "id = ? AND owner = ? AND (expires IS NULL OR expires > ?)", id, owner, now
        )
        return found[0] if found else None

    def of(self, owner: str, now: float) -> list[StoredFile]:
        """Return the files that an owner uploaded, the newest first."""
        return self._files(
            "owner = ? AND (expires IS NULL OR expires > ?) AND purpose NOT IN (?, ?) "
            "ORDER BY created DESC, rowid DESC",
            owner, now, *PASSING,
        )  # fmt: skip

    def passing(self, owner: str) -> list[StoredFile]:
        """Return the files that came inside requests, the longest unused first."""
        return self._files(
            "owner = ? AND purpose IN (?, ?) ORDER BY expires", owner, *PASSING
        )

    def same(self, owner: str, sha256: str, purpose: str) -> StoredFile | None:
        """Return a file of an owner with the same bytes and purpose."""
        found = self._files(
            "owner = ? AND sha256 = ? AND purpose = ?", owner, sha256, purpose
        )
        return found[0] if found else None

    def used(self, owner: str, besides: tuple[str, ...] = ()) -> tuple[int, int]:
        """Return how many bytes and files an owner has; the same bytes count once.

        Args:
            owner: The owner.
            besides: Purposes that do not count.
        """
        marks = ", ".join("?" * len(besides))
        where = f"owner = ? AND purpose NOT IN ({marks})"
        size = f"SELECT DISTINCT sha256, bytes FROM files WHERE {where}"
        ((total,),) = self._run(f"SELECT SUM(bytes) FROM ({size})", owner, *besides)
        count = self._run(f"SELECT COUNT(*) FROM files WHERE {where}", owner, *besides)
        return int(str(total or 0)), int(str(count[0][0]))

    def add(self, file: StoredFile) -> None:
        """Add a file."""
        marks = ", ".join("?" * 8)
        self._run(f"INSERT INTO files ({_COLUMNS}) VALUES ({marks})", *astuple(file))

    def prolong(self, id: str, expires: int) -> None:
        """Let a file expire later."""
        self._run("UPDATE files SET expires = ? WHERE id = ?", expires, id)

    def remove(self, id: str) -> None:
        """Forget a file."""
        self._run("DELETE FROM files WHERE id = ?", id)

    def expired(self, now: float) -> list[StoredFile]:
        """Return the files whose time is over."""
        return self._files("expires <= ?", now)

    def holds(self, owner: str, sha256: str) -> bool:
        """Say whether a file of an owner has these bytes."""
        return bool(
            self._run(
                "SELECT 1 FROM files WHERE owner = ? AND sha256 = ? LIMIT 1",
                owner, sha256,
            )
        )  # fmt: skip

    def owners(self) -> list[str]:
        """Return everybody who has files."""
        return [str(row[0]) for row in self._run("SELECT DISTINCT owner FROM files")]


def disk_full() -> ApiError:
    """Return the answer of a server that cannot write."""
    return ApiError(
        503, "The server cannot store files now. Try again later.",
        code="storage_full", retry_after=60,
    )  # fmt: skip
