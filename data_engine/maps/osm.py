"""Reads OpenStreetMap extracts (``.osm.pbf``, ``.osm``) through pyosmium.

Areas come as polygons, multipolygon relations included; ways that are no area as lines.
Nodes are left out: a point has no extent that could be seen.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsvlm.data_engine.maps.tags import Row, row_of
from rsvlm.errors import MissingExtraError, ParseError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

LICENCE = "ODbL-1.0 (map data from OpenStreetMap)"
ATTRIBUTION = "© OpenStreetMap contributors"
_PLACE = re.compile(r"line (\d+)(?:,? column (\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of the map that the table knows.

    Attributes:
        number: Type and id, such as ``way/17``.
        row: What it is.
        tags: All of its tags.
        geometry: Polygon, multipolygon or line, in degrees.
    """

    number: str
    row: Row
    tags: Mapping[str, str]
    geometry: "BaseGeometry"


def read_extract(path: Path) -> list[Feature]:
    """Return the features of an extract that the table knows, in the file's order.

    Features whose geometry is broken (ground whose ring does not close, nodes outside of
    the extract) are left out, as every reader of such data must.

    Args:
        path: ``.osm.pbf``, ``.osm`` or ``.osm.bz2``.

    Raises:
        MissingExtraError: If pyosmium is not installed.
        ParseError: If the file is missing or damaged; names the line of an XML file.
    """
    try:
        import osmium
    except ModuleNotFoundError:
        raise MissingExtraError("osmium", "maps") from None
    import shapely

    if not path.is_file():
        raise ParseError(
            f"There is no file {path.name!r} in {str(path.parent)!r}. Put an extract "
            "of OpenStreetMap there (.osm.pbf or .osm)."
        )
    write = osmium.geom.WKBFactory()
    found = []
    try:
        known = osmium.filter.EmptyTagFilter()
        for one in osmium.FileProcessor(str(path)).with_areas().with_filter(known):
            tags = {tag.k: tag.v for tag in one.tags}
            row = row_of(tags)
            if row is None or one.is_node() or one.is_relation():
                continue
            if one.is_way() and one.is_closed() and row.kind != "line":
                continue  # it comes again, as an area
            if one.is_area() and row.kind == "line":
                continue
            if one.is_way() and row.kind == "area":
                continue  # its ring does not close, so that nobody knows its ground
            try:
                if one.is_area():
                    wkb = write.create_multipolygon(one)
                    number = (
                        f"{'way' if one.from_way() else 'relation'}/{one.orig_id()}"
                    )
                else:
                    wkb, number = write.create_linestring(one), f"way/{one.id}"
            except (RuntimeError, osmium.InvalidLocationError):
                continue
            geometry = shapely.from_wkb(wkb)
            if geometry.is_valid:
                found.append(Feature(number, row, tags, geometry))
    except (RuntimeError, OSError, ValueError, osmium.InvalidLocationError) as error:
        raise ParseError(_fault(path, str(error))) from None
    return found


def distinct(features: Iterable[Feature]) -> list[Feature]:
    """Return the features without those that come again.

    Neighbouring extracts share what lies on their border, and some things are mapped
    twice over; counts would be wrong.
    """
    found: dict[tuple[str, bytes], Feature] = {}
    numbers = set[str]()
    for one in features:
        key = one.row.label, one.geometry.normalize().wkb
        if one.number not in numbers and key not in found:
            found[key] = one
            numbers.add(one.number)
    return list(found.values())


def _fault(path: Path, error: str) -> str:
    """Return what is wrong with a file, and in which line where that is told."""
    what = " ".join(error.split())
    place = _PLACE.search(what)
    where = f", line {place[1]}" if place else ""
    return f"{path.name}{where}: {what}. Fetch the extract again."
