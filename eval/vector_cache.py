"""Vectors of pictures in a SQLite file, so that no picture is encoded twice.

A key holds everything that a vector depends on: the pixels that the encoder sees (so a
change of a rendering is noticed), their sensor, and the stamp of the encoder.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np

from rsvlm.embedding import Vectors
from rsvlm.errors import SettingsError
from rsvlm.render import View

#: Raised when what is stored changes its meaning.
SCHEMA = "rsvlm.vector/1"


def vector_key(view: View, stamp: str) -> str:
    """Return the SHA-256 of a picture and its encoder, in hexadecimal.

    Args:
        view: The picture; its place in a raster does not count.
        stamp: What tells the encoder from every other, its code and type included.
    """
    shape = "x".join(map(str, view.pixels.shape))
    head = f"{SCHEMA}\n{stamp}\n{view.sensor}\n{shape}\n"
    return sha256(head.encode() + view.pixels.tobytes()).hexdigest()


class VectorCache:
    """A SQLite file of unit vectors; several processes may share it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            SettingsError: If it is no such file, or cannot be written.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as base, base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS vectors"
                    " (key TEXT PRIMARY KEY, vector BLOB NOT NULL)"
                )
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"The cache {str(path)!r} cannot be used: {error}. Delete the file, or "
                "name another folder with RSVLM_CACHE."
            ) from None

    def _connect(self) -> sqlite3.Connection:
        # Another process may hold the file for a moment.
        return sqlite3.connect(self.path, timeout=30)

    def get(self, keys: Iterable[str]) -> dict[str, Vectors]:
        """Return key -> vector, shape (D,), of those that are stored."""
        found: dict[str, Vectors] = {}
        with closing(self._connect()) as base:
            for key in keys:
                row = base.execute(
                    "SELECT vector FROM vectors WHERE key = ?", (key,)
                ).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], dtype="<f4").astype(np.float32)
        return found

    def put(self, vectors: Mapping[str, Vectors]) -> None:
        """Store vectors by their keys."""
        rows = [(key, v.astype("<f4").tobytes()) for key, v in vectors.items()]
        with closing(self._connect()) as base, base:
            base.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def __len__(self) -> int:
        with closing(self._connect()) as base:
            return int(base.execute("SELECT COUNT(*) FROM vectors").fetchone()[0])
