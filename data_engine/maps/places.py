"""Questions about named places, from lists of airports, towns and ports.

What a place is called cannot be seen: the question gives the position, and the answer
comes from a list. Three lists are read: airports and GeoNames are assets; ports are data
of the package searoute (the extra ``knowledge``), read and never imported.
"""

import csv
import importlib.util
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Literal

from rsvlm import assets
from rsvlm.data_engine.gazetteer import Box
from rsvlm.data_engine.phrases import pick
from rsvlm.data_engine.records import Question, Split
from rsvlm.errors import MissingExtraError, ParseError

Kind = Literal["airport", "town", "port"]
#: How far from the window a place may lie to be asked for, m.
REACH_M: dict[Kind, float] = {"airport": 0.0, "town": 5_000.0, "port": 3_000.0}
#: A window is smaller than this, degrees of latitude.
NEAR_DEGREES = 1.0
#: Towns with fewer inhabitants are not asked for.
LEAST_PEOPLE = 5_000

_WORDS: dict[Split, dict[Kind, tuple[str, ...]]] = {
    "train": {
        "airport": ("Which airport lies at {}?", "This is at {}. Which airport is it?"),
        "town": ("The image was taken at {}. Which town is nearest?",
                 "Which town lies at or near {}?"),
        "port": ("Which port lies at {}?", "This is at {}. Which port is it?"),
    },
    "val": {
        "airport": ("Name the airport at {}.",),
        "town": ("Name the town nearest to {}.",),
        "port": ("Name the port at {}.",),
    },
    "test": {
        "airport": ("What is the airport at {} called?",),
        "town": ("What is the town near {} called?",),
        "port": ("What is the port at {} called?",),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """A place of a list.

    Attributes:
        kind: What it is.
        name: Its name.
        lon: Longitude, degrees.
        lat: Latitude, degrees.
        others: Other names or codes that are right too.
    """

    kind: Kind
    name: str
    lon: float
    lat: float
    others: tuple[str, ...] = ()


def questions(
    box: Box, named: Iterable[Named], split: Split, seed: str
) -> tuple[Question, ...]:
    """Return questions on the places in or near a window, one of each kind at most.

    Args:
        box: The window, degrees.
        named: Places of the lists.
        split: Each split has wordings of its own.
        seed: Makes the draws of a window independent of all others.
    """
    rng = Random(f"places/{seed}")
    middle = Box(*((box.west + box.east) / 2, (box.south + box.north) / 2) * 2)
    at = degrees(middle.west, middle.south)
    asked = []
    for kind, reach in REACH_M.items():
        near = sorted(
            (middle.distance_m((one.lon, one.lat)), one.name, one)
            for one in named
            if one.kind == kind
            and abs(one.lat - middle.south) < NEAR_DEGREES  # quick, for long lists
            and box.distance_m((one.lon, one.lat)) <= reach
        )
        # Two airports or ports in view: which one is meant is not clear.
        if not near or (kind != "town" and len(near) > 1):
            continue
        one = near[0][2]
        text = pick(rng, _WORDS[split][kind]).format(at)
        asked.append(Question(text, (one.name, *one.others), f"place: {kind}"))
    return tuple(asked)


def degrees(lon: float, lat: float) -> str:
    """Return a position in words.

    >>> degrees(-118.40853, 33.9425)
    '33.943 N, 118.409 W'
    """
    return (
        f"{abs(lat):.3f} {'N' if lat >= 0 else 'S'}, "
        f"{abs(lon):.3f} {'E' if lon >= 0 else 'W'}"
    )


@lru_cache(maxsize=1)
def airports() -> tuple[Named, ...]:
    """Return the airports that have an IATA code.

    Raises:
        AssetError: If the list cannot be had.
        ParseError: If it has another form.
    """

    def read(path: Path) -> Sequence[Named]:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Named("airport", row["name"], float(row["lon"]), float(row["lat"]),
                      (row["iata"],))
                for row in csv.DictReader(file)
                if row["iata"]
            ]  # fmt: skip

    return _read(assets.fetch("airports") / assets.get("airports").main, read)


@lru_cache(maxsize=1)
def towns() -> tuple[Named, ...]:
    """Return the towns of GeoNames.

    Raises:
        AssetError: If the list cannot be had.
        ParseError: If it has another form.
    """

    def read(path: Path) -> Sequence[Named]:
        return [
            Named("town", row["name"], float(row["longitude"]), float(row["latitude"]))
            for row in json.loads(path.read_bytes()).values()
            if int(row["population"]) >= LEAST_PEOPLE
        ]

    return _read(assets.fetch("geonames") / "cities15000.json", read)


def has_ports() -> bool:
    """Whether the package with the list of ports is installed."""
    return importlib.util.find_spec("searoute") is not None


@lru_cache(maxsize=1)
def ports() -> tuple[Named, ...]:
    """Return the ports of searoute.

    Raises:
        MissingExtraError: If the package is not installed.
        ParseError: If the list has another form.
    """
    spec = importlib.util.find_spec("searoute")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("searoute", "knowledge")

    def read(path: Path) -> Sequence[Named]:
        found = []
        for entry in json.loads(path.read_bytes())["features"]:
            lon, lat = map(float, entry["geometry"]["coordinates"][:2])
            name = str(entry["properties"]["name"]).title()
            found.append(Named("port", name, lon, lat))
        return found

    folder = Path(spec.submodule_search_locations[0])
    return _read(next(iter(sorted(folder.rglob("ports.geojson"))), folder), read)


def _read(path: Path, read: Callable[[Path], Sequence[Named]]) -> tuple[Named, ...]:
    try:
        return tuple(read(path))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ParseError(
            f"{path.name} lacks or garbles {error}. Fetch the list again."
        ) from None
