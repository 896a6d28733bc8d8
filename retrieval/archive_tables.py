"""The tables of an archive: rasters, tiles, where they lie, small pictures of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rsvlm.geometry import HBB
from rsvlm.retrieval.archive_files import Days
from rsvlm.retrieval.archive_place import Place
from rsvlm.retrieval.database import Database, StoreError, batches

#: Version of the tables; one more on any change of them.
SCHEMA = "rsvlm.archive/1"
#: Most parts of a footprint that have a box of their own; there are two where it
#: crosses the antimeridian.
PARTS = 4

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rasters (
    raster INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE,
    size INTEGER, changed INTEGER, sensor TEXT, first TEXT, last TEXT, gsd REAL,
    licence TEXT, item TEXT, width INTEGER, height INTEGER, done INTEGER);
CREATE TABLE IF NOT EXISTS tiles (
    tile INTEGER PRIMARY KEY AUTOINCREMENT, raster INTEGER NOT NULL,
    number INTEGER NOT NULL, level INTEGER, x0 REAL, y0 REAL, x1 REAL, y1 REAL,
    footprint TEXT, UNIQUE (raster, number));
CREATE TABLE IF NOT EXISTS thumbnails (tile INTEGER PRIMARY KEY, picture BLOB NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS places
    USING rtree (place, west, east, south, north)
"""


class TileHit(BaseModel):
    """A tile that was found.

    Attributes:
        tile: Its number in the archive.
        score: Inner product with the query, in [-1, 1].
        lift: How far that lies above the mean of the tiles of its sensor, in standard
            deviations: scores of two sensors cannot be compared, this can.
        path: Its raster.
        window: [x0, y0, x1, y1] in pixels of the raster.
        level: 0 the finest, each further one twice as wide.
        sensor: Of the raster.
        days: First and last day on which it may have been taken.
        gsd_m: Ground sample distance of the raster, m/px.
        licence: Where known.
        item: Identifier of its STAC item.
        geometry: Its ground, RFC 7946; None without a CRS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile: int
    score: float
    lift: float
    path: str
    window: tuple[float, float, float, float]
    level: int
    sensor: str
    days: Days | None = None
    gsd_m: float | None = None
    licence: str | None = None
    item: str | None = None
    geometry: dict[str, Any] | None = None

    @property
    def box(self) -> HBB:
        """The window as a box."""
        return HBB(*self.window)


def create(database: Database, about: Mapping[str, str]) -> dict[str, str]:
    """Create the tables, or see that they belong to the same settings.

    Returns:
        The settings that it was built with.

    Raises:
        StoreError: If the archive was built by other encoders or another version.
    """
    with database.writing() as base:
        for statement in _TABLES.split(";"):
            base.execute(statement)
        wanted = {"schema": SCHEMA, **about}
        known = dict(database.read("SELECT name, value FROM about"))
        if not known:
            base.executemany("INSERT INTO about VALUES (?, ?)", wanted.items())
            return wanted
    for name, value in wanted.items():
        if known.get(name) != value:
            raise StoreError(
                f"The archive {str(database.path.parent)!r} was built with {name} "
                f"{known.get(name)!r}, not {value!r}. Use that, or build another."
            )
    return known


def add_tile(
    database: Database,
    raster: int,
    number: int,
    level: int,
    box: HBB,
    geometry: dict[str, Any] | None,
    thumbnail: bytes | None,
) -> int:
    """Insert a tile inside an open transaction; return its number in the archive."""
    with database.writing() as base:
        text = json.dumps(geometry, separators=(",", ":")) if geometry else None
        tile = base.execute(
            "INSERT INTO tiles (raster, number, level, x0, y0, x1, y1, footprint)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (raster, number, level, box.x0, box.y0, box.x1, box.y1, text),
        ).lastrowid
        assert tile is not None
        for part, (west, south, east, north) in enumerate(_bounds(geometry)):
            base.execute(
                "INSERT INTO places VALUES (?, ?, ?, ?, ?)",
                (PARTS * tile + part, west, east, south, north),
            )
        if thumbnail is not None:
            base.execute("INSERT INTO thumbnails VALUES (?, ?)", (tile, thumbnail))
    return tile


def remove_raster(database: Database, raster: int) -> list[int]:
    """Delete a raster inside an open transaction; return the numbers of its tiles."""
    with database.writing() as base:
        rows = database.read("SELECT tile FROM tiles WHERE raster = ?", (raster,))
        tiles = [row[0] for row in rows]
        places = [PARTS * tile + part for tile in tiles for part in range(PARTS)]
        base.executemany("DELETE FROM thumbnails WHERE tile = ?", [(t,) for t in tiles])
        base.executemany("DELETE FROM places WHERE place = ?", [(p,) for p in places])
        base.execute("DELETE FROM tiles WHERE raster = ?", (raster,))
        base.execute("DELETE FROM rasters WHERE raster = ?", (raster,))
    return tiles


def allowed(
    database: Database,
    sensor: str,
    days: Days | None = None,
    place: Place | None = None,
) -> NDArray[np.int64]:
    """Return the tiles of a sensor, of some days, at a place."""
    query = (
        "SELECT tile FROM tiles JOIN rasters USING (raster) WHERE sensor = ?"
        " AND coalesce(last, '') >= ? AND coalesce(first, '9') <= ?"
    )
    first, last = days or ("", "9")
    rows = database.read(query, (sensor, first, last))
    tiles = np.array(rows, np.int64).reshape(-1)
    return tiles if place is None else np.intersect1d(tiles, there(database, place))


def there(database: Database, place: Place) -> NDArray[np.int64]:
    """Return the tiles at a place: by their boxes first, then by their true outlines."""
    found: dict[int, str] = {}
    for west, south, east, north in place.boxes():
        found |= database.read(
            f"SELECT tile, footprint FROM places JOIN tiles ON tile = place / {PARTS}"
            " WHERE east >= ? AND west <= ? AND north >= ? AND south <= ?",
            (west, east, south, north),
        )
    kept = [tile for tile, text in found.items() if place.meets(json.loads(text))]
    return np.array(sorted(kept), np.int64)


def hits(
    database: Database, tiles: Sequence[int], scores: Sequence[float],
    lifts: Sequence[float],
) -> list[TileHit]:  # fmt: skip
    """Return what is known of tiles, in their order; those that are gone are left out."""
    known: dict[int, TileHit] = {}
    rank = {tile: place for place, tile in enumerate(tiles)}
    for part in batches(list(tiles)):
        for row in database.read(
            "SELECT tile, path, x0, y0, x1, y1, level, sensor, first, last, gsd, licence,"
            " item, footprint FROM tiles JOIN rasters USING (raster)"
            f" WHERE tile IN ({','.join('?' * len(part))})",
            part,
        ):
            tile, path, x0, y0, x1, y1, level, sensor, first, last = row[:10]
            gsd, licence, item, text = row[10:]
            known[tile] = TileHit(
                tile=tile, score=scores[rank[tile]], lift=lifts[rank[tile]], path=path,
                window=(x0, y0, x1, y1), level=level, sensor=sensor,
                days=(first, last) if first else None, gsd_m=gsd, licence=licence,
                item=item, geometry=json.loads(text) if text else None,
            )  # fmt: skip
    return [known[tile] for tile in tiles if tile in known]


def _bounds(geometry: dict[str, Any] | None) -> list[tuple[float, float, float, float]]:
    """Return the boxes of the parts of a geometry, which is cut at the antimeridian."""
    if geometry is None:
        return []
    single = geometry["type"] == "Polygon"
    parts = [geometry["coordinates"]] if single else geometry["coordinates"]
    boxes = []
    for part in parts:
        points = np.array(part[0])
        (west, south), (east, north) = points.min(0), points.max(0)
        boxes.append((float(west), float(south), float(east), float(north)))
    return boxes[:PARTS]
