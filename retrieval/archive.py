"""Archive: the tiles of many rasters of any sensor, found by words, picture and place.

A folder holds SQLite (rasters, tiles, places, thumbnails) and the vectors of the tiles.
Scores of two sensors cannot be compared, since encoders leave a gap between them: every
sensor is searched apart, with its own wording, and hits are ranked by how far they lie
above the mean of their sensor.

Source:
    Conversation over retrieved images: RS-CapRet, https://arxiv.org/abs/2402.06475.
    Search over sensors: CLOSP, https://arxiv.org/abs/2507.10403.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rsvlm.embedding import Vectors, class_vectors
from rsvlm.errors import ImageError, SettingsError
from rsvlm.ranges import Web, is_address
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval import archive_tables as tables
from rsvlm.retrieval.archive_build import (
    Built,
    Progress,
    TileEmbedder,
    index,
    take_out,
    version_of,
)
from rsvlm.retrieval.archive_files import Days, Entry
from rsvlm.retrieval.archive_place import Place
from rsvlm.retrieval.archive_tables import TileHit
from rsvlm.retrieval.database import Database, StoreError
from rsvlm.retrieval.snapshot import Codes
from rsvlm.retrieval.vectors import VectorIndex, VectorStore

FILE = "index.sqlite"
#: Hits of one raster in a list, unless more are asked for.
PER_RASTER = 3
#: A hit that shares more of the smaller window with a better one says nothing new.
SHARED = 0.4
#: Tiles that say how scores of a sensor are spread.
SAMPLE = 2000
#: Least spread: of a few tiles nothing is known.
SPREAD = 0.02


@dataclass(frozen=True)
class Filter:
    """Which tiles may be found.

    Attributes:
        sensor: ``"optical"``, ``"multispectral"`` or ``"sar"``; None for all.
        days: First and last day.
        place: Where.
        per_raster: Most hits of one raster; 0 for any number, overlapping ones too.
    """

    sensor: str | None = None
    days: Days | None = None
    place: Place | None = None
    per_raster: int = PER_RASTER


class Archive:
    """Tiles of a collection of rasters; use it in a ``with`` statement.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        folder: Path,
        embedder: TileEmbedder | None,
        vectors: VectorIndex | None = None,
    ) -> None:
        """Open an archive, or begin one.

        Args:
            folder: Where it lies.
            embedder: What encodes tiles and queries; None for an archive that exists,
                where nothing is encoded.
            vectors: Where vectors are kept; by default in the folder.

        Raises:
            StoreError: If it is damaged, or was built by other encoders.
        """
        self.folder, self._embedder = folder, embedder
        self.database = Database(folder / FILE)
        about = {}
        if embedder is not None:
            about = {
                "encoder": embedder.name,
                "revision": embedder.revision,
                "width": str(embedder.width),
            }
        self.about = tables.create(self.database, about)
        width = int(self.about["width"])
        self.vectors = vectors or VectorStore(self.database, width)
        self._known: dict[str, tuple[NDArray[np.int64], Vectors]] = {}
        self._version = self.database.version

    @classmethod
    def open(
        cls,
        folder: Path,
        embedder: TileEmbedder | None = None,
        vectors: VectorIndex | None = None,
    ) -> Self:
        """Open an archive that exists; see the constructor.

        Raises:
            StoreError: If there is none.
        """
        if not (folder / FILE).is_file():
            raise StoreError(
                f"There is no archive in {str(folder)!r}. Build it with rsvlm index "
                f"build FILES --out {folder}."
            )
        return cls(folder, embedder, vectors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        ((count,),) = self.database.read("SELECT COUNT(*) FROM tiles")
        return int(count)

    def close(self) -> None:
        """Close the files."""
        self.database.close()

    @property
    def embedder(self) -> TileEmbedder:
        """What encodes tiles and queries.

        Raises:
            ValueError: If it was opened without.
        """
        if self._embedder is None:
            raise ValueError("the archive was opened without encoders")
        return self._embedder

    @property
    def sensors(self) -> list[str]:
        """Sensors of its rasters."""
        rows = self.database.read("SELECT DISTINCT sensor FROM rasters ORDER BY sensor")
        return [row[0] for row in rows]

    @property
    def rasters(self) -> list[str]:
        """Paths of its rasters."""
        return [r[0] for r in self.database.read("SELECT path FROM rasters")]

    def add(
        self,
        entries: Sequence[Entry],
        on_progress: Progress | None = None,
        thumbnails: bool = True,
        web: Web | None = None,
    ) -> Built:
        """Index rasters that are not there yet, or have changed; see ``index``."""
        built = index(
            self.database, self.vectors, self.embedder, entries, on_progress,
            thumbnails, web,
        )  # fmt: skip
        self.vectors.optimise()
        return built

    def remove(self, path: Path | str) -> int:
        """Take a raster out, a file or an address; return how many tiles it had.

        Raises:
            SettingsError: If it is not there.
        """
        where = path if is_address(str(path)) else Path(path).resolve()
        gone = take_out(self.database, self.vectors, where)
        if gone is None:
            raise SettingsError(
                f"The archive holds no raster {str(path)!r}. See what it holds with "
                f"rsvlm index list {self.folder}."
            )
        self.vectors.optimise()
        return gone

    def search_words(
        self, query: str, k: int = 10, only: Filter | None = None
    ) -> list[TileHit]:
        """Return the tiles that words describe best, the best first."""
        words = {s: class_vectors(self.embedder, [query], s)[0] for s in self.sensors}
        return self._search(words, k, only or Filter())

    def search_view(
        self, view: View, k: int = 10, only: Filter | None = None
    ) -> list[TileHit]:
        """Return the tiles most like a picture, of its own sensor and of others."""
        vector = self.embedder.encode_image([view])[0]
        return self._search(dict.fromkeys(self.sensors, vector), k, only or Filter())

    def similar(
        self, tile: int, k: int = 10, only: Filter | None = None
    ) -> list[TileHit]:
        """Return the tiles most like one of the archive, that one left out.

        Raises:
            SettingsError: If there is no such tile.
        """
        self.hit(tile)
        vector = self.vectors.get([tile])[0]
        queries = dict.fromkeys(self.sensors, vector)
        return self._search(queries, k, only or Filter(), but=tile)

    def hit(self, tile: int) -> TileHit:
        """Return what is known of a tile.

        Raises:
            SettingsError: If there is no such tile.
        """
        found = tables.hits(self.database, [tile], [1.0], [0.0])
        if not found:
            raise SettingsError(
                f"The archive holds no tile {tile}. Take a number from rsvlm index "
                "search."
            )
        return found[0]

    def thumbnail(self, tile: int) -> bytes | None:
        """Return the small WebP picture of a tile; None where none was kept."""
        query = "SELECT picture FROM thumbnails WHERE tile = ?"
        rows = self.database.read(query, (tile,))
        return bytes(rows[0][0]) if rows else None

    def verify(self, web: Web | None = None) -> list[str]:
        """Return what is wrong, one line each: files, rows, rasters that changed.

        Args:
            web: Hosts that may be asked; rasters on others are not looked at.
        """
        problems = []
        if isinstance(self.vectors, VectorStore):
            problems += self.vectors.verify()
        if len(self) != len(self.vectors):
            problems.append(f"{len(self)} tiles, but {len(self.vectors)} vectors")
        for path, size, changed, done in self.database.read(
            "SELECT path, size, changed, done FROM rasters"
        ):
            far = is_address(path)
            try:
                version = None
                if web is not None or not far:
                    version = version_of(path if far else Path(path), web)
            except (OSError, ImageError):
                problems.append(f"{path}: the file is gone")
                continue
            if version not in (None, (size, changed)):
                problems.append(f"{path}: has changed since it was indexed")
            elif not done:
                problems.append(f"{path}: was not indexed to its end")
        return problems

    def rebuild(self, codes: Codes | None = None, web: Web | None = None) -> int:
        """Make the index of the vectors again; encode damaged tiles anew.

        Args:
            codes: How an index of many vectors stores them.
            web: Hosts that rasters may be read from; None for none.

        Returns:
            Tiles that were encoded anew.

        Raises:
            ImageError: If the raster of a damaged tile cannot be read.
        """
        if not isinstance(self.vectors, VectorStore):
            return 0
        bad = self.vectors.damaged()
        for tile in bad.tolist():
            hit = self.hit(tile)
            with Raster.open(hit.path, hit.sensor, web=web) as raster:
                side = self.embedder.side
                vector = self.embedder.encode_image([raster.view(hit.box, side, side)])
            with self.database.writing():
                self.vectors.remove([tile])
                self.vectors.add([tile], vector)
        self.vectors.rebuild(codes)
        return len(bad)

    def _search(
        self, queries: dict[str, Vectors], k: int, only: Filter, but: int | None = None
    ) -> list[TileHit]:
        """Search every sensor by its query, shape (D,), and join the answers."""
        if only.sensor is not None:
            queries = {s: v for s, v in queries.items() if s == only.sensor}
        found: list[TileHit] = []
        for sensor, query in queries.items():
            among, _ = self._of(sensor)
            if only.days or only.place:
                among = tables.allowed(self.database, sensor, only.days, only.place)
            if but is not None:
                among = among[among != but]
            found += self._of_sensor(sensor, query, among, k, only.per_raster)
        return sorted(found, key=lambda hit: -hit.lift)[:k]

    def _of_sensor(
        self, sensor: str, query: Vectors, among: NDArray[np.int64], k: int, most: int
    ) -> list[TileHit]:
        """Return the best tiles of a sensor, few of each raster."""
        wanted, kept = min(8 * k, len(among)), list[TileHit]()
        if not wanted:
            return kept
        usual = self._of(sensor)[1] @ query
        mean, spread = float(usual.mean()), max(float(usual.std()), SPREAD)
        some = among if len(among) < len(self.vectors) else None
        while True:
            ids, scores = self.vectors.search(query[None], wanted, some)
            ids, scores = ids[0][ids[0] >= 0], scores[0][ids[0] >= 0]
            found = tables.hits(
                self.database, ids.tolist(), scores.tolist(),
                ((scores - mean) / spread).tolist(),
            )  # fmt: skip
            kept = thinned(found, k, most)
            if len(kept) == k or wanted == len(among):
                return kept
            wanted = min(4 * wanted, len(among))

    def _of(self, sensor: str) -> tuple[NDArray[np.int64], Vectors]:
        """Return the tiles of a sensor, and vectors of some of them, shape (S, D)."""
        if (version := self.database.version) != self._version:
            self._known, self._version = {}, version
        if sensor not in self._known:
            tiles = tables.allowed(self.database, sensor)
            count = min(SAMPLE, len(tiles))
            chosen = np.random.default_rng(0).choice(tiles, count, replace=False)
            self._known[sensor] = tiles, self.vectors.get(chosen)
        return self._known[sensor]


def thinned(found: Sequence[TileHit], k: int, most: int) -> list[TileHit]:
    """Return the first hits, at most so many of a raster, that do not overlap much.

    Args:
        found: Hits, the best first.
        k: Hits wanted.
        most: Of one raster; 0 for any number, overlapping ones too.
    """
    if not most:
        return list(found[:k])
    kept: list[TileHit] = []
    for hit in found:
        same = [other for other in kept if other.path == hit.path]
        if len(same) < most and not any(_overlap(hit, other) for other in same):
            kept.append(hit)
        if len(kept) == k:
            break
    return kept


def _overlap(hit: TileHit, other: TileHit) -> bool:
    shared = hit.box.intersection(other.box)
    return shared > SHARED * min(hit.box.area, other.box.area)
