"""Second half of a build: what is kept of the records becomes samples, chunk by chunk."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rsvlm.data_engine.collecting import RECORDS
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.compose_search import text_search
from rsvlm.data_engine.filters import Dropped, Filters, Sieve
from rsvlm.data_engine.records import Record
from rsvlm.data_engine.spool import (
    Chunk,
    read_json,
    read_records,
    write_json,
    write_lines,
)
from rsvlm.data_engine.writer import image_path
from rsvlm.samples import Sample, stamped

#: Endings of what is made of a chunk: its samples, and their numbers, which come last.
SAMPLES, COUNTS = "samples.jsonl", "counts.json"


@dataclass(frozen=True)
class Compose:
    """Writes the samples of a chunk; the images of what is left out go.

    Attributes:
        out: Folder of the build.
        chunk: The chunk.
        seed: Draws wordings and absent classes.
        frequency: Class -> images of source and split that show it.
        filters: What captions must agree with.
        dropped: What is left out of source and split.
    """

    out: Path
    chunk: Chunk
    seed: int
    frequency: Mapping[str, int]
    filters: Filters | None
    dropped: Mapping[tuple[str, str, str], Dropped]

    def __call__(self) -> int:
        """Do it; return the number of samples."""
        sieve = (
            Sieve(self.filters, dropped=dict(self.dropped)) if self.filters else None
        )
        tasks: Counter[str] = Counter()
        lines = (self._line(sample, tasks) for sample in self._samples(sieve))
        write_lines(self.chunk.path(self.out, SAMPLES), lines)
        counts = sorted(sieve.counts.items()) if sieve else []
        made = {"tasks": tasks, "counts": [(*key, count) for key, count in counts]}
        write_json(self.chunk.path(self.out, COUNTS), made)
        return tasks.total()

    def _line(self, sample: Sample, tasks: Counter[str]) -> str:
        tasks[sample.task] += 1
        return stamped(sample)

    def _samples(self, sieve: Sieve | None) -> Iterator[Sample]:
        split = self.chunk.split
        for record in read_records(self.chunk.path(self.out, RECORDS)):
            if sieve and not sieve.stays(record, split):
                (self.out / image_path(record)).unlink(missing_ok=True)
                continue
            if sieve:
                record = sieve.paired(record, split)
                if sieve.settings.agreement is not None and record.captions:
                    image = (self.out / image_path(record)).read_bytes()
                    whole = sieve.agreeing(replace(record, image=image), split)
                    record = replace(whole, image=b"")
            yield from compose(record, split, self.seed, dict(self.frequency))


@dataclass(frozen=True)
class Search:
    """Writes the search by words over the pieces of a source's test split."""

    out: Path
    chunk: Chunk
    chunks: tuple[Chunk, ...]
    dropped: frozenset[str]

    def __call__(self) -> int:
        """Do it; return the number of samples."""
        tasks: Counter[str] = Counter()
        lines = []
        for sample in text_search(list(self._pieces()), self.chunk.split):
            tasks[sample.task] += 1
            lines.append(stamped(sample))
        write_lines(self.chunk.path(self.out, SAMPLES), lines)
        write_json(self.chunk.path(self.out, COUNTS), {"tasks": tasks, "counts": []})
        return tasks.total()

    def _pieces(self) -> Iterator[Record]:
        for chunk in self.chunks:
            for record in read_records(chunk.path(self.out, RECORDS)):
                if record.is_piece and record.name not in self.dropped:
                    yield replace(record, partner=None)


def read_counts(chunk: Chunk, out: Path) -> dict[str, Any]:
    """Return the numbers of a chunk."""
    counts: dict[str, Any] = read_json(chunk.path(out, COUNTS))
    return counts
