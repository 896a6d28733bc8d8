"""Filling an archive: rasters to tiles to vectors, a batch at a time.

A batch of tiles is one transaction: its rows, places, thumbnails and vectors are kept
together when it returns, or not at all. A raster that was interrupted goes on behind the
last batch; one whose file has changed is taken out and indexed anew.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from rsvlm.embedding import Embedder
from rsvlm.errors import ImageError
from rsvlm.ranges import RangedFile, Web
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval import archive_tables as tables
from rsvlm.retrieval.archive_files import Days, Entry, days_of
from rsvlm.retrieval.database import Database
from rsvlm.retrieval.tiles_grid import Pyramid, TileSettings
from rsvlm.retrieval.tiles_reading import read_tiles
from rsvlm.retrieval.vectors import VectorIndex

#: Tiles encoded and committed at a time.
BATCH = 32
#: Share of a tile that holds data, and range of its values, below which it is blank.
LEAST_DATA, LEAST_RANGE = 0.05, 3
#: Finest tiles have such sides, raster px; in between, the ground size of the training.
SMALLEST, LARGEST = 64, 448
#: Side of a thumbnail, px, and its WebP quality: some 2 KB.
THUMBNAIL, QUALITY = 96, 60

#: Called with a raster, tiles done and tiles in all.
Progress = Callable[[str, int, int], None]


class TileEmbedder(Embedder, Protocol):
    """An embedder that says how large the pictures are that it was trained on."""

    @property
    def side(self) -> int:
        """Side of a picture, px."""
        ...

    @property
    def window_m(self) -> float | None:
        """Side of a picture on the ground, m."""
        ...


@dataclass
class Built:
    """What a build has done.

    Attributes:
        rasters: Rasters indexed to their end.
        kept: Rasters that were in the archive already.
        tiles: Tiles added.
        blank: Tiles left out, because they show nothing.
        failed: Path -> why it could not be indexed.
    """

    rasters: int = 0
    kept: int = 0
    tiles: int = 0
    blank: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def index(
    database: Database,
    vectors: VectorIndex,
    embedder: TileEmbedder,
    entries: Sequence[Entry],
    on_progress: Progress | None = None,
    thumbnails: bool = True,
    web: Web | None = None,
) -> Built:
    """Index rasters; may be interrupted and repeated at any time.

    Args:
        database: Rows.
        vectors: Vectors.
        embedder: What encodes tiles.
        entries: The rasters.
        on_progress: Called after each batch.
        thumbnails: Keep a small picture of each tile.
        web: Hosts that rasters may be read from; None for none.

    Raises:
        CheckpointError: If the encoders do not know a sensor.
        StoreError: If the archive cannot be written.
    """
    built = Built()
    for entry in entries:
        try:
            version = version_of(entry.path, web)
            if _is_done(database, vectors, entry, version):
                built.kept += 1
                continue
            with Raster.open(entry.path, entry.sensor, web=web) as raster:
                days = entry.days or days_of(entry.path, web)
                row = _raster_row(database, raster, entry, version, days)
                _Indexing(database, vectors, embedder, raster, row, thumbnails).run(
                    built, on_progress
                )
            built.rasters += 1
        except (ImageError, OSError) as error:
            built.failed[str(entry.path)] = " ".join(str(error).split())
    return built


def version_of(path: Path | str, web: Web | None = None) -> tuple[int, int]:
    """Return what changes when a raster changes: its size, and a number.

    Raises:
        OSError: If there is no such file.
        ImageError: If its host is not allowed or does not deliver.
    """
    if isinstance(path, Path):
        stat = path.stat()
        return stat.st_size, stat.st_mtime_ns
    file = RangedFile.open(path, web or Web())
    try:
        digest = hashlib.sha256(file.key.encode()).digest()
        return file.size, int.from_bytes(digest[:7], "big")
    finally:
        file.close()


def settings_of(raster: Raster, embedder: TileEmbedder) -> TileSettings:
    """Return how a raster is cut: finest tiles of the ground size of the training."""
    side = LARGEST
    if raster.gsd and embedder.window_m:
        side = round(embedder.window_m / raster.gsd)
    return TileSettings(tile=min(max(side, SMALLEST), LARGEST))


def is_blank(view: View) -> bool:
    """Say whether a picture shows nothing: no data, or one value."""
    pixels = view.pixels if view.valid is None else view.pixels[view.valid]
    if pixels.size < LEAST_DATA * view.pixels.size:
        return True
    return int(pixels.max()) - int(pixels.min()) < LEAST_RANGE


def thumbnail(view: View) -> bytes:
    """Return a small WebP picture of a view."""
    image = Image.fromarray(np.ascontiguousarray(view.pixels))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=2)
    return file.getvalue()


def take_out(database: Database, vectors: VectorIndex, path: Path | str) -> int | None:
    """Take a raster out; return how many tiles it had, None if it was not there."""
    with database.writing():
        rows = database.read("SELECT raster FROM rasters WHERE path = ?", (str(path),))
        if not rows:
            return None
        tiles = tables.remove_raster(database, rows[0][0])
        vectors.remove(np.array(tiles, np.int64))
    return len(tiles)


def _is_done(
    database: Database, vectors: VectorIndex, entry: Entry, version: tuple[int, int]
) -> bool:
    query = "SELECT size, changed, done FROM rasters WHERE path = ?"
    for size, changed, done in database.read(query, (str(entry.path),)):
        if (size, changed) == version:
            return bool(done)
        take_out(database, vectors, entry.path)
    return False


def _raster_row(
    database: Database,
    raster: Raster,
    entry: Entry,
    version: tuple[int, int],
    days: Days | None,
) -> int:
    """Return the row of a raster, which is made where it is new."""
    first, last = days or (None, None)
    with database.writing() as base:
        base.execute(
            "INSERT OR IGNORE INTO rasters (path, size, changed, sensor, first, last,"
            " gsd, licence, item, width, height, done)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                str(entry.path), *version, raster.sensor, first, last,
                entry.gsd or raster.gsd, entry.licence, entry.item, raster.width,
                raster.height,
            ),
        )  # fmt: skip
        query = "SELECT raster FROM rasters WHERE path = ?"
        ((row,),) = database.read(query, (str(entry.path),))
    return int(row)


@dataclass
class _Indexing:
    """One raster on its way into an archive."""

    database: Database
    vectors: VectorIndex
    embedder: TileEmbedder
    raster: Raster
    row: int
    thumbnails: bool

    def run(self, built: Built, on_progress: Progress | None) -> None:
        raster, embedder = self.raster, self.embedder
        cut = settings_of(raster, embedder)
        pyramid = Pyramid(raster.width, raster.height, embedder.side, cut)
        query = "SELECT number FROM tiles WHERE raster = ?"
        known = np.array(self.database.read(query, (self.row,)), np.int64).reshape(-1)
        missing = np.setdiff1d(np.arange(len(pyramid)), known)
        done = len(known)
        waiting: list[tuple[int, View]] = []
        reading = read_tiles(raster, pyramid, missing)
        try:
            for numbers, views in reading:
                for number, view in zip(numbers.tolist(), views, strict=True):
                    if is_blank(view):
                        built.blank += 1
                        done += 1
                        continue
                    waiting.append((number, view))
                    if len(waiting) == BATCH:
                        built.tiles += self._keep(pyramid, waiting)
                        done += BATCH
                        waiting = []
                        if on_progress is not None:
                            on_progress(raster.path, done, len(pyramid))
        finally:
            reading.close()  # type: ignore[attr-defined]
        built.tiles += self._keep(pyramid, waiting, is_last=True)
        if on_progress is not None:
            on_progress(raster.path, len(pyramid), len(pyramid))

    def _keep(
        self,
        pyramid: Pyramid,
        tiles: Sequence[tuple[int, View]],
        is_last: bool = False,
    ) -> int:
        """Encode tiles and commit them."""
        rows = self.embedder.encode_image([view for _, view in tiles])
        place = self.raster.georeference
        ground = [place.geometry(pyramid.box(n)) if place else None for n, _ in tiles]
        small = [thumbnail(v) if self.thumbnails else None for _, v in tiles]
        with self.database.writing() as base:
            ids = [
                tables.add_tile(
                    self.database, self.row, number, int(pyramid.levels[number]),
                    pyramid.box(number), geometry, picture,
                )
                for (number, _), geometry, picture in zip(
                    tiles, ground, small, strict=True
                )
            ]  # fmt: skip
            self.vectors.add(ids, rows)
            if is_last:
                base.execute(
                    "UPDATE rasters SET done = 1 WHERE raster = ?", (self.row,)
                )
        return len(ids)
