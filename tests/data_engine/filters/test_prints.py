"""What tells images apart: hashes under flips and turns, likeness, blank images."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine.filters.prints import (
    is_blank,
    laid_all_ways,
    likeness,
    look,
    print_of,
    signs_of,
)
from rsvlm.errors import ImageError


def _thumb(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (32, 32), dtype=np.uint8)


def _ways(thumb: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [
        way
        for base in (thumb, thumb.T)
        for way in (base, base[:, ::-1], base[::-1], base[::-1, ::-1])
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_hashes_of_all_ways_are_those_of_the_laid_images(seed: int) -> None:
    thumb = _thumb(seed)
    laid = laid_all_ways(signs_of(thumb))
    expected = np.stack([signs_of(way) for way in _ways(thumb)])
    assert np.array_equal(laid, expected)
    assert len(np.unique(laid, axis=0)) == 8


@pytest.mark.parametrize("number", range(8))
def test_a_turned_image_is_as_like_as_itself(number: int) -> None:
    thumb = _thumb(1)
    way = _ways(thumb)[number]
    assert likeness(thumb, np.stack([way, _thumb(2)])) == pytest.approx(
        [1.0, 0.0], abs=0.2
    )


def test_contrast_and_brightness_do_not_matter() -> None:
    thumb = _thumb(3)
    pale = (thumb * 0.3 + 100).astype(np.uint8)
    assert likeness(thumb, pale[None])[0] > 0.99
    assert (signs_of(thumb) == signs_of(pale)).mean() > 0.95


@pytest.mark.parametrize(
    ("pixels", "blank"),
    [
        (np.zeros((20, 20), np.uint8), True),
        (np.full((20, 20), 200, np.uint8), True),
        (np.eye(100, dtype=np.uint8) * 255, True),  # one pixel of a hundred
        (np.indices((20, 20)).sum(0).astype(np.uint8), False),
        (np.repeat([[0, 255]], 20, 0).astype(np.uint8), False),
    ],
)
def test_an_image_of_one_value_is_blank(pixels: NDArray[np.uint8], blank: bool) -> None:
    assert is_blank(pixels) is blank


def _encoded(pixels: NDArray[np.uint8], form: str) -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, format=form)
    return data.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_one_image_in_any_format_has_one_print(form: str) -> None:
    big = np.kron(_thumb(4), np.ones((20, 20), np.uint8))
    data = _encoded(big, form)
    view, bounds = look(data, f"a.{form}", "sar")
    assert bounds is None
    assert view.sensor == "sar"
    assert max(view.pixels.shape[:2]) <= 256
    assert (view.window.box.width, view.window.box.height) == (640, 640)
    found = print_of(data, view, bounds, "train", "s", "a")
    assert likeness(found.thumb, _thumb(4)[None])[0] > 0.97
    assert found.key == ("train", "s", "a")
    assert not found.is_blank


@pytest.mark.parametrize("data", [b"", b"no image", _encoded(_thumb(0), "PNG")[:-200]])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        look(data, "a.png", "optical")


@pytest.mark.parametrize("most", [1000, 100])
def test_a_picture_larger_than_pillow_likes_is_read_in_parts(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Pillow warns from so many pixels on, and refuses from twice as many on."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    view, bounds = look(data.getvalue(), "large.png", "optical")
    assert view.pixels.shape == (40, 30, 3)
    assert bounds is None
