"""A file that is read in parts, as GDAL sees it.

rasterio lets a Python object stand for a file system. GDAL then asks it for the blocks
under a window in one call, and never for an address.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self
from uuid import uuid4

from rsvlm.ranges import RangedFile


def opener(file: RangedFile) -> Callable[..., Any]:
    """Return what opens the GeoTIFF in a file, with options of GDAL."""
    import rasterio
    from rasterio.abc import MultiByteRangeResourceContainer

    MultiByteRangeResourceContainer.register(Container)
    # The path is a mere key, of this file alone.
    return partial(
        rasterio.open, f"{uuid4().hex}.tif", opener=Container(file), driver="GTiff"
    )


class Handle:
    """The file as GDAL sees it, with a place in it; what rasterio calls a resource."""

    def __init__(self, file: RangedFile) -> None:
        """Start at the beginning."""
        self._file, self._at = file, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes."""
        left = self._file.size - self._at
        data = self._file.read(self._at, left if count < 0 else min(count, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        base = (0, self._at, self._file.size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def close(self) -> None:
        """Do nothing: the file outlives its handles."""

    def get_byte_ranges(
        self, offsets: Sequence[int], sizes: Sequence[int]
    ) -> list[bytes]:
        """Return several parts at once."""
        ends = zip(offsets, sizes, strict=True)
        return self._file.spans([(start, start + size) for start, size in ends])


class Container:
    """What rasterio's opener asks for: one file, whatever the path."""

    def __init__(self, file: RangedFile) -> None:
        """Hold the file."""
        self.file = file

    def open(self, path: str, mode: str = "r", **options: object) -> Handle:
        """Return a handle of the file."""
        return Handle(self.file)

    def isfile(self, path: str) -> bool:
        """Say that it is a file."""
        return True

    def isdir(self, path: str) -> bool:
        """Say that it is no folder."""
        return False

    def ls(self, path: str) -> list[str]:
        """List nothing."""
        return []

    def mtime(self, path: str) -> int:
        """Return no time."""
        return 0

    def rm(self, path: str) -> None:
        """Remove nothing."""

    def size(self, path: str) -> int:
        """Return the size of the file."""
        return self.file.size
