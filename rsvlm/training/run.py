"""What every training run shares: its config, its log and its ``run.json``."""

import importlib.metadata
import json
import os
import subprocess
import time
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rsvlm.errors import SettingsError, UnknownNameError

#: Recipes that ship: ``<name>-<stage>.toml`` beside this file.
RECIPES = Path(__file__).parent / "recipes"

Config = TypeVar("Config", bound="Recipe")


class Recipe(BaseModel):
    """Base of all recipes: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def load_recipe(kind: type[Config], name: str, stage: str) -> Config:
    """Read a recipe by the name of a shipped one or by path.

    Raises:
        SettingsError: If the file is missing, no TOML, or a value cannot be used.
        UnknownNameError: If it has an unknown key.
    """
    shipped = RECIPES / f"{name}-{stage}.toml"
    path = shipped if shipped.is_file() else Path(name)
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        known = sorted(
            p.stem.rsplit("-", 1)[0] for p in RECIPES.glob(f"*-{stage}.toml")
        )
        raise SettingsError(
            f"There is no recipe {name!r}. Give a TOML file or one of: "
            f"{', '.join(known)}."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no TOML: {error}. Correct the line.") from None
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UnknownNameError("setting", where, kind.model_fields) from None
        raise SettingsError(f"{path.name}: {where}: {first['msg']}.") from None


class RunLog:
    """Folder of a run: ``run.json``, ``log.jsonl``; lines are flushed at once."""

    def __init__(
        self, folder: Path, recipe: Recipe, inputs: Mapping[str, Path]
    ) -> None:
        """Create the folder and write ``run.json``.

        Args:
            folder: Output folder; an earlier run of the same recipe is continued.
            recipe: Resolved config.
            inputs: Name -> input file, hashed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.started = time.time()
        self._inputs = {name: _hash(path) for name, path in inputs.items()}
        self._recipe = recipe
        self.write_run(end=None)

    def write_run(self, end: float | None) -> None:
        """Write ``run.json``; ``end`` is None while the run goes on."""
        content = {
            "recipe": self._recipe.model_dump(mode="json"),
            "inputs": self._inputs,
            "revision": revision(),
            "packages": _versions(
                "rsvlm", "torch", "transformers", "peft", "accelerate"
            ),
            "start": _utc(self.started),
            "end": _utc(end) if end else None,
        }
        draft = self.folder / ".run.json"
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, self.folder / "run.json")

    def add(self, **fields: Any) -> None:
        """Append one line to ``log.jsonl``."""
        line = json.dumps({"time_s": round(time.time() - self.started, 1), **fields})
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def close(self) -> None:
        """Mark the run as finished."""
        self.write_run(end=time.time())


def revision() -> str | None:
    """Return the git revision of the code, None outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _hash(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _versions(*names: str) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
