"""Where the vectors of tiles are kept: one folder of the cache a raster.

Vectors stand in a flat file that is read through a memory map, one row a tile, and one
byte a tile says whether its row holds. Both get their full size at once, so that a full
disk is noticed before any work, and a row is marked after it was written, so that an
interrupted run is carried on.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.cache import cache_folder, lock, write_json
from rsvlm.embedding import Vectors
from rsvlm.errors import RsvlmError
from rsvlm.raster import Raster

#: State of a tile: not read yet, its vector stands, nothing to see on it.
UNREAD, ENCODED, BLANK = 0, 1, 2
#: Bytes at the start and the end of a file that are hashed, and how many pieces of
#: that size in between: headers lie at either end of a TIFF.
SAMPLE, SAMPLES = 65_536, 16
#: Layout of the folder.
SCHEMA = "rsvlm.tiles/1"


class TileStoreError(RsvlmError):
    """Raised when vectors of tiles cannot be kept."""


def content_key(raster: Raster) -> str:
    """Return what changes when a raster changes: 24 hexadecimal digits.

    A file of many gigabytes is not read for it: size, time of change, both ends and
    some pieces in between decide; on another host, what it calls the version.
    """
    if not isinstance(raster.source, Path):
        return raster.sha256[:24]
    digest = hashlib.sha256()
    with raster.source.open("rb") as file:
        about = os.fstat(file.fileno())
        digest.update(f"{about.st_size} {about.st_mtime_ns}".encode())
        last = max(0, about.st_size - SAMPLE)
        for offset in sorted({last * i // (SAMPLES + 1) for i in range(SAMPLES + 2)}):
            file.seek(offset)
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:24]


def place_of(kind: str, raster: Raster, fixed: Any) -> Path:
    """Return the folder of the cache for what is known of a raster.

    Args:
        kind: What is known, such as ``"tiles"``.
        raster: The raster; where it lies counts, not what it holds.
        fixed: What else tells one folder from another, as JSON.
    """
    # A name given to bytes is no path, and a path given by the user is not absolute.
    where = str(raster.source) if isinstance(raster.source, Path) else raster.path
    name = hashlib.sha256(json.dumps([where, fixed]).encode()).hexdigest()[:24]
    return cache_folder() / kind / name


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes out of it meanwhile.

    Raises:
        TileStoreError: If it cannot be made.
    """
    guard = folder.parent / f"{folder.name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        guard.touch()
    except OSError as error:
        raise cannot_keep(folder, error) from error
    with lock(guard):
        yield


def read_record(path: Path) -> dict[str, Any] | None:
    """Return what a folder was made from and for; None where it was not finished."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "content" in found else None


class TileStore:
    """Vectors and states of the tiles of one raster, in a folder.

    Attributes:
        states: State of each tile, shape (N,).
        vectors: Unit vectors, shape (N, D); only rows of encoded tiles mean something.
    """

    def __init__(self, folder: Path, count: int, width: int) -> None:
        """Open the files of a folder, made by :func:`open_store`."""
        self.folder, self.width = folder, width
        self._vectors = (folder / "vectors.f32").open("r+b", buffering=0)
        self._states = (folder / "states.u8").open("r+b", buffering=0)
        self.states = np.fromfile(folder / "states.u8", np.uint8)
        self.vectors: Vectors = np.memmap(
            folder / "vectors.f32", np.float32, "r", shape=(count, width)
        )

    def write(
        self, tiles: NDArray[np.int64], vectors: Vectors, states: NDArray[np.uint8]
    ) -> None:
        """Keep what was found out about some tiles.

        Raises:
            TileStoreError: If it cannot be written.
        """
        try:
            for tile, vector in zip(tiles.tolist(), vectors, strict=True):
                self._vectors.seek(tile * self.width * 4)
                self._vectors.write(np.ascontiguousarray(vector, np.float32).data)
            os.fsync(self._vectors.fileno())
            for tile, state in zip(tiles.tolist(), states.tolist(), strict=True):
                self._states.seek(tile)
                self._states.write(bytes([state]))
        except OSError as error:
            raise cannot_keep(self.folder, error) from error
        self.states[tiles] = states

    def close(self) -> None:
        """Close the files."""
        self._vectors.close()
        self._states.close()


@contextmanager
def open_store(
    raster: Raster, about: dict[str, Any], count: int, width: int
) -> Iterator[tuple[TileStore, bool]]:
    """Open the store of a raster, or make it; other processes wait meanwhile.

    What the file held before, or an earlier revision of the encoders, is forgotten.

    Args:
        raster: The raster.
        about: What else decides the vectors: encoder, revision, grid.
        count: Number of tiles N.
        width: Length D of a vector.

    Yields:
        The store, and whether the file has changed since it was last indexed.

    Raises:
        TileStoreError: If there is no room in the cache, or it cannot be written.
    """
    content = content_key(raster)
    record = {"schema": SCHEMA, **about, "content": content, "tiles": count}
    # Another revision of an encoder takes the place of the one before.
    fixed = {key: value for key, value in about.items() if key != "revision"}
    folder = place_of("tiles", raster, fixed)
    with reserved(folder):
        known = read_record(folder / "tiles.json")
        changed = known is not None and known["content"] != content
        if known != record or not _is_whole(folder, count, width):
            _make(folder, record, count, width)
        store = TileStore(folder, count, width)
        try:
            yield store, changed
        finally:
            store.close()


def _is_whole(folder: Path, count: int, width: int) -> bool:
    sizes = {"vectors.f32": count * width * 4, "states.u8": count}
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in sizes.items()
    )


def _make(folder: Path, record: dict[str, Any], count: int, width: int) -> None:
    """Write empty files of full size; the record comes last and makes them valid."""
    try:
        shutil.rmtree(folder)
        folder.mkdir()
        row = bytes(width * 4)
        with (folder / "vectors.f32").open("wb") as file:
            for _ in range(count):
                file.write(row)
        (folder / "states.u8").write_bytes(bytes(count))
        write_json(folder / "tiles.json", record)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise cannot_keep(folder, error) from error


def cannot_keep(folder: Path, error: OSError) -> TileStoreError:
    """Return what a user is told when something cannot be written into the cache."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TileStoreError(
            f"The disk of the cache {folder.parent} is full. Free some space, or set "
            "RSVLM_CACHE to a folder on another disk."
        )
    return TileStoreError(
        f"The cache {folder.parent} cannot be written ({error.strerror}). Set "
        "RSVLM_CACHE to a folder that can be."
    )
