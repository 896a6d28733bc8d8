"""Recipes of knowledge bases: which sources, with which settings.

A recipe is a TOML file with a list of sources; ``world`` and ``smoke`` are shipped.
Paths in a recipe are relative to its file. Each source has a fingerprint, by which a
later build knows whether it has to be read again.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm import assets
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.retrieval import (
    sources_nations,
    sources_rswk,
    sources_wikipedia,
    sources_world,
)
from rsvlm.retrieval.building import SourceOf
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.passages import Passage, box_of, geometry
from rsvlm.retrieval.sources_files import READERS, Look, Origin, read_file
from rsvlm.retrieval.sources_own import glossary, handbook

SHIPPED = ("world", "smoke")
#: Raised whenever passages of unchanged inputs come out differently.
REVISION = 1
Degrees = tuple[float, float, float, float]
_Read = Callable[[], Iterable[Passage]]


class _Source(BaseModel):
    """What every source may say.

    Attributes:
        dense: Whether its texts get vectors; rows of a gazetteer do without.
        area: Only passages whose place touches west, south, east, north; degrees.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dense: bool = True
    area: Degrees | None = None


class _Shipped(_Source):
    kind: Literal["handbook", "glossary", "borders", "factbook"]


class _Rows(_Source):
    kind: Literal["airports", "ports"]
    dense: bool = False


class _Places(_Source):
    kind: Literal["places"]
    dense: bool = False
    file: Literal["cities500", "cities15000"] = Field(
        "cities500", description="places with more than so many inhabitants"
    )


class _Files(_Source):
    """The user's own files.

    Attributes:
        path: File, folder, or pattern such as ``notes/**/*.md``.
    """

    kind: Literal["files"]
    path: str
    licence: str
    source: str = ""
    url: str | None = None
    date: str | None = None


class _Wikipedia(_Source):
    kind: Literal["wikipedia"]
    path: str
    base: str | None = Field(None, description="address of the articles")


class _Rswk(_Source):
    kind: Literal["rswk"]
    path: str


_AnySource = Annotated[
    _Shipped | _Rows | _Places | _Files | _Wikipedia | _Rswk,
    Field(discriminator="kind"),
]


class Recipe(BaseModel):
    """What a knowledge base is built from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: tuple[_AnySource, ...] = Field(min_length=1)


def load_recipe(name: str) -> tuple[Recipe, Path]:
    """Return a recipe, shipped or of a TOML file, and the folder of its paths.

    Raises:
        UnknownNameError: If there is neither a recipe nor a file of that name.
        SettingsError: If the file is no recipe.
    """
    if name in SHIPPED:
        text = files("rsvlm.retrieval").joinpath(f"data/{name}.toml").read_text("utf-8")
        folder = Path.cwd()
    else:
        path = Path(name)
        if not path.is_file():
            raise UnknownNameError("recipe", name, SHIPPED)
        text, folder = path.read_text(encoding="utf-8"), path.parent
    try:
        return Recipe.model_validate(tomllib.loads(text)), folder
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is no TOML: {error}. Mend that line.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"{name}, {where}: {first['msg'].lower()}. See docs/knowledge.md."
        ) from None


def sources(recipe: Recipe, folder: Path, look: Look | None = None) -> list[SourceOf]:
    """Return the sources of a recipe, ready to be built.

    Args:
        recipe: The recipe.
        folder: Where its paths begin.
        look: Turns a picture into its vector; None leaves pictures out.

    Raises:
        SettingsError: If a path leads nowhere.
    """
    found = []
    names: dict[str, int] = {}
    for settings in recipe.source:
        read, inputs = _reader(settings, folder, look)
        name = getattr(settings, "path", None) or settings.kind
        names[name] = names.get(name, 0) + 1
        label = name if names[name] == 1 else f"{name} ({names[name]})"
        digest = hashlib.sha256(json.dumps(settings.model_dump()).encode())
        digest.update(f"{REVISION}/{look is not None}".encode())
        for part in inputs:
            digest.update(part)
        found.append(
            SourceOf(
                label,
                digest.hexdigest(),
                partial(_passages, read, settings.area),
                settings.dense,
            )
        )
    return found


def _reader(
    settings: Any, folder: Path, look: Look | None
) -> tuple[_Read, list[bytes]]:
    """Return what yields the passages of a source, and what they depend on."""
    if settings.kind in _SHIPPED:
        read, depends = _SHIPPED[settings.kind]
        return read, [text.encode() for text in depends()]
    if settings.kind == "places":
        return lambda: sources_world.places(settings.file), [_asset("geonames")]
    root = folder / settings.path
    if settings.kind == "files":
        listed = _listed(folder, settings.path)
        origin = Origin(
            settings.source, settings.licence, settings.url, settings.date, look
        )
        return lambda: _read_files(listed, origin), [_digest(path) for path in listed]
    if not root.exists():
        raise SettingsError(f"There is no {str(root)!r}, which the recipe names.")
    if settings.kind == "rswk":
        inputs = [_digest(path) for path in sorted(root.rglob("*.json*"))]
        return lambda: sources_rswk.read_rswk(root, look), inputs
    if root.suffix == ".zim":
        return lambda: sources_wikipedia.read_zim(root), [_stamp(root)]
    return lambda: sources_wikipedia.read_xml(root, settings.base), [_stamp(root)]


def _asset(name: str) -> bytes:
    return "".join(file.sha256 for file in assets.get(name).files).encode()


_SHIPPED: Mapping[str, tuple[_Read, Callable[[], list[str]]]] = {
    "handbook": (handbook, lambda: [_data("handbook")]),
    "glossary": (glossary, lambda: [_data("glossary")]),
    "borders": (
        sources_world.borders,
        lambda: [_asset("natural-earth-countries").decode(), _asset("geonames").decode()],
    ),
    "factbook": (
        sources_nations.factbook,
        lambda: [_digest(path).hex() for path in sources_nations.factbook_files()],
    ),
    "ports": (
        sources_nations.ports,
        lambda: [_digest(sources_nations.ports_file()).hex()],
    ),
    "airports": (sources_world.airports, lambda: [_asset("airports").decode()]),
}  # fmt: skip


def _data(name: str) -> str:
    return files("rsvlm.retrieval").joinpath(f"data/{name}.toml").read_text("utf-8")


def _listed(folder: Path, pattern: str) -> list[Path]:
    """Return the files that a path or pattern means, in order."""
    whole = folder / pattern
    if whole.is_file():
        return [whole]
    if whole.is_dir():
        pattern = f"{pattern.rstrip('/')}/**/*"
    found = sorted(
        path
        for path in folder.glob(pattern)
        if path.is_file() and path.suffix.lower() in READERS
    )
    if not found:
        raise SettingsError(
            f"{str(whole)!r} names no file that can be read "
            f"({', '.join(sorted(READERS))})."
        )
    return found


def _read_files(paths: Iterable[Path], origin: Origin) -> Iterator[Passage]:
    for path in paths:
        yield from read_file(path, origin)


def _digest(path: Path) -> bytes:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()


def _stamp(path: Path) -> bytes:
    """Tell a dump of many gigabytes by its size and time instead of its bytes."""
    stat = path.stat()
    return f"{path.name}/{stat.st_size}/{stat.st_mtime_ns}".encode()


def _passages(read: _Read, area: Degrees | None) -> Iterator[Passage]:
    return _within(read(), area)


def _within(passages: Iterable[Passage], area: Degrees | None) -> Iterator[Passage]:
    if area is None:
        yield from passages
        return
    import shapely

    wanted = shapely.box(*area)
    ground = Footprint(wanted, (area[0] + area[2]) / 2, (area[1] + area[3]) / 2)
    for passage in passages:
        if passage.place is None:
            yield passage
            continue
        west, south, east, north = box_of(passage.place)
        if (west, south) == (east, north):
            inside = ground.contains(west, south)
        else:
            inside = bool(shapely.intersects(wanted, geometry(passage.place)))
        if inside:
            yield passage
