"""Builds a folder of training and evaluation samples from a recipe.

The folder holds ``images/``, one JSONL file a split and ``run.json``. The same recipe,
inputs and seed give the same bytes; ``run.json`` alone also tells when it was made.
"""

import importlib.metadata
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rsvlm.data_engine.captions_sensors import NAMED
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.compose_search import text_search
from rsvlm.data_engine.phrases import canonical_name
from rsvlm.data_engine.records import SPLITS, Record, missing
from rsvlm.data_engine.sources import SOURCES, Source
from rsvlm.data_engine.writer import image_path
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.samples import Sample
from rsvlm.training.run import revision

#: Packages whose version can change what is built.
PACKAGES = ("rsvlm", "numpy", "pillow", "pydantic")


class Recipe(BaseModel):
    """What a build takes in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sources: tuple[str, ...] = Field(min_length=1, description="names of sources")


#: Recipes that ship.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="smoke", sources=("synthetic", "synthetic_pairs")),
        Recipe(name="tiny", sources=("vhr10", "rsscn7")),
        Recipe(name="sensors", sources=("optical_sar", "sar_acd", "floods")),
        Recipe(
            name="aligned",
            sources=("optical_sar", "sar_acd", "floods", "vhr10", "rsscn7"),
        ),
    )
}


def build(
    recipe: str,
    data: Path,
    out: Path,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write the samples of a recipe.

    Args:
        recipe: Name of a recipe.
        data: Folder that holds one folder a source.
        out: Folder to write; files of an earlier build are replaced.
        seed: Draws wordings and absent classes; never the split.
        progress: Called with a line of text now and then.

    Raises:
        UnknownNameError: If there is no such recipe.
        SettingsError: If the data folder lacks a file, or ``out`` is a file.
        ParseError: If an input does not hold what its format requires.
    """
    if recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, RECIPES)
    start = time.time()
    chosen = RECIPES[recipe]
    sources = [SOURCES[name] for name in chosen.sources]
    inputs = _hash_inputs(sources, data)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SettingsError(
            f"{str(out)!r} is a file. Name a folder to write to with --out."
        ) from None
    # It marks a complete folder, so it goes first and comes back last.
    (out / "run.json").unlink(missing_ok=True)
    counts: Counter[tuple[str, str, str]] = Counter()
    for split in SPLITS:
        samples: list[Sample] = []
        for source in sources:
            records = list(source.read(source.root(data), split))
            if progress:
                progress(f"{source.name} {split}: {len(records)} images")
            frequency = _frequency(records)
            for record in records:
                _write(out / image_path(record), record.image)
                samples += compose(record, split, seed, frequency)
            samples += text_search(records, split)
        _write(out / f"{split}.jsonl", _jsonl(samples))
        counts.update((s.split, s.source, s.task) for s in samples)
    run = {
        "recipe": chosen.model_dump(mode="json"),
        "seed": seed,
        "inputs": inputs,
        "licences": {source.name: source.licence for source in sources},
        "counts": _tree(counts),
        "revision": revision(),
        "packages": _versions(),
        "start": _utc(start),
        "end": _utc(time.time()),
    }
    _write(out / "run.json", (json.dumps(run, indent=1) + "\n").encode())


def _hash_inputs(sources: Sequence[Source], data: Path) -> dict[str, str]:
    """Return "source/file" -> SHA-256 of every input.

    Raises:
        SettingsError: If a folder or a file is missing.
    """
    hashes = {}
    for source in sources:
        root = source.root(data)
        if source.files and not root.is_dir():
            raise missing(root)
        for name in source.files:
            path = root / name
            if not path.is_file():
                raise missing(path)
            with path.open("rb") as file:
                digest = sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
            hashes[f"{source.name}/{name}"] = digest.hexdigest()
    return hashes


def _frequency(records: Iterable[Record]) -> dict[str, int]:
    """Return canonical object or land-cover class -> number of images that show it."""
    counts: Counter[str] = Counter()
    for record in records:
        counts.update({canonical_name(target.label) for target in record.targets})
        counts.update(name for name, share in record.cover.items() if share >= NAMED)
    return dict(counts)


def _jsonl(samples: Iterable[Sample]) -> bytes:
    lines = (
        json.dumps(
            sample.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            | {"schema": sample.schema_},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for sample in samples
    )
    return "".join(f"{line}\n" for line in lines).encode()


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
