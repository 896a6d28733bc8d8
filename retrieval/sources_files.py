"""The user's own files: Markdown, text, PDF, GeoJSON and CSV.

A passage is a section of a text, a page of a PDF, a feature or a row. What the columns
of a table mean is found by their names; whatever else a row holds becomes its text.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.embedding import Vectors
from rsvlm.errors import MissingExtraError, ParseError, SettingsError
from rsvlm.retrieval.passages import Fact, Passage, point

#: Largest file that is read whole, bytes.
LARGEST = 512 << 20

#: What a column or property may be called -> what it is.
NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "name", "label"),
    "text": ("text", "description", "abstract", "summary", "content", "body"),
    "lon": ("lon", "lng", "long", "longitude", "x"),
    "lat": ("lat", "latitude", "y"),
    "date": ("date", "datetime", "time", "updated"),
    "licence": ("licence", "license"),
    "source": ("source", "publisher"),
    "url": ("url", "link", "href"),
    "picture": ("picture", "image", "image_path", "photo"),
}
#: Turns a picture file into its unit vector.
Look = Callable[[Path], Vectors]


@dataclass(frozen=True, slots=True)
class Origin:
    """What holds for all passages of some files.

    Attributes:
        source: Where they come from; empty takes the name of the file.
        licence: Their licence; a table may give one a row.
        url: Address of the source.
        date: Date they hold for, ISO 8601.
        look: Turns a picture of a row into a vector; None leaves pictures out.
    """

    source: str
    licence: str
    url: str | None = None
    date: str | None = None
    look: Look | None = None

    def passage(self, path: Path, title: str, text: str, **more: Any) -> Passage:
        """Return a passage of a file."""
        given = {"url": self.url, "date": self.date} | more
        source = str(given.pop("source", "") or self.source or path.name)
        licence = str(given.pop("licence", "") or self.licence)
        return Passage(text, title, source, licence, **given)


def read_file(path: Path, origin: Origin) -> Iterator[Passage]:
    """Yield the passages of a file, by its ending.

    Raises:
        SettingsError: If files of that ending are not read.
        ParseError: If it does not hold what its ending promises.
        MissingExtraError: If a PDF is given and pypdf is not installed.
    """
    ending = path.suffix.lower()
    if ending not in READERS:
        raise SettingsError(
            f"{path.name!r} is no file that a knowledge base reads. "
            f"Known endings: {', '.join(sorted(READERS))}."
        )
    if path.stat().st_size > LARGEST:
        raise SettingsError(
            f"{path.name} has {path.stat().st_size >> 20} MiB, at most {LARGEST >> 20} "
            "are read. Split it, or leave it out."
        )
    yield from READERS[ending](path, origin)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise ParseError(
            f"{path.name} cannot be read as UTF-8 text ({error}). Save it as UTF-8."
        ) from None


_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


def _markdown(path: Path, origin: Origin) -> Iterator[Passage]:
    """Yield a passage a section; its title is the way of headings to it."""
    headings: list[str] = []
    lines: list[str] = []
    fenced = False
    for line in [*_text(path).splitlines(), "# "]:
        fenced ^= bool(_FENCE.match(line))
        found = None if fenced else _HEADING.match(line)
        if found is None and line != "# ":
            lines.append(line)
            continue
        if text := "\n".join(lines).strip():
            yield origin.passage(
                path, ": ".join(headings) or path.stem, _unmarked(text)
            )
        lines = []
        if found:
            depth = len(found[1])
            headings = [*headings[: depth - 1], found[2]]


def _unmarked(text: str) -> str:
    """Return Markdown without links, pictures and emphasis; words stay."""
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", text)


def _plain(path: Path, origin: Origin) -> Iterator[Passage]:
    if text := _text(path).strip():
        yield origin.passage(path, path.stem, text)


def _pdf(path: Path, origin: Origin) -> Iterator[Passage]:
    """Yield a passage a page that has text."""
    try:
        import pypdf
    except ImportError:
        raise MissingExtraError("pypdf", "knowledge") from None
    try:
        for number, page in enumerate(pypdf.PdfReader(path).pages, start=1):
            text = re.sub(r"-\n(?=[a-z])", "", page.extract_text()).strip()
            if text:
                yield origin.passage(path, path.stem, text, facts={"page": number})
    except (pypdf.errors.PyPdfError, ValueError, KeyError, RecursionError) as error:
        raise ParseError(
            f"{path.name} cannot be read as PDF ({' '.join(str(error).split())[:100]}). "
            "Save it again, or give its text."
        ) from None


def _geojson(path: Path, origin: Origin) -> Iterator[Passage]:
    """Yield a passage a feature, at its geometry."""
    import shapely
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        root = json.loads(_text(path))
        features = root.get("features", [root])
        for number, feature in enumerate(features, start=1):
            try:
                drawn = feature.get("geometry")
                place = None
                if drawn:
                    solid = shapely.make_valid(shape(drawn))
                    _require_degrees(*solid.bounds)
                    place = shapely.to_wkb(solid)
                row = dict(feature.get("properties") or {})
                yield from _row(path, origin, row, place)
            except (ShapelyError, ValueError, TypeError, AttributeError) as error:
                raise ParseError(
                    f"{path.name}, feature {number}: {error}. "
                    "GeoJSON holds longitude and latitude (RFC 7946)."
                ) from None
    except (ValueError, AttributeError, TypeError) as error:
        if isinstance(error, ParseError):
            raise
        raise ParseError(
            f"{path.name} is no GeoJSON ({' '.join(str(error).split())[:100]})."
            " Give a Feature or a FeatureCollection."
        ) from None


def _csv(path: Path, origin: Origin) -> Iterator[Passage]:
    """Yield a passage a row, at its longitude and latitude if it has them."""
    text = _text(path)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:4096], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    for number, row in enumerate(csv.DictReader(text.splitlines(), dialect=dialect), 2):
        known = {str(k): v for k, v in row.items() if k and isinstance(v, str)}
        columns = _columns(known)
        lon, lat = known.get(columns.get("lon", "")), known.get(columns.get("lat", ""))
        place = None
        if lon and lat:
            try:
                _require_degrees(float(lon), float(lat))
            except ValueError as error:
                raise ParseError(
                    f"{path.name}, line {number}: {error}. Give degrees, WGS 84."
                ) from None
            place = point(float(lon), float(lat))
        for name in (columns.get("lon"), columns.get("lat")):
            known.pop(name or "", None)
        yield from _row(path, origin, known, place)


def _require_degrees(*values: float) -> None:
    lons, lats = values[::2], values[1::2]
    sane = all(math.isfinite(v) for v in values)
    if not sane or max(map(abs, lons)) > 180 or max(map(abs, lats)) > 90:
        raise ValueError(f"{values} are no longitude and latitude")


def _columns(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known -> the column that holds it."""
    plain = {name.strip().casefold(): name for name in row}
    return {
        what: plain[name]
        for what, names in NAMES.items()
        for name in reversed(names)
        if name in plain
    }


def _row(
    path: Path, origin: Origin, row: Mapping[str, Any], place: bytes | None
) -> Iterator[Passage]:
    columns = _columns(row)
    given = {what: str(row[name] or "").strip() for what, name in columns.items()}
    others = {
        name: value
        for name, value in row.items()
        if name not in columns.values() and value not in (None, "")
    }
    facts: dict[str, Fact] = {
        name: value if isinstance(value, int | float) else str(value)
        for name, value in others.items()
        if not isinstance(value, dict | list)
    }
    title = given.get("title") or path.stem
    listed = "; ".join(f"{name}: {value}" for name, value in facts.items())
    text = " ".join(part for part in (given.get("text"), listed) if part)
    if not text and not given.get("title"):
        return
    more: dict[str, Any] = {"facts": facts, "place": place}
    more |= {key: given[key] for key in ("url", "date") if given.get(key)}
    more |= {key: given[key] for key in ("source", "licence") if given.get(key)}
    if given.get("picture") and origin.look:
        more["picture"] = origin.look(_beside(path, given["picture"]))
    yield origin.passage(path, title, text or title, **more)


def _beside(path: Path, name: str) -> Path:
    """Return a picture that a table names, which lies below the table's folder."""
    folder = path.parent.resolve()
    found = (folder / name).resolve()
    if not found.is_relative_to(folder) or not found.is_file():
        raise ParseError(
            f"{path.name} names the picture {name!r}, which is not below its folder. "
            "Put it there, or leave the column out."
        )
    return found


READERS: Mapping[str, Callable[[Path, Origin], Iterator[Passage]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
    ".pdf": _pdf,
    ".geojson": _geojson,
    ".json": _geojson,
    ".csv": _csv,
    ".tsv": _csv,
}
