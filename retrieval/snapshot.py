"""A FAISS index over the rows of a vector file: quick, approximate, made from them.

Rows fall into lists around centroids, and only the lists near a query are read. Codes
of 8 bits a number (``sq8``) find nearly all that exact search finds; products of
quantisers (``pq``) take an eighth of that and need more candidates. Whatever is found is
scored again from the vectors themselves, so that scores are exact.

``faiss-cpu`` and ``faiss-gpu`` are one module: where the second is installed and sees a
GPU, searches without a filter run there; all else is the same. On a CPU the lists stay
on disk, mapped into memory.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rsvlm.embedding import Vectors, unit
from rsvlm.errors import MissingExtraError
from rsvlm.retrieval.database import StoreError
from rsvlm.retrieval.exact import Slots, best

Codes = Literal["sq8", "pq"]

#: Candidates that are scored again for each row wanted, by codes: the coarser, the more.
CANDIDATES: dict[str, int] = {"sq8": 4, "pq": 32}
#: Share of the ten nearest rows that the lists read must hold, on average.
RECALL = 0.97
#: Rows each centroid learns from, and rounds of k-means: more changes recall little.
TAUGHT, ROUNDS = 48, 6
#: Queries that decide how many lists are read.
TRIALS = 64
#: Length of the noise on the rows taken as trial queries: texts never lie on a row.
NOISE = 0.5
#: Rows added at a time.
CHUNK = 65536


class SnapshotInfo(BaseModel):
    """What SQLite knows of a snapshot.

    Attributes:
        file: Name of the file.
        size: Its bytes.
        crc: CRC-32 of the file.
        generation: State of the vectors that it was made from.
        slots: Rows of the vector file that it covers: those before this one.
        rows: Rows in it.
        taught: Rows there were when its centroids were learned.
        probes: Lists read for a query.
        codes: How rows are stored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    size: int
    crc: int
    generation: int
    slots: int
    rows: int
    taught: int
    probes: int
    codes: Codes


class Snapshot:
    """A FAISS index that answers with rows of the vector file."""

    def __init__(self, index: Any, probes: int, codes: Codes, taught: int) -> None:
        """Join the parts."""
        self.index, self.probes, self.codes = index, probes, codes
        self.taught = taught
        self._fast = on_gpu(index)

    @classmethod
    def train(cls, rows: Vectors, slots: Slots, codes: Codes) -> "Snapshot":
        """Learn the centroids from rows and add them all.

        Args:
            rows: The vector file, shape (N, D).
            slots: Rows to cover, rising.
            codes: How to store them.

        Raises:
            MissingExtraError: If no build of FAISS is installed.
        """
        faiss = load_faiss()
        width = rows.shape[1]
        lists = 2 ** round(np.log2(max(len(slots), 4)) / 2)  # 1024 for a million
        # One byte for four numbers.
        code = "SQ8" if codes == "sq8" else f"PQ{_pieces(width)}"
        index = faiss.index_factory(
            width, f"IVF{lists},{code}", faiss.METRIC_INNER_PRODUCT
        )
        index.cp.niter, index.cp.max_points_per_centroid = ROUNDS, TAUGHT
        index.cp.min_points_per_centroid = 1  # silent
        if codes == "pq":
            index.pq.cp.min_points_per_centroid = 1
            # An order of the codes that only a search by Hamming distance uses.
            index.do_polysemous_training = False
        rng = np.random.default_rng(0)
        count = min(len(slots), max(TAUGHT * lists, 256 * 48))
        chosen = np.sort(rng.choice(slots, count, replace=False))
        index.train(np.ascontiguousarray(rows[chosen]))
        made = cls(index, 1, codes, len(slots))
        made.add(rows, slots)
        return made

    @classmethod
    def load(cls, folder: Path, info: SnapshotInfo, mapped: bool = True) -> "Snapshot":
        """Open the file of a snapshot.

        Args:
            folder: Where it lies.
            info: What SQLite knows of it.
            mapped: Leave the lists on disk; a mapped index cannot be changed.

        Raises:
            StoreError: If it is not the file that was written.
            MissingExtraError: If no build of FAISS is installed.
        """
        faiss = load_faiss()
        path = folder / info.file
        check(path, info)
        flags = faiss.IO_FLAG_MMAP if mapped and not gpus(faiss) else 0
        index = faiss.read_index(str(path), flags)
        if flags:
            lists = faiss.downcast_InvertedLists(index.invlists)
            lists.prefetch_nthread = (
                0  # threads for each query cost more than they save
            )
        return cls(index, info.probes, info.codes, info.taught)

    def add(self, rows: Vectors, slots: Slots) -> None:
        """Add rows of the vector file."""
        for start in range(0, len(slots), CHUNK):
            part = slots[start : start + CHUNK]
            self.index.add_with_ids(np.ascontiguousarray(rows[part]), part)

    def remove(self, slots: Slots) -> None:
        """Remove rows of the vector file."""
        if len(slots):
            self.index.remove_ids(np.ascontiguousarray(slots))

    def tune(self, rows: Vectors, slots: Slots) -> float:
        """Set how many lists a query reads, by the recall among ten nearest rows.

        Returns:
            The recall, in [0, 1].
        """
        rng = np.random.default_rng(1)
        chosen = np.sort(rng.choice(slots, min(TRIALS, len(slots)), replace=False))
        noise = unit(rng.standard_normal((len(chosen), rows.shape[1])))
        queries = unit(rows[chosen] + NOISE * noise)
        wanted = best(queries, rows, 10, slots if len(slots) < len(rows) else None)
        self.probes, recall = 4, 0.0
        while recall < RECALL and self.probes < self.index.nlist:
            self.probes = min(2 * self.probes, self.index.nlist)
            found = self.candidates(queries, 10)
            hits = (wanted.slots[:, :, None] == found[:, None, :]).any(2)
            recall = float(hits.mean())
        return recall

    def candidates(
        self, queries: Vectors, k: int, mask: NDArray[np.bool_] | None = None
    ) -> Slots:
        """Return rows that may be among the k best of each query.

        Args:
            queries: Shape (B, D).
            k: Rows wanted.
            mask: Rows of the vector file that may be found, shape (N,); None for all.

        Returns:
            Shape (B, M); -1 where there are fewer.
        """
        faiss = load_faiss()
        count = max(40, CANDIDATES[self.codes] * k)
        settings = faiss.SearchParametersIVF(nprobe=self.probes)
        if mask is None:
            return self._slots(self._fast, queries, count, settings)
        bits = np.packbits(mask, bitorder="little")
        settings.sel = faiss.IDSelectorBitmap(bits)
        return self._slots(self.index, queries, count, settings)

    def save(self, folder: Path, name: str) -> tuple[int, int]:
        """Write the file and wait for the disk; return its bytes and its CRC-32."""
        faiss = load_faiss()
        draft = folder / f".{name}"
        faiss.write_index(self.index, str(draft))
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        size, crc = draft.stat().st_size, checksum(draft)
        os.replace(draft, folder / name)
        return size, crc

    def _slots(self, index: Any, queries: Vectors, count: int, settings: Any) -> Slots:
        with _threads(1) if len(queries) == 1 else nullcontext():
            found = index.search(np.ascontiguousarray(queries), count, params=settings)[
                1
            ]
        return np.asarray(found, np.int64)


def load_faiss() -> Any:
    """Return the module FAISS, whichever build is installed.

    Raises:
        MissingExtraError: If there is none.
    """
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("faiss", "cpu") from None
    # The wheel's own threshold is 128,000: smaller batches are multiplied row by row.
    faiss.cvar.distance_compute_blas_threshold = 20
    return faiss


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let FAISS use some threads, in this thread of ours only.

    The lists of one query are scanned faster than a second thread wakes up.
    """
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def gpus(faiss: Any) -> int:
    """Return how many GPUs this build of FAISS can use."""
    has_code = hasattr(faiss, "StandardGpuResources")
    return int(faiss.get_num_gpus()) if has_code else 0


def on_gpu(index: Any) -> Any:
    """Return a copy of an index on the first GPU, or the index where there is none."""
    faiss = load_faiss()
    if not gpus(faiss):
        return index
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)


def check(path: Path, info: SnapshotInfo) -> None:
    """See that a file is the snapshot that SQLite knows.

    Raises:
        StoreError: If it is missing, or differs.
    """
    try:
        found = path.stat().st_size, checksum(path)
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from None
    if found != (info.size, info.crc):
        raise _damaged(path, "its checksum is not the one that was written")


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            crc = zlib.crc32(block, crc)
    return crc


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"The index {str(path)!r} is damaged: {reason}. Its vectors are not lost; make "
        f"it again with rsvlm index rebuild {path.parent}."
    )


def _pieces(width: int) -> int:
    """Return how many parts a product quantiser cuts a row into: about width / 4."""
    return next(n for n in range(max(1, width // 4), 0, -1) if width % n == 0)
