"""Evaluation by names, for notebooks: data and models are found as on the command line.

>>> from rsvlm.app.notebook import evaluate
>>> report = evaluate("vhr10-ref", "tiny", limit=20)  # doctest: +SKIP
>>> report.html("report.html")  # doctest: +SKIP
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rsvlm.app.eval_data import ensure
from rsvlm.app.eval_models import build_asker, checkpoint_of
from rsvlm.eval.api import Report, run_job
from rsvlm.eval.benchmark import load
from rsvlm.eval.boxes_text import parse_coords
from rsvlm.eval.bridges.lmms_eval import export
from rsvlm.eval.leakage import check, enforce
from rsvlm.eval.run import Job, Options
from rsvlm.eval.selection import load_samples, select


def evaluate(
    benchmark: str,
    model: str = "tiny",
    *,
    limit: int | None = None,
    out: str | Path | None = None,
    data: str | None = None,
    coords: str | None = None,
    options: Options | None = None,
    include: Sequence[Path] = (),
    allow_leak: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure a model on a benchmark, both by name.

    Args:
        benchmark: Name of a benchmark (``rsvlm eval list``).
        model: Checkpoint, ``URL#NAME``, ``replay:FILE`` or ``echo``.
        limit: Only the first samples.
        out: Folder of the run; an interrupted one is continued. None: a folder that
            goes when the report goes.
        data: Folder with the data sets; default: ``$RSVLM_DATA``.
        coords: In which numbers the model writes boxes, ``SPACE[:BOX[:ANGLE]]``.
        options: Repeats, seed, retries and so on.
        include: Folders with benchmarks of your own.
        allow_leak: Mark images that the model was trained on instead of refusing.
        say: Called with a line of progress.

    Raises:
        RsvlmError: Whatever a user can put right.

    .. versionadded:: 0.1
    """
    job = _job(benchmark, data, include, limit, say)
    checkpoint = checkpoint_of(model)
    if checkpoint is not None:
        overlap = check(job.samples, job.images, checkpoint)
        job = replace(job, leakage=enforce(overlap, benchmark, allow_leak))
    return run_job(job, build_asker(model, coords=coords), out, options, say)


def export_to_lmms_eval(
    benchmark: str,
    out: str | Path,
    *,
    limit: int | None = None,
    data: str | None = None,
    coords: str | None = None,
    include: Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write a benchmark as a task of lmms-eval; see :mod:`rsvlm.eval.bridges.lmms_eval`.

    Args:
        benchmark: Name of a benchmark.
        out: Folder to write to; several benchmarks may share it.
        limit: Only the first samples.
        data: Folder with the data sets; default: ``$RSVLM_DATA``.
        coords: In which numbers other models will write boxes.
        include: Folders with benchmarks of your own.
        say: Called with a line of progress.

    Returns:
        The YAML file of the task.

    Raises:
        RsvlmError: Whatever a user can put right.

    .. versionadded:: 0.1
    """
    job = _job(benchmark, data, include, limit, say)
    numbers = parse_coords(coords) if coords else None
    return export(job.benchmark, job.samples, job.images, Path(out), numbers)


def _job(
    benchmark: str,
    data: str | None,
    include: Sequence[Path],
    limit: int | None,
    say: Callable[[str], None],
) -> Job:
    definition = load(benchmark, include)
    files = ensure(definition, data, include, say)
    found = load_samples(definition, files.file)
    chosen = select(found, limit=limit)
    return Job(definition, tuple(chosen), files.images, len(chosen) < len(found))
