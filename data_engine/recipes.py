"""Recipes of builds: the shipped ones by name, a user's own from a TOML file.

A source of a recipe is a name, or a table that says where a data set lies and how it is
taken in::

    [[sources]]
    kind = "dota"               # whose format it is
    path = "my-dota"            # beside the recipe
    name = "harbours"           # what its samples call it
    licence = "CC-BY-4.0"
    use = "commercial"
    tile = 1024

A recipe of a file is filtered, by default as :class:`Filters` says, unless its table
``[filters]`` says otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from rsvlm.data_engine.filters import Filters
from rsvlm.data_engine.licences import TERMS, Terms, Use
from rsvlm.data_engine.records import Record, Sensor, Split, missing
from rsvlm.data_engine.sources import SOURCES, Source
from rsvlm.data_engine.tiles import cut
from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.training.mix import Mix
from rsvlm.training.run import Recipe as TrainingRecipe
from rsvlm.training.run import load_recipe

#: Kinds that are a format rather than a data set: the owner states the terms.
OWN = ("coco", "voc")


class Entry(TrainingRecipe):
    """One source of a recipe."""

    kind: str = Field(description="name of a source, whose format is read")
    path: str | None = Field(None, description="folder, relative to the recipe")
    name: str | None = Field(None, min_length=1, description="what samples call it")
    licence: str | None = Field(None, description="terms, where they are others")
    use: Use | None = Field(None, description="widest use that the terms allow")
    attribution: str = Field("", description="what to write where it is shown")
    sensor: Sensor | None = Field(None, description="what took the images")
    gsd_m: float | None = Field(None, gt=0, description="m/px, where all share it")
    tile: int | None = Field(None, ge=64, description="side of tiles, px")
    optional: bool = Field(False, description="left out where its files are not there")


class Recipe(TrainingRecipe):
    """What a build takes in."""

    name: str = ""
    sources: tuple[Entry, ...] = Field(min_length=1)
    filters: Filters | None = None
    mix: Mix | None = Field(None, description="how sources share an epoch of training")

    @field_validator("sources", mode="before")
    @classmethod
    def _named(cls, sources: Any) -> Any:
        if not isinstance(sources, list | tuple):
            return sources
        return tuple({"kind": s} if isinstance(s, str) else s for s in sources)


#: Sources of real images that the recipe "large" takes where they are there.
REAL = ("optical_sar", "sar_acd", "floods", "vhr10", "rsscn7", "neon", "pasted")
#: Recipes that ship.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="smoke", sources=("synthetic", "synthetic_pairs", "synthetic_chains")
        ),
        Recipe(name="tiny", sources=("vhr10", "rsscn7")),
        Recipe(name="chains", sources=("chains",)),
        Recipe(name="sensors", sources=("optical_sar", "sar_acd", "floods")),
        Recipe(
            name="aligned",
            sources=("optical_sar", "sar_acd", "floods", "vhr10", "rsscn7"),
        ),
        Recipe(
            name="large",
            sources=(
                *({"kind": kind, "optional": True} for kind in REAL),
                "synth",
                "synth-sar",
            ),
            filters=Filters(blank=False, geometry=False, within=False),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a recipe makes of the records of a source.

    Attributes:
        name: What its samples call it.
        licence: Terms that its samples carry.
        entry: How it is taken in.
    """

    name: str
    licence: str
    entry: Entry

    def shaped(self, record: Record) -> Iterator[Record]:
        """Yield a record as the recipe wants it, or the tiles of it.

        Raises:
            SettingsError: If a setting does not fit the source.
            ParseError: If the image cannot be decoded.
        """
        partner = record.partner
        whole = replace(
            record,
            source=self.name,
            licence=self.licence,
            sensor=self.entry.sensor or record.sensor,
            gsd_m=self.entry.gsd_m or record.gsd_m,
            partner=partner
            and replace(partner, source=self.name, licence=self.licence),
        )
        if self.entry.tile is None:
            yield whole
        else:
            yield from cut(whole, self.entry.tile)


@dataclass(frozen=True, slots=True)
class Taken:
    """A source as a recipe takes it in.

    Attributes:
        name: What its samples call it.
        source: Whose format it is.
        root: Its folder.
        entry: How it is taken in.
    """

    name: str
    source: Source
    root: Path
    entry: Entry

    @property
    def licence(self) -> str:
        """Terms that its samples carry."""
        return self.entry.licence or self.source.licence

    @property
    def shape(self) -> Shape:
        """What is made of its records."""
        return Shape(self.name, self.licence, self.entry)

    @property
    def is_there(self) -> bool:
        """Whether all of its files are."""
        return self.root.is_dir() and all(
            next(self.root.glob(pattern), None) for pattern in self.source.files
        )

    @property
    def terms(self) -> Terms | None:
        """What its terms allow, None where that is not known."""
        if self.entry.licence:
            return Terms(
                self.entry.licence, self.entry.use or "research", self.entry.attribution
            )
        return TERMS.get(self.source.name)

    def read(self, split: Split) -> Iterator[Record]:
        """Yield its records, as the recipe wants them.

        Raises:
            SettingsError: If a file is missing, or a setting does not fit the source.
            ParseError: If a file does not hold what its format requires.
        """
        for record in self.source.read(self.root, split):
            yield from self.shape.shaped(record)

    def hashes(self) -> Mapping[str, str]:
        """Return "source/file" -> SHA-256 of the files that it reads.

        A pattern stands for all the files that fit it, hashed together with their names.

        Raises:
            SettingsError: If a folder or a file is missing.
        """
        if (self.source.files or self.entry.path) and not self.root.is_dir():
            raise missing(self.root)
        hashes = {}
        for pattern in self.source.files:
            paths = sorted(self.root.glob(pattern))
            if not paths:
                raise missing(self.root / pattern)
            digests = [_hash(path) for path in paths]
            if "*" in pattern:
                names = [path.relative_to(self.root).as_posix() for path in paths]
                lines = zip(names, digests, strict=True)
                text = "".join(f"{name} {digest}\n" for name, digest in lines)
                digests = [sha256(text.encode()).hexdigest()]
            hashes[f"{self.name}/{pattern}"] = digests[0]
        return hashes


def find_recipe(name: str) -> tuple[Recipe, Path]:
    """Return a recipe by name or path, and the folder that its paths start from.

    Raises:
        UnknownNameError: If there is no such recipe, or it has an unknown key.
        SettingsError: If the file is no TOML, or a value cannot be used.
    """
    if name in RECIPES:
        return RECIPES[name], Path()
    path = Path(name)
    if not path.is_file():
        raise UnknownNameError("recipe", name, RECIPES)
    recipe = load_recipe(Recipe, str(path), "data")
    # Labels of strangers have faults; those of the shipped recipes were looked at.
    defaults = {
        "name": recipe.name or path.stem,
        "filters": recipe.filters or Filters(),
    }
    return recipe.model_copy(update=defaults), path.parent


def taken(recipe: Recipe, folder: Path, data: Path) -> list[Taken]:
    """Return the sources of a recipe.

    Args:
        recipe: The recipe.
        folder: Folder that its paths start from.
        data: Folder that holds one folder a source, for those without a path.

    Raises:
        UnknownNameError: If there is no source of a kind, or the mix names none of them.
        SettingsError: If two have one name, or own labels come without terms.
    """
    found: list[Taken] = []
    for entry in recipe.sources:
        if entry.kind not in SOURCES:
            raise UnknownNameError("source", entry.kind, SOURCES)
        source = SOURCES[entry.kind]
        name = entry.name or source.name
        if entry.kind in OWN and not entry.licence:
            raise SettingsError(
                f"The source {name!r} of kind {entry.kind!r} states no licence. Write "
                'its terms into the recipe, such as licence = "CC-BY-4.0".'
            )
        if entry.use and not entry.licence:
            raise SettingsError(
                f"The source {name!r} states a use but no licence. Write the licence "
                "that allows it into the recipe."
            )
        if any(other.name == name for other in found):
            raise SettingsError(
                f"Two sources are called {name!r}. Give one of them another 'name'."
            )
        root = folder / entry.path if entry.path else source.root(data)
        found.append(Taken(name, source, root, entry))
    names = [source.name for source in found]
    for name in (*recipe.mix.weights, *recipe.mix.caps) if recipe.mix else ():
        if name not in names:
            raise UnknownNameError("source of the mix", name, names)
    return found


def _hash(path: Path) -> str:
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ParseError(
            f"{path.name} cannot be read ({error.strerror}). Fetch the file again."
        ) from None
    return digest.hexdigest()
