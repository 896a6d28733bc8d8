import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rsvlm.masks import Mask
from rsvlm.shapes import HBB

Pixels = np.ndarray[tuple[int, int], np.dtype[np.bool_]]
PIXELS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@settings(deadline=None)
@given(PIXELS, st.integers(-20, 20), st.integers(-20, 20))
def test_mask_round_trip(pixels: Pixels, x0: int, y0: int) -> None:
    mask = Mask.from_array(pixels, x0, y0)
    assert np.array_equal(mask.to_array(), pixels)
    assert mask.area == pixels.sum()
    assert sum(part.area for part in mask.polygons()) == mask.area
    assert mask.to_shapely().area == mask.area
    rows, columns = np.nonzero(pixels)
    if len(rows):
        corner = (x0 + columns.min(), y0 + rows.min())
        assert mask.hbb.corners[0] == corner
        assert (mask.hbb.x1, mask.hbb.y1) == (
            x0 + columns.max() + 1,
            y0 + rows.max() + 1,
        )


def test_outline_of_a_mask_lies_in_raster_pixels() -> None:
    pixels = np.zeros((6, 8), dtype=bool)
    pixels[1:5, 2:7] = True
    pixels[2, 3] = False
    mask = Mask.from_array(pixels, x0=100, y0=200)
    (part,) = mask.polygons()
    assert set(part.exterior) == {(102, 201), (107, 201), (107, 205), (102, 205)}
    assert len(part.holes) == 1
    assert part.area == 19
    assert set(mask.corners) == set(part.exterior)


def test_empty_mask() -> None:
    mask = Mask.from_array(np.zeros((3, 4), dtype=bool), 5, 6)
    assert mask.area == 0
    assert mask.hbb == HBB(5, 6, 5, 6)
    assert mask.corners == ()
    assert mask.to_shapely().is_empty


def test_mask_whose_size_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Mask("0", (3, 4), HBB(0, 0, 3, 4))  # size is (rows, columns)


def test_mask_grows_by_whole_blocks() -> None:
    mask = Mask.from_array(np.array([[0, 1], [0, 0]], dtype=bool), 1, 0)
    grown = mask.scale(3, 2, dx=10, dy=20)  # pixel (2, 0) -> x 16..19, y 20..22
    assert grown.window == HBB(16, 20, 19, 22)
    assert grown.to_array().all()


@settings(deadline=None)
@given(PIXELS, st.integers(1, 5), st.integers(1, 5), st.integers(-9, 9))
def test_mask_grown_and_shrunk_is_the_same(
    pixels: Pixels, sx: int, sy: int, dx: int
) -> None:
    mask = Mask.from_array(pixels)
    grown = mask.scale(sx, sy, dx, 0)
    assert grown.area == mask.area * sx * sy
    back = grown.scale(1 / sx, 1 / sy, -dx / sx, 0)
    assert back.hbb == mask.hbb
    assert back.area == mask.area


@settings(deadline=None)
@given(
    PIXELS,
    st.floats(0.3, 4),
    st.floats(0.3, 4),
    st.floats(-9, 9),
    st.floats(-9, 9),
)
def test_every_pixel_takes_the_value_under_its_centre(
    pixels: Pixels, sx: float, sy: float, dx: float, dy: float
) -> None:
    mask = Mask.from_array(pixels, 3, 5).scale(sx, sy, dx, dy)
    rows, columns = pixels.shape
    for (row, column), value in np.ndenumerate(mask.to_array()):
        x = (mask.window.x0 + column + 0.5 - dx) / sx - 3
        y = (mask.window.y0 + row + 0.5 - dy) / sy - 5
        inside = 0 <= x < columns and 0 <= y < rows
        assert value == (inside and pixels[int(y), int(x)])


def test_coarse_mask_of_a_huge_raster_is_cheap() -> None:
    # As an array its 3.6e9 pixels would not fit into the memory of a laptop.
    mask = Mask.from_array(np.eye(2, dtype=bool)).scale(30_000, 30_000)
    assert mask.size == (60_000, 60_000)
    assert mask.area == 1.8e9
