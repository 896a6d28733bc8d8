"""Builds a folder of training and evaluation samples from a recipe.

The folder holds ``images/``, one JSONL file a split, ``run.json`` and, where there are
filters, ``dropped.jsonl``. The same recipe, inputs and seed give the same bytes, however
many processes share the work and however often it was broken off; ``run.json`` alone also
tells when it was made.

Records are read once, chunk by chunk (:mod:`rsvlm.data_engine.collecting`). What is kept
of them shows which classes there are and what has to be left out; then every chunk
becomes samples (:mod:`rsvlm.data_engine.composing`). Memory does not grow with the
records; filters keep about 1.5 KB an image.
"""

import errno
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsvlm.data_engine.build_run import (
    accounts,
    identity_of,
    mixed,
    stated,
    tree,
    utc,
)
from rsvlm.data_engine.collecting import SEEN, Limit, collects, read_seen, take_in
from rsvlm.data_engine.composing import COUNTS, SAMPLES, Compose, Search, read_counts
from rsvlm.data_engine.filters import Dropped, Sieve, dropped_rows
from rsvlm.data_engine.licences import Use, require
from rsvlm.data_engine.pools import Here, Pool
from rsvlm.data_engine.recipes import RECIPES, Recipe, Taken, find_recipe, taken
from rsvlm.data_engine.records import SPLITS, Split
from rsvlm.data_engine.reworded import REWORDED, Rewording, reword
from rsvlm.data_engine.spool import (
    WORK,
    Chunk,
    held,
    join,
    sweep,
    write_json,
    write_lines,
)
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError

__all__ = ["RECIPES", "Recipe", "build"]

#: Splits by how much they count: of two images of one scene, the first one stays.
BY_RANK: tuple[Split, ...] = ("test", "val", "train")
#: Seconds between two lines that tell how far it is.
EVERY_S = 10.0

Say = Callable[[str], None]


def build(
    recipe: str,
    data: Path,
    out: Path,
    seed: int = 0,
    progress: Say | None = None,
    use: Use | None = None,
    *,
    pool: Pool | None = None,
    limit: int | None = None,
    rewriter: Engine | None = None,
) -> Mapping[str, Any]:
    """Write the samples of a recipe; go on where a build of the same was broken off.

    Args:
        recipe: Name of a recipe, or path of a TOML file.
        data: Folder that holds one folder a source.
        out: Folder to write.
        seed: Draws wordings and absent classes; never the split.
        progress: Called with a line of text now and then.
        use: What the samples are for; sources that do not allow it are refused.
        pool: Where the work is done; in this process by default.
        limit: Most images of a source and split, spread over all of them.
        rewriter: Rewords captions and questions of the training split.

    Returns:
        What ``run.json`` holds.

    Raises:
        UnknownNameError: If there is no such recipe, source or setting.
        SettingsError: If the data folder lacks a file, ``out`` is a file, holds another
            build or is on a full disk, or a source does not allow the use.
        ParseError: If an input does not hold what its format requires.
        EngineError: If a process of the pool was killed.
    """
    start = time.time()
    say = progress or (lambda line: None)
    chosen, folder = find_recipe(recipe)
    folder = folder.absolute()  # workers of a cluster start elsewhere
    every = taken(chosen, folder, data.absolute())
    sources = [s for s in every if not s.entry.optional or s.is_there]
    absent = [s.name for s in every if s not in sources]
    if not sources:
        raise SettingsError(
            f"None of the sources of the recipe {chosen.name!r} is in {str(data)!r}: "
            f"{', '.join(absent)}. Name the folder that holds them with --data."
        )
    for name in absent:
        say(f"{name}: not there, left out")
    require(use, {source.name: source.terms for source in sources})
    inputs = {key: value for s in sources for key, value in s.hashes().items()}
    plan = _Plan(chosen, folder, sources, out.absolute(), seed, limit, rewriter, say)
    identity = identity_of(chosen, absent, inputs, seed, limit, rewriter)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with held(out):
            done = accounts(out, identity)
            if done is not None:
                say(f"{out}: already built from the same, nothing to do")
            else:
                sweep(out)
                facts = _made(plan, pool or Here())
                licences = {source.name: source.licence for source in sources}
                terms = {source.name: stated(source.terms) for source in sources}
                done = identity | {"use": use, "licences": licences, "terms": terms}
                done |= facts
                done |= {"start": utc(start), "end": utc(time.time())}
                write_json(out / "run.json", done)
            shutil.rmtree(out / WORK, ignore_errors=True)
    except FileExistsError:
        raise SettingsError(
            f"{str(out)!r} is a file. Name a folder to write to with --out."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SettingsError(
            f"The disk that holds {str(out)!r} is full. What is finished is kept: make "
            "room and run the same command again to go on."
        ) from None
    return done


@dataclass(frozen=True)
class _Plan:
    """What is built, and where."""

    recipe: Recipe
    folder: Path
    sources: Sequence[Taken]
    out: Path
    seed: int
    limit: int | None
    rewriter: Engine | None
    say: Say

    def chunks(self, split: Split, number: int) -> list[Chunk]:
        """Return the chunks of a source and split; all have been collected."""
        found: list[Chunk] = []
        while (
            (chunk := Chunk(split, number, len(found))).path(self.out, SEEN).is_file()
        ):
            found.append(chunk)
        return found


@dataclass
class _Overview:
    """What is known of all records before the first one is composed."""

    sieve: Sieve | None
    chunks: list[Chunk] = field(default_factory=list)
    searched: set[tuple[Split, int]] = field(default_factory=set)
    frequency: dict[tuple[Split, int], Counter[str]] = field(default_factory=dict)


def _made(plan: _Plan, pool: Pool) -> dict[str, Any]:
    """Write everything but ``run.json``; return what stands in it."""
    _collect(plan, pool)
    view = _overview(plan)
    _compose(plan, view, pool)
    rewording = reword(plan.rewriter, plan.out, view.chunks, plan.say)
    facts = _joined(plan, view, rewording)
    if view.sieve:
        facts["filters"] = view.sieve.report()
        facts["leaks"] = view.sieve.leaks()
        rows = dropped_rows(view.sieve.dropped.values())
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        write_lines(plan.out / "dropped.jsonl", lines)
    return facts


def _collect(plan: _Plan, pool: Pool) -> None:
    limit = Limit(plan.limit, plan.seed) if plan.limit else None
    jobs = (
        job
        for split in BY_RANK
        for number, source in enumerate(plan.sources)
        for job in collects(source, number, split, plan.out, plan.recipe.filters, limit)
    )
    count, told = 0, time.monotonic()
    for _, _, images in pool.run(jobs):
        count += images
        if time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            plan.say(f"{count} images read")


def _overview(plan: _Plan) -> _Overview:
    filters = plan.recipe.filters
    view = _Overview(Sieve(filters) if filters else None)
    if view.sieve:
        view.sieve.look_at_evaluation(plan.folder)
    for split in BY_RANK:
        for number, source in enumerate(plan.sources):
            count = 0
            for chunk in plan.chunks(split, number):
                seen = read_seen(chunk, plan.out)
                count += len(seen["images"])
                view.chunks.append(chunk)
                if view.sieve:
                    take_in(view.sieve, seen)
                if split == "test" and seen["pieces"]:
                    view.searched.add((split, number))
            plan.say(f"{source.name} {split}: {count} images")
    if view.sieve:
        view.sieve.decide()
        plan.say(f"left out: {len(view.sieve.dropped)} images")
    dropped = view.sieve.dropped if view.sieve else {}
    for chunk in view.chunks:
        shown = view.frequency.setdefault((chunk.split, chunk.source), Counter())
        name = plan.sources[chunk.source].name
        for image, classes in read_seen(chunk, plan.out)["images"].items():
            if (chunk.split, name, image) not in dropped:
                shown.update(classes)
    return view


def _compose(plan: _Plan, view: _Overview, pool: Pool) -> None:
    count, told = 0, time.monotonic()
    for samples in pool.run(_composes(plan, view)):
        count += samples
        if time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            plan.say(f"{count} samples written")


def _composes(plan: _Plan, view: _Overview) -> Iterator[Callable[[], int]]:
    """Yield the pieces of work that are not done yet; note the chunks of searches."""
    gone: dict[tuple[str, str], dict[tuple[str, str, str], Dropped]] = {}
    for key, item in (view.sieve.dropped if view.sieve else {}).items():
        gone.setdefault(key[:2], {})[key] = item
    for chunk in view.chunks:
        if not chunk.path(plan.out, COUNTS).is_file():
            yield Compose(
                plan.out,
                chunk,
                plan.seed,
                dict(view.frequency[chunk.split, chunk.source]),
                plan.recipe.filters,
                gone.get((chunk.split, plan.sources[chunk.source].name), {}),
            )
    for split, number in sorted(view.searched):
        chunks = plan.chunks(split, number)
        chunk = Chunk(split, number, len(chunks))
        if not chunk.path(plan.out, COUNTS).is_file():
            dropped = gone.get((split, plan.sources[number].name), {})
            names = frozenset(name for _, _, name in dropped)
            yield Search(plan.out, chunk, tuple(chunks), names)


def _joined(
    plan: _Plan, view: _Overview, rewording: Rewording | None
) -> dict[str, Any]:
    """Join the samples of all chunks into a file a split; return their numbers."""
    counts: Counter[tuple[str, str, str]] = Counter()
    searches = [
        Chunk(split, number, len(plan.chunks(split, number)))
        for split, number in view.searched
    ]
    for split in SPLITS:
        # Sources in the order of the recipe, of each its chunks, then its searches.
        chunks = sorted(c for c in (*view.chunks, *searches) if c.split == split)
        for chunk in chunks:
            made = read_counts(chunk, plan.out)
            name = plan.sources[chunk.source].name
            for task, count in made["tasks"].items():
                counts[split, name, task] += count
            for *key, count in made["counts"]:
                if view.sieve:
                    view.sieve.counts[key[0], key[1], key[2]] += count
        is_reworded = rewording is not None and split == "train"
        ending = REWORDED if is_reworded else SAMPLES
        parts = (chunk.path(plan.out, ending) for chunk in chunks)
        join(plan.out / f"{split}.jsonl", parts)
    numbers = tree(counts)
    facts: dict[str, Any] = {"counts": numbers, "filters": None}
    if rewording:
        facts["rewrites"] = rewording.fields()
    if plan.recipe.mix:
        facts["mix"] = mixed(plan.recipe.mix, numbers)
    return facts
