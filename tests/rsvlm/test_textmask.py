import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rsvlm.geometry import HBB, Mask, Window
from rsvlm.textmask import read_grid, to_grid, write_grid

GRID = arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))
Grid = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def test_equal_rows_are_written_once() -> None:
    grid = np.zeros((3, 8), dtype=bool)
    grid[2, 5:] = True
    assert write_grid(grid) == "3x8;0*8x2;0*5,1*3"


@settings(deadline=None)
@given(GRID)
def test_round_trip(grid: Grid) -> None:
    read = read_grid(write_grid(grid))
    assert read is not None
    assert np.array_equal(read, grid)


@pytest.mark.parametrize(
    "text",
    [
        "2x4;0*4;0*2,1*2",
        " 2 X 4 ; 0 * 4 ;\n 0*2 1*2 ",
        "2x4;0*4;0*2,1*9",  # a run too long
        "2x4;0*4;0*2,1*2;1*4x3",  # rows too many
    ],
)
def test_loose_grids(text: str) -> None:
    read = read_grid(text)
    assert read is not None
    assert read.tolist() == [[False] * 4, [False, False, True, True]]


def test_short_grids_are_filled() -> None:
    read = read_grid("3x2;1*1;1*2x1")
    assert read is not None
    assert read.astype(int).tolist() == [[1, 0], [1, 1], [0, 0]]


def test_a_row_repeated_too_often_is_cut() -> None:
    read = read_grid("2x4;1*4x9;0*4")
    assert read is not None
    assert read.all()


@pytest.mark.parametrize("text", ["", "0*4", "0x4;", "999x4;1*4", "1,2,3,4"])
def test_what_is_no_grid(text: str) -> None:
    assert read_grid(text) is None


def test_a_star_may_repeat_a_row() -> None:
    read = read_grid("3x2;1*2*3")
    assert read is not None
    assert read.all()


def test_majority_decides() -> None:
    # A 40 x 20 part at (100, 50), reduced to 4 x 2 cells of 10 x 10 px.
    window = Window(HBB(100, 50, 140, 70), 400, 200)
    pixels = np.zeros((20, 40), dtype=bool)
    pixels[:10, :5] = True  # half of cell (0, 0)
    pixels[:10, 10:14] = True  # 40 % of cell (0, 1)
    pixels[10:, 20:] = True
    cells = to_grid(Mask.from_array(pixels, 100, 50), window, 4)
    assert cells is not None
    assert cells.astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 1, 1]]


def test_a_speck_keeps_its_cell() -> None:
    window = Window.whole(160, 160, 160, 160)
    speck = Mask.from_array(np.ones((2, 2), dtype=bool), 34, 151)
    cells = to_grid(speck, window, 16)
    assert cells is not None
    assert np.argwhere(cells).tolist() == [[15, 3]]


def test_mask_outside_the_window() -> None:
    mask = Mask.from_array(np.ones((2, 2), dtype=bool), 500, 0)
    assert to_grid(mask, Window.whole(100, 100, 10, 10), 16) is None
