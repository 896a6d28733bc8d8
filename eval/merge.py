"""Merges runs into one: the shards of a benchmark, or runs on different samples.

Merged shards score exactly as the run in one piece: samples come back in its order, and
what was asked, of whom and how has to be the same in all parts.
"""

from collections.abc import Sequence
from pathlib import Path

from rsvlm.errors import SettingsError
from rsvlm.eval.manifest import Manifest, benchmark_entry, read_manifest, write_manifest
from rsvlm.eval.records import Prediction, to_line
from rsvlm.eval.results import write_text
from rsvlm.eval.run_folder import DECIDING, BenchmarkFolder, benchmark_folders
from rsvlm.eval.shards import Shard, interleave, merge_by_id
from rsvlm.eval.store import read_predictions
from rsvlm.samples import Sample


def merge(runs: Sequence[Path], out: Path) -> list[BenchmarkFolder]:
    """Write the union of several runs into a new folder.

    Args:
        runs: Folders of the runs.
        out: Folder to write; it must hold no run.

    Returns:
        The folders of the merged benchmarks, not scored yet.

    Raises:
        SettingsError: If a sample is in two runs, the runs differ in model, definition
            or settings, or ``out`` is taken.
        ParseError: If a file of a run is damaged.
    """
    if len(runs) < 2:
        raise SettingsError("There is one run. Name two or more to merge.")
    if (out / "run.json").exists():
        raise SettingsError(f"{out} holds a run already. Name another folder.")
    manifests = [read_manifest(run) for run in runs]
    for run, manifest in zip(runs[1:], manifests[1:], strict=True):
        _check_same(runs[0], manifests[0], run, manifest)
    parts: dict[str, list[tuple[Path, Manifest, BenchmarkFolder]]] = {}
    for run, manifest in zip(runs, manifests, strict=True):
        for folder in benchmark_folders(run):
            parts.setdefault(folder.path.name, []).append((run, manifest, folder))
    merged, entries = [], []
    for name, group in sorted(parts.items()):
        folder = BenchmarkFolder(out / name)
        samples = _merge_one(group, folder)
        shards = [_shard(manifest) for _, manifest, _ in group]
        subset = not _are_complete(shards) or any(
            _limited(manifest) for _, manifest, _ in group
        )
        benchmark = group[0][2].benchmark()
        marks = [e.leakage for _, m, _ in group for e in m.benchmarks if e.name == name]
        leakage = next((mark for mark in marks if mark), None)
        entries.append(
            benchmark_entry(benchmark, samples, subset=subset, leakage=leakage)
        )
        merged.append(folder)
    ends = [manifest.end for manifest in manifests]
    settings = {k: v for k, v in manifests[0].settings.items() if k != "shard"}
    write_manifest(
        out,
        manifests[0].model_copy(
            update={
                "benchmarks": tuple(entries),
                "settings": settings | {"merged": len(runs)},
                "start": min(manifest.start for manifest in manifests),
                "end": None if None in ends else max(end for end in ends if end),
            }
        ),
    )
    return merged


def _merge_one(
    group: Sequence[tuple[Path, Manifest, BenchmarkFolder]], out: BenchmarkFolder
) -> list[Sample]:
    """Write samples and predictions of one benchmark; return the samples."""
    definitions = [folder.benchmark() for _, _, folder in group]
    for (run, _, _), definition in zip(group, definitions, strict=True):
        if definition != definitions[0]:
            raise SettingsError(
                f"{group[0][0].name!r} and {run.name!r} asked {definition.name} by "
                "different definitions. Merge runs of one definition only."
            )
    names = _names([run for run, _, _ in group])
    merge_by_id(
        {
            name: {sample.id: sample for sample in folder.samples()}
            for name, (_, _, folder) in zip(names, group, strict=True)
        }
    )
    samples = interleave(
        [(_shard(manifest), folder.samples()) for _, manifest, folder in group]
    )
    out.path.mkdir(parents=True, exist_ok=True)
    out.begin(definitions[0], samples)
    repeats = {folder.repeats() for _, _, folder in group}
    if len(repeats) > 1:
        raise SettingsError(
            f"The runs asked {definitions[0].name} {sorted(repeats)} times. Merge runs "
            "with the same --repeats."
        )
    for repeat in range(repeats.pop()):
        found: dict[str, Prediction] = {}
        for _, _, folder in group:
            found |= read_predictions(folder.predictions_file(repeat))
        lines = [to_line(found[s.id]) for s in samples if s.id in found]
        text = "".join(f"{line}\n" for line in lines)
        write_text(out.predictions_file(repeat), text)
    return samples


def _names(runs: Sequence[Path]) -> list[str]:
    """Return a name of each run; those of the same last part keep their path."""
    short = [run.resolve().name for run in runs]
    return [
        name if short.count(name) == 1 else f"{run} ({number})"
        for number, (name, run) in enumerate(zip(short, runs, strict=True), start=1)
    ]


def _shard(manifest: Manifest) -> Shard:
    text = manifest.settings.get("shard")
    return Shard.parse(str(text)) if text else Shard()


def _are_complete(shards: Sequence[Shard]) -> bool:
    """Whether the shards make up the whole."""
    count = shards[0].count
    return all(s.count == count for s in shards) and {s.index for s in shards} == set(
        range(count)
    )


def _limited(manifest: Manifest) -> bool:
    settings = manifest.settings
    return settings.get("limit") is not None or bool(settings.get("ids"))


def _check_same(first: Path, a: Manifest, other: Path, b: Manifest) -> None:
    pairs = [
        (f"model's {name}", getattr(a.model, name), getattr(b.model, name))
        for name in ("name", "engine", "revision")
    ]
    pairs += [
        (f"setting {name}", a.settings.get(name), b.settings.get(name))
        for name in DECIDING
    ]
    for words, mine, theirs in pairs:
        if mine != theirs:
            raise SettingsError(
                f"The {words} is {mine!r} in {first.name!r} and {theirs!r} in "
                f"{other.name!r}. Merge runs of one model under the same settings; to "
                "hold two models against each other use rsvlm eval compare."
            )
