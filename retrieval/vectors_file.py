"""The flat file of vectors: float32, little-endian, row behind row."""

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.embedding import Vectors

#: First row, number of rows, and CRC-32 of their bytes.
Block = tuple[int, int, int]
#: Rows copied at a time.
COPIED = 16384


def append(path: Path, row: int, vectors: Vectors) -> None:
    """Write vectors from a row on, over what is there, and wait for the disk."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(4 * vectors.shape[1] * row)
        file.write(np.ascontiguousarray(vectors, "<f4").tobytes())
        file.flush()
        os.fsync(file.fileno())


def mapped(path: Path, count: int, width: int) -> Vectors | None:
    """Return the rows of a file without reading them; None where it is too short."""
    if not count:
        return np.zeros((0, width), np.float32)
    if not path.is_file() or path.stat().st_size < 4 * width * count:
        return None
    # "c": torch wants memory that may be written; nothing is.
    return np.memmap(path, "<f4", "c", shape=(count, width))


def damaged(path: Path, width: int, blocks: Iterable[Block]) -> Iterator[range]:
    """Yield the rows of the blocks that are not what was written."""
    with path.open("rb") if path.is_file() else open(os.devnull, "rb") as file:
        for row, count, crc in blocks:
            file.seek(4 * width * row)
            if zlib.crc32(file.read(4 * width * count)) != crc:
                yield range(row, row + count)


def copied(rows: Vectors, kept: NDArray[np.int64], path: Path) -> list[Block]:
    """Write some rows to a new file, wait for the disk, and return its blocks."""
    blocks: list[Block] = []
    with path.open("wb") as file:
        for start in range(0, len(kept), COPIED):
            part = np.ascontiguousarray(rows[kept[start : start + COPIED]], "<f4")
            file.write(part.tobytes())
            blocks.append((start, len(part), zlib.crc32(part.tobytes())))
        file.flush()
        os.fsync(file.fileno())
    return blocks


def sweep(folder: Path, name: str, used: Sequence[str | None]) -> None:
    """Delete the files of a store that no longer count, and unfinished ones.

    Processes that have them open can read on.
    """
    for pattern in (f"{name}-*.f32", f"{name}-*.faiss", f".{name}-*.faiss"):
        for path in folder.glob(pattern):
            if path.name not in used:
                path.unlink(missing_ok=True)
