"""Builds a folder of training and evaluation samples from a recipe.

The folder holds ``images/``, one JSONL file a split, ``run.json`` and, where there are
filters, ``dropped.jsonl``. The same recipe, inputs and seed give the same bytes;
``run.json`` alone also tells when it was made.

Every source is read twice, one image at a time: once to see which classes there are and
what has to be left out, once to compose. So memory does not grow with the images.
"""

import importlib.metadata
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsvlm.data_engine.captions_sensors import NAMED
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.compose_search import text_search
from rsvlm.data_engine.filters import Dropped, Filters, Sieve, dropped_rows
from rsvlm.data_engine.licences import Use, require
from rsvlm.data_engine.phrases import canonical_name
from rsvlm.data_engine.recipes import RECIPES, Recipe, Taken, find_recipe, taken
from rsvlm.data_engine.records import SPLITS, Record, Split
from rsvlm.data_engine.writer import image_path
from rsvlm.errors import SettingsError
from rsvlm.samples import Sample, stamped
from rsvlm.training.run import revision

__all__ = ["PACKAGES", "RECIPES", "Recipe", "build"]

#: Packages whose version can change what is built.
PACKAGES = ("rsvlm", "numpy", "pillow", "pydantic")
#: Splits by how much they count: of two images of one scene, the first one stays.
BY_RANK: tuple[Split, ...] = ("test", "val", "train")

Say = Callable[[str], None]


def build(
    recipe: str,
    data: Path,
    out: Path,
    seed: int = 0,
    progress: Say | None = None,
    use: Use | None = None,
) -> None:
    """Write the samples of a recipe.

    Args:
        recipe: Name of a recipe, or path of a TOML file.
        data: Folder that holds one folder a source.
        out: Folder to write; files of an earlier build are replaced.
        seed: Draws wordings and absent classes; never the split.
        progress: Called with a line of text now and then.
        use: What the samples are for; sources that do not allow it are refused.

    Raises:
        UnknownNameError: If there is no such recipe, source or setting.
        SettingsError: If the data folder lacks a file, ``out`` is a file, or a source
            does not allow the use.
        ParseError: If an input does not hold what its format requires.
    """
    start = time.time()
    chosen, folder = find_recipe(recipe)
    sources = taken(chosen, folder, data)
    require(use, {source.name: source.terms for source in sources})
    inputs = {key: value for s in sources for key, value in s.hashes().items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SettingsError(
            f"{str(out)!r} is a file. Name a folder to write to with --out."
        ) from None
    # It marks a complete folder, so it goes first and comes back last.
    (out / "run.json").unlink(missing_ok=True)
    view = _overview(sources, chosen.filters, folder, progress or (lambda line: None))
    counts: Counter[tuple[str, str, str]] = Counter()
    for split in SPLITS:
        lines = (
            _counted(sample, counts)
            for source in sources
            for sample in _samples(source, split, seed, view, out)
        )
        _write_lines(out / f"{split}.jsonl", lines)
    run = {
        "recipe": chosen.model_dump(mode="json", exclude_defaults=True),
        "seed": seed,
        "use": use,
        "inputs": inputs,
        "licences": {source.name: source.licence for source in sources},
        "terms": {s.name: _terms(s) for s in sources},
        "counts": _tree(counts),
        "filters": view.sieve.report() if view.sieve else None,
        "revision": revision(),
        "packages": _versions(),
        "start": _utc(start),
        "end": _utc(time.time()),
    }
    if view.sieve:
        rows = dropped_rows(view.sieve.dropped.values())
        texts = (json.dumps(row, ensure_ascii=False) for row in rows)
        _write_lines(out / "dropped.jsonl", texts)
    _write(out / "run.json", (json.dumps(run, indent=1) + "\n").encode())


@dataclass
class _Overview:
    """What is known of all records before the first one is composed."""

    sieve: Sieve | None
    frequency: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def kept(self, source: Taken, split: Split) -> Iterator[Record]:
        """Yield the records of a source that stay, as they are composed."""
        for record in source.read(split):
            if self.sieve is None:
                yield record
            elif self.sieve.stays(record, split):
                mended = self.sieve.mended(record, split)
                yield self.sieve.agreeing(self.sieve.paired(mended, split), split)


def _overview(
    sources: Sequence[Taken], filters: Filters | None, folder: Path, say: Say
) -> _Overview:
    sieve = Sieve(filters) if filters else None
    classes: dict[tuple[str, str, str], frozenset[str]] = {}
    if sieve:
        sieve.look_at_evaluation(folder)
    for split in BY_RANK:
        for source in sources:
            count = 0
            for record in source.read(split):
                count += 1
                if sieve:
                    record = sieve.mended(record, split, is_counted=True)
                    sieve.look(record, split)
                classes[split, source.name, record.name] = _classes(record)
            say(f"{source.name} {split}: {count} images")
    dropped: dict[tuple[str, str, str], Dropped] = {}
    if sieve:
        sieve.decide()
        dropped = sieve.dropped
        say(f"left out: {len(dropped)} images")
    view = _Overview(sieve)
    for key, names in classes.items():
        if key not in dropped:
            view.frequency.setdefault(key[:2], Counter()).update(names)
    return view


def _samples(
    source: Taken, split: Split, seed: int, view: _Overview, out: Path
) -> Iterator[Sample]:
    frequency = dict(view.frequency.get((split, source.name), {}))
    pieces = []
    for record in view.kept(source, split):
        _write(out / image_path(record), record.image)
        yield from compose(record, split, seed, frequency)
        if split == "test" and record.is_piece:
            pieces.append(record)
    yield from text_search(pieces, split)


def _classes(record: Record) -> frozenset[str]:
    """Return the canonical object and land-cover classes that an image shows."""
    names = {canonical_name(target.label) for target in record.targets}
    names |= {name for name, share in record.cover.items() if share >= NAMED}
    return frozenset(names)


def _counted(sample: Sample, counts: Counter[tuple[str, str, str]]) -> str:
    counts[sample.split, sample.source, sample.task] += 1
    return stamped(sample)


def _terms(source: Taken) -> dict[str, str] | None:
    terms = source.terms
    if terms is None:
        return None
    return {
        "spdx": terms.spdx,
        "use": terms.use,
        "attribution": terms.attribution,
    }


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    """Write a text file line by line so that it is either whole or not there."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for line in lines:
            file.write(f"{line}\n")
    os.replace(draft, path)


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    os.replace(draft, path)


def _tree(
    counts: Counter[tuple[str, str, str]],
) -> dict[str, dict[str, dict[str, int]]]:
    """Return split -> source -> task -> number of samples."""
    tree: dict[str, dict[str, dict[str, int]]] = {}
    for (split, source, task), count in sorted(counts.items()):
        tree.setdefault(split, {}).setdefault(source, {})[task] = count
    return tree


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
