"""The SQLite file of a knowledge base: its tables, how it is opened and checked.

The file is the truth. Words (FTS5), places (R*Tree) and dense vectors are derived from
the table ``passages`` and can be made again. While it is written, SQLite's log (WAL)
is synchronised at every commit, so that a kill or a power cut loses nothing that was
acknowledged; a finished file is one file without a log, which may lie on a read-only
disk.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rsvlm.cache import lock
from rsvlm.errors import RsvlmError

#: Version of the tables; raised with every change of them.
SCHEMA = 1
FILE = "knowledge.sqlite"
LOCK = ".lock"


class KnowledgeError(RsvlmError):
    """Raised when a knowledge base is missing, damaged, or of another version."""


_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
    turn INTEGER NOT NULL, taken INTEGER NOT NULL, done INTEGER NOT NULL
);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, kind TEXT NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL,
    licence TEXT NOT NULL, url TEXT, date TEXT, place BLOB, facts TEXT NOT NULL,
    weight REAL NOT NULL, dense INTEGER NOT NULL, vector BLOB, picture BLOB
);
CREATE INDEX passages_kind ON passages (kind, weight DESC);
CREATE INDEX passages_title ON passages (title COLLATE NOCASE, kind);
CREATE INDEX passages_unencoded ON passages (id) WHERE dense AND vector IS NULL;
CREATE TABLE members (
    source INTEGER NOT NULL REFERENCES sources, passage INTEGER NOT NULL
    REFERENCES passages, turn INTEGER NOT NULL, PRIMARY KEY (source, passage)
) WITHOUT ROWID;
CREATE INDEX members_passage ON members (passage);
"""
_DERIVED = """
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, content = 'passages', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE rarity USING fts5vocab (words, row);
CREATE VIRTUAL TABLE places USING rtree (id, west, east, south, north, +kind TEXT);
CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
    INSERT INTO words (words, rowid, title, text)
    VALUES ('delete', old.id, old.title, old.text);
    DELETE FROM places WHERE id = old.id;
END;
CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO words (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
"""
_DROPPED = """
DROP TRIGGER IF EXISTS passages_removed;
DROP TRIGGER IF EXISTS passages_added;
DROP TABLE IF EXISTS rarity;
DROP TABLE IF EXISTS words;
DROP TABLE IF EXISTS places;
"""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder and hold it against other writers, waiting for them.

    Raises:
        KnowledgeError: If the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise KnowledgeError(
            f"The folder {str(folder)!r} cannot be written ({error.strerror}). "
            "Give another with --out."
        ) from error
    with lock(folder / LOCK):
        yield


def create(folder: Path) -> sqlite3.Connection:
    """Open the file of a folder for writing, making it if it is not there.

    Raises:
        KnowledgeError: If the file is damaged, of another version, or cannot be made.
    """
    path = folder / FILE
    with reported(path):
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            # In one transaction: a kill leaves all tables or none.
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} {_DERIVED} "
                f"PRAGMA user_version = {SCHEMA}; COMMIT;"
            )
        _check_version(connection, path)
    return connection


def open_existing(folder: Path) -> sqlite3.Connection:
    """Open the file of a folder for reading.

    Raises:
        KnowledgeError: If there is none, or it is damaged or of another version.
    """
    path = folder / FILE
    if not path.is_file():
        raise KnowledgeError(
            f"There is no knowledge base in {str(folder)!r} (no {FILE}). "
            f"Run: rsvlm knowledge build world --out {folder}."
        )
    with reported(path):
        # A log beside the file is of a build that was cut off or still runs: SQLite
        # has to write to read it. A finished file is opened without a trace.
        unfinished = path.with_name(f"{FILE}-wal").exists()
        mode = "rw" if unfinished else "ro"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True, isolation_level=None, timeout=30, check_same_thread=False,
        )  # fmt: skip
        connection.execute("PRAGMA query_only = 1")
        _check_version(connection, path)
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != SCHEMA:
        raise KnowledgeError(
            f"{path} has the version {found} of its tables, this rsvlm reads {SCHEMA}. "
            "Build it again into a new folder."
        )


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into one line that names the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        full = "full" in str(error)
        busy = "locked" in str(error)
        step = (
            "Free some space and run the same command again."
            if full
            else "Wait for the other process that writes it, then try again."
            if busy
            else "If it is damaged, move it away and build it again from its recipe."
        )
        raise KnowledgeError(f"{path} cannot be used ({error}). {step}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all that is done inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def finish(connection: sqlite3.Connection) -> None:
    """Fold the log into the file and close it: one file is left."""
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.execute("PRAGMA optimize")
    connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    with suppress(sqlite3.OperationalError):  # a reader has it open: the log stays
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def renew_derived(connection: sqlite3.Connection) -> int:
    """Make words and places again from the passages; return the number of places."""
    from rsvlm.retrieval.passages import box_of

    with transaction(connection):
        for statement in _statements(_DROPPED + _DERIVED):
            connection.execute(statement)
        connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
        rows = connection.execute(
            "SELECT id, kind, place FROM passages WHERE place IS NOT NULL"
        ).fetchall()
        for id, kind, place in rows:
            west, south, east, north = box_of(place)
            connection.execute(
                "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)",
                (id, west, east, south, north, kind),
            )
    return len(rows)


def _statements(script: str) -> list[str]:
    """Split a script into statements; a trigger is one."""
    found, current = [], ""
    for line in script.strip().splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    return found


def faults(path: Path) -> list[str]:
    """Return what is wrong with a file, one line each; empty for a sound one."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    found = []
    for name, check in (("tables", _tables), ("words", _words), ("places", _places)):
        try:
            found += [f"{name}: {fault}" for fault in check(connection)]
        except sqlite3.DatabaseError as error:
            if "readonly" not in str(error):
                found.append(f"{name}: {error}")
    connection.close()
    return found


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("PRAGMA integrity_check (5)").fetchall()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _words(connection: sqlite3.Connection) -> list[str]:
    # FTS5 spells its check as an insertion, which compares index and passages.
    connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    return []


def _places(connection: sqlite3.Connection) -> list[str]:
    (told,) = connection.execute("SELECT rtreecheck ('places')").fetchone()
    (lacking,) = connection.execute(
        "SELECT count(*) FROM passages WHERE place IS NOT NULL "
        "AND id NOT IN (SELECT id FROM places)"
    ).fetchone()
    found = [] if told == "ok" else [str(told)]
    return found + ([f"{lacking} passages are missing"] if lacking else [])
