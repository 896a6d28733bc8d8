"""Decoding that fails well: whatever goes wrong leaves as one :class:`ImageError`.

:func:`decoding` surrounds every call of a decoder in this process; files of strangers
are decoded in a child process, see :mod:`rsvlm.sandbox`. rasterio is imported where it
is used, because importing it is slow.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from rsvlm.errors import ImageError, RsvlmError

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
