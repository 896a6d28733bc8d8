"""Batches on disk: what was asked, and every answer the moment it comes.

One SQLite file. A request has a result or it has none: whatever happens to the server,
it is answered once. Requests and results are dropped when they stand in the files that
the client fetches.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired",
    "cancelling", "cancelled",
]  # fmt: skip
#: Statuses of a batch that is not finished.
ACTIVE: frozenset[Status] = frozenset(
    {"validating", "in_progress", "finalizing", "cancelling"}
)

#: Rows of a transaction: others want the file, the event loop among them.
AT_ONCE = 20
#: Bytes after which a transaction ends: a row may hold a picture.
BYTES_AT_ONCE = 4 * 2**20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,
    owner TEXT NOT NULL, active INTEGER NOT NULL,
    completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    object TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS batches_of ON batches (owner, number);
CREATE TABLE IF NOT EXISTS requests (
    batch TEXT NOT NULL, line INTEGER NOT NULL, failed INTEGER,
    custom_id TEXT NOT NULL, body BLOB, result TEXT, PRIMARY KEY (batch, line));
CREATE INDEX IF NOT EXISTS open_requests ON requests (batch, line) WHERE failed IS NULL;
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class BatchFault(_Part):
    """Why a file of requests cannot be asked."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class BatchFaults(_Part):
    """All faults of a file."""

    object: Literal["list"] = "list"
    data: tuple[BatchFault, ...]


class Counts(_Part):
    """How far a batch is."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class Batch(_Part):
    """A batch in OpenAI's form; times are seconds since 1970.

    .. versionadded:: 0.2
    """

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchFaults | None = None
    input_file_id: str
    completion_window: str
    status: Status = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int
    in_progress_at: int | None = None
    expires_at: int
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: Counts = Counts()
    metadata: dict[str, str] | None = Field(None, description="of the client")


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A request of a batch.

    Attributes:
        line: Its line in the file, from 1.
        custom_id: How the client tells it from others.
        body: Body of the request, JSON.
    """

    line: int
    custom_id: str
    body: bytes


class BatchStore:
    """The SQLite file of all batches; methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        columns = [row[1] for row in self._db.execute("PRAGMA table_info(batches)")]
        if "result_bytes" not in columns:  # it came later than the table
            self._db.execute(
                "ALTER TABLE batches ADD COLUMN result_bytes INTEGER NOT NULL DEFAULT 0"
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def create(self, owner: str, batch: Batch) -> None:
        """Keep a new batch."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO batches (id, owner, active, object) VALUES (?, ?, 1, ?)",
                (batch.id, owner, batch.model_dump_json()),
            )

    def save(self, batch: Batch) -> None:
        """Keep what changed of a batch, but for the counts of done requests."""
        with self._lock, self._db:
            self._db.execute(
                "UPDATE batches SET active = ?, object = ? WHERE id = ?",
                (batch.status in ACTIVE, batch.model_dump_json(), batch.id),
            )

    def get(self, id: str, owner: str | None = None) -> Batch | None:
        """Return a batch, where there is one of that owner; None: of any."""
        found = self._batches("id = ? AND owner = coalesce(?, owner)", (id, owner), 1)
        return found[0][1] if found else None

    def newest(self, owner: str, after: str | None, limit: int) -> list[Batch]:
        """Return batches of an owner, newest first, those after one of them."""
        where, values = "owner = ?", [owner]
        if after is not None:
            where += " AND number < (SELECT number FROM batches WHERE id = ?)"
            values.append(after)
        return [batch for _, batch in self._batches(where, tuple(values), limit)]

    def active(self, owner: str | None = None) -> list[tuple[str, Batch]]:
        """Return owner and batch of those that are not finished, oldest first."""
        return self._batches("active AND owner = coalesce(?, owner)", (owner,))[::-1]

    def fill(self, id: str, lines: Iterable[BatchLine]) -> int:
        """Keep the requests of a batch, and return their number."""
        self.clear(id)  # those of a try that a kill has cut
        rows = ((id, line.line, line.custom_id, line.body) for line in lines)
        total = 0
        while part := _part(rows):
            with self._lock, self._db:
                self._db.executemany(
                    "INSERT INTO requests (batch, line, custom_id, body) "
                    "VALUES (?, ?, ?, ?)",
                    part,
                )
            total += len(part)
        return total

    def clear(self, id: str) -> None:
        """Drop the requests of a batch and their results."""
        part: list[tuple[Any, ...]] | None = None
        while part is None or part:
            with self._lock, self._db, closing(self._db.cursor()) as cursor:
                part = _part(
                    cursor.execute(
                        "SELECT rowid, coalesce(result, body) FROM requests "
                        "WHERE batch = ?",
                        (id,),
                    )
                )
                self._db.executemany(
                    "DELETE FROM requests WHERE rowid = ?", [row[:1] for row in part]
                )

    def next_open(self, id: str, after: int) -> BatchLine | None:
        """Return the first request behind a line that has no result."""
        with self._lock:
            row = self._db.execute(
                "SELECT line, custom_id, body FROM requests WHERE batch = ? AND "
                "line > ? AND failed IS NULL ORDER BY line LIMIT 1",
                (id, after),
            ).fetchone()
        return BatchLine(*row) if row else None

    def finish(self, id: str, line: int, result: str, failed: bool) -> None:
        """Keep the result of a request; of two results the first counts."""
        with self._lock, self._db:
            done = self._db.execute(
                "UPDATE requests SET result = ?, failed = ?, body = NULL "
                "WHERE batch = ? AND line = ? AND failed IS NULL",
                (result, failed, id, line),
            )
            column = "failed" if failed else "completed"
            self._db.execute(
                f"UPDATE batches SET {column} = {column} + ?, "
                "result_bytes = result_bytes + ? WHERE id = ?",
                (done.rowcount, done.rowcount * len(result.encode()), id),
            )

    def result_bytes(self, id: str) -> int:
        """Return how many bytes the results of a batch take."""
        with self._lock:
            row = self._db.execute(
                "SELECT result_bytes FROM batches WHERE id = ?", (id,)
            ).fetchone()
        return int(row[0]) if row else 0

    def results(self, id: str, failed: bool) -> Iterator[str]:
        """Yield results in the order of their lines."""
        after = 0
        while True:
            with self._lock, closing(self._db.cursor()) as cursor:
                rows = _part(
                    cursor.execute(
                        "SELECT line, result FROM requests WHERE batch = ? AND "
                        "failed = ? AND line > ? ORDER BY line",
                        (id, failed, after),
                    )
                )
            yield from (result for _, result in rows)
            if not rows:
                return
            after = rows[-1][0]

    def forget(self, before: int) -> None:
        """Drop finished batches made before a time, seconds since 1970."""
        with self._lock, self._db:
            self._db.execute(
                "DELETE FROM requests WHERE batch NOT IN "
                "(SELECT id FROM batches WHERE active)"
            )
            self._db.execute(
                "DELETE FROM batches WHERE NOT active AND "
                "json_extract(object, '$.created_at') < ?",
                (before,),
            )

    def _batches(
        self, where: str, values: tuple[str | None, ...], limit: int = -1
    ) -> list[tuple[str, Batch]]:
        with self._lock, closing(self._db.cursor()) as cursor:
            rows = cursor.execute(
                f"SELECT owner, object, completed, failed FROM batches WHERE {where} "
                "ORDER BY number DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        found = []
        for owner, text, completed, failed in rows:
            batch = Batch.model_validate_json(text)
            counts = batch.request_counts.model_copy(
                update={"completed": completed, "failed": failed}
            )
            found.append((owner, batch.model_copy(update={"request_counts": counts})))
        return found


def _part(rows: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Take the rows of one transaction; the last column is the one that may be long."""
    part, size = list[tuple[Any, ...]](), 0
    for row in islice(rows, AT_ONCE):
        part.append(row)
        size += len(row[-1])
        if size >= BYTES_AT_ONCE:
            break
    return part
