"""Which samples of a benchmark are asked: its file, its filter, then the user's choice."""

from collections.abc import Collection, Iterable, Sequence
from hashlib import file_digest
from pathlib import Path

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.scored import value_of
from rsvlm.eval.shards import Shard
from rsvlm.samples import Sample, read_samples


def load_samples(benchmark: Benchmark, file: Path) -> list[Sample]:
    """Return the samples of a benchmark, in the order of its file.

    Args:
        benchmark: Its definition.
        file: Its JSONL file.

    Raises:
        ParseError: If a line is no sample, or the file is not the one that the
            benchmark was defined on.
        SettingsError: If the file is missing or no sample is left.
    """
    check_hash(benchmark, file)
    try:
        samples = [s for s in read_samples(file) if is_meant(benchmark, s)]
    except OSError:
        raise SettingsError(
            f"{file} is missing. Make it with rsvlm eval convert, or name its folder "
            "with --data."
        ) from None
    if not samples:
        raise SettingsError(
            f"No sample of {file.name!r} belongs to {benchmark.name} "
            f"(where: {benchmark.data.where}). Check that --data names its folder."
        )
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise ParseError(
                f"{file.name} holds the id {sample.id!r} twice. Make the file again."
            )
        seen.add(sample.id)
    return samples


def check_hash(benchmark: Benchmark, file: Path) -> None:
    """Refuse a file other than the one that a benchmark was defined on.

    Raises:
        ParseError: If the hashes differ.
    """
    wanted = benchmark.data.sha256
    if wanted is None or not file.is_file():
        return
    with file.open("rb") as handle:
        found = file_digest(handle, "sha256").hexdigest()
    if found != wanted.lower():
        raise ParseError(
            f"{file.name} has the SHA-256 {found[:12]}..., {benchmark.name} is defined "
            f"on {wanted[:12]}... Fetch or convert the data again."
        )


def is_meant(benchmark: Benchmark, sample: Sample) -> bool:
    """Whether a sample passes the benchmark's filter.

    A value of the filter is met by the value itself or, where it lists several, by any
    of them.
    """
    for name, wanted in benchmark.data.where.items():
        found = value_of(sample, name)
        if isinstance(wanted, tuple):
            if found not in wanted:
                return False
        # True is no 1 here: a flag and a number are different things.
        elif found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
            return False
    return True


def select(
    samples: Sequence[Sample],
    *,
    ids: Collection[str] | None = None,
    limit: int | None = None,
    shard: Shard | None = None,
) -> list[Sample]:
    """Return the samples to ask: those of the ids, the first of them, every n-th.

    Args:
        samples: All samples of a benchmark.
        ids: Only those of these ids; None: all.
        limit: Only the first; None: all.
        shard: Only this part; None: all.

    Raises:
        UnknownNameError: If an id is none of the samples'.
        SettingsError: If nothing is left.
    """
    chosen = list(samples)
    if ids is not None:
        known = {sample.id for sample in samples}
        for name in ids:
            if name not in known:
                raise UnknownNameError("sample", name, list(known)[:20])
        wanted = set(ids)
        chosen = [sample for sample in chosen if sample.id in wanted]
    if limit is not None:
        chosen = chosen[:limit]
    if shard is not None:
        chosen = shard.take(chosen)
    if not chosen:
        raise SettingsError(
            f"No sample of {len(samples)} is left. Take a higher --limit, other --ids "
            "or fewer shards."
        )
    return chosen


def read_ids(path: Path) -> list[str]:
    """Read ids from a text file, one a line; blank lines and ``#`` lines are skipped.

    Raises:
        SettingsError: If the file cannot be read or holds none.
    """
    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"{path} cannot be read. Give a text file with one id a line."
        ) from None
    ids = [line.strip() for line in lines]
    ids = [line for line in ids if line and not line.startswith("#")]
    if not ids:
        raise SettingsError(f"{path} holds no id. Write one a line.")
    return list(dict.fromkeys(ids))
