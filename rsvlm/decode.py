"""Decoding that fails well: whatever goes wrong leaves as one :class:`ImageError`.

:func:`decoding` surrounds every call of a decoder in this process. For files of
strangers, :func:`guarded` runs a function in a child process that may crash, hang or
ask for too much memory. rasterio is imported where it is used, because importing it is
slow.
"""

import math
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from rsvlm.errors import ImageError, RsvlmError, SettingsError

_T = TypeVar("_T")

#: Settings of GDAL for every opening and reading. Files beside the image (sidecars)
#: are not looked at, and its block cache stays small: a larger one buys no speed.
GDAL_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_CACHEMAX": 64 * 2**20,  # bytes: rasterio hands on the number as it is
    "GDAL_NUM_THREADS": "2",
}


#: What GDAL calls bytes in memory: a name of no use to anybody.
_MEMORY_NAME = re.compile(
    r"'?(/vsimem/\S*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\S*"
)


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
        detail = shown(_MEMORY_NAME.sub("it", str(error.__cause__ or error)))
        raise ImageError(
            f"{shown(name)} cannot be decoded ({detail}). Is the file complete? Copy it "
            "again, or write it anew with the program that made it."
        ) from error


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
        child.join(1)  # it tells how it ended
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
