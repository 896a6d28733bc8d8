"""Unit vectors by number, searched by inner product: exact, or through an index.

Vectors stand in a flat file that is only ever appended to and is read through a memory
map. SQLite says how many rows of it count, which number each has, and its checksums;
a row that a killed process left behind is written over. Below :data:`LEAST_ROWS`
vectors every search is exact. Above, :meth:`VectorStore.optimise` makes a FAISS
snapshot; rows that came later are searched exactly and merged, rows that were removed
are left out, so that neither needs a new one.

Source:
    Lists and product quantisers: FAISS, https://arxiv.org/abs/2401.08281.
"""

import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from rsvlm.cache import lock
from rsvlm.embedding import Vectors
from rsvlm.retrieval.database import Database, StoreError, batches, table_name
from rsvlm.retrieval.exact import Best, best, merged, rescored
from rsvlm.retrieval.snapshot import Codes, Snapshot, SnapshotInfo, check
from rsvlm.retrieval.vectors_file import (
    Block,
    append,
    copied,
    damaged,
    mapped,
    sweep,
)
from rsvlm.retrieval.vectors_state import Found, Ids, Loaded, State, VectorIndex

__all__ = ["Found", "Ids", "State", "VectorIndex", "VectorStore"]

#: Fewer vectors are searched exactly: a few milliseconds a query.
LEAST_ROWS = 100_000
#: A filter that leaves fewer rows of a snapshot makes the search exact.
FEW_ROWS = 20_000
#: Share of new and removed rows that makes a snapshot worth making again.
STALE = 0.1
#: A row of another length than 1 by more than this was damaged.
TOLERANCE = 1e-3


class VectorStore:
    """Vectors in a folder of this machine; a ``VectorIndex``.

    Threads may share it, and processes the folder. Changes take part in an open
    transaction of the database, so that rows of other tables come and go with them.

    .. versionadded:: 0.1
    """

    def __init__(self, database: Database, width: int, name: str = "vectors") -> None:
        """Open the vectors of a database, or begin.

        Args:
            database: Where they are counted; files lie beside it.
            width: Length D of a vector.
            name: Of the tables and files.

        Raises:
            StoreError: If it holds vectors of another length.
        """
        self.database, self.width, self.name = database, width, table_name(name)
        self.folder = database.path.parent
        self._loaded: Loaded | None = None
        self._open: tuple[str, Snapshot] | None = None
        self._checked: dict[str, int] = {}  # file -> rows whose checksum was seen
        with database.writing() as base:
            for table in (
                "rows (id INTEGER PRIMARY KEY, slot INTEGER NOT NULL UNIQUE)",
                "blocks (slot INTEGER PRIMARY KEY, size INTEGER, crc INTEGER)",
                "state (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT)",
            ):
                base.execute(f"CREATE TABLE IF NOT EXISTS {self.name}_{table}")
            first = State(width=width, file=f"{self.name}-0.f32")
            base.execute(
                f"INSERT OR IGNORE INTO {self.name}_state VALUES (1, ?)",
                (first.model_dump_json(),),
            )
        if self.state.width != width:
            raise StoreError(
                f"The store {str(database.path)!r} holds vectors of {self.state.width} "
                f"numbers, not {width}. Use the encoder it was built with, or build "
                "another."
            )

    @property
    def state(self) -> State:
        """What of the files counts now."""
        ((text,),) = self.database.read(f"SELECT state FROM {self.name}_state")
        return State.model_validate_json(text)

    def __len__(self) -> int:
        state = self.state
        return state.count - state.removed

    def add(self, ids: ArrayLike, vectors: Vectors) -> None:
        """Add vectors; when this returns outside a transaction, they are kept.

        Args:
            ids: Numbers from 0 on that are not taken, shape (N,).
            vectors: Of length 1, shape (N, D).

        Raises:
            ValueError: If shapes, lengths or numbers are wrong.
        """
        numbers = np.asarray(ids, np.int64).reshape(-1)
        rows = np.ascontiguousarray(vectors, "<f4")
        if rows.shape != (len(numbers), self.width):
            raise ValueError(f"{len(numbers)} numbers for vectors of {rows.shape}")
        if not (np.abs(np.linalg.norm(rows, axis=1) - 1) <= TOLERANCE).all():
            raise ValueError("a vector has not length 1")
        if len(np.unique(numbers)) < len(numbers) or (numbers < 0).any():
            raise ValueError("numbers are negative or stand twice")
        if not len(rows):
            return
        with self._change() as state:
            base_slots = range(state.count, state.count + len(rows))
            pairs = list(zip(numbers.tolist(), base_slots, strict=True))
            if any(
                self.database.read(
                    f"SELECT 1 FROM {self.name}_rows WHERE id IN ({_marks(part)})", part
                )
                for part in batches(numbers.tolist())
            ):
                raise ValueError("a number is taken; remove its vector first")
            append(self.folder / state.file, state.count, rows)
            with self.database.writing() as base:
                base.executemany(f"INSERT INTO {self.name}_rows VALUES (?, ?)", pairs)
                base.execute(
                    f"INSERT INTO {self.name}_blocks VALUES (?, ?, ?)",
                    (state.count, len(rows), zlib.crc32(rows.tobytes())),
                )
            self._write(state.model_copy(update={"count": state.count + len(rows)}))

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors; return how many of the numbers there were."""
        numbers = np.unique(np.asarray(ids, np.int64)).tolist()
        gone = 0
        with self._change() as state, self.database.writing() as base:
            for part in batches(numbers):
                gone += base.execute(
                    f"DELETE FROM {self.name}_rows WHERE id IN ({_marks(part)})", part
                ).rowcount
            self._write(state.model_copy(update={"removed": state.removed + gone}))
        return gone

    def get(self, ids: ArrayLike) -> Vectors:
        """Return vectors, shape (K, D).

        Raises:
            KeyError: If there is none of a number.
        """
        loaded = self._load()
        slots = loaded.slots(ids)
        if (slots < 0).any():
            raise KeyError(int(np.asarray(ids).reshape(-1)[slots < 0][0]))
        return np.array(loaded.rows[slots])

    def search(
        self,
        queries: Vectors,
        k: int,
        among: ArrayLike | None = None,
        exact: bool = False,
    ) -> Found:
        """Return the vectors with the largest inner products.

        Args:
            queries: Of length 1, shape (B, D).
            k: Vectors wanted for each.
            among: Numbers that may be found; None for all.
            exact: Look at every vector.

        Raises:
            StoreError: If a file is damaged.
        """
        loaded = self._load()
        queries = np.ascontiguousarray(queries, np.float32).reshape(-1, self.width)
        mask = loaded.alive
        if among is not None:
            chosen = loaded.slots(among)
            mask = np.zeros(len(mask), np.bool_)
            mask[chosen[chosen >= 0]] = True
        info = loaded.state.snapshot
        inside = int(np.count_nonzero(mask[: info.slots])) if info else 0
        if exact or info is None or inside <= FEW_ROWS:
            slots = None if mask.all() else np.flatnonzero(mask)
            found = best(queries, loaded.rows, k, slots)
        else:
            snapshot = self._snapshot(loaded.state)
            some = mask[: info.slots] if inside < info.rows else None
            near = snapshot.candidates(queries, k, some)
            found = rescored(queries, loaded.rows, near, k)
            later = info.slots + np.flatnonzero(mask[info.slots :])
            if len(later):
                found = merged(found, best(queries, loaded.rows, k, later))
        self._check_lengths(loaded, found)
        ids = np.full(found.slots.shape, -1, np.int64)
        ids[found.slots >= 0] = loaded.ids[found.slots[found.slots >= 0]]
        return Found(ids, found.scores)

    def optimise(self, codes: Codes | None = None) -> None:
        """Make a snapshot, or make it again, where that pays.

        Rows are added to and taken from an earlier one; its centroids are learned
        again when the vectors have doubled. Searches and changes go on meanwhile.

        Args:
            codes: How rows are stored; None keeps what there is.

        Raises:
            StoreError: If a file is damaged.
            MissingExtraError: If no build of FAISS is installed.
        """
        with lock(self.folder / f".{self.name}.lock"):
            loaded = self._load()
            info, slots = loaded.state.snapshot, np.flatnonzero(loaded.alive)
            codes = codes or (info.codes if info else "sq8")
            if len(slots) < LEAST_ROWS:
                self._publish(loaded, None)
            elif info is None or info.codes != codes or len(slots) > 2 * info.taught:
                self._publish(loaded, Snapshot.train(loaded.rows, slots, codes))
            else:
                gone = np.flatnonzero(~loaded.alive[: info.slots])
                later = slots[slots >= info.slots]
                if info.rows - len(slots) + 2 * len(later) > STALE * info.rows:
                    made = Snapshot.load(self.folder, info, mapped=False)
                    made.remove(gone)
                    made.add(loaded.rows, later)
                    self._publish(loaded, made)

    def rebuild(self, codes: Codes | None = None) -> None:
        """Make the snapshot again from nothing, and drop removed rows from the file.

        Raises:
            StoreError: If vectors themselves are damaged; see :meth:`damaged`.
            MissingExtraError: If no build of FAISS is installed.
        """
        with self._change() as state:
            if len(bad := self.damaged()):
                raise StoreError(
                    f"{len(bad)} vectors of {str(self.folder / state.file)!r} are "
                    "damaged. Encode what they stand for again."
                )
            codes = codes or (state.snapshot.codes if state.snapshot else None)
            state = state.model_copy(update={"snapshot": None})
            self._write(self._compacted(state) if state.removed else state)
        self.optimise(codes)

    def damaged(self) -> Ids:
        """Return the numbers of vectors that are not what was written."""
        state = self.state
        parts = damaged(self.folder / state.file, self.width, self._blocks(0))
        bad = [id for part in parts for id, _ in self._rows(part.start, part.stop)]
        return np.array(bad, np.int64)

    def verify(self) -> list[str]:
        """Return what is wrong with the files, one line each; nothing if all is well."""
        problems, state = self.database.problems(), self.state
        if len(bad := self.damaged()):
            problems.append(f"{state.file}: {len(bad)} vectors are not as written")
        if state.snapshot is not None:
            try:
                check(self.folder / state.snapshot.file, state.snapshot)
            except StoreError as error:
                problems.append(str(error))
        return problems

    @contextmanager
    def _change(self) -> Iterator[State]:
        """Hold the database for a change of the state, which is given."""
        with self.database.writing():
            yield self.state

    def _write(self, state: State) -> None:
        after = {"generation": state.generation + 1, "change": secrets.token_hex(8)}
        text = state.model_copy(update=after).model_dump_json()
        with self.database.writing() as base:
            base.execute(f"UPDATE {self.name}_state SET state = ?", (text,))

    def _rows(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return (id, slot) of the rows of a part of the file."""
        query = f"SELECT id, slot FROM {self.name}_rows WHERE slot >= ? AND slot < ?"
        return self.database.read(query, (start, stop))

    def _load(self) -> Loaded:
        with self.database.lock, self.database.reading():
            state, old = self.state, self._loaded
            if old is not None and old.state.change == state.change:
                return old
            known = 0
            if old and (old.state.file, old.state.removed) == (
                state.file,
                state.removed,
            ):
                known = old.state.count
            ids = np.full(state.count, -1, np.int64)
            if old is not None:
                ids[:known] = old.ids[:known]
            if pairs := self._rows(known, state.count):
                found = np.array(pairs, np.int64)
                ids[found[:, 1]] = found[:, 0]
            loaded = Loaded(state, ids, self._mapped(state))
            if not self.database.is_writing:  # else it may be undone
                self._check_later(loaded)
                self._loaded = loaded
            return loaded

    def _mapped(self, state: State) -> Vectors:
        rows = mapped(self.folder / state.file, state.count, self.width)
        if rows is None:
            raise self._refusal(state)
        return rows

    def _blocks(self, start: int) -> list[Block]:
        query = f"SELECT slot, size, crc FROM {self.name}_blocks WHERE slot >= ?"
        return self.database.read(f"{query} ORDER BY slot", (start,))

    def _check_later(self, loaded: Loaded) -> None:
        """See once that the rows which every search reads are what was written."""
        state = loaded.state
        start = max(
            state.snapshot.slots if state.snapshot else 0,
            self._checked.get(state.file, 0),
        )
        for slot, size, crc in self._blocks(start):
            part = slice(slot, slot + size)
            same = zlib.crc32(loaded.rows[part].tobytes()) == crc
            if not same and loaded.alive[part].any():
                raise self._refusal(state)
        self._checked = {state.file: state.count}

    def _check_lengths(self, loaded: Loaded, found: Best) -> None:
        """See that what was found was not damaged: it would be found first."""
        slots = np.unique(found.slots)
        lengths = np.linalg.norm(loaded.rows[slots[slots >= 0]], axis=1)
        if not (np.abs(lengths - 1) <= 2 * TOLERANCE).all():
            raise self._refusal(loaded.state)

    def _refusal(self, state: State) -> StoreError:
        return StoreError(
            f"The vectors {str(self.folder / state.file)!r} are damaged. See which with "
            f"rsvlm index verify {self.folder}, then run rsvlm index rebuild "
            f"{self.folder}."
        )

    def _snapshot(self, state: State) -> Snapshot:
        info = state.snapshot
        assert info is not None
        with self.database.lock:
            if self._open is None or self._open[0] != info.file:
                self._open = info.file, Snapshot.load(self.folder, info)
            return self._open[1]

    def _compacted(self, state: State) -> State:
        """Copy the rows that were not removed to a new file; return its state."""
        loaded = self._load()
        kept = np.flatnonzero(loaded.alive)
        name = f"{self.name}-{state.generation + 1}.f32"
        blocks = copied(loaded.rows, kept, self.folder / name)
        pairs = list(zip(loaded.ids[kept].tolist(), range(len(kept)), strict=True))
        with self.database.writing() as base:
            base.execute(f"DELETE FROM {self.name}_rows")
            base.execute(f"DELETE FROM {self.name}_blocks")
            base.executemany(f"INSERT INTO {self.name}_rows VALUES (?, ?)", pairs)
            base.executemany(f"INSERT INTO {self.name}_blocks VALUES (?, ?, ?)", blocks)
        update = {"file": name, "count": len(kept), "removed": 0}
        return state.model_copy(update=update)

    def _publish(self, loaded: Loaded, made: Snapshot | None) -> None:
        """Write a snapshot of a loaded state, count it, and delete the one before."""
        info, at = None, loaded.state
        if made is not None:
            slots = np.flatnonzero(loaded.alive)
            made.tune(loaded.rows, slots)
            name = f"{self.name}-{at.generation}-{secrets.token_hex(4)}.faiss"
            size, crc = made.save(self.folder, name)
            info = SnapshotInfo(
                file=name, size=size, crc=crc, generation=at.generation,
                slots=at.count, rows=len(slots), taught=made.taught,
                probes=made.probes, codes=made.codes,
            )  # fmt: skip
        with self._change() as state:
            if state.file == at.file and state.snapshot != info:
                state = state.model_copy(update={"snapshot": info})
                self._write(state)
        used = (state.file, state.snapshot.file if state.snapshot else None)
        sweep(self.folder, self.name, used)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
