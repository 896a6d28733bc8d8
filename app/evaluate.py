"""What ``rsvlm eval`` does: gathers benchmarks, data and a model, and hands them on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsvlm.app.eval_data import ensure, locate
from rsvlm.app.eval_models import (
    Through,
    build_asker,
    cached,
    checkpoint_of,
    with_settings,
)
from rsvlm.app.eval_tables import summary
from rsvlm.errors import SettingsError
from rsvlm.eval.asking import Asker
from rsvlm.eval.benchmark import Benchmark, load, paths
from rsvlm.eval.run import LONGEST_PAUSE_S, Job, Options
from rsvlm.eval.score import Column
from rsvlm.eval.selection import load_samples, read_ids, select
from rsvlm.eval.session import run_jobs, score_run
from rsvlm.eval.shards import Shard
from rsvlm.samples import Sample

Say = Callable[[str], None]
Folders = Sequence[Path]

#: Seconds that a try of a served model takes at most unless told otherwise.
TRY_S = 120.0


@dataclass(frozen=True)
class RunRequest:
    """The options of ``rsvlm eval run``; see its help."""

    names: Sequence[str]
    model: str
    out: Path
    data: str | None = None
    include: Folders = ()
    limit: int | None = None
    ids: Path | None = None
    shard: str | None = None
    repeats: int = 1
    seed: int = 0
    concurrency: int = 8
    timeout: float | None = None
    retries: int = 4
    through: Through = "auto"
    coords: str | None = None
    least: float | None = None
    cache: bool = True
    fresh: bool = False
    dry_run: bool = False
    predict_only: bool = False
    allow_leak: bool = False
    judge: str | None = None
    resamples: int = 1000


def run(request: RunRequest, as_json: bool, say: Say) -> tuple[str, int]:
    """Ask and score; return what is printed, and how many samples failed.

    Raises:
        RsvlmError: Whatever a user can put right.
    """
    if not request.names:
        raise SettingsError("There is no benchmark. Name one: rsvlm eval list.")
    shard = Shard.parse(request.shard) if request.shard else Shard()
    ids = read_ids(request.ids) if request.ids else None
    jobs = [
        _job(load(name, request.include), request, ids, shard, say)
        for name in dict.fromkeys(request.names)
    ]
    if request.dry_run:
        return _plan(jobs, request), 0
    from rsvlm.app.progress import asset_progress

    if checkpoint_of(request.model) is None:
        asker = _asker(request)
    else:
        with asset_progress():
            asker = _asker(request)
    done = run_jobs(
        jobs,
        asker,
        request.out,
        Options(
            concurrency=request.concurrency if asker.is_parallel else 1,
            timeout_s=_net(request) if asker.is_parallel else None,
            repeats=request.repeats,
            seed=request.seed,
            shard=shard,
        ),
        settings={
            "limit": request.limit,
            "ids": None if ids is None else len(ids),
            "through": asker.way,
            "coords": request.coords,
            "least": request.least,
            "timeout_s": request.timeout,
            "retries": request.retries if asker.is_parallel else 0,
        },
        fresh=request.fresh,
        predict_only=request.predict_only,
        columns=_columns(request.judge, request.concurrency, say),
        resamples=request.resamples,
        say=say,
    )
    return summary(done, as_json), sum(entry.failed for entry in done)


def _net(request: RunRequest) -> float:
    """Return the seconds after which a question is given up whatever its engine does.

    The engine keeps the time of each try itself; this catches one that hangs.
    """
    tries = request.retries + 1
    return ((request.timeout or TRY_S) + LONGEST_PAUSE_S) * tries


def _asker(request: RunRequest) -> Asker:
    is_remote = "://" in request.model
    return build_asker(
        request.model,
        through=request.through,
        coords=request.coords,
        least=request.least,
        timeout_s=request.timeout,
        retries=request.retries if is_remote else None,
        concurrency=request.concurrency if is_remote else None,
        cache=request.cache,
    )


def _job(
    benchmark: Benchmark,
    request: RunRequest,
    ids: Sequence[str] | None,
    shard: Shard,
    say: Say,
) -> Job:
    files = ensure(benchmark, request.data, request.include, say)
    samples = load_samples(benchmark, files.file)
    if ids is not None and len(request.names) > 1:
        known = {sample.id for sample in samples}
        ids = [name for name in ids if name in known]
    chosen = select(samples, ids=ids, limit=request.limit, shard=shard)
    return Job(
        benchmark,
        tuple(chosen),
        files.images,
        subset=len(chosen) < len(samples),
        leakage=_leakage(benchmark, chosen, files.images, request, say),
    )


def _leakage(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    images: Path,
    request: RunRequest,
    say: Say,
) -> str | None:
    """Refuse or mark samples that a checkpoint was trained on."""
    from rsvlm.eval.leakage import check, enforce

    if request.dry_run:
        return None
    checkpoint = checkpoint_of(request.model)
    if checkpoint is None:
        return None
    overlap = check(samples, images, checkpoint)
    note = enforce(overlap, benchmark.name, allow=request.allow_leak)
    if note is not None:
        say(f"{benchmark.name}: {note}")
    return note


def _plan(jobs: Sequence[Job], request: RunRequest) -> str:
    """Say what would be asked."""
    from rsvlm.eval.questions import prompt_of

    lines = []
    for job in jobs:
        first = job.samples[0]
        part = " (a part)" if job.subset else ""
        images = {image.path for sample in job.samples for image in sample.images}
        asked = f"{len(job.samples)} samples{part} of {len(images)} images"
        lines += [
            f"{job.benchmark.name}: {asked}, {request.repeats} time(s)",
            f"  first: {first.id}: {' '.join(prompt_of(job.benchmark, first).split())}",
            f"  protocols: {', '.join(p.id for p in job.benchmark.protocols)}",
        ]
    return "\n".join(lines)


def rescore(
    run_folder: Path,
    include: Folders,
    protocols: Sequence[str],
    judge: str | None,
    resamples: int,
    as_json: bool,
    say: Say,
) -> tuple[str, int]:
    """Score a run again; return what is printed, and how many samples failed."""
    done = score_run(
        run_folder,
        definitions=_definitions(run_folder, include, say),
        protocols=protocols,
        columns=_columns(judge, 8, say),
        resamples=resamples,
    )
    return summary(done, as_json), sum(entry.failed for entry in done)


def _definitions(run_folder: Path, include: Folders, say: Say) -> dict[str, Benchmark]:
    """Return the definitions of today, where they are of the version that was asked."""
    from rsvlm.eval.run_folder import benchmark_folders

    found: dict[str, Benchmark] = {}
    known = paths(include)
    for folder in benchmark_folders(run_folder):
        asked = folder.benchmark()
        if asked.name not in known:
            continue
        today = load(asked.name, include)
        if today.version == asked.version and today.prompt == asked.prompt:
            found[asked.name] = today
        else:
            say(
                f"{asked.name}: version {asked.version} was asked, {today.version} is "
                "the present one; scored by the one that was asked."
            )
    return found


def score_file(
    file: Path,
    form: str,
    samples: Path | None,
    coords: str | None,
    protocols: Sequence[str],
    out: Path | None,
    resamples: int,
    as_json: bool,
) -> tuple[str, int]:
    """Score a result file; return what is printed, and how many samples failed."""
    from rsvlm.eval.boxes_text import parse_coords
    from rsvlm.eval.score_foreign import score_foreign, write_scores
    from rsvlm.samples import read_samples

    if len(protocols) > 1:
        raise SettingsError(
            f"{len(protocols)} protocols were named. Name one, or none for all."
        )
    known = None
    if samples is not None:
        known = {sample.id: sample for sample in read_samples(samples)}
    scores = score_foreign(
        file,
        form,
        known,
        protocols[0] if protocols else None,
        coords=parse_coords(coords) if coords else None,
        resamples=resamples,
    )
    if out is not None:
        write_scores(scores, out)
    text = json.dumps(scores.to_dict()) if as_json else scores.to_markdown().rstrip()
    return text, scores.failed


def merged(
    runs: Folders,
    out: Path,
    judge: str | None,
    resamples: int,
    as_json: bool,
    say: Say,
) -> tuple[str, int]:
    """Merge and score; return what is printed, and how many samples failed."""
    from rsvlm.eval.merge import merge

    merge(runs, out)
    columns = _columns(judge, 8, say)
    done = score_run(out, columns=columns, resamples=resamples)
    return summary(done, as_json), sum(entry.failed for entry in done)


def exported(
    names: Sequence[str],
    out: Path,
    data: str | None,
    include: Folders,
    limit: int | None,
    coords: str | None,
    say: Say,
) -> list[Path]:
    """Write benchmarks for lmms-eval; return the files of the tasks."""
    from rsvlm.eval.boxes_text import parse_coords
    from rsvlm.eval.bridges.lmms_eval import export

    numbers = parse_coords(coords) if coords else None
    written = []
    for name in dict.fromkeys(names):
        benchmark = load(name, include)
        files = ensure(benchmark, data, include, say)
        samples = select(load_samples(benchmark, files.file), limit=limit)
        written.append(export(benchmark, samples, files.images, out, numbers))
    return written


def image_folders(runs: Folders, data: str | None, include: Folders) -> dict[str, Path]:
    """Return benchmark -> folder of its images, for those that are here."""
    from rsvlm.eval.run_folder import BENCHMARK_FILE, BenchmarkFolder

    found: dict[str, Path] = {}
    for folder in runs:
        for file in [folder / BENCHMARK_FILE, *folder.glob(f"*/{BENCHMARK_FILE}")]:
            if file.is_file():
                benchmark = BenchmarkFolder(file.parent).benchmark()
                place = locate(benchmark, data, include)
                if place is not None:
                    found[benchmark.name] = place.images
    return found


def _columns(judge: str | None, concurrency: int, say: Say) -> dict[str, Column]:
    if judge is None:
        return {}
    from rsvlm.app.build import build_assistant
    from rsvlm.eval.judge import Judge, column

    engine = build_assistant(with_settings(judge, {"concurrency": concurrency})).engine
    is_remote = engine.kind == "remote"
    if is_remote:
        engine = cached(engine, judge)
    made = Judge(engine, concurrency=concurrency if is_remote else 1)
    return {made.protocol: column(made, say)}
