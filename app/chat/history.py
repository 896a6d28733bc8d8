"""Conversations that outlive a page: one SQLite file, one owner's invisible to others.

Committed rows survive a crash of the process and of the machine (write-ahead log with
full synchronisation). What was running when a server went down is told so at the next
start, and can be asked again.
"""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rsvlm.answer import Answer
from rsvlm.errors import SettingsError
from rsvlm.findings import ShapeKind
from rsvlm.zoom import ZoomName

Status = Literal["running", "answered", "failed", "stopped"]

_TABLES = """
CREATE TABLE IF NOT EXISTS conversations(
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL,
  images TEXT NOT NULL, touched REAL NOT NULL);
CREATE INDEX IF NOT EXISTS owners ON conversations(owner, touched);
CREATE TABLE IF NOT EXISTS exchanges(
  id TEXT PRIMARY KEY,
  conversation TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
  number INTEGER NOT NULL, asked TEXT NOT NULL, status TEXT NOT NULL,
  answer TEXT, said TEXT NOT NULL, created REAL NOT NULL, seconds REAL,
  UNIQUE(conversation, number));
"""
_RESTARTED = "The server was restarted while it worked on this. Please ask again."


class Asked(BaseModel):
    """What was asked, with everything that is needed to ask it again.

    Attributes:
        text: The question.
        files: Ids of the images, in order.
        names: Their names, for people.
        task: Task, ``"auto"`` to choose by the question.
        shape: Kind of the regions; None to choose by the task.
        zoom: How large images are searched.
        sensor: What the images were taken with.
        knowledge: Whether the knowledge base may be used.
        seed: Seed of another try; None for the first.
        focus: Image and box (x0, y0, x1, y1; raster pixels) that it is about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    files: tuple[str, ...]
    names: tuple[str, ...]
    task: str = "auto"
    shape: ShapeKind | None = None
    zoom: ZoomName = "auto"
    sensor: str = "auto"
    knowledge: bool = False
    seed: int | None = None
    focus: tuple[int, tuple[float, float, float, float]] | None = None


class Exchange(BaseModel):
    """A question and what became of it; ``said`` are words where there is no answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    number: int
    asked: Asked
    status: Status
    answer: Answer | None = None
    said: str = ""
    created: float
    seconds: float | None = None


class Conversation(BaseModel):
    """A conversation; ``touched`` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    images: tuple[str, ...]
    touched: float


class History:
    """All conversations of a server."""

    def __init__(self, path: Path) -> None:
        """Open the file; it is made where there is none.

        Raises:
            SettingsError: If it is no data base of ours or cannot be written.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, check_same_thread=False)
            path.chmod(0o600)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.execute("PRAGMA busy_timeout=5000")
            self._base.execute("PRAGMA foreign_keys=ON")
            with self._base:
                self._base.executescript(_TABLES)
                self._base.execute(
                    "UPDATE exchanges SET status='failed', said=? "
                    "WHERE status='running'",
                    (_RESTARTED,),
                )
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"The history of the chat page cannot be kept in {path.name!r}: {error}. "
                "Free the folder for writing, or move the file away."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # conversations

    def start(self, owner: str, images: Sequence[str] = ()) -> Conversation:
        """Begin a conversation."""
        new = Conversation(
            id=uuid.uuid4().hex, title="", images=tuple(images), touched=time.time()
        )
        self._write(
            "INSERT INTO conversations VALUES(?, ?, '', ?, ?)",
            (new.id, owner, json.dumps(new.images), new.touched),
        )
        return new

    def conversations(self, owner: str) -> list[Conversation]:
        """Return the conversations of an owner, the latest first."""
        rows = self._read(
            "SELECT id, title, images, touched FROM conversations WHERE owner=? "
            "ORDER BY touched DESC, rowid DESC",
            (owner,),
        )
        return [_conversation(row) for row in rows]

    def conversation(self, owner: str, id: str) -> Conversation | None:
        """Return a conversation; None if there is none of that owner."""
        rows = self._read(
            "SELECT id, title, images, touched FROM conversations "
            "WHERE owner=? AND id=?",
            (owner, id),
        )
        return _conversation(rows[0]) if rows else None

    def show(self, owner: str, id: str, images: Sequence[str]) -> None:
        """Set the images that a conversation is about."""
        self._write(
            "UPDATE conversations SET images=?, touched=? WHERE owner=? AND id=?",
            (json.dumps(list(images)), time.time(), owner, id),
        )

    def forget(self, owner: str, id: str | None = None) -> None:
        """Delete a conversation, or all of an owner."""
        self._write(
            "DELETE FROM conversations WHERE owner=? AND (id=? OR ? IS NULL)",
            (owner, id, id),
        )

    def expire(self, before: float) -> int:
        """Delete what was last touched before a time; return how many conversations."""
        return self._write("DELETE FROM conversations WHERE touched < ?", (before,))

    # exchanges

    def ask(self, owner: str, conversation: str, asked: Asked) -> Exchange:
        """Add a question that is being answered.

        Raises:
            SettingsError: If the owner has no such conversation.
        """
        now = time.time()
        with self._lock, self._base:
            title = " ".join(asked.text.split())[:80]
            changed = self._base.execute(
                "UPDATE conversations SET touched=?, title=CASE title WHEN '' THEN ? "
                "ELSE title END WHERE owner=? AND id=?",
                (now, title, owner, conversation),
            ).rowcount
            if not changed:
                raise SettingsError(
                    "This conversation is no longer there: it was deleted or is too "
                    "old. Start a new one."
                )
            (last,) = self._base.execute(
                "SELECT COALESCE(MAX(number), 0) FROM exchanges WHERE conversation=?",
                (conversation,),
            ).fetchone()
            new = Exchange(
                id=uuid.uuid4().hex, number=last + 1, asked=asked, status="running",
                created=now,
            )  # fmt: skip
            self._base.execute(
                "INSERT INTO exchanges VALUES(?, ?, ?, ?, 'running', NULL, '', ?, NULL)",
                (new.id, conversation, new.number, asked.model_dump_json(), now),
            )
        return new

    def finish(
        self,
        id: str,
        status: Status,
        *,
        answer: Answer | None = None,
        said: str = "",
        seconds: float | None = None,
    ) -> None:
        """Write down what became of a question."""
        self._write(
            "UPDATE exchanges SET status=?, answer=?, said=?, seconds=? WHERE id=?",
            (status, answer.to_json() if answer else None, said, seconds, id),
        )

    def replace(self, owner: str, old: str, new: str) -> None:
        """Put a question in the place of another one, which is deleted."""
        with self._lock, self._base:
            found = self._base.execute(
                "SELECT e.number, c.id FROM exchanges e JOIN conversations c "
                "ON e.conversation=c.id WHERE c.owner=? AND e.id=?",
                (owner, old),
            ).fetchone()
            if found is None:
                return
            self._base.execute("DELETE FROM exchanges WHERE id=?", (old,))
            self._base.execute(
                "UPDATE exchanges SET number=? WHERE id=? AND conversation=?",
                (found[0], new, found[1]),
            )

    def exchanges(self, owner: str, conversation: str) -> list[Exchange]:
        """Return the questions of a conversation, in order; none of other owners."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM exchanges e JOIN conversations c "
            "ON e.conversation=c.id WHERE c.owner=? AND c.id=? ORDER BY e.number",
            (owner, conversation),
        )
        return [_exchange(row) for row in rows]

    def conversation_of(self, id: str) -> str:
        """Return the id of the conversation that a question belongs to; "" for none."""
        rows = self._read("SELECT conversation FROM exchanges WHERE id=?", (id,))
        return str(rows[0][0]) if rows else ""

    def exchange(self, owner: str, id: str) -> Exchange | None:
        """Return a question; None if there is none of that owner."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM exchanges e JOIN conversations c "
            "ON e.conversation=c.id WHERE c.owner=? AND e.id=?",
            (owner, id),
        )
        return _exchange(rows[0]) if rows else None

    def _read(self, query: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        with self._lock, closing(self._base.execute(query, values)) as cursor:
            return list(cursor)

    def _write(self, query: str, values: Sequence[object]) -> int:
        with self._lock, self._base:
            return self._base.execute(query, values).rowcount


_COLUMNS = "e.id, e.number, e.asked, e.status, e.answer, e.said, e.created, e.seconds"


def _conversation(row: tuple[object, ...]) -> Conversation:
    id, title, images, touched = row
    return Conversation.model_validate(
        {
            "id": id,
            "title": title,
            "images": json.loads(str(images)),
            "touched": touched,
        }
    )


def _exchange(row: tuple[object, ...]) -> Exchange:
    id, number, asked, status, answer, said, created, seconds = row
    fields = {
        "id": id, "number": number, "asked": json.loads(str(asked)), "status": status,
        "said": said, "created": created, "seconds": seconds,
    }  # fmt: skip
    if answer is not None:
        try:
            fields["answer"] = Answer.model_validate_json(str(answer))
        except ValidationError:  # written by another version
            fields |= {"status": "failed", "said": "This answer can no longer be read."}
    return Exchange.model_validate(fields)
