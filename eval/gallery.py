"""What a query searches: the records of its benchmark that it may find."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from os.path import normpath, relpath
from pathlib import Path

from rsvlm.embedding import Vectors
from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.selection import load_samples
from rsvlm.samples import Sample

_WAY = re.compile(r"(?P<of>\w+)(?P<to>\s+to\s+|-to-)(?P<kind>\w+)")


@dataclass(frozen=True)
class Gallery:
    """What is searched: ids of records and their unit vectors, shape (G, D)."""

    names: tuple[str, ...]
    vectors: Vectors


@dataclass(frozen=True)
class Whole:
    """Every sample of a benchmark, in its order, however few of them are asked."""

    samples: Sequence[Sample] = ()

    @cached_property
    def places(self) -> dict[str, int]:
        """Id of a sample -> its number."""
        return {sample.id: number for number, sample in enumerate(self.samples)}

    def behind(self, sample: Sample) -> Iterator[Sample]:
        """Yield the samples with pictures behind one; none behind an unknown one."""
        start = self.places.get(sample.id, len(self.samples)) + 1
        return (s for s in islice(self.samples, start, None) if not is_text(s))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every true class, sorted."""
        return tuple(sorted({s.answers[0] for s in self.samples if s.answers}))


def samples_beside(benchmark: Benchmark, images: Path) -> Sequence[Sample]:
    """Return every sample of a benchmark, by the folder of its images.

    Args:
        benchmark: Its definition.
        images: Folder ``data.images`` as seen from the folder of ``data.file``.

    Raises:
        SettingsError: If the file is not there.
        ParseError: If it is not the file that the benchmark was defined on.
    """
    folder = normpath(images / relpath(".", benchmark.data.images))
    return load_samples(benchmark, Path(folder) / Path(benchmark.data.file).name)


def members(samples: Sequence[Sample], query: Sample) -> list[Sample]:
    """Return the records that a query searches.

    A query of type "optical to sar" searches the records of the type "sar to optical".
    Where there is no such type, it searches those of the types that the relevant items
    of its own type have, such as a plain list of images.

    Args:
        samples: Every sample of the benchmark.
        query: One of them.

    Raises:
        SettingsError: If the relevant items are no records of the benchmark.
    """
    if way := _WAY.fullmatch(query.type or ""):
        back = f"{way['kind']}{way['to']}{way['of']}"
        if found := [sample for sample in samples if sample.type == back]:
            return found
    wanted = {n for s in samples if s.type == query.type for n in s.relevant}
    kinds = {sample.type for sample in samples if sample.id in wanted}
    if not kinds:
        shown = ", ".join(sorted(wanted)[:2]) or "none"
        raise SettingsError(
            f"The relevant items of {query.id} ({shown}) are no records of the "
            "benchmark, so there is nothing to search. Add a record for every item."
        )
    return [sample for sample in samples if sample.type in kinds]


def is_text(sample: Sample) -> bool:
    """Whether a sample stands for its words; its image is then not looked at."""
    return sample.task == "retrieve" and (sample.type or "").startswith("text")
