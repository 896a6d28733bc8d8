"""What vectors are to those that search them, and what a process holds of a store."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from rsvlm.embedding import Vectors
from rsvlm.retrieval.exact import Slots
from rsvlm.retrieval.snapshot import SnapshotInfo

Ids = NDArray[np.int64]


class Found(NamedTuple):
    """The best vectors of every query, the best first.

    Attributes:
        ids: Shape (B, k); -1 where there are fewer than k.
        scores: Inner products, shape (B, k); -inf there.
    """

    ids: Ids
    scores: Vectors


class VectorIndex(Protocol):
    """Vectors by number; on this machine, or on a cluster."""

    @property
    def width(self) -> int:
        """Length D of a vector."""
        ...

    def __len__(self) -> int: ...

    def add(self, ids: ArrayLike, vectors: Vectors) -> None:
        """Add vectors, shape (N, D), under numbers that are not taken."""
        ...

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors; return how many there were."""
        ...

    def get(self, ids: ArrayLike) -> Vectors:
        """Return vectors, shape (K, D)."""
        ...

    def search(self, queries: Vectors, k: int, among: ArrayLike | None = None) -> Found:
        """Return the k best vectors of each query, shape (B, D)."""
        ...

    def optimise(self) -> None:
        """Make later searches quick."""
        ...


class State(BaseModel):
    """One row of SQLite: what of the files counts.

    Attributes:
        width: Length of a vector.
        file: Name of the vector file.
        count: Rows of it that count.
        removed: Rows of it that were removed.
        generation: Number of changes so far.
        change: Drawn at each change, so that no two states are taken for one.
        snapshot: The FAISS index.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    file: str
    count: int = 0
    removed: int = 0
    generation: int = 0
    change: str = ""
    snapshot: SnapshotInfo | None = None


@dataclass(frozen=True)
class Loaded:
    """What a process holds of a state.

    Attributes:
        state: The state.
        ids: Number of each row, shape (N,); -1 for a removed one.
        rows: The vector file, shape (N, D).
    """

    state: State
    ids: Ids
    rows: Vectors

    @cached_property
    def alive(self) -> NDArray[np.bool_]:
        """Which rows were not removed, shape (N,)."""
        return self.ids >= 0

    @cached_property
    def order(self) -> Slots:
        """Rows in the order of their numbers, removed ones first, shape (N,)."""
        return np.argsort(self.ids, kind="stable")

    def slots(self, ids: ArrayLike) -> Slots:
        """Return the rows of numbers; -1 for those that are not there."""
        wanted = np.asarray(ids, np.int64).reshape(-1)
        if not len(self.ids):
            return np.full(len(wanted), -1)
        place = np.searchsorted(self.ids, wanted, sorter=self.order)
        slots = self.order[np.minimum(place, len(self.ids) - 1)]
        return np.where((self.ids[slots] == wanted) & (wanted >= 0), slots, -1)
