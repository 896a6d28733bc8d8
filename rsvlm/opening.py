"""Opening image files: which ones, by which driver, and within what limits.

Opening a file with GDAL is already processing it, and GDAL knows more than 150 formats,
some of which read other files or the network. So only regular files, bytes in memory and
files on allowed hosts (:mod:`rsvlm.ranges`) are opened, their first bytes decide the
driver, only that driver is tried, and size and blocks are checked before any pixel is
read.
"""

import contextlib
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rsvlm.complete import check_complete
from rsvlm.decode import decoding, shown
from rsvlm.errors import ImageError
from rsvlm.ranges import RangedFile, Web, is_address
from rsvlm.ranges_gdal import opener

#: Driver -> first bytes of its files.
MAGIC: dict[str, tuple[bytes, ...]] = {
    "GTiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),
    "JP2OpenJPEG": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What an image may ask for.

    Attributes:
        bands: Most bands.
        block_bytes: Largest decoded block (tile or strip), the least that is read.
        whole_pixels: Most pixels of a format that cannot be read in parts.
        ratio: Largest decoded size / file size, for files that decode to more than
            ``plain_bytes``. DEFLATE reaches 1,000 and a tiled file with every
            hundredth tile filled about as much; an empty one has more than 4,000.
        plain_bytes: Decoded size below which the ratio does not matter.
        read_samples: Most samples (pixels x bands) decoded for one view.
        view_pixels: Most pixels of one view.
        overviews: Most reduced copies in a file.

    .. versionadded:: 0.1
    """

    bands: int = 64
    block_bytes: int = 64 * 2**20
    whole_pixels: int = 250_000_000
    ratio: int = 2_000
    plain_bytes: int = 256 * 2**20
    read_samples: int = 4_000_000_000
    view_pixels: int = 64 * 2**20
    overviews: int = 32


def regular_file(path: str | Path) -> Path:
    """Return the absolute path of a file that may be opened.

    Raises:
        ImageError: If it is no existing regular file: a URL, a virtual path of GDAL, a
            folder, a pipe or a device.
    """
    try:
        found = Path(path).resolve(strict=True)
        is_file = found.is_file() and not str(found).startswith("/vsi")
    except (OSError, ValueError, RuntimeError):
        raise ImageError(
            f"There is no image file {shown(path)!r}. Check the path; virtual paths of "
            "GDAL are not opened, and URLs only where their host is allowed "
            "(--allow-host HOST)."
        ) from None
    if not is_file:
        raise ImageError(
            f"{shown(path)!r} is not a regular file. Give the path of one image file."
        )
    return found


def driver_of(head: bytes, name: str) -> str:
    """Return the GDAL driver for a file, by its first bytes.

    GDAL is not asked, so that a server can do this in its own process.

    Args:
        head: The first 16 bytes or more.
        name: What to call the file in an error.

    Raises:
        ImageError: If it is none of the formats of :data:`MAGIC`.
    """
    for driver, starts in MAGIC.items():
        if head.startswith(starts) and (driver != "WEBP" or head[8:12] == b"WEBP"):
            return driver
    raise ImageError(
        f"{shown(name)} is not a GeoTIFF, PNG, JPEG, WebP or JPEG 2000 file (it "
        f"begins with {head[:8]!r}). Convert it: gdal_translate -of COG IN OUT."
    )


def _available(driver: str, name: str) -> str:
    """Return a driver, if this build of GDAL has it."""
    import rasterio

    with rasterio.Env() as env:
        if driver not in env.drivers():
            raise ImageError(
                f"{shown(name)} needs the GDAL driver {driver}, which is not part of "
                "this installation. Convert the file to GeoTIFF."
            )
    return driver


_quiet = threading.Lock()


@dataclass(frozen=True, slots=True)
class Opened:
    """An open rasterio dataset, and what it reads from, unless that is a file.

    Attributes:
        dataset: The dataset.
        memory: The memory that it reads from.
        remote: The file on another host that it reads from.
    """

    dataset: Any
    memory: Any = None
    remote: RangedFile | None = None

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Surround a call of the decoder; see :func:`rsvlm.decode.decoding`.

        What another host did not deliver looks like broken or black pixels here, so it
        is asked what went wrong.
        """
        try:
            with decoding(name):
                yield
        finally:
            if self.remote is not None:
                self.remote.check()

    def close(self) -> None:
        """Close the dataset; further calls do nothing."""
        self.dataset.close()
        if self.memory is not None:
            self.memory.close()
        if self.remote is not None:
            self.remote.close()


#: What an image is read from.
Source = Path | bytes | RangedFile


def find_source(place: str | Path, web: Web | None = None) -> tuple[Source, str]:
    """Return what an image is read from, and its name.

    Args:
        place: A path, or an address on another host.
        web: Hosts that may be read from; None for none.

    Raises:
        ImageError: If it is no file that may be opened.
    """
    if isinstance(place, Path) or not is_address(place):
        found = regular_file(place)
        return found, found.name
    file = RangedFile.open(place, web or Web())
    name = file.target.name
    try:
        if driver_of(file.read(0, 16), name) == "GTiff":
            return file, name
        return file.whole(), name
    except ImageError:
        file.close()
        raise


def open_image(source: Source, name: str, limits: Limits) -> Opened:
    """Open an image with the one driver that its first bytes call for.

    Args:
        source: A path from :func:`regular_file`, the bytes of a file, or a GeoTIFF on
            another host.
        name: What to call the file in errors.
        limits: What the image may ask for.

    Returns:
        The open image, of which only the header has been read.

    Raises:
        ImageError: If the image cannot be opened or is refused.
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import DatasetReader, MemoryFile

    memory = remote = None
    again: Callable[..., Any]
    with decoding(name), _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        if isinstance(source, bytes):
            driver, size = _available(driver_of(source[:16], name), name), len(source)
            memory = MemoryFile(source)
            again = partial(DatasetReader, memory.name, driver=[driver])
        elif isinstance(source, RangedFile):
            driver, size, remote = "GTiff", source.size, source
            again = opener(source)
        else:
            with source.open("rb") as file:
                driver = _available(driver_of(file.read(16), name), name)
                size = source.stat().st_size
            again = partial(DatasetReader, source, driver=[driver])
        opened = Opened(_first(again, remote), memory, remote)
        try:
            _check(opened.dataset, driver, size, shown(name), limits)
            if not isinstance(source, RangedFile):
                check_complete(source, driver, name)
            for level in range(_overviews(opened.dataset, shown(name), limits)):
                # Blocks of an overview may be larger than those of the image.
                with again(OVERVIEW_LEVEL=level) as overview:
                    _check_blocks(overview, shown(name), limits)
        except Exception:
            opened.close()
            raise
        with contextlib.suppress(CPLE_BaseError):
            # An error that did not stop the opening, such as that of a private tag,
            # waits here to be raised by the next call, whatever that is.
            _ = opened.dataset.colorinterp
    return opened


def _first(again: Callable[..., Any], remote: RangedFile | None) -> Any:
    try:
        return again()
    except Exception:
        if remote is not None:
            remote.close()
            remote.check()
        raise


def _overviews(dataset: Any, name: str, limits: Limits) -> int:
    """Return how many reduced copies a GeoTIFF holds; other formats make them up."""
    count = len(dataset.overviews(1)) if dataset.driver == "GTiff" else 0
    if count > limits.overviews:
        raise ImageError(
            f"{name} holds {count} overviews, more than "
            f"{limits.overviews}. Convert it: gdal_translate -of COG IN OUT."
        )
    return count


def _check(dataset: Any, driver: str, size: int, name: str, limits: Limits) -> None:
    width, height, count = dataset.width, dataset.height, dataset.count
    if dataset.driver != driver or min(width, height, count) < 1:
        raise ImageError(f"{name} holds no image. Give a file with at least one band.")
    if count > limits.bands:
        raise ImageError(
            f"{name} has {count} bands, more than {limits.bands}. Keep those you need: "
            "gdal_translate -b 1 -b 2 IN OUT."
        )
    decoded = width * height * sum(_item_sizes(dataset))
    if driver != "GTiff" and width * height > limits.whole_pixels:
        raise ImageError(
            f"{name} has {width} x {height} pixels in a format that is not read in "
            f"parts; the limit is {limits.whole_pixels / 1e6:.0f} million. Convert it: "
            "gdal_translate -of COG IN OUT."
        )
    _check_blocks(dataset, name, limits)
    if decoded > limits.plain_bytes and decoded > limits.ratio * size:
        raise ImageError(
            f"{name} unpacks {size / 2**20:.2g} MiB to {decoded / 2**20:.0f} MiB, more "
            f"than {limits.ratio} times. If you trust it, cut out the part that holds "
            "data: gdal_translate -of COG -co COMPRESS=DEFLATE -srcwin X Y W H IN OUT."
        )


def _check_blocks(dataset: Any, name: str, limits: Limits) -> None:
    items = _item_sizes(dataset)
    is_tiff = dataset.driver == "GTiff"
    together = is_tiff and dataset.profile.get("interleave") == "pixel"
    rows, columns = max(dataset.block_shapes, key=math.prod)
    block = rows * columns * (sum if together else max)(items)
    if block > limits.block_bytes:
        raise ImageError(
            f"{name} must be read in blocks of {block / 2**20:.0f} MiB; the limit is "
            f"{limits.block_bytes / 2**20:.0f}. Convert it: gdal_translate -of COG IN OUT."
        )


def _item_sizes(dataset: Any) -> list[int]:
    import numpy as np

    # complex_int16 is a type of GDAL that numpy does not have.
    names = ("int32" if t == "complex_int16" else t for t in dataset.dtypes)
    return [np.dtype(name).itemsize for name in names]
