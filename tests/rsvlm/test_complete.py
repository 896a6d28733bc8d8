"""A picture that ends too early is refused; what follows its end does not matter."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rsvlm.complete import check_complete
from rsvlm.errors import ImageError
from rsvlm.raster import Raster

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def picture(format: str, **options: object) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(PIXELS).save(file, format, **options)
        return file.getvalue()


def thumbnail() -> bytes:
    """Return a JPEG with another in its EXIF segment, whose end is no end of it."""
    small = picture("JPEG", quality=20)
    body = b"Exif\0\0" + small
    data = picture("JPEG")
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


FILES = {
    "png": picture("PNG"),
    "jpeg": picture("JPEG"),
    "progressive": picture("JPEG", progressive=True),
    "thumbnail": thumbnail(),
}


def driver(name: str) -> str:
    return "PNG" if name == "png" else "JPEG"


@pytest.mark.parametrize("name", FILES)
def test_whole_pictures_pass(name: str, tmp_path: Path) -> None:
    for more in (b"", bytes(500), b"PK\x03\x04\xff\xda"):
        check_complete(FILES[name] + more, driver(name), "a")
        (tmp_path / "a").write_bytes(FILES[name] + more)
        check_complete(tmp_path / "a", driver(name), "a")


@pytest.mark.parametrize("name", FILES)
@given(st.data())
def test_no_part_passes(name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    cut = data.draw(st.integers(2, len(whole) - (13 if name == "png" else 2)))
    with pytest.raises(ImageError, match="ends before its picture does"):
        check_complete(whole[:cut], driver(name), "a")


def test_fill_bytes_before_a_mark_are_legal() -> None:
    data = FILES["jpeg"]
    check_complete(data[:2] + b"\xff\xff" + data[2:], "JPEG", "a")


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_a_raster_is_not_opened(name: str) -> None:
    with pytest.raises(ImageError, match="is incomplete"):
        Raster.from_bytes(FILES[name][:-100], f"a.{name}")


def test_other_formats_say_so_themselves() -> None:
    check_complete(b"II*\0", "GTiff", "a")
