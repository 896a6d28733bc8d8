"""Time, recall, memory and disk of the vectors of an archive against FAISS as it comes.

Run it with ``python benchmarks/archive_search.py [N] [FOLDER]``, by default for
1,000,000 vectors of 384 numbers (3 GB of memory, 2 GB of disk). Ours and the peer take
turns in one run; wall time is followed by processor time, which other users of the
machine disturb less. On a machine that others use set OMP_NUM_THREADS=1: threads that
wait for each other count as processor time. Vectors are drawn around 4,096 centres in 64 dimensions and get
noise in all 384; queries are drawn like them and are not among them.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from rsvlm.embedding import Vectors, unit
from rsvlm.retrieval.database import Database
from rsvlm.retrieval.vectors import VectorStore

WIDTH, CENTRES, LATENT = 384, 4096, 64
#: Vectors added in one transaction.
BATCH = 50_000
#: The wheel's own setting; batches below it are multiplied row by row.
WHEEL = faiss.cvar.distance_compute_blas_threshold


class Draw:
    """Clustered unit vectors, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centres = self.rng.standard_normal((CENTRES, LATENT), np.float32)
        self.turn = self.rng.standard_normal((LATENT, WIDTH), np.float32) / 8

    def vectors(self, count: int) -> Vectors:
        """Return vectors, shape (count, WIDTH)."""
        chosen = self.centres[self.rng.integers(0, CENTRES, count)]
        latent = chosen + 0.6 * self.rng.standard_normal((count, LATENT), np.float32)
        noise = self.rng.standard_normal((count, WIDTH), np.float32)
        return unit(latent @ self.turn + 0.35 * noise)


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a function returns, its wall time and processor time, s."""
    wall, cpu = time.perf_counter(), time.process_time()
    out = run()
    return out, time.perf_counter() - wall, time.process_time() - cpu


def in_turn(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Run functions in turn, print medians, and return (wall, cpu, last result)."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    last = {}
    for _ in range(rounds):
        for name, run in runs.items():
            last[name], wall, cpu = timed(run)
            times[name].append((wall, cpu))
    out = {}
    for name, pairs in times.items():
        wall, cpu = np.median(pairs, axis=0)
        print(f"{name:34} {1e3 * wall:9.2f} ms  processor {1e3 * cpu:9.2f} ms")
        out[name] = (wall, cpu, last[name])
    return out


def default_search(flat: Any, queries: Vectors) -> Any:
    """Search with the setting that the wheel comes with."""
    faiss.cvar.distance_compute_blas_threshold = WHEEL
    try:
        return flat.search(queries, 10)
    finally:
        faiss.cvar.distance_compute_blas_threshold = 20


def ratio(slow: tuple[float, float, Any], fast: tuple[float, float, Any]) -> str:
    """Return how many times faster, by wall and by processor time."""
    return f"{slow[0] / fast[0]:.1f} x (processor {slow[1] / fast[1]:.1f} x)"


def main(count: int, folder: Path) -> None:
    """Print one line a measurement."""
    draw = Draw(0)
    store = VectorStore(Database(folder / "index.sqlite"), WIDTH)
    spent = np.zeros(2)
    for start in range(0, count, BATCH):
        rows = draw.vectors(min(BATCH, count - start))
        numbers = np.arange(start, start + len(rows))
        _, wall, cpu = timed(partial(store.add, numbers, rows))
        spent += (wall, cpu)
    print(f"{count} x {WIDTH}, added in {spent[0]:.1f} s (processor {spent[1]:.1f} s)")
    queries = draw.vectors(200)
    _, wall, cpu = timed(store.optimise)
    info = store.state.snapshot
    assert info is not None
    print(
        f"index built in {wall:.1f} s (processor {cpu:.1f} s), {info.probes} lists read"
    )
    per = 1e6 / count / 2**20
    sizes = {p.suffix: p.stat().st_size * per for p in folder.iterdir() if p.is_file()}
    print("MiB a million:", {k: round(v) for k, v in sizes.items() if k})

    rows = np.concatenate([store.get(range(s, min(s + BATCH, count)))
                           for s in range(0, count, BATCH)])  # fmt: skip
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(rows)
    del rows
    many = queries[:32]
    done = in_turn(
        {
            "FAISS as it comes, 32 queries": lambda: default_search(flat, many),
            "exact, 32 queries": lambda: store.search(many, 10, exact=True),
        },
        3,
    )
    theirs, ours = done.values()
    same = [set(a) == set(b) for a, b in zip(theirs[2][1], ours[2].ids, strict=True)]
    close = np.abs(theirs[2][0] - ours[2].scores).max()
    print(
        f"  {ratio(theirs, ours)} faster; {sum(same)}/32 equal, scores to {close:.0e}"
    )

    one = iter(np.tile(queries, (3, 1)))
    two = iter(np.tile(queries, (3, 1)))
    three = iter(np.tile(queries, (3, 1)))
    done = in_turn(
        {
            "FAISS as it comes, 1 query": lambda: default_search(flat, next(one)[None]),
            "exact, 1 query": lambda: store.search(next(two)[None], 10, exact=True),
            "index, 1 query": lambda: store.search(next(three)[None], 10),
        },
        40,
    )
    single, exact, quick = done.values()
    print(f"  index: {ratio(exact, quick)} faster than our exact search, "
          f"{ratio(single, quick)} than FAISS's")  # fmt: skip
    wanted = store.search(queries, 10, exact=True).ids
    found = store.search(queries, 10).ids
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(wanted, found,
                                                               strict=True)])  # fmt: skip
    print(f"  recall@10 of 200 queries {recall:.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB, with the peer's copy of the vectors")


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        main(number, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(number, Path(made))
