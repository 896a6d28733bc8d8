"""The manifest of an evaluation, ``run.json``: everything that is needed to repeat it.

It names no host, no user and no folder of the machine that ran it: of a path it keeps
the last part, of a URL the model's name.
"""

import importlib.metadata
import json
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.records import read_document
from rsvlm.eval.results import write_text
from rsvlm.samples import Sample
from rsvlm.training.run import revision

#: Packages whose version can change an answer or a score.
PACKAGES = (
    "rsvlm", "numpy", "torch", "transformers", "peft", "open_clip_torch", "pillow",
    "rasterio", "shapely", "pycocotools", "openai", "vllm",
)  # fmt: skip

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s#]*")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchmarkEntry(_Part):
    """Which samples were asked, and how.

    Attributes:
        name: Name of the benchmark.
        version: Its version, one more on any change of prompt or rules.
        sha256: Hash of its definition, defaults filled in.
        samples_sha256: Hash of the samples asked, targets included.
        ids_sha256: Hash of their ids, in order; equal where two runs asked the same.
        n: Number of samples asked.
        subset: Whether samples of the benchmark were left out.
        prompt: Id and words of the prompt.
        generation: Temperature and length.
        coords: Numbers that boxes were read in; None where it asks for none.
        protocols: Ids of the protocols.
        license: Terms of the data.
        leakage: What is known of samples that the model was trained on.
    """

    name: str
    version: int
    sha256: str
    samples_sha256: str
    ids_sha256: str
    n: int = Field(ge=0)
    subset: bool = False
    prompt: dict[str, Any]
    generation: dict[str, Any]
    coords: dict[str, Any] | None = None
    protocols: tuple[str, ...]
    license: str
    leakage: str | None = None


class ModelEntry(_Part):
    """What was asked.

    Attributes:
        name: Name of the model.
        spec: What was given as ``--model``, without host and folder.
        engine: ``local``, ``remote``, ``replay`` or another kind.
        revision: What tells one version of the model from another.
        max_images: Most pictures a question.
        max_side: Longest side of a picture that it makes use of, px.
        dialect: How it writes boxes.
        dtype: Type of its weights, where known.
        served: What a server says of itself (its list of models).
    """

    name: str
    spec: str = ""
    engine: str = ""
    revision: str = ""
    max_images: int | None = None
    max_side: int | None = None
    dialect: str | None = None
    dtype: str | None = None
    served: Any = None


class Manifest(_Part):
    """The content of ``run.json``."""

    schema_: Literal["rsvlm.run/1"] = Field("rsvlm.run/1", alias="schema")
    model: ModelEntry
    benchmarks: tuple[BenchmarkEntry, ...]
    settings: dict[str, Any] = Field(
        default_factory=dict, description="limit, shard, seed, repeats, retries, ..."
    )
    revision: str | None = Field(None, description="commit of the code")
    modified: bool | None = Field(
        None, description="whether files differ from that commit; None: not known"
    )
    packages: dict[str, str] = Field(default_factory=dict)
    platform: str = ""
    start: str
    end: str | None = Field(None, description="None while the run goes on")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def benchmark_entry(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    *,
    subset: bool = False,
    leakage: str | None = None,
) -> BenchmarkEntry:
    """Describe a benchmark and the samples of it that are asked."""
    definition = benchmark.model_dump(mode="json")
    ids = "\n".join(sample.id for sample in samples)
    lines = "\n".join(sample.model_dump_json(by_alias=True) for sample in samples)
    return BenchmarkEntry(
        name=benchmark.name,
        version=benchmark.version,
        sha256=_hash(json.dumps(definition, sort_keys=True)),
        samples_sha256=_hash(lines),
        ids_sha256=_hash(ids),
        n=len(samples),
        subset=subset,
        prompt=benchmark.prompt.model_dump(mode="json"),
        generation=benchmark.generation.model_dump(mode="json"),
        coords=benchmark.coords.model_dump(mode="json") if benchmark.coords else None,
        protocols=tuple(protocol.id for protocol in benchmark.protocols),
        license=benchmark.data.license,
        leakage=leakage,
    )


def manifest(
    model: ModelEntry,
    benchmarks: Iterable[BenchmarkEntry],
    settings: Mapping[str, Any] | None = None,
    *,
    start: float | None = None,
    end: float | None = None,
) -> Manifest:
    """Return the manifest of a run.

    Args:
        model: What is asked.
        benchmarks: What it is asked.
        settings: Options of the run, such as ``{"limit": 50, "seed": 0}``; paths and
            URLs in them are cut to what names no machine.
        start: When it started, seconds since 1970; None: now.
        end: When it ended; None while it goes on.
    """
    return Manifest(
        model=ModelEntry.model_validate(host_free(model.model_dump())),
        benchmarks=tuple(benchmarks),
        settings=host_free(dict(settings or {})),
        revision=revision(),
        modified=_modified(),
        packages=versions(),
        platform=f"{platform.system()} {platform.machine()}",
        start=_utc(time.time() if start is None else start),
        end=None if end is None else _utc(end),
    )


def write_manifest(folder: Path, content: Manifest) -> None:
    """Write ``run.json`` of a run."""
    fields = content.model_dump(mode="json", by_alias=True)
    text = json.dumps(fields, indent=1, ensure_ascii=False)
    write_text(folder / "run.json", text + "\n")


def finish(folder: Path, end: float | None = None) -> None:
    """Enter the end of a run, now unless told otherwise, into its ``run.json``."""
    done = _utc(time.time() if end is None else end)
    write_manifest(folder, read_manifest(folder).model_copy(update={"end": done}))


def read_manifest(folder: Path) -> Manifest:
    """Read ``run.json`` of a run.

    Raises:
        ParseError: If it is missing or no manifest; names the field.
    """
    return read_document(folder / "run.json", Manifest)


def host_free(value: Any) -> Any:
    """Return a value whose texts name no host and no folder.

    Of a path the last part stays, of a URL nothing; what follows "#" is the model's
    name and stays.

    >>> host_free({"model": "http://gpu7:8000/v1#Qwen", "out": "/home/me/runs/a"})
    {'model': 'URL#Qwen', 'out': 'a'}
    """
    if isinstance(value, Mapping):
        return {str(key): host_free(entry) for key, entry in value.items()}
    if isinstance(value, Path):
        return value.name
    if isinstance(value, list | tuple | set | frozenset):
        return [host_free(entry) for entry in value]
    if not isinstance(value, str):
        return value
    text = _URL.sub("URL", value)
    head, mark, rest = text.partition(":")
    if mark and head.isalpha() and len(head) > 1:  # replay:FILE, but not C:\FILE
        return f"{head}:{host_free(rest)}"
    # A path ends in a name; a sentence or "org/model" is none.
    is_path = re.match(r"([A-Za-z]:)?[\\/]|\.{1,2}[\\/]|~", text) is not None
    return re.split(r"[\\/]", text.rstrip("\\/"))[-1] if is_path else text


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return in what two runs differ besides the model, one sentence each.

    Args:
        a: Content of ``run.json`` of a run.
        b: That of another.
    """
    notes = []
    theirs = {entry["name"]: entry for entry in b.get("benchmarks", ())}
    for mine in a.get("benchmarks", ()):
        other = theirs.get(mine["name"])
        if other is None:
            continue
        for field, words in _COMPARED.items():
            left, right = mine.get(field), other.get(field)
            if left != right:
                shown = "" if "sha256" in field else f" ({left} and {right})"
                notes.append(f"{mine['name']}: {words} differ{shown}.")
    if a.get("revision") != b.get("revision"):
        notes.append("The commits of the code differ.")
    if a.get("modified") or b.get("modified"):
        notes.append("The code of a run differs from its commit.")
    for field in ("packages", "settings"):
        left, right = a.get(field) or {}, b.get(field) or {}
        names = [n for n in sorted({*left, *right}) if left.get(n) != right.get(n)]
        if names:
            shown = ", ".join(f"{n} ({left.get(n)} and {right.get(n)})" for n in names)
            notes.append(f"These {field} differ: {shown}.")
    return notes


#: Field of a benchmark -> what it is called when two runs differ in it.
_COMPARED = {
    "version": "the versions of the benchmark",
    "sha256": "the definitions of the benchmark",
    "ids_sha256": "the samples that were asked",
    "samples_sha256": "the contents of the samples",
    "prompt": "the prompts",
    "generation": "the generation settings",
    "coords": "the spaces that boxes were read in",
    "leakage": "the leakage marks",
}


def versions() -> dict[str, str]:
    """Return the version of Python and of the packages that matter, as installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _modified() -> bool | None:
    """Say whether tracked files differ from the commit; None outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "diff", "--quiet", "HEAD"],
            cwd=Path(__file__).resolve().parent,
            check=False,
            capture_output=True,
        )
    except OSError:
        return None
    return done.returncode == 1 if done.returncode in (0, 1) else None


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _utc(seconds: float) -> str:
    return time.strftime(_TIME, time.gmtime(seconds))
