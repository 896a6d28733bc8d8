"""Questions about named places, from lists of airports, towns and ports.

What a place is called cannot be seen: the question gives the position, and the answer
comes from a list. Three lists are read: airports and GeoNames are assets; ports are data
of the package searoute (the extra ``knowledge``), read and never imported.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Literal

from rsvlm import assets
from rsvlm.data_engine.gazetteer import Box
from rsvlm.data_engine.phrases import pick
from rsvlm.data_engine.records import Question, Split
from rsvlm.errors import MissingExtraError
from rsvlm.formats.upstream import Fields, as_fields, found, read_csv, read_json

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
        ParseError: If it has another form; names the line.
    """
    return tuple(read_airports(assets.fetch("airports") / assets.get("airports").main))


@lru_cache(maxsize=1)
def towns() -> tuple[Named, ...]:
    """Return the towns of GeoNames.

    Raises:
        AssetError: If the list cannot be had.
        ParseError: If it has another form; names the entry.
    """
    return tuple(read_towns(assets.fetch("geonames") / "cities15000.json"))


@lru_cache(maxsize=1)
def ports() -> tuple[Named, ...]:
    """Return the ports of searoute.

    Raises:
        MissingExtraError: If the package is not installed.
        ParseError: If the list has another form; names the entry.
    """
    spec = importlib.util.find_spec("searoute")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("searoute", "knowledge")
    folder = Path(spec.submodule_search_locations[0])
    return tuple(read_ports(found(folder, "ports.geojson")[0]))


def has_ports() -> bool:
    """Whether the package with the list of ports is installed."""
    return importlib.util.find_spec("searoute") is not None


def read_airports(path: Path) -> Iterator[Named]:
    """Yield the airports of a table with ``name, iata, lat, lon``."""
    for row in read_csv(path):
        if row.raw("iata"):
            name, code = row.text("name"), row.text("iata")
            lon, lat = _degrees(row, "lon", 180), _degrees(row, "lat", 90)
            yield Named("airport", name, lon, lat, (code,))


def read_towns(path: Path) -> Iterator[Named]:
    """Yield the larger towns of a JSON object, GeoNames id -> town."""
    whole = as_fields(read_json(path), path.name)
    for key, value in whole.values.items():
        row = as_fields(value, f"{path.name}[{key!r}]")
        if _number(row, "population") >= LEAST_PEOPLE:
            lon, lat = _degrees(row, "longitude", 180), _degrees(row, "latitude", 90)
            yield Named("town", row.text("name"), lon, lat)


def read_ports(path: Path) -> Iterator[Named]:
    """Yield the ports of a GeoJSON file of points."""
    for entry in as_fields(read_json(path), path.name).objects("features"):
        place = as_fields(entry.raw("geometry"), f"{entry.where}, geometry")
        lon, lat = place.numbers("coordinates", 2)
        name = as_fields(entry.raw("properties"), f"{entry.where}, properties")
        yield Named("port", name.text("name").title(), lon, lat)


def _degrees(row: Fields, key: str, most: float) -> float:
    value = _number(row, key)
    if not abs(value) <= most:
        raise row.fault(repr(key), f"is {value:g}, beyond {most:g} degrees")
    return value


def _number(row: Fields, key: str) -> float:
    text = row.text(key)
    try:
        return float(text)
    except ValueError:
        raise row.fault(repr(key), f"is {text!r:.40}, not a number") from None
