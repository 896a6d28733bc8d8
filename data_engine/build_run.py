"""What ``run.json`` says of a build, and whether a folder holds the build that is wanted."""

import importlib.metadata
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from rsvlm import data_engine
from rsvlm.data_engine.licences import Terms
from rsvlm.data_engine.recipes import Recipe
from rsvlm.data_engine.records import SPLITS
from rsvlm.data_engine.spool import IDENTITY, WORK, read_json, write_json
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError
from rsvlm.training.mix import Mix
from rsvlm.training.run import revision

#: Packages whose version can change what is built.
PACKAGES = ("rsvlm", "numpy", "pillow", "pydantic")
#: What must be equal for a build to go on, or to be done -> how a difference is named.
SAME = {
    "recipe": "another recipe",
    "absent": "other optional sources",
    "inputs": "other input files",
    "seed": "another seed",
    "limit": "another --limit",
    "rewriter": "another --rewriter",
    "code": "other code of rsvlm",
    "packages": "other versions of packages",
}


def identity_of(
    recipe: Recipe,
    absent: Sequence[str],
    inputs: Mapping[str, str],
    seed: int,
    limit: int | None,
    rewriter: Engine | None,
) -> dict[str, Any]:
    """Return what the bytes of a build follow from."""
    return {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "absent": list(absent),
        "seed": seed,
        "limit": limit,
        "rewriter": rewriter.name if rewriter else None,
        "inputs": dict(inputs),
        "revision": revision(),
        "code": _code(),
        "packages": _versions(),
    }


def accounts(out: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the finished build of a folder says, None where there is work to do.

    Args:
        out: The folder; where it holds nothing, the build is begun in it.
        identity: What is to be built.

    Raises:
        SettingsError: If the folder holds another build, or what is of no build.
    """
    finished, begun = out / "run.json", out / WORK / IDENTITY
    for path, what in (
        (finished, "holds a build"),
        (begun, "holds an unfinished build"),
    ):
        if not path.is_file():
            continue
        try:
            found: dict[str, Any] = dict(read_json(path))
        except (ValueError, TypeError):
            found = {}
        differs = [
            text for key, text in SAME.items() if found.get(key, "") != identity[key]
        ]
        if differs:
            raise SettingsError(
                f"{str(out)!r} {what} with {' and '.join(differs[:3])}. Name another "
                "folder with --out, or remove this one."
            )
        return found if path == finished else None
    foreign = [out / "images", *(out / f"{split}.jsonl" for split in SPLITS)]
    for path in foreign:
        if path.exists():
            raise SettingsError(
                f"{str(out)!r} holds {path.name!r}, of which no run.json tells what it "
                "is. Name another folder with --out, or remove this one."
            )
    write_json(begun, dict(identity))
    return None


def tree(counts: Counter[tuple[str, str, str]]) -> dict[str, dict[str, dict[str, int]]]:
    """Return split -> source -> task -> number of samples."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (split, source, task), count in sorted(counts.items()):
        found.setdefault(split, {}).setdefault(source, {})[task] = count
    return found


def mixed(
    mix: Mix, counts: Mapping[str, Mapping[str, Mapping[str, int]]]
) -> dict[str, int]:
    """Return source -> training samples that an epoch of a mix takes."""
    train = counts.get("train", {})
    sizes = {name: sum(tasks.values()) for name, tasks in train.items()}
    # A source that is not there, or has no training samples, has no share.
    weights = {name: w for name, w in mix.weights.items() if name in sizes}
    caps = {name: cap for name, cap in mix.caps.items() if name in sizes}
    return mix.model_copy(update={"weights": weights, "caps": caps}).quotas(sizes)


def stated(terms: Terms | None) -> dict[str, str] | None:
    """Return what stands of terms in ``run.json``."""
    if terms is None:
        return None
    return {"spdx": terms.spdx, "use": terms.use, "attribution": terms.attribution}


def utc(seconds: float) -> str:
    """Return a time as ``run.json`` writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _code() -> str:
    """Return a hash of the code that builds."""
    folder = Path(data_engine.__file__).parent
    key = sha256()
    for path in sorted(folder.rglob("*.py")):
        key.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        key.update(path.read_bytes())
    return key.hexdigest()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
