"""Many questions from a file, every answer kept the moment it comes: ``rsvlm batch``.

A batch can be killed at any time and started again with the same command: what has an
answer is not asked again. How many are asked at once, and on how many machines, changes
nothing in the answers but their order.
"""

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.app.batch_asking import BatchAsker, Pace, grouped
from rsvlm.app.batch_engine import ModelChoice
from rsvlm.app.batch_records import (
    AnswerFile,
    BatchQuestion,
    BatchResult,
    read_questions,
)
from rsvlm.cache import lock, write_json
from rsvlm.errors import EngineError, SettingsError
from rsvlm.eval.manifest import host_free, versions
from rsvlm.eval.workers import Outcome, in_threads, one_by_one
from rsvlm.training.run import file_hash, revision

#: Failures of the engine one after the other after which a batch is pointless.
HOPELESS = 8
#: Errors that say nothing of the question: the engine itself is not well.
ENGINE_IS_DOWN = frozenset({"EngineError", "EngineTimeoutError"})


@dataclass(frozen=True)
class BatchRequest:
    """The options of ``rsvlm batch``; see its help."""

    questions: Path
    out: Path
    model: str = "tiny"
    knowledge: str = "none"
    engine: str = "local"
    workers: int | None = None
    rate: float | None = None
    retry_errors: bool = False
    ray: str | None = None
    hosts: tuple[str, ...] = ()

    @property
    def choice(self) -> ModelChoice:
        """Which model answers."""
        known = "" if self.knowledge == "none" else str(Path(self.knowledge).absolute())
        return ModelChoice(self.model, self.engine, known)

    @property
    def base(self) -> Path:
        """Folder that paths of questions start from."""
        return self.questions.absolute().parent


@dataclass
class Tally:
    """What a batch has done.

    Attributes:
        total: Questions of the file.
        kept: Of them, had an answer before.
        left: Of them, failed before and were not asked again.
        answered: Answered now.
        failed: Failed now.
    """

    total: int
    kept: int = 0
    left: int = 0
    answered: int = 0
    failed: int = 0

    @property
    def open(self) -> int:
        """Questions that are to be asked now, or were."""
        return self.total - self.kept - self.left

    def __str__(self) -> str:
        text = f"{self.answered} answered"
        for number, what in (
            (self.failed, "failed"),
            (self.kept, "had an answer"),
            (self.left, "failed earlier"),
        ):
            text += f", {number} {what}" if number else ""
        return text


Watch = Callable[[Tally], None]
Results = Generator[BatchResult, None, None]


def run(request: BatchRequest, watch: Watch = lambda tally: None) -> Tally:
    """Ask every question that has no answer yet.

    Args:
        request: What is asked, and how.
        watch: Called before the first question and after each.

    Returns:
        What was done.

    Raises:
        ParseError: If a line of the questions or of the answers is none.
        SettingsError: If an option cannot be used, or the file of answers belongs to
            other questions or another model.
        EngineError: If the engine fails again and again.
        RsvlmError: Whatever else keeps the assistant from being built.
    """
    questions = read_questions(request.questions)
    if request.workers and request.workers > 1 and not request.ray:
        _refuse_threads(request)
    if not request.out.parent.is_dir():
        raise SettingsError(
            f"There is no folder {str(request.out.parent)!r}. Make it, or name another "
            "file with --out."
        )
    if request.out.exists() and request.out.samefile(request.questions):
        raise SettingsError(
            f"--out {str(request.out)!r} is the file of the questions. Name another one "
            "for the answers."
        )
    tally = Tally(len(questions))
    # Two processes on one file would ask everything twice: the second one waits.
    with lock(request.out), AnswerFile(request.out) as answers:
        answers.check(questions)
        record = _begin(request, answers)
        open_questions = _open_questions(request, questions, answers, tally)
        watch(tally)
        if open_questions:
            # Closed whatever happens: it may have started a server or a cluster.
            with closing(_results(request, grouped(open_questions))) as results:
                _keep(results, answers, tally, request, watch)
        _write_run(request, {**record, "end": _utc(), "done": str(tally)})
    return tally


def _refuse_threads(request: BatchRequest) -> None:
    if not request.choice.is_served:
        raise SettingsError(
            f"--workers {request.workers} needs a served model: a checkpoint in this "
            "process answers one question at a time. Add --ray local for several "
            "processes, or give --model URL#NAME."
        )


def _open_questions(
    request: BatchRequest,
    questions: Sequence[BatchQuestion],
    answers: AnswerFile,
    tally: Tally,
) -> list[BatchQuestion]:
    wanted = []
    for question in questions:
        status = answers.status(question.id)
        if status == "ok":
            tally.kept += 1
        elif status == "error" and not request.retry_errors:
            tally.left += 1
        else:
            wanted.append(question)
    return wanted


def _results(request: BatchRequest, questions: Sequence[BatchQuestion]) -> Results:
    if request.ray:
        from rsvlm.app.batch_ray import ask_on_ray

        return ask_on_ray(request, questions)
    return _ask_here(request, questions)


def _ask_here(request: BatchRequest, questions: Sequence[BatchQuestion]) -> Results:
    choice = request.choice
    with choice.opened() as assistant:
        asker = BatchAsker(assistant, request.base, Pace(request.rate), request.hosts)
        try:
            workers = request.workers or choice.at_once
            if workers > 1:
                yield from results_of(in_threads(questions, asker.ask, workers))
            else:
                yield from results_of(one_by_one(questions, asker.ask))
        finally:
            asker.close()


def results_of(
    outcomes: Iterable[Outcome[BatchQuestion, BatchResult]],
) -> Iterator[BatchResult]:
    """Yield the results; an asker turns every error into one, so there are no others."""
    for outcome in outcomes:
        if outcome.value is None:
            raise outcome.error or AssertionError("an outcome without value and error")
        yield outcome.value


def _keep(
    results: Iterator[BatchResult],
    answers: AnswerFile,
    tally: Tally,
    request: BatchRequest,
    watch: Watch,
) -> None:
    """Write every result as it comes; stop where the engine only fails."""
    hopeless = max(HOPELESS, 2 * (request.workers or request.choice.at_once))
    failing = 0
    for result in results:
        answers.add(result)
        tally.answered += result.error is None
        tally.failed += result.error is not None
        watch(tally)
        down = result.error is not None and result.error.type in ENGINE_IS_DOWN
        failing = failing + 1 if down else 0
        if result.error is not None and failing >= hopeless:
            raise EngineError(
                f"The last {failing} questions all failed, the last with: "
                f"{result.error.message} Correct this and run the same command with "
                "--retry-errors."
            )


def run_file(out: Path) -> Path:
    """Return the file that says how the answers of a file were made."""
    return out.with_name(f"{out.stem}.run.json")


def _begin(request: BatchRequest, answers: AnswerFile) -> dict[str, Any]:
    """Write the record of the run, unless the file holds answers of another model.

    Raises:
        SettingsError: If it does.
    """
    config = {
        "model": request.model,
        "engine": request.engine,
        "knowledge": request.knowledge,
        "workers": request.workers,
        "rate": request.rate,
        "ray": bool(request.ray),
    }
    config = host_free(config)
    path = run_file(request.out)
    if path.is_file() and request.out.stat().st_size:
        earlier = json.loads(path.read_text(encoding="utf-8"))["config"]
        for name in ("model", "knowledge"):
            if earlier[name] != config[name]:
                raise SettingsError(
                    f"{answers.path.name} holds answers with --{name} {earlier[name]}, "
                    f"not {config[name]}. Name another file with --out."
                )
    record = {
        "schema": "rsvlm.batch-run/1",
        "config": config,
        "inputs": {request.questions.name: file_hash(request.questions)},
        "revision": revision(),
        "packages": versions(),
        "start": _utc(),
        "end": None,
    }
    _write_run(request, record)
    return record


def _write_run(request: BatchRequest, record: dict[str, Any]) -> None:
    write_json(run_file(request.out), record)


def _utc() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
