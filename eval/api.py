"""Evaluation from Python: a benchmark, a model, a report.

::

    from rsvlm.eval.api import evaluate

    def model(question, images):        # any model is a function
        return "river"

    report = evaluate("rsscn7", model, data="folder-of-rsvlm-data-build", limit=50)
    report.value, report.ci95
    report.html("report.html")

Checkpoints by name, and data that is found or built by itself, are one level up:
:func:`rsvlm.app.notebook.evaluate`.
"""

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rsvlm.assistant import Assistant
from rsvlm.errors import EngineError
from rsvlm.eval.asking import Asker, AssistantAsker
from rsvlm.eval.benchmark import Benchmark, Coords, load
from rsvlm.eval.compare import Comparison, compare
from rsvlm.eval.manifest import ModelEntry
from rsvlm.eval.parse import from_generation, how_boxes_are_read
from rsvlm.eval.questions import prompt_of
from rsvlm.eval.records import Prediction
from rsvlm.eval.report import report_markdown
from rsvlm.eval.report_page import report_page
from rsvlm.eval.results import BenchmarkRun, Result, Run, read_run, write_text
from rsvlm.eval.run import Job, Options
from rsvlm.eval.selection import load_samples, select
from rsvlm.eval.session import run_jobs
from rsvlm.messages import Generation
from rsvlm.samples import Sample

#: A model as a function of a question and the paths of its images.
Function = Callable[[str, Sequence[Path]], str | Prediction]
Model = Assistant | Asker | Function


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        run: The run, as its folder holds it.
        benchmark: Name of the benchmark.
        images: Folder of the images.
        folder: Folder of the run.

    .. versionadded:: 0.1
    """

    run: Run
    benchmark: str
    images: Path
    folder: Path

    @property
    def part(self) -> BenchmarkRun:
        """The benchmark's results, scores and predictions."""
        return self.run.benchmarks[self.benchmark]

    @property
    def results(self) -> dict[str, Result]:
        """Protocol -> its result."""
        return {result.protocol: result for result in self.part.results}

    @property
    def value(self) -> float | None:
        """Value of the primary protocol; None where it is undefined."""
        return self.part.primary.value

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        return self.part.primary.ci95

    @property
    def predictions(self) -> list[Prediction]:
        """What the model said, in the order of the samples."""
        return [self.part.predictions[id] for id in self.part.samples]

    def markdown(self) -> str:
        """Return the scores as Markdown."""
        return report_markdown([self.run])

    def html(self, path: str | Path | None = None, count: int = 20) -> str:
        """Return the report as one page, and write it where a path is given."""
        text = report_page([self.run], {self.benchmark: self.images}, count)
        if path is not None:
            write_text(Path(path), text)
        return text

    def against(self, reference: "Report") -> Comparison:
        """Compare with an earlier report of the same benchmark.

        Raises:
            SettingsError: If they share no sample.
        """
        return compare([reference.folder, self.folder])

    def _repr_markdown_(self) -> str:
        """Return the scores for a notebook."""
        return self.markdown()


@dataclass(frozen=True)
class FunctionAsker:
    """A function as a model: it gets the benchmark's prompt and the images' paths.

    Attributes:
        function: What is measured.
        coords: In which numbers it writes boxes, where a benchmark asks for them.
    """

    function: Function
    coords: Coords | None = None
    is_parallel: bool = False
    way: ClassVar[str] = "model"

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return ModelEntry(name=str(name), engine="function")

    def prepare(self, benchmark: Benchmark) -> None:
        """Do nothing: a function may return boxes of its own."""

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return what the function says to a sample.

        Raises:
            EngineError: If it fails.
            SettingsError: If it returns text, places are asked for and no numbers are
                declared.
        """
        paths = [images / image.path for image in sample.images]
        try:
            reply = self.function(prompt_of(benchmark, sample), paths)
        except Exception as error:
            raise EngineError(
                f"The function failed on {sample.id}: {type(error).__name__}: {error}. "
                "Correct it and evaluate again."
            ) from error
        if isinstance(reply, Prediction):
            return reply.model_copy(update={"id": sample.id})
        how_boxes_are_read(benchmark, self.coords, None)
        return from_generation(
            benchmark, sample, Generation(str(reply)), coords=self.coords
        )


def evaluate(
    benchmark: str | Benchmark,
    model: Model,
    *,
    data: str | Path | None = None,
    samples: Sequence[Sample] | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    coords: Coords | None = None,
    options: Options | None = None,
    include: Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure a model on a benchmark.

    Args:
        benchmark: Name of a benchmark, or a definition.
        model: An assistant; a function of a question and the paths of its images that
            returns text or a :class:`~rsvlm.eval.records.Prediction`; or an asker.
        data: Folder that holds the benchmark's file and images; default: here.
        samples: The samples, instead of those of the file; their images lie in
            ``data``.
        limit: Only the first samples.
        out: Folder of the run; an interrupted one is continued. None: a folder that
            goes when the report goes.
        coords: In which numbers a function writes boxes.
        options: Repeats, seed, retries and so on.
        include: Folders with benchmarks of your own.
        say: Called with a line of progress.

    Raises:
        UnknownNameError: If there is no such benchmark.
        SettingsError: If its samples are missing, or the model cannot be asked.
        EngineError: If the first questions all fail.

    .. versionadded:: 0.1
    """
    definition = load(benchmark, include) if isinstance(benchmark, str) else benchmark
    folder = Path(data) if data is not None else Path()
    file = folder / definition.data.file
    found = list(samples) if samples is not None else load_samples(definition, file)
    chosen = select(found, limit=limit)
    images = folder if samples is not None else file.parent / definition.data.images
    job = Job(definition, tuple(chosen), images, subset=len(chosen) < len(found))
    return run_job(job, asker_of(model, coords), out, options, say)


def run_job(
    job: Job,
    asker: Asker,
    out: str | Path | None = None,
    options: Options | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Ask and score one benchmark; see :func:`evaluate`."""
    if out is not None:
        return _report(job, asker, Path(out), options, say)
    root = Path(tempfile.mkdtemp(prefix="rsvlm-eval-"))
    name = re.sub(r"[^\w.-]+", "-", asker.entry().name) or "model"
    try:
        report = _report(job, asker, root / name, options, say)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    # Scores and predictions are read when they are asked for, so the files stay as
    # long as the report does.
    weakref.finalize(report, shutil.rmtree, root, ignore_errors=True)
    return report


def _report(
    job: Job,
    asker: Asker,
    folder: Path,
    options: Options | None,
    say: Callable[[str], None],
) -> Report:
    run_jobs([job], asker, folder, options or Options(), say=say)
    return Report(read_run(folder), job.benchmark.name, job.images, folder)


def asker_of(model: Model, coords: Coords | None = None) -> Asker:
    """Return what asks a model."""
    if isinstance(model, Assistant):
        return AssistantAsker(model)
    if callable(model):
        return FunctionAsker(model, coords)
    return model
