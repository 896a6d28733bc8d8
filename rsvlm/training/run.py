"""What every training run shares: its config, its log and its ``run.json``."""

import calendar
import importlib.metadata
import json
import os
import subprocess
import time
import tomllib
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rsvlm.errors import SettingsError, UnknownNameError

#: Recipes that ship: ``<name>-<stage>.toml`` beside this file.
RECIPES = Path(__file__).parent / "recipes"

#: What an interrupted run continues from.
STATE_FILE = "state.safetensors"

_NONE: Mapping[str, Any] = {}
_TIME = "%Y-%m-%dT%H:%M:%SZ"

Config = TypeVar("Config", bound="Recipe")


class Recipe(BaseModel):
    """Base of all recipes: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_changes(lines: Iterable[str]) -> dict[str, Any]:
    """Read settings as they are given on a command line.

    >>> read_changes(["steps=200", "start=runs/align/checkpoint", "layers=[6, 12]"])
    {'steps': 200, 'start': 'runs/align/checkpoint', 'layers': [6, 12]}

    Raises:
        SettingsError: If a line has no ``=``.
    """
    found: dict[str, Any] = {}
    for line in lines:
        key, sign, text = line.partition("=")
        if not sign or not key.strip():
            raise SettingsError(
                f"{line!r} is no KEY=VALUE. Write the setting, '=' and its value."
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()  # words need no quotes
        found[key.strip()] = value
    return found


def load_recipe(
    kind: type[Config], name: str, stage: str, changes: Mapping[str, Any] = _NONE
) -> Config:
    """Read a recipe by the name of a shipped one or by path.

    Args:
        kind: What the recipe is for.
        name: Name or path.
        stage: Ending of the names of the shipped ones.
        changes: Setting -> value that stands in place of the recipe's.

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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}. Correct the line.") from None
    try:
        return kind.model_validate(fields | dict(changes))
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

        Raises:
            SettingsError: If the folder holds a run of another recipe or other data.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.started = time.time()
        self._inputs = {name: file_hash(path) for name, path in inputs.items()}
        self._recipe = recipe
        if (folder / STATE_FILE).is_file() and (folder / "run.json").is_file():
            self._continue()
        self.write_run(end=None)

    def _continue(self) -> None:
        earlier = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        recipe = self._recipe.model_dump(mode="json")
        old = earlier["recipe"] | earlier["inputs"]
        new = recipe | self._inputs
        changed = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
        if changed:
            raise SettingsError(
                f"{self.folder} holds a run with another {changed[0]!r}. "
                "Name another folder with --out, or keep to that recipe and its data."
            )
        start = time.strptime(earlier["start"], _TIME)
        self.started = float(calendar.timegm(start))

    def rewind(self, unit: str, last: int) -> None:
        """Drop the lines behind the point that a run continues from.

        Args:
            unit: Field of a line that counts, such as ``"step"``.
            last: Its value at that point; 0 drops all lines.
        """
        path = self.folder / "log.jsonl"
        if not path.is_file():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                done = json.loads(line).get(unit, last + 1) <= last
            except ValueError:  # a kill cut it
                done = False
            if done:
                kept.append(line)
        draft = path.with_name(".log.jsonl")
        draft.write_text("".join(kept), encoding="utf-8")
        os.replace(draft, path)

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


def loader_workers() -> int:
    """Return how many processes load data ahead of a step.

    Where a CPU trains, it is the training that needs the cores, and a thread is enough.
    """
    import torch

    return max((os.cpu_count() or 1) - 2, 1) if torch.cuda.is_available() else 0


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


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
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
    return time.strftime(_TIME, time.gmtime(seconds))
