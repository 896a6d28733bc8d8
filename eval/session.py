"""One run from its first question to its scores: what the command line and notebooks do.

::

    jobs = [Job(benchmark, tuple(samples), images)]
    done = run_jobs(jobs, asker, Path("runs/a"), Options())
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.errors import SettingsError
from rsvlm.eval.asking import Asker
from rsvlm.eval.manifest import (
    benchmark_entry,
    finish,
    manifest,
    read_manifest,
    write_manifest,
)
from rsvlm.eval.results import Result
from rsvlm.eval.run import Job, Options, Tally, ask_all
from rsvlm.eval.run_folder import BenchmarkFolder, benchmark_folders, continued
from rsvlm.eval.score import Column, complete, score_folder
from rsvlm.eval.store import read_predictions


@dataclass(frozen=True)
class Done:
    """What a run has on one benchmark.

    Attributes:
        name: Name of the benchmark.
        tally: Replies kept, asked and failed, this time; None where it was only scored.
        failed: Samples without a reply that can be scored, over all repeats.
        results: One entry a protocol; none where it was not scored.
    """

    name: str
    failed: int
    results: tuple[Result, ...] = ()
    tally: Tally | None = None


def run_jobs(
    jobs: Sequence[Job],
    asker: Asker,
    out: Path,
    options: Options,
    *,
    settings: Mapping[str, Any] | None = None,
    fresh: bool = False,
    predict_only: bool = False,
    columns: Mapping[str, Column] | None = None,
    resamples: int = 1000,
    say: Callable[[str], None] = lambda line: None,
) -> list[Done]:
    """Ask and score benchmarks, going on where an earlier run in the folder stopped.

    Args:
        jobs: What is asked.
        asker: Who is asked.
        out: Folder of the run.
        options: How it is asked.
        settings: What the manifest says besides ``options``, such as the limit.
        fresh: Remove what the folder holds of these benchmarks first.
        predict_only: Do not score.
        columns: Further protocols by id, such as a judge's.
        resamples: Resamples of the intervals.
        say: Called with a line of progress.

    Raises:
        SettingsError: If the folder holds another run, or the asker cannot be asked.
        EngineError: If the first questions of a benchmark all fail.
    """
    if not jobs:
        raise SettingsError("There is nothing to ask. Name a benchmark.")
    for job in jobs:  # a run of hours should not end at its second benchmark
        asker.prepare(job.benchmark)
    if fresh:
        for folder in _folders(out, jobs):
            folder.clear()
        if not any(BenchmarkFolder(f).path.is_dir() for f in _others(out, jobs)):
            (out / "run.json").unlink(missing_ok=True)
    planned = manifest(
        asker.entry(),
        [
            benchmark_entry(
                job.benchmark, job.samples, subset=job.subset, leakage=job.leakage
            )
            for job in jobs
        ],
        {
            "concurrency": options.concurrency,
            "timeout_s": options.timeout_s,
            "retries": options.retries,
            "repeats": options.repeats,
            "seed": options.seed,
            "shard": None if options.shard.is_whole else str(options.shard),
            **dict(settings or {}),
        },
    )
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(out, continued(out, planned))
    done = []
    for job, folder in zip(jobs, _folders(out, jobs), strict=True):
        tally = ask_all(job, asker, folder.path, options, say)
        results: Sequence[Result] = ()
        if not predict_only:
            results = score_folder(
                folder, subset=job.subset, columns=columns, resamples=resamples
            )
        done.append(
            Done(job.benchmark.name, count_failed(folder), tuple(results), tally)
        )
    finish(out)
    return done


def score_run(
    run: Path,
    *,
    definitions: Mapping[str, Any] | None = None,
    protocols: Sequence[str] = (),
    columns: Mapping[str, Column] | None = None,
    resamples: int = 1000,
) -> list[Done]:
    """Score the replies of a run again, without asking anything.

    Args:
        run: Folder of the run, or of one of its benchmarks.
        definitions: Benchmark -> definition to score by; the one that was asked
            elsewhere.
        protocols: Only those of these ids; nothing is written then.
        columns: Further protocols by id.
        resamples: Resamples of the intervals; 0 leaves intervals out.

    Raises:
        SettingsError: If there is no run.
    """
    subsets = _subsets(run)
    done = []
    for folder in benchmark_folders(run):
        name = folder.benchmark().name
        results = score_folder(
            folder,
            benchmark=(definitions or {}).get(name),
            subset=subsets.get(name, False),
            protocols=protocols,
            columns=columns,
            resamples=resamples,
        )
        done.append(Done(name, count_failed(folder), tuple(results)))
    return done


def count_failed(folder: BenchmarkFolder) -> int:
    """Return the number of samples without a reply, over all repeats."""
    samples = folder.samples()
    return sum(
        not prediction.answered
        for repeat in range(folder.repeats())
        for prediction in complete(
            samples, read_predictions(folder.predictions_file(repeat))
        )
    )


def _folders(out: Path, jobs: Sequence[Job]) -> list[BenchmarkFolder]:
    return [BenchmarkFolder(out / job.benchmark.name) for job in jobs]


def _others(out: Path, jobs: Sequence[Job]) -> list[Path]:
    """Return the folders of benchmarks that are not asked now."""
    names = {job.benchmark.name for job in jobs}
    found = out.glob("*/benchmark.json")
    return [file.parent for file in found if file.parent.name not in names]


def _subsets(run: Path) -> dict[str, bool]:
    """Return benchmark -> whether samples of it were left out, as far as is known."""
    for folder in (run, run.parent):
        if (folder / "run.json").is_file():
            return {e.name: e.subset for e in read_manifest(folder).benchmarks}
    return {}
