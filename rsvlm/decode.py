"""Guarded decoding: which files are opened, by which driver, and within what limits.

Opening a file with GDAL is already processing it, and GDAL knows more than 150 formats,
some of which read other files or the network. So the first bytes of a file decide
its driver, only that driver is tried, and only regular files and bytes in memory are
opened. Size and blocks are checked before any pixel is read, and whatever a decoder
raises leaves as one :class:`~rsvlm.errors.ImageError`. For files of strangers,
:func:`guarded` runs a function in a child process that may crash or hang.

rasterio is imported where it is used, because importing it is slow.
"""

import math
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from rsvlm.errors import ImageError, RsvlmError, SettingsError

_T = TypeVar("_T")

#: Driver -> first bytes of its files.
MAGIC: dict[str, tuple[bytes, ...]] = {
    "GTiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),
    "JP2OpenJPEG": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
}

#: Settings of GDAL for every opening and reading. Files beside the image (sidecars)
#: are not looked at, and its block cache stays small: a larger one buys no speed.
GDAL_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_CACHEMAX": 64,
    "GDAL_NUM_THREADS": "2",
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

    .. versionadded:: 0.1
    """

    bands: int = 64
    block_bytes: int = 64 * 2**20
    whole_pixels: int = 250_000_000
    ratio: int = 2_000
    plain_bytes: int = 256 * 2**20
    read_samples: int = 4_000_000_000
    view_pixels: int = 64 * 2**20


def shown(text: object, length: int = 200) -> str:
    """Return a text of a stranger as one short line of printable characters."""
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= length else line[: length - 3] + "..."


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Set GDAL up, and turn whatever a decoder raises into one :class:`ImageError`."""
    import rasterio

    try:
        with rasterio.Env(**GDAL_SETTINGS):
            yield
    except (RsvlmError, NameError, ImportError):  # the last two are bugs
        raise
    except MemoryError as error:
        raise ImageError(
            f"{shown(name)} needs more memory than there is. Ask for a smaller window, "
            "or convert it: gdal_translate -of COG IN OUT."
        ) from error
    except Exception as error:  # decoders raise what they like
        detail = shown(error.__cause__ or error)
        raise ImageError(
            f"{shown(name)} cannot be decoded ({detail}). Is the file complete? Copy it "
            "again, or write it anew with the program that made it."
        ) from error


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
            f"There is no image file {shown(path)!r}. Check the path; URLs and virtual "
            "paths of GDAL are not opened, so download such a file first."
        ) from None
    if not is_file:
        raise ImageError(
            f"{shown(path)!r} is not a regular file. Give the path of one image file."
        )
    return found


def driver_of(head: bytes, name: str) -> str:
    """Return the GDAL driver for a file, by its first bytes.

    Args:
        head: The first 16 bytes or more.
        name: What to call the file in an error.

    Raises:
        ImageError: If it is none of the formats of :data:`MAGIC`, or this build of
            GDAL lacks the driver.
    """
    for driver, starts in MAGIC.items():
        if head.startswith(starts) and (driver != "WEBP" or head[8:12] == b"WEBP"):
            break
    else:
        raise ImageError(
            f"{shown(name)} is not a GeoTIFF, PNG, JPEG, WebP or JPEG 2000 file (it "
            f"begins with {head[:8]!r}). Convert it: gdal_translate -of COG IN OUT."
        )
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
    """An open rasterio dataset, and the memory that it reads from, if any."""

    dataset: Any
    memory: Any = None

    def close(self) -> None:
        """Close the dataset; further calls do nothing."""
        self.dataset.close()
        if self.memory is not None:
            self.memory.close()


def open_image(source: Path | bytes, name: str, limits: Limits) -> Opened:
    """Open an image with the one driver that its first bytes call for.

    Args:
        source: A path from :func:`regular_file`, or the bytes of a file.
        name: What to call the file in errors.
        limits: What the image may ask for.

    Returns:
        The open image, of which only the header has been read.

    Raises:
        ImageError: If the image cannot be opened or is refused.
    """
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import DatasetReader, MemoryFile

    with decoding(name), _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        if isinstance(source, bytes):
            driver, size = driver_of(source[:16], name), len(source)
            memory = MemoryFile(source)
            opened = Opened(memory.open(driver=[driver]), memory)
        else:
            with source.open("rb") as file:
                driver, size = driver_of(file.read(16), name), source.stat().st_size
            opened = Opened(DatasetReader(source, driver=[driver]))
        try:
            _check(opened.dataset, driver, size, shown(name), limits)
        except Exception:
            opened.close()
            raise
    return opened


def _check(dataset: Any, driver: str, size: int, name: str, limits: Limits) -> None:
    import numpy as np

    width, height, count = dataset.width, dataset.height, dataset.count
    if dataset.driver != driver or min(width, height, count) < 1:
        raise ImageError(f"{name} holds no image. Give a file with at least one band.")
    if count > limits.bands:
        raise ImageError(
            f"{name} has {count} bands, more than {limits.bands}. Keep those you need: "
            "gdal_translate -b 1 -b 2 IN OUT."
        )
    # complex_int16 is GDAL's; numpy has no such type.
    items = [
        4 if t == "complex_int16" else np.dtype(t).itemsize for t in dataset.dtypes
    ]
    decoded = width * height * sum(items)
    if driver != "GTiff" and width * height > limits.whole_pixels:
        raise ImageError(
            f"{name} has {width} x {height} pixels in a format that is not read in "
            f"parts; the limit is {limits.whole_pixels / 1e6:.0f} million. Convert it: "
            "gdal_translate -of COG IN OUT."
        )
    together = driver == "GTiff" and dataset.profile.get("interleave") == "pixel"
    rows, columns = max(dataset.block_shapes, key=math.prod)
    block = min(rows, height) * columns * (sum(items) if together else max(items))
    if block > limits.block_bytes:
        raise ImageError(
            f"{name} must be read in blocks of {block / 2**20:.0f} MiB; the limit is "
            f"{limits.block_bytes / 2**20:.0f}. Convert it: gdal_translate -of COG IN OUT."
        )
    if decoded > limits.plain_bytes and decoded > limits.ratio * size:
        raise ImageError(
            f"{name} unpacks {size / 2**20:.2g} MiB to {decoded / 2**20:.0f} MiB, more "
            f"than {limits.ratio} times. If you trust it, cut out the part that holds "
            "data: gdal_translate -of COG -co COMPRESS=DEFLATE -srcwin X Y W H IN OUT."
        )


#: What the server of children has imported, so that a child starts in milliseconds.
#: Importing rasterio does not start GDAL; that happens in the child.
_PRELOADED = ("numpy", "rasterio.io", "rasterio.enums", "rasterio.windows")


def guarded(
    function: Callable[..., _T], *args: Any, seconds: float, memory_bytes: int
) -> _T:
    """Run a function in a child process that may crash, hang or eat memory.

    Args:
        function: A function of a module, so that the child can import it.
        *args: Its arguments, which must be picklable, as must be its result.
        seconds: Time to answer, on the clock and of the processor.
        memory_bytes: What the child may take beyond what it has when it starts. Only
            held where the system can (Linux).

    Returns:
        What the function returned.

    Raises:
        ImageError: If it failed, crashed or took too much.
        SettingsError: If the function raised one.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context(
        "forkserver" if "forkserver" in methods else "spawn"
    )
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload([*_PRELOADED, __name__])
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(
        target=_answer,
        args=(sender, seconds, memory_bytes, function, args),
        daemon=True,
    )
    child.start()
    sender.close()
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        kind, value = receiver.recv()
    except (EOFError, OSError):
        kind, value = "crashed", None
    finally:
        timer.cancel()
        receiver.close()
        child.kill()
        child.join()
    if kind == "result":
        return value  # type: ignore[no-any-return]
    if kind == "crashed":
        raise ImageError(_epitaph(child.exitcode, late.is_set(), seconds))
    raise {"SettingsError": SettingsError}.get(kind, ImageError)(value)


def _epitaph(code: int | None, late: bool, seconds: float) -> str:
    if late or code == -getattr(signal, "SIGXCPU", 24):
        what = f"took longer than {seconds:g} s"
    elif code is not None and code < 0:
        what = f"crashed the decoder ({signal.Signals(-code).name})"
    else:
        what = f"ended the decoder (status {code})"
    return f"The image {what}. Convert it to a plain GeoTIFF or PNG, and try again."


def _answer(
    sender: Connection,
    seconds: float,
    memory_bytes: int,
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    """Run in the child: answer with the result, or with the kind and text of an error."""
    os.environ.setdefault("GDAL_SKIP", "VRT,WMS,WCS,WMTS,HTTP,STACIT,STACTA,DAAS,EEDA")
    try:
        _limit(seconds, memory_bytes)
        sender.send(("result", function(*args)))
    except MemoryError:
        megabytes = memory_bytes / 2**20
        text = (
            f"The image needs more than {megabytes:.0f} MiB to decode. Give a smaller "
        )
        sender.send(("ImageError", text + "one, or a tiled GeoTIFF."))
    except RsvlmError as error:
        sender.send((type(error).__name__, str(error)))
    except Exception as error:  # noqa: BLE001 - decoders raise what they like
        text = f"The image cannot be decoded ({type(error).__name__}: {shown(error)}). "
        sender.send(("ImageError", text + "Convert it to a plain GeoTIFF or PNG."))


def _limit(seconds: float, memory_bytes: int) -> None:
    """Limit this process where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    processor = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        most = taken + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
