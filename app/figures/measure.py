"""Asks the benchmarks of a part, or takes what was asked before.

The folder of a part is named by what its figures rest on: the checkpoint, the code that
answers and scores, the data, and how many samples are asked. So a finished benchmark is
never asked twice, and never taken for one of other weights.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from importlib import import_module
from pathlib import Path

from rsvlm.app import build
from rsvlm.app.eval_data import ensure
from rsvlm.app.eval_models import build_asker, checkpoint_of
from rsvlm.app.figures.rows import Part
from rsvlm.app.settings import data_folder
from rsvlm.errors import RsvlmError, SettingsError
from rsvlm.eval.asking import Asker, AssistantAsker
from rsvlm.eval.benchmark import Benchmark, load
from rsvlm.eval.leakage import check, enforce
from rsvlm.eval.manifest import host_free
from rsvlm.eval.results import METRICS_FILE, Run, read_run
from rsvlm.eval.run import Job, Options
from rsvlm.eval.selection import load_samples, select
from rsvlm.eval.session import run_jobs
from rsvlm.models.finder import RegionFinder

Say = Callable[[str], None]

#: Packages whose code an answer passes through on its way to a score.
CODE = ("rsvlm", "rsvlm.retrieval", "rsvlm.data_engine", "rsvlm.eval", "rsvlm.app")
#: Folders of them that it does not pass through.
BESIDE = frozenset({"figures", "chat", "server", "viewer", "checkpoints"})
#: Written by this command: the card of a checkpoint says nothing to its answers.
CARD = "README.md"
#: Views of pictures whose features are kept, 8 MB each: those of all test pictures.
VIEWS = 400
#: The folders of a path that stands in a sentence; its last part stays.
_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\"]+/)+")


@dataclass(frozen=True)
class Request:
    """What is measured, and with what.

    Attributes:
        model: Checkpoint, by name or folder.
        out: Folder of all runs.
        data: Folder of the data sets; None for the usual one.
        include: Folders with further benchmarks.
        limit: Only the first samples of each benchmark; None: all.
        knowledge: Folder of ``rsvlm knowledge build``; None: there is none.
        needle: ``results.jsonl`` of ``benchmarks/zoom_hits.py``.
        resamples: Resamples of the intervals.
    """

    model: str
    out: Path
    data: str | None = None
    include: tuple[Path, ...] = ()
    limit: int | None = None
    knowledge: Path | None = None
    needle: Path = Path("runs/needle/results.jsonl")
    resamples: int = 1000


@dataclass(frozen=True)
class Asked:
    """What a part has.

    Attributes:
        folder: Folder of its run.
        run: Its scores; None where no benchmark was scored.
        missing: Benchmark -> why it has none.
    """

    folder: Path
    run: Run | None
    missing: dict[str, str]

    def seconds(self) -> float:
        """Return the seconds that all questions took, one after the other."""
        runs = self.run.benchmarks.values() if self.run else ()
        return sum(p.latency_s or 0.0 for run in runs for p in run.predictions.values())


class Askers:
    """Who is asked, loaded once for all parts and benchmarks.

    Attributes:
        request: What is measured.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self._loaded: dict[tuple[str, str, bool], Asker] = {}

    def of(self, part: Part) -> Asker:
        """Return who is asked in a part.

        Raises:
            RsvlmError: If it cannot be loaded, or needs what there is not.
        """
        key = (part.model, part.through, part.knowledge)
        if key not in self._loaded:
            self._loaded[key] = _asker(part, self.request)
        asker = self._loaded[key]
        if isinstance(asker, AssistantAsker):
            return replace(asker, least=part.least)
        return asker


def ask(part: Part, names: Sequence[str], askers: Askers, key: str, say: Say) -> Asked:
    """Ask and score the benchmarks of a part; what cannot be asked is told, not raised.

    Args:
        part: How they are asked.
        names: The benchmarks.
        askers: Who is asked, and for what.
        key: What the figures rest on, of :func:`key_of`.
        say: Called with a line of progress.
    """
    request = askers.request
    folder = folder_of(part, request, key)
    missing: dict[str, str] = {}
    for name in names:
        if (folder / name / METRICS_FILE).is_file():
            say(f"{part.name}: {name} is there already")
            continue
        try:
            benchmark = load(name, request.include)
            job = _job(benchmark, part, request, say)
            asker = askers.of(part)
            run_jobs(
                [job], asker, folder, Options(), resamples=request.resamples, say=say,
                settings={"limit": request.limit, "through": asker.way,
                          "least": part.least},
            )  # fmt: skip
        except RsvlmError as error:
            missing[name] = told(error)
            say(f"{part.name}: {name}: {missing[name]}")
    return replace(kept(part, request, key), missing=missing)


def kept(part: Part, request: Request, key: str) -> Asked:
    """Return what was asked and scored before."""
    folder = folder_of(part, request, key)
    has_scores = any(folder.glob(f"*/{METRICS_FILE}"))
    return Asked(folder, read_run(folder) if has_scores else None, {})


def folder_of(part: Part, request: Request, key: str) -> Path:
    """Return the folder of a part."""
    return request.out / f"{part.name}-{key}"


def command(part: Part, names: Sequence[str], request: Request) -> str:
    """Return a command that measures a part by itself."""
    model = str(host_free(request.model))
    if part.by == "speed":
        return f"python benchmarks/answer_time.py --model {model}"
    if part.by == "needle":
        return f"python benchmarks/zoom_hits.py --model {model}"
    if part.knowledge:
        return f'make figures FIGURES="--only {part.name}"'
    asked = part.model.replace("{model}", model)
    words = ["rsvlm eval run -b", ",".join(names), "--model", asked]
    words += ["--through", part.through] if part.through != "auto" else []
    words += ["--least", f"{part.least:g}"] if part.least is not None else []
    return " ".join([*words, "--out", f"runs/{part.name}"])


def asked_model(part: Part, request: Request) -> str:
    """Return what a part asks, as ``rsvlm eval run --model`` takes it."""
    return part.model.replace("{model}", request.model)


def told(error: RsvlmError) -> str:
    """Return an error as one line that names no folder of this machine."""
    return _FOLDERS.sub("", " ".join(str(error).split()))


def key_of(part: Part, request: Request, checkpoint: Path) -> str:
    """Return what the figures of a part rest on, as a short hash."""
    key = sha256(f"{part!r} {request.limit} {request.resamples}\n".encode())
    files = sorted(file for file in checkpoint.iterdir() if file.is_file())
    for file in (file for file in files if file.name != CARD):
        with file.open("rb") as handle:
            digest = file_digest(handle, "sha256").hexdigest()
        key.update(f"{file.name} {digest}\n".encode())
    for file in code():
        key.update(file.read_bytes())
    key.update(_stats(data_folder(request.data), "*/*"))
    for folder in request.include:
        key.update(_stats(folder, "*"))
    if part.knowledge and request.knowledge is not None:
        key.update(_stats(request.knowledge, "*"))
    return key.hexdigest()[:10]


def code() -> list[Path]:
    """Return the files of code and settings that decide an answer and its score."""
    found: set[Path] = set()
    for name in CODE:
        root = Path(str(import_module(name).__file__)).resolve().parent
        for folder, inner, files in os.walk(root):  # follows no links
            inner[:] = [entry for entry in inner if entry not in BESIDE]
            found |= {
                Path(folder, file)
                for file in files
                if file.endswith((".py", ".yaml", ".toml"))
            }
    return sorted(found)


def _stats(folder: Path, pattern: str) -> bytes:
    """Return names, sizes and times of files: hashing hundreds of MB costs too much."""
    files = sorted(file for file in folder.glob(pattern) if file.is_file())
    stats = [(file, file.stat()) for file in files]
    return repr(
        [(str(f.relative_to(folder)), s.st_size, s.st_mtime_ns) for f, s in stats]
    ).encode()


def _job(benchmark: Benchmark, part: Part, request: Request, say: Say) -> Job:
    files = ensure(benchmark, request.data, request.include, say)
    samples = load_samples(benchmark, files.file)
    chosen = select(samples, limit=request.limit)
    overlap = check(chosen, files.images, checkpoint_of(asked_model(part, request)))
    return Job(
        benchmark,
        tuple(chosen),
        files.images,
        subset=len(chosen) < len(samples),
        # A figure of pictures that were trained on is none, unless its answers come from
        # passages and georeference: then it is marked.
        leakage=enforce(overlap, benchmark.name, allow=part.knowledge),
    )


def _asker(part: Part, request: Request) -> Asker:
    model = asked_model(part, request)
    if part.knowledge and request.knowledge is None:
        raise SettingsError(
            "There is no knowledge base. Make one with rsvlm knowledge build world "
            "--out FOLDER, and name it with --knowledge."
        )
    if part.knowledge:
        known = str(request.knowledge)
        return AssistantAsker(build.build_assistant(model, knowledge=known), model)
    asker = build_asker(model, through=part.through)
    finder = asker.assistant.finder if isinstance(asker, AssistantAsker) else None
    if isinstance(finder, RegionFinder):
        # Ten benchmarks ask about the same pictures.
        finder.kept_views = VIEWS
    return asker
