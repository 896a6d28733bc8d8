"""Where the samples of a benchmark are, and the making of those that ship as a recipe.

Our own benchmarks are built from the source data sets into the user's cache, once; all
others are converted by the user, who has to fetch and accept their terms.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from rsvlm.app.settings import data_folder
from rsvlm.cache import cache_folder, lock
from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import FOLDER, Benchmark, paths

State = Literal["ready", "makes itself", "convert first", "missing"]


@dataclass(frozen=True)
class Located:
    """The files of a benchmark.

    Attributes:
        file: Its samples.
        images: Folder that the paths of images start from.
    """

    file: Path
    images: Path


def locate(
    benchmark: Benchmark, data: str | None = None, include: Sequence[Path] = ()
) -> Located | None:
    """Return the files of a benchmark where they are already, else None.

    Looked at in turn: the folder of the benchmark file, for a user's own; the data
    folder and the folder of the benchmark's name in it; what was made before.
    """
    root = data_folder(data)
    folders = []
    own = paths(include).get(benchmark.name)
    if own is not None and own.parent != FOLDER:
        folders.append(own.parent)
    folders += [root / benchmark.name, root]
    if benchmark.data.build:
        # "test.jsonl" in a data folder may be another recipe's.
        folders = [f for f in folders if _is_recipe(f, benchmark.data.build)]
    folders += [made for made in (_made_folder(benchmark, root),) if made is not None]
    for folder in folders:
        file = folder / benchmark.data.file
        if file.is_file():
            return Located(file, file.parent / benchmark.data.images)
    return None


def state(
    benchmark: Benchmark, data: str | None = None, include: Sequence[Path] = ()
) -> State:
    """Say whether a benchmark can be asked, in two words."""
    if locate(benchmark, data, include) is not None:
        return "ready"
    if benchmark.data.build or _is_ours(benchmark):
        return "makes itself"
    return "convert first" if benchmark.data.convert else "missing"


def ensure(
    benchmark: Benchmark,
    data: str | None = None,
    include: Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Located:
    """Return the files of a benchmark, made first if that needs nobody's consent.

    Raises:
        SettingsError: If they are missing and have to be fetched or converted.
        ParseError: If the source data do not hold what they should.
    """
    found = locate(benchmark, data, include)
    if found is not None:
        return found
    root = data_folder(data)
    folder = _made_folder(benchmark, root)
    if folder is None:
        raise _missing(benchmark)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / ".lock"):
        if locate(benchmark, data, include) is None:
            say(f"{benchmark.name}: making its samples, once")
            _make(benchmark, root, folder, say)
    found = locate(benchmark, data, include)
    if found is None:
        raise SettingsError(
            f"{benchmark.name}: its recipe made no {benchmark.data.file!r}. Correct "
            "data.file in the benchmark."
        )
    return found


def _make(
    benchmark: Benchmark, root: Path, folder: Path, say: Callable[[str], None]
) -> None:
    if benchmark.data.build:
        from rsvlm.data_engine.build import build

        build(benchmark.data.build, root, folder, progress=say)
    elif benchmark.data.convert:
        from rsvlm.eval.convert.write import write

        write(benchmark.data.convert, root, folder, say)


def _missing(benchmark: Benchmark) -> SettingsError:
    name = benchmark.data.convert
    if name:
        return SettingsError(
            f"There are no samples of {benchmark.name}. Fetch the data set "
            f"({benchmark.source}) and run: rsvlm eval convert {name} --root FOLDER "
            f"--out DATA/{benchmark.name}; then name DATA with --data."
        )
    return SettingsError(
        f"There is no {benchmark.data.file!r} for {benchmark.name}. Name its folder "
        "with --data."
    )


def _is_ours(benchmark: Benchmark) -> bool:
    """Whether a converter makes the samples from the data folder itself."""
    if not benchmark.data.convert:
        return False
    from rsvlm.eval.convert.table import CONVERTERS

    converter = CONVERTERS.get(benchmark.data.convert)
    return converter is not None and converter.pictures is not None


def _made_folder(benchmark: Benchmark, root: Path) -> Path | None:
    """Return where samples that make themselves are kept, None for others.

    Its name follows from the recipe, the code that builds it and its inputs, so that
    nothing stale is ever asked.
    """
    from rsvlm import formats

    if benchmark.data.build:
        from rsvlm import data_engine
        from rsvlm.data_engine.build import RECIPES
        from rsvlm.data_engine.sources import SOURCES

        if benchmark.data.build not in RECIPES:
            raise SettingsError(
                f"{benchmark.name} is built by the recipe {benchmark.data.build!r}, "
                f"which is none of: {', '.join(RECIPES)}. Correct data.build."
            )
        code = Path(data_engine.__file__).parent
        sources = [entry.kind for entry in RECIPES[benchmark.data.build].sources]
        inputs = [SOURCES[s].root(root) / f for s in sources for f in SOURCES[s].files]
        name = benchmark.data.build
    elif _is_ours(benchmark):
        from rsvlm.eval import convert

        code = Path(convert.__file__).parent
        inputs = sorted(file for file in root.glob("*/*") if file.is_file())
        name = str(benchmark.data.convert)
    else:
        return None
    key = sha256()
    for folder in (code, Path(formats.__file__).parent):
        for file in sorted(folder.rglob("*.py")):
            key.update(f"{file.relative_to(folder)}\n".encode())
            key.update(file.read_bytes())
    for file in inputs:
        # Hashing hundreds of megabytes each time would cost more than it protects.
        stat = file.stat() if file.is_file() else None
        size = (stat.st_size, stat.st_mtime_ns) if stat else None
        key.update(f"{file.relative_to(root)} {size}\n".encode())
    return cache_folder() / "eval" / f"{name}-{key.hexdigest()[:12]}"


def _is_recipe(folder: Path, recipe: str) -> bool:
    """Whether a folder was built by a recipe, as its ``run.json`` says."""
    try:
        fields = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return bool(fields["recipe"]["name"] == recipe)
    except (OSError, ValueError, KeyError, TypeError):
        return False
