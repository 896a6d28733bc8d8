"""Builds a knowledge base from sources: resumable, incremental, without duplicates.

Passages are taken in batches, each in one transaction together with how far its source
has been read: after a kill, the same command goes on behind the last batch that was
committed. A source that has not changed since is skipped; of one that has, passages
that are gone are removed. Then texts get their vectors, and the dense index is written.
"""

import importlib.metadata
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rsvlm import __version__
from rsvlm.cache import write_json
from rsvlm.retrieval.chunks import chunked, embedded_text
from rsvlm.retrieval.dense import DenseIndex
from rsvlm.retrieval.encoders import Encoder
from rsvlm.retrieval.passages import Passage, box_of
from rsvlm.retrieval.store import (
    FILE,
    create,
    finish,
    held,
    open_existing,
    renew_derived,
    reported,
    transaction,
)

#: Passages a transaction.
BATCH = 2048
#: Texts that are encoded at once; sorted by length, so that little is padded.
ENCODED = 64
RUN_FILE = "run.json"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class SourceOf:
    """A source as the builder sees it.

    Attributes:
        name: Unique in the recipe.
        fingerprint: Changes whenever its passages may have changed.
        read: Yields its passages, in the same order each time.
        dense: Whether its texts get vectors. Rows of a gazetteer need none: they are
            found by name and place.
    """

    name: str
    fingerprint: str
    read: Callable[[], Iterable[Passage]]
    dense: bool = True


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did."""

    passages: int
    added: int
    removed: int
    encoded: int
    seconds: float


def build(
    folder: Path,
    sources: Iterable[SourceOf],
    encoder: Encoder,
    progress: Progress,
    config: dict[str, Any] | None = None,
    pictures: str = "",
) -> Built:
    """Build a knowledge base, or bring one up to date.

    Args:
        folder: Where it is written.
        sources: What to read, in order.
        encoder: What makes the dense vectors.
        progress: Called with one line for each acknowledged step.
        config: The resolved recipe, for ``run.json``.
        pictures: Name of the space of the passages' pictures.

    Raises:
        KnowledgeError: If the file is damaged, of another version, or cannot be
            written.
    """
    start = time.time()
    listed = list(sources)
    with held(folder), reported(folder / FILE):
        connection = create(folder)
        before = _count(connection)
        removed = _drop_absent(connection, [source.name for source in listed])
        for source in listed:
            removed += _take(connection, source, encoder, progress)
        encoded = _encode(connection, encoder, progress)
        with transaction(connection):
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('pictures', ?)", (pictures,)
            )
        _seal(connection, folder, encoder)
        after = _count(connection)
        finish(connection)
    built = Built(
        after, after - before + removed, removed, encoded, time.time() - start
    )
    record = {
        "schema": "rsvlm.run/1",
        "config": config or {},
        "sources": {source.name: source.fingerprint for source in listed},
        "encoder": encoder.name,
        "passages": built.passages,
        "packages": _versions(),
        "start": start,
        "end": time.time(),
    }
    write_json(folder / RUN_FILE, record)
    return built


def rebuild(folder: Path, encoder: Encoder, progress: Progress) -> None:
    """Make words, places and vectors again from the passages in SQLite.

    Raises:
        KnowledgeError: If there is no base, or SQLite's own file is damaged.
    """
    open_existing(folder).close()
    with held(folder), reported(folder / FILE):
        connection = create(folder)
        progress(f"places: {renew_derived(connection)}")
        _encode(connection, encoder, progress)
        _seal(connection, folder, encoder)
        finish(connection)


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM passages").fetchone()[0])


def _drop_absent(connection: sqlite3.Connection, names: list[str]) -> int:
    """Remove what came from sources that the recipe no longer has."""
    known = connection.execute("SELECT id, name FROM sources").fetchall()
    gone = [id for id, name in known if name not in names]
    with transaction(connection):
        for id in gone:
            connection.execute("DELETE FROM members WHERE source = ?", (id,))
            connection.execute("DELETE FROM sources WHERE id = ?", (id,))
        return _drop_orphans(connection) if gone else 0


def _drop_orphans(connection: sqlite3.Connection) -> int:
    done = connection.execute(
        "DELETE FROM passages WHERE id NOT IN (SELECT passage FROM members)"
    )
    return done.rowcount


def _take(
    connection: sqlite3.Connection,
    source: SourceOf,
    encoder: Encoder,
    progress: Progress,
) -> int:
    """Read a source from where an earlier build stopped; return what was removed."""
    limits = f"{source.fingerprint}/{encoder.limit}/{source.dense}"
    id, turn, taken, done = _open_source(connection, source.name, limits)
    if done:
        progress(f"{source.name}: unchanged")
        return 0
    pieces = (
        piece
        for passage in source.read()
        for piece in chunked(passage, encoder.count, encoder.limit)
    )
    rest = islice(pieces, taken, None)
    while batch := list(islice(rest, BATCH)):
        taken += len(batch)
        with transaction(connection):
            for passage in batch:
                number = _put(connection, passage, source.dense)
                connection.execute(
                    "INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
                    "SET turn = excluded.turn",
                    (id, number, turn),
                )
            connection.execute("UPDATE sources SET taken = ? WHERE id = ?", (taken, id))
        progress(f"{source.name}: {taken}")
    with transaction(connection):
        connection.execute(
            "DELETE FROM members WHERE source = ? AND turn < ?", (id, turn)
        )
        removed = _drop_orphans(connection)
        connection.execute("UPDATE sources SET done = 1 WHERE id = ?", (id,))
    progress(f"{source.name}: {taken} complete")
    return removed


def _open_source(
    connection: sqlite3.Connection, name: str, fingerprint: str
) -> tuple[int, int, int, bool]:
    """Return number, turn, passages taken and whether all is done."""
    with transaction(connection):
        row = connection.execute(
            "SELECT id, turn, taken, done, fingerprint FROM sources WHERE name = ?",
            (name,),
        ).fetchone()
        if row is None:
            new = connection.execute(
                "INSERT INTO sources (name, fingerprint, turn, taken, done) "
                "VALUES (?, ?, 1, 0, 0)",
                (name, fingerprint),
            )
            return int(new.lastrowid or 0), 1, 0, False
        id, turn, taken, done, known = row
        if known == fingerprint:
            return id, turn, taken, bool(done)
        connection.execute(
            "UPDATE sources SET fingerprint = ?, turn = ?, taken = 0, done = 0 "
            "WHERE id = ?",
            (fingerprint, turn + 1, id),
        )
        return id, turn + 1, 0, False


def _put(connection: sqlite3.Connection, passage: Passage, dense: bool) -> int:
    """Store a passage once; what is known beside its text is brought up to date."""
    row = connection.execute(
        "SELECT id FROM passages WHERE hash = ?", (passage.hash,)
    ).fetchone()
    picture = passage.picture
    known = (
        passage.source, passage.licence, passage.url, passage.date, passage.facts_json,
        passage.weight, int(dense),
        None if picture is None else picture.astype(np.float16).tobytes(),
    )  # fmt: skip
    if row:
        connection.execute(
            "UPDATE passages SET source = ?, licence = ?, url = ?, date = ?, "
            "facts = ?, weight = ?, dense = max(dense, ?), picture = ? WHERE id = ?",
            (*known, row[0]),
        )
        return int(row[0])
    new = connection.execute(
        "INSERT INTO passages (source, licence, url, date, facts, weight, dense, "
        "picture, hash, kind, title, text, place) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            *known,
            passage.hash,
            passage.kind,
            passage.title,
            passage.text,
            passage.place,
        ),
    )
    number = int(new.lastrowid or 0)
    if passage.place is not None:
        west, south, east, north = box_of(passage.place)
        connection.execute(
            "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)",
            (number, west, east, south, north, passage.kind),
        )
    return number


def _encode(
    connection: sqlite3.Connection, encoder: Encoder, progress: Progress
) -> int:
    """Give vectors to the texts that want one and have none of this encoder."""
    known = connection.execute(
        "SELECT value FROM meta WHERE key = 'encoder'"
    ).fetchone()
    if known is None or known[0] != encoder.name:
        with transaction(connection):
            connection.execute("UPDATE passages SET vector = NULL")
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('encoder', ?)", (encoder.name,)
            )
    (total,) = connection.execute(
        "SELECT count(*) FROM passages WHERE dense AND vector IS NULL"
    ).fetchone()
    done = 0
    for batch in _batches(connection):
        vectors = encoder.encode(
            [embedded_text(title, text) for _, title, text in batch]
        )
        with transaction(connection):
            connection.executemany(
                "UPDATE passages SET vector = ? WHERE id = ?",
                [
                    (vector.astype(np.float16).tobytes(), id)
                    for vector, (id, _, _) in zip(vectors, batch, strict=True)
                ],
            )
        done += len(batch)
        progress(f"vectors: {done} of {total}")
    return done


def _batches(
    connection: sqlite3.Connection,
) -> Iterator[list[tuple[int, str, str]]]:
    """Yield texts without a vector, those of about one length together."""
    rows = connection.execute(
        "SELECT id FROM passages WHERE dense AND vector IS NULL "
        "ORDER BY length(text), id"
    ).fetchall()
    for start in range(0, len(rows), ENCODED):
        ids = [row[0] for row in rows[start : start + ENCODED]]
        marks = ",".join("?" * len(ids))
        yield connection.execute(
            f"SELECT id, title, text FROM passages WHERE id IN ({marks})", ids
        ).fetchall()


def _seal(connection: sqlite3.Connection, folder: Path, encoder: Encoder) -> None:
    """Name the state of the base by its content, and write the index of that state."""
    digest = sha256(encoder.name.encode())
    for row in connection.execute("SELECT id, hash, vector FROM passages ORDER BY id"):
        digest.update(f"{row[0]}".encode() + row[1] + (row[2] or b""))
    state = digest.hexdigest()[:32]
    rows = connection.execute(
        "SELECT id, vector FROM passages WHERE vector IS NOT NULL ORDER BY id"
    ).fetchall()
    ids = np.asarray([row[0] for row in rows], np.int64)
    vectors = np.zeros((len(rows), encoder.width), np.float32)
    for i, (_, blob) in enumerate(rows):
        vectors[i] = np.frombuffer(blob, np.float16)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('state', ?)", (state,))
    DenseIndex.write(folder, ids, vectors, state)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "rsvlm": __version__}
    for name in ("faiss-cpu", "faiss-gpu", "tokenizers", "torch", "transformers"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["sqlite"] = sqlite3.sqlite_version
    return found
