import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.app.viewer.pyramid import TILE, Pyramid
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB

sides = st.integers(1, 200_000)


@pytest.mark.parametrize(
    ("side", "last"), [(1, 0), (512, 0), (513, 1), (1024, 1), (1025, 2), (32_768, 6)]
)
def test_the_first_level_is_one_tile(side: int, last: int) -> None:
    assert Pyramid(side, 1).last == Pyramid(1, side).last == last


def test_tiles_by_numbers() -> None:
    pyramid = Pyramid(1300, 700)  # levels of 325 x 175, 650 x 350 and 1300 x 700
    assert pyramid.tile(0, 0, 0) == (HBB(0, 0, 1300, 700), 325, 175)
    assert pyramid.tile(1, 1, 0) == (HBB(1024, 0, 1300, 700), 138, 350)
    assert pyramid.tile(2, 2, 1) == (HBB(1024, 512, 1300, 700), 276, 188)


@pytest.mark.parametrize(
    "tile", [(-1, 0, 0), (3, 0, 0), (2, 3, 0), (2, 0, 2), (2, -1, 0), (0, 1, 0)]
)
def test_tiles_that_are_none(tile: tuple[int, int, int]) -> None:
    with pytest.raises(SettingsError):
        Pyramid(1300, 700).tile(*tile)


@given(sides, sides, st.data())
def test_tiles_cover_the_raster(width: int, height: int, data: st.DataObject) -> None:
    pyramid = Pyramid(width, height)
    level = data.draw(st.integers(0, pyramid.last))
    factor = 2 ** (pyramid.last - level)
    x = data.draw(st.integers(0, width - 1))
    y = data.draw(st.integers(0, height - 1))
    column, row = x // (factor * TILE), y // (factor * TILE)
    box, columns, rows = pyramid.tile(level, column, row)
    assert box.x0 <= x < box.x1
    assert box.y0 <= y < box.y1
    assert (box.width, box.height) == (columns * factor, rows * factor)
    assert max(columns, rows) <= TILE
    assert box.x1 < width + factor
    assert box.y1 < height + factor
