"""The folder that a run leaves: what was asked, of whom, and the replies.

::

    run.json                     who was asked, and how (rsvlm.eval.manifest)
    <benchmark>/benchmark.json   the definition, defaults filled in
    <benchmark>/samples.jsonl    the samples asked, in order: scoring needs no data set
    <benchmark>/predictions.jsonl    replies; predictions-1.jsonl: the second time, ...
    <benchmark>/scores.jsonl, metrics.json, failures.jsonl    see rsvlm.eval.score
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.manifest import Manifest, read_manifest
from rsvlm.eval.records import read_document
from rsvlm.eval.results import PREDICTIONS_FILE, SAMPLES_FILE, write_text
from rsvlm.samples import Sample, read_samples

BENCHMARK_FILE = "benchmark.json"

#: Settings that change replies; a run is only continued under the same.
DECIDING = ("through", "coords", "least", "seed")


@dataclass(frozen=True)
class BenchmarkFolder:
    """The folder of one benchmark of a run."""

    path: Path

    def predictions_file(self, repeat: int = 0) -> Path:
        """Return the file of the replies of one repeat, from 0."""
        if repeat == 0:
            return self.path / PREDICTIONS_FILE
        return self.path / f"{Path(PREDICTIONS_FILE).stem}-{repeat}.jsonl"

    def repeats(self) -> int:
        """Return how many times the samples were asked; at least 1."""
        count = 1
        while self.predictions_file(count).is_file():
            count += 1
        return count

    def benchmark(self) -> Benchmark:
        """Return the definition that was asked.

        Raises:
            ParseError: If the file is missing or damaged.
        """
        return read_document(self.path / BENCHMARK_FILE, Benchmark)

    def samples(self) -> list[Sample]:
        """Return the samples that were asked, in order."""
        return list(read_samples(self.path / SAMPLES_FILE))

    def begin(self, benchmark: Benchmark, samples: Sequence[Sample]) -> None:
        """Write what is asked; replies to samples that stay the same are kept.

        Raises:
            SettingsError: If the folder holds replies to another version of a sample.
        """
        if (self.path / SAMPLES_FILE).is_file():
            self._check_same(samples)
        definition = json.dumps(benchmark.model_dump(mode="json"), indent=1)
        write_text(self.path / BENCHMARK_FILE, definition + "\n")
        lines = "".join(f"{sample_line(sample)}\n" for sample in samples)
        write_text(self.path / SAMPLES_FILE, lines)

    def _check_same(self, samples: Sequence[Sample]) -> None:
        earlier = {sample.id: sample for sample in self.samples()}
        for sample in samples:
            old = earlier.get(sample.id)
            if old is not None and old != sample:
                raise SettingsError(
                    f"{self.path} holds replies to another version of the sample "
                    f"{sample.id!r}. Name another folder with --out, or ask everything "
                    "again with --fresh."
                )

    def clear(self) -> None:
        """Remove everything that a run writes here."""
        if self.path.is_dir():
            for file in [*self.path.glob("*.jsonl"), *self.path.glob("*.json")]:
                file.unlink()


def benchmark_folders(run: Path) -> Iterator[BenchmarkFolder]:
    """Yield the folders of a run's benchmarks, by name.

    Raises:
        SettingsError: If there is none.
    """
    single = (run / BENCHMARK_FILE).is_file()
    files = (
        [run / BENCHMARK_FILE] if single else sorted(run.glob(f"*/{BENCHMARK_FILE}"))
    )
    if not files:
        raise SettingsError(
            f"{str(run)!r} holds no run. Give a folder that rsvlm eval run has written."
        )
    for file in files:
        yield BenchmarkFolder(file.parent)


def sample_line(sample: Sample) -> str:
    """Return a sample as one line of JSON, without fields that hold their default."""
    fields = sample.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    record = {"schema": sample.schema_, **fields}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def continued(folder: Path, planned: Manifest) -> Manifest:
    """Return the manifest of a run that goes on in a folder, earlier parts kept.

    Args:
        folder: Folder of the run; a new one gives ``planned`` back.
        planned: What is to be asked now.

    Raises:
        SettingsError: If the folder holds replies of another model, or to questions
            asked in another way.
    """
    if not (folder / "run.json").is_file():
        return planned
    earlier = read_manifest(folder)
    changed = [
        f"{words} is {old!r} there and {new!r} now"
        for words, old, new in _pairs(earlier, planned)
        if old != new
    ]
    if changed:
        raise SettingsError(
            f"{folder} holds another run: {changed[0]}. Name another folder with "
            "--out, or ask everything again with --fresh."
        )
    now = {entry.name for entry in planned.benchmarks}
    kept = [entry for entry in earlier.benchmarks if entry.name not in now]
    return planned.model_copy(
        update={
            "benchmarks": (*kept, *planned.benchmarks),
            "start": earlier.start,
        }
    )


def _pairs(a: Manifest, b: Manifest) -> Iterable[tuple[str, object, object]]:
    """Yield what has to be equal in two manifests: its name and both values."""
    for field in ("name", "engine", "revision", "spec"):
        yield f"the model's {field}", getattr(a.model, field), getattr(b.model, field)
    for name in DECIDING:
        yield f"the setting {name}", a.settings.get(name), b.settings.get(name)
    theirs = {entry.name: entry for entry in b.benchmarks}
    for entry in a.benchmarks:
        other = theirs.get(entry.name)
        if other is not None:
            for field in ("version", "prompt", "generation", "coords"):
                words = f"the {field} of {entry.name}"
                yield words, getattr(entry, field), getattr(other, field)
