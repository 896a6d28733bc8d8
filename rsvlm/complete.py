"""Whether a PNG or JPEG file is whole: decoders fill what is missing with gray or black.

An answer about pixels that never arrived would be wrong without a sign of it. Broken
files of the other formats fail to decode.
"""

import mmap
from collections.abc import Callable
from pathlib import Path

from rsvlm.decode import shown
from rsvlm.errors import ImageError

_Bytes = bytes | mmap.mmap


def check_complete(source: Path | bytes, driver: str, name: str) -> None:
    """Refuse a picture that ends too early.

    Args:
        source: Path or bytes of the file.
        driver: Its GDAL driver.
        name: What to call the file in errors.

    Raises:
        ImageError: If the mark of its end is missing.
    """
    is_whole = _CHECKS.get(driver)
    if is_whole is None:
        return
    if isinstance(source, bytes):
        whole = is_whole(source)
    else:
        with (
            source.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            whole = is_whole(data)
    if not whole:
        raise ImageError(
            f"{shown(name)} is incomplete: it ends before its picture does. Copy it "
            "again."
        )


def _png(data: _Bytes) -> bool:
    """Say whether the chunks lead to the one that ends a PNG."""
    place = 8
    while place + 12 <= len(data):
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return False


def _jpeg(data: _Bytes) -> bool:
    """Say whether the mark of the end follows the first scan of the picture.

    Segments before it are stepped over, because a thumbnail in one has such a mark too.
    """
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        mark = data[place + 1]
        if mark == 0xDA:
            return data.find(b"\xff\xd9", place) >= 0
        # 0xFF fills; marks without a length are rare and hold nothing.
        alone = mark == 0x01 or 0xD0 <= mark <= 0xD7
        if mark == 0xFF:
            place += 1
        elif alone:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


_CHECKS: dict[str, Callable[[_Bytes], bool]] = {"PNG": _png, "JPEG": _jpeg}
