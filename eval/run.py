"""Asks the samples of a benchmark and keeps every reply the moment it comes.

A run can be killed at any time and started again: what has a reply is not asked again,
what failed is. How many are asked at once changes nothing in the result.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from rsvlm.cache import lock
from rsvlm.errors import EngineError, EngineRefusedError, RsvlmError
from rsvlm.eval.asking import Asker
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.records import Prediction, Status
from rsvlm.eval.run_folder import BenchmarkFolder
from rsvlm.eval.shards import Shard
from rsvlm.eval.store import PredictionStore
from rsvlm.eval.workers import Outcome, TooLongError, in_threads, one_by_one
from rsvlm.samples import Sample

#: Failures from the first question on after which a run is pointless.
HOPELESS = 8
#: Time between two lines of progress, s.
SAY_EVERY_S = 10.0
#: Longest pause between two attempts, s.
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Job:
    """A benchmark that is to be asked.

    Attributes:
        benchmark: Its definition.
        samples: The samples to ask, in order.
        images: Folder that their paths start from.
        subset: Whether samples of the benchmark are left out.
        leakage: What is known of samples that the model was trained on.
    """

    benchmark: Benchmark
    samples: tuple[Sample, ...]
    images: Path
    subset: bool = False
    leakage: str | None = None


@dataclass(frozen=True)
class Options:
    """How a run asks; none of it changes what a reply means.

    Attributes:
        concurrency: Most questions at a time, where the model can take several.
        timeout_s: Time that a question may take with all its attempts; None: any.
        retries: Further attempts after an error of the engine.
        repeats: How many times every sample is asked, each with a seed of its own.
        seed: Seed of the first repeat.
        shard: Noted in every prediction.
        pause_s: Pause before the second attempt; it doubles from one to the next.
    """

    concurrency: int = 1
    timeout_s: float | None = None
    retries: int = 0
    repeats: int = 1
    seed: int = 0
    shard: Shard = field(default_factory=Shard)
    pause_s: float = 0.5


@dataclass
class Tally:
    """What a run has done: replies kept from before, asked now, and failed."""

    kept: int = 0
    asked: int = 0
    failed: int = 0


def ask_all(
    job: Job,
    asker: Asker,
    folder: Path,
    options: Options,
    say: Callable[[str], None] = lambda line: None,
) -> Tally:
    """Ask every sample of a benchmark that has no reply yet.

    Args:
        job: What is asked.
        asker: Who is asked.
        folder: Folder of this benchmark in the run.
        options: How.
        say: Called with a line of progress.

    Returns:
        What was done.

    Raises:
        EngineError: If the first questions all fail.
        SettingsError: If the asker cannot be asked this, or the folder holds replies
            to other samples.
    """
    asker.prepare(job.benchmark)
    place = BenchmarkFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    # Two processes on one folder would ask everything twice: the second one waits.
    with lock(folder / ".lock"):
        place.begin(job.benchmark, job.samples)
        for repeat in range(options.repeats):
            with PredictionStore(place.predictions_file(repeat)) as store:
                _ask_missing(job, asker, store, options, repeat, tally, say)
    return tally


def _ask_missing(
    job: Job,
    asker: Asker,
    store: PredictionStore,
    options: Options,
    repeat: int,
    tally: Tally,
    say: Callable[[str], None],
) -> None:
    open_samples = [s for s in job.samples if not store.is_done(s.id)]
    tally.kept += len(job.samples) - len(open_samples)
    hopeless = max(HOPELESS, 2 * options.concurrency)
    done = failed = 0
    said = time.monotonic()
    for outcome in _outcomes(job, asker, open_samples, options, repeat):
        sample = outcome.item
        prediction = _prediction(outcome).model_copy(
            update={
                "id": sample.id,
                "latency_s": round(outcome.seconds, 3),
                "attempt": store.attempts(sample.id) + 1,
                "shard": None if options.shard.is_whole else str(options.shard),
            }
        )
        store.add(prediction)
        done += 1
        failed += not prediction.answered
        if failed == done >= hopeless and prediction.status in ("error", "timeout"):
            raise EngineError(
                f"The first {done} questions all failed, the last with: "
                f"{prediction.error} Correct this and run the same command again."
            )
        if done == len(open_samples) or time.monotonic() > said + SAY_EVERY_S:
            said = time.monotonic()
            again = f" (repeat {repeat + 1})" if options.repeats > 1 else ""
            say(
                f"{job.benchmark.name}{again}: {done}/{len(open_samples)} asked, "
                f"{failed} failed"
            )
    tally.asked += done
    tally.failed += failed


def _outcomes(
    job: Job, asker: Asker, samples: Sequence[Sample], options: Options, repeat: int
) -> Iterator[Outcome[Sample, Prediction]]:
    seed = options.seed + repeat

    def once(sample: Sample) -> Prediction:
        return asker.ask(job.benchmark, sample, job.images, seed)

    def work(sample: Sample) -> Prediction:
        for attempt in range(options.retries):
            try:
                return once(sample)
            except EngineRefusedError:
                raise
            except EngineError:
                time.sleep(pause(attempt, options.pause_s))
        return once(sample)

    if not asker.is_parallel:
        return one_by_one(samples, work)
    return in_threads(samples, work, options.concurrency, options.timeout_s)


def pause(attempt: int, first_s: float) -> float:
    """Return the pause after an attempt, from 0, in seconds.

    It doubles each time and is drawn from the upper half, so that many workers do not
    knock at the same moment.
    """
    longest = min(first_s * 2.0**attempt, LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1.0)


def _prediction(outcome: Outcome[Sample, Prediction]) -> Prediction:
    """Return what is kept of an outcome; an error of ours is raised.

    Raises:
        Exception: Whatever is not an error that a user can act on: it is a bug.
    """
    if outcome.value is not None:
        return outcome.value
    error = outcome.error
    if error is not None and not isinstance(error, (RsvlmError, TooLongError)):
        raise error
    status: Status = "timeout" if isinstance(error, TooLongError) else "error"
    if isinstance(error, EngineError):
        status = cast(Status, error.status)
    text = " ".join(str(error).split())
    return Prediction(id=outcome.item.id, status=status, error=text)
