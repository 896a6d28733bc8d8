"""Builds a recipe and prints what it costs: time, memory, samples a second, leaks.

    python benchmarks/data_build.py --data ../shared/data --out /tmp/large
    python benchmarks/data_build.py --data none --out /tmp/large-drawn      # without data
    python benchmarks/data_build.py --recipe tiny --out /tmp/tiny --twice

Leaks are looked for in what was built, whatever the recipe filtered: every image of the
training and the validation split is compared with every image of the test split, by
file, by look (also flipped and turned) and by place. ``--twice`` builds again, in one
process, and compares every byte.
"""

import argparse
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from rsvlm.data_engine.build import build
from rsvlm.data_engine.filters import Filters, Sieve
from rsvlm.data_engine.pools import Here, Job, Pool, Processes, cores
from rsvlm.data_engine.records import Record
from rsvlm.samples import ImageRef, read_samples


class Timed:
    """A pool that tells how long each half of a build takes."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.seconds: list[float] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        """Do the pieces, and note how long all of them took."""
        start = time.perf_counter()
        yield from self.pool.run(jobs)
        self.seconds.append(time.perf_counter() - start)


def main() -> None:
    """Build, measure, check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="large")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True, help="a folder of its own")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--limit", type=int, help="images of a source and split")
    parser.add_argument("--twice", action="store_true")
    given = parser.parse_args()

    workers = given.workers
    pool = Timed(Processes(workers) if workers > 1 else Here())
    start = time.perf_counter()
    run = build(
        given.recipe,
        given.data,
        given.out,
        progress=print,
        pool=pool,
        limit=given.limit,
    )
    seconds = time.perf_counter() - start
    if len(pool.seconds) < 2:
        raise SystemExit("It was built before. Remove the folder to measure.")
    samples = {
        split: sum(n for tasks in sources.values() for n in tasks.values())
        for split, sources in run["counts"].items()
    }
    read, composed = pool.seconds
    total = sum(samples.values())
    print(f"{given.recipe}: {total} samples ({samples}), {workers} processes")
    print(
        f"{seconds:.0f} s: {read:.0f} s reading and drawing, {composed:.0f} s composing"
    )
    print(
        f"compose: {total / composed:.0f} samples/s; all: {total / seconds:.0f} samples/s"
    )
    print(f"peak memory: {_mib(resource.RUSAGE_SELF)} MiB, of the largest worker "
          f"{_mib(resource.RUSAGE_CHILDREN)} MiB")  # fmt: skip
    print(f"left out by the recipe's filters: {run.get('leaks')}, {run['filters']}")
    for name, count in leaks(given.out).items():
        print(f"{name}: {count}")
    if given.twice:
        again = given.out.with_name(f"{given.out.name}-again")
        shutil.rmtree(again, ignore_errors=True)
        build(given.recipe, given.data, again, pool=Here(), limit=given.limit)
        same = digests(given.out) == digests(again)
        print(
            f"a second build, in one process: {'equal' if same else 'DIFFERENT'} bytes"
        )


def leaks(out: Path) -> dict[str, int]:
    """Return what was compared, and the leaks towards the test split of a build."""
    sieve = Sieve(Filters(blank=False, within=False, against=("test.jsonl",)))
    sieve.look_at_evaluation(out)
    numbers = Counter({"test images": len(sieve.seen())})
    for split in ("val", "train"):
        for ref, source in _images(out / f"{split}.jsonl"):
            sieve.look(_record(out, ref, source), split)
            numbers[f"{split} images"] += 1
    sieve.decide()
    for item in sieve.dropped.values():
        towards = item.twin.split("/")[0].replace("against", "test")
        numbers[f"leaks of {item.split} towards {towards}"] += 1
        print(f"leak: {item.split}/{item.source}/{item.name} {item.reason} {item.twin}")
    for split in ("val", "train"):
        numbers[f"leaks of {split} towards test"] += 0
    return dict(numbers)


def digests(out: Path) -> dict[str, str]:
    """Return file -> hash, but for ``run.json``, which tells the time."""
    return {
        path.relative_to(out).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "show.html")
    }


def _images(path: Path) -> Iterator[tuple[ImageRef, str]]:
    seen = set[str]()
    for sample in read_samples(path):
        for image in sample.images:
            if image.path not in seen:
                seen.add(image.path)
                yield image, sample.source


def _record(out: Path, ref: ImageRef, source: str) -> Record:
    return Record(
        image=(out / ref.path).read_bytes(),
        name=ref.path,
        width=ref.width,
        height=ref.height,
        source=source,
        licence="",
        sensor=ref.sensor,
        bounds_lonlat=ref.bounds_lonlat,
    )


def _mib(who: int) -> int:
    return resource.getrusage(who).ru_maxrss >> 10


if __name__ == "__main__":
    main()
