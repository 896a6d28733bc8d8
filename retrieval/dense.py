"""The dense vectors of a knowledge base, laid out for search beside the SQLite file.

The vectors themselves stand in SQLite (float16). This copy has them as one block that
is mapped into memory and searched exactly; from 100,000 on a FAISS index with lists
says which rows to look at. It carries the name of the state it was made from: a copy
that is damaged, or of another state, is refused by name and made again on request.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rsvlm.cache import write_json
from rsvlm.embedding import Vectors
from rsvlm.errors import RsvlmError
from rsvlm.retrieval.exact import best, rescored
from rsvlm.retrieval.snapshot import Snapshot, SnapshotInfo, checksum
from rsvlm.retrieval.store import KnowledgeError
from rsvlm.retrieval.vectors import LEAST_ROWS
from rsvlm.retrieval.vectors_file import append, mapped

MANIFEST = "vectors.json"
SCHEMA = "rsvlm.vectors/1"


@dataclass(frozen=True)
class DenseIndex:
    """Vectors of one state of a base.

    Attributes:
        ids: Numbers of the passages, rising, shape (N,).
        rows: Their unit vectors, shape (N, D), memory-mapped.
        snapshot: Index with lists, for many vectors; None searches every row.

    .. versionadded:: 0.1
    """

    ids: NDArray[np.int64]
    rows: Vectors
    snapshot: Snapshot | None = None

    @classmethod
    def write(
        cls, folder: Path, ids: NDArray[np.int64], vectors: Vectors, state: str
    ) -> None:
        """Write the vectors of a state; the manifest, written last, makes them count.

        Args:
            folder: Folder of the knowledge base.
            ids: Numbers of the passages, rising, shape (N,).
            vectors: Unit vectors, shape (N, D).
            state: What tells this content of the base from every other.
        """
        stem = f"vectors-{state[:12]}"
        rows, numbers = folder / f"{stem}.f32", folder / f"{stem}.ids"
        for path, block in ((rows, vectors), (numbers, ids.view("<f4").reshape(-1, 2))):
            path.unlink(missing_ok=True)
            append(path, 0, np.asarray(block))
        info = None
        if len(ids) >= LEAST_ROWS:
            slots = np.arange(len(ids), dtype=np.int64)
            made = Snapshot.train(vectors, slots, "sq8")
            made.tune(vectors, slots)
            size, crc = made.save(folder, f"{stem}.faiss")
            info = SnapshotInfo(
                file=f"{stem}.faiss", size=size, crc=crc, generation=0,
                slots=len(ids), rows=len(ids), taught=made.taught,
                probes=made.probes, codes="sq8",
            ).model_dump()  # fmt: skip
        record = {
            "schema": SCHEMA,
            "state": state,
            "count": len(ids),
            "width": int(vectors.shape[1]),
            "rows": rows.name,
            "ids": numbers.name,
            "crc": {path.name: checksum(path) for path in (rows, numbers)},
            "snapshot": info,
        }
        write_json(folder / MANIFEST, record)
        kept = {rows.name, numbers.name, f"{stem}.faiss"}
        for old in folder.glob("vectors-*"):
            if old.name not in kept:
                old.unlink(missing_ok=True)

    @classmethod
    def open(cls, folder: Path, state: str) -> Self:
        """Open the vectors of a state of the base.

        Raises:
            KnowledgeError: If they are missing, damaged, or of another state.
        """
        path = folder / MANIFEST
        step = f"Run: rsvlm knowledge rebuild {folder}."
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if (record["schema"], record["state"]) != (SCHEMA, state):
                raise KnowledgeError(
                    f"{path} was made from another state of the knowledge base. {step}"
                )
            for name, crc in record["crc"].items():
                path = folder / name
                if checksum(path) != crc:
                    raise KnowledgeError(
                        f"{path} is damaged: its checksum is not the one that was "
                        f"written. {step}"
                    )
            path = folder / record["rows"]
            rows = mapped(path, record["count"], record["width"])
            ids = np.fromfile(folder / record["ids"], "<i8")
            if rows is None or len(ids) != len(rows):
                raise KnowledgeError(f"{path} is damaged: it is too short. {step}")
            snapshot = None
            if record["snapshot"]:
                info = SnapshotInfo.model_validate(record["snapshot"])
                path = folder / info.file
                snapshot = Snapshot.load(folder, info)
        except KnowledgeError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RsvlmError) as error:
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise KnowledgeError(f"{path} cannot be read: {reason}. {step}") from error
        return cls(ids.astype(np.int64), rows, snapshot)

    def search(
        self, query: Vectors, k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the numbers and cosines of the nearest passages, best first.

        Args:
            query: Unit vector, shape (D,).
            k: How many.
        """
        queries = np.ascontiguousarray(query, np.float32)[None]
        k = min(k, len(self.ids))
        if self.snapshot is None:
            found = best(queries, self.rows, k)
        else:
            near = self.snapshot.candidates(queries, k)
            found = rescored(queries, self.rows, near, k)
        slots = found.slots[0]
        slots, scores = slots[slots >= 0], found.scores[0][found.slots[0] >= 0]
        return self.ids[slots], scores
