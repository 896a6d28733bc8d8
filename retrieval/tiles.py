"""TileIndex: the tiles of one raster in the space of texts, kept across questions.

Tiles are encoded once, all of them by :meth:`TileIndex.build` or those that a search
asks for, and stand in the cache afterwards. Below 100,000 tiles one product of matrices
takes milliseconds, so that no other index is needed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsvlm.embedding import Embedder, Vectors
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval.tiles_grid import Pyramid, TileSettings
from rsvlm.retrieval.tiles_reading import read_tiles
from rsvlm.retrieval.tiles_store import BLANK, ENCODED, UNREAD, TileStore, open_store

#: Pictures that are encoded at once.
BATCH = 8
#: Share of a tile that holds data, and range of its values, below which it is blank.
LEAST_DATA, LEAST_RANGE = 0.05, 3

#: Called with the tiles done so far and their number.
Progress = Callable[[int, int], None]


class TileEncoder(Embedder, Protocol):
    """An embedder that knows the side in px of the pictures that it makes use of."""

    @property
    def side(self) -> int:
        """Side of a picture, px."""
        ...


class TileIndex:
    """Vectors of the tiles of a raster; open it by :meth:`open`.

    Attributes:
        pyramid: The tiles.
        has_changed: Whether the file has changed since it was last indexed.
        read: Tiles that were read and encoded by this object.
        most: Tiles that one :meth:`build` encodes at most; None for all.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        raster: Raster,
        encoder: TileEncoder,
        pyramid: Pyramid,
        store: TileStore,
        has_changed: bool = False,
        on_progress: Progress | None = None,
        most: int | None = None,
    ) -> None:
        """Join the parts."""
        self.raster, self.encoder = raster, encoder
        self.pyramid, self.store = pyramid, store
        self.has_changed, self.on_progress = has_changed, on_progress
        self.read, self.most = 0, most

    @classmethod
    @contextmanager
    def open(
        cls,
        raster: Raster,
        encoder: TileEncoder,
        settings: TileSettings | None = None,
        on_progress: Progress | None = None,
        most: int | None = None,
    ) -> Iterator["TileIndex"]:
        """Open the index of a raster; it is as empty or full as it was left.

        Args:
            raster: An opened raster.
            encoder: What encodes tiles.
            settings: Size and overlap of tiles.
            on_progress: Called while tiles are encoded.
            most: Tiles that one :meth:`build` encodes at most; None for all.

        Yields:
            The index.

        Raises:
            TileStoreError: If the cache has no room for it, or cannot be written.
        """
        settings = settings or TileSettings()
        pyramid = Pyramid(raster.width, raster.height, encoder.side, settings)
        about = {
            "encoder": encoder.name,
            "revision": encoder.revision,
            "sensor": raster.sensor,
            "rendering": raster.renderings()[0],
            "side": encoder.side,
            **settings.model_dump(),
        }
        with open_store(raster, about, len(pyramid), encoder.width) as (store, changed):
            yield cls(raster, encoder, pyramid, store, changed, on_progress, most)

    def __len__(self) -> int:
        return len(self.pyramid)

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Tiles in raster pixels, shape (N, 4)."""
        return self.pyramid.boxes

    @property
    def levels(self) -> NDArray[np.int64]:
        """Level of each tile, 0 the finest, shape (N,)."""
        return self.pyramid.levels

    def children(self, tile: int) -> NDArray[np.int64]:
        """Return the tiles one level below that lie in a tile."""
        return self.pyramid.children(tile)

    @property
    def is_complete(self) -> bool:
        """Whether every tile has been encoded, or is blank."""
        return self.finest_complete == 0

    @property
    def finest_complete(self) -> int | None:
        """The finest level that is encoded, and all above it; None if not even the top.

        A search goes down from here.
        """
        missing = self.levels[self.store.states == UNREAD]
        level = int(missing.max()) + 1 if len(missing) else 0
        return level if level <= self.levels.max() else None

    def build(self) -> None:
        """Encode tiles that are not encoded yet, coarse levels first.

        May be interrupted at any time: what was encoded is kept. Where :attr:`most`
        leaves tiles over, the next call goes on.

        Raises:
            TileStoreError: If vectors cannot be written.
            ImageError: If the raster cannot be decoded.
        """
        missing = np.flatnonzero(self.store.states == UNREAD)
        coarse_first = missing[np.argsort(-self.levels[missing], kind="stable")]
        self._encode(coarse_first[: self.most])

    def vectors(self, tiles: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.bool_]]:
        """Return unit vectors of tiles, and which of the tiles hold anything.

        Args:
            tiles: Numbers of tiles, shape (K,); what is missing is encoded now.

        Returns:
            Shapes (K, D) and (K,); rows of blank tiles are zero.
        """
        self._encode(tiles)
        return self.store.vectors[tiles], self.store.states[tiles] == ENCODED

    def _encode(self, tiles: NDArray[np.int64]) -> None:
        missing = tiles[self.store.states[tiles] == UNREAD]
        if not len(missing):
            return
        done = 0
        reading = read_tiles(self.raster, self.pyramid, missing)
        try:
            for numbers, views in reading:
                for start in range(0, len(views), BATCH):
                    part = slice(start, start + BATCH)
                    self._keep(numbers[part], views[part])
                    done += len(numbers[part])
                    if self.on_progress is not None:
                        self.on_progress(done, len(missing))
        finally:
            reading.close()  # type: ignore[attr-defined]

    def _keep(self, tiles: NDArray[np.int64], views: list[View]) -> None:
        seen = np.array([not is_blank(view) for view in views])
        vectors = np.zeros((len(views), self.encoder.width), np.float32)
        if seen.any():
            shown = [view for view, keep in zip(views, seen, strict=True) if keep]
            vectors[seen] = self.encoder.encode_image(shown)
        states = np.where(seen, ENCODED, BLANK).astype(np.uint8)
        self.store.write(tiles, vectors, states)
        self.read += len(tiles)


def is_blank(view: View) -> bool:
    """Return whether there is nothing to see on a picture: no data, or one value."""
    if view.valid is not None and view.valid.mean() < LEAST_DATA:
        return True
    return int(np.ptp(view.pixels)) < LEAST_RANGE
