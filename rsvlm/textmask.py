"""Coarse masks as text: a grid over the view, run-length coded row by row.

``3x8;0*8x2;0*5,1*3`` is a grid of 3 rows and 8 columns: two empty rows, and a row
whose last 3 cells are set. Used by :mod:`rsvlm.codec` only.

Source:
    Run lengths inside each row: GeoGround, https://arxiv.org/abs/2411.11904.
"""

import re
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import Mask, Window

#: Rows and columns of a grid that are read; more is a runaway reply.
MAX_SIDE = 256

_SIZE = re.compile(r"\s*([0-9]{1,4})\s*[xX]\s*([0-9]{1,4})\s*[;:]")
_ROW_END = re.compile(r"[;\n]")
_RUN = re.compile(r"([01])\s*\*\s*([0-9]{1,6})")
_REPEAT = re.compile(r"[0-9]\s*[xX*]\s*([0-9]{1,4})\s*\Z")


def to_grid(mask: Mask, window: Window, side: int) -> NDArray[np.bool_] | None:
    """Reduce a mask to a grid over the window by majority.

    A mask that fills half of no cell keeps the cell that it fills most.

    Args:
        mask: Mask in raster pixels.
        window: What the grid covers.
        side: Cells along the longer side of the view.

    Returns:
        Grid, shape (R, C); None when no pixel of the mask lies in the window.
    """
    longer = max(window.width, window.height)
    rows = max(1, round(side * window.height / longer))
    columns = max(1, round(side * window.width / longer))
    box, cell = window.box, Window(window.box, columns, rows).scale
    found = mask.hbb
    x, y = int(found.x0 - mask.window.x0), int(found.y0 - mask.window.y0)
    part = mask.to_array()[y : y + int(found.height), x : x + int(found.width)]
    top = _overlaps(box.y0, cell[1], rows, found.y0, part.shape[0])
    left = _overlaps(box.x0, cell[0], columns, found.x0, part.shape[1])
    # Set area of each cell, in raster pixels: (R, h) @ (h, w) @ (w, C) -> (R, C)
    filled = top @ part.astype(np.float32) @ left.T
    if not filled.any():
        return None
    wanted = min(cell[0] * cell[1] / 2, float(filled.max()))
    grid: NDArray[np.bool_] = filled >= wanted
    return grid


def write_grid(grid: NDArray[np.bool_]) -> str:
    """Return the text of a grid, shape (R, C).

    >>> write_grid(np.array([[0, 0], [0, 0], [0, 1]], dtype=bool))
    '3x2;0*2x2;0*1,1*1'
    """
    counted = [(line, len(list(same))) for line, same in groupby(_lines(grid))]
    rows = [line if count == 1 else f"{line}x{count}" for line, count in counted]
    return ";".join([f"{grid.shape[0]}x{grid.shape[1]}", *rows])


def write_rows(grid: NDArray[np.bool_]) -> str:
    """Return the rows of a grid, shape (R, C), without its size and repeats.

    >>> write_rows(np.array([[0, 0], [0, 0], [0, 1]], dtype=bool))
    '0*2;0*2;0*1,1*1'
    """
    return ";".join(_lines(grid))


def _lines(grid: NDArray[np.bool_]) -> list[str]:
    return [
        ",".join(f"{value:d}*{len(list(run))}" for value, run in groupby(row))
        for row in grid.tolist()
    ]


def read_grid(text: str) -> NDArray[np.bool_] | None:
    """Return the grid that a text describes, shape (R, C).

    Rows that are too short or missing are filled with 0, what is too long is cut.
    None when the text does not start with a size up to 256 x 256.
    """
    size = _SIZE.match(text)
    if not size:
        return None
    rows, columns = int(size[1]), int(size[2])
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE):
        return None
    return read_rows(text[size.end() :], rows, columns)


def read_rows(text: str, rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the grid of a known size whose rows a text holds, shape (R, C).

    Rows that are too short or missing are filled with 0, what is too long is cut.
    """
    grid = np.zeros((rows, columns), dtype=bool)
    row = 0
    for line in _ROW_END.split(text):
        runs = _RUN.findall(line)
        if row == rows or not runs:
            continue
        column = 0
        for value, count in runs:
            grid[row, column : column + int(count)] = value == "1"
            column = min(column + int(count), columns)
        repeat = _REPEAT.search(_RUN.sub("0", line))
        copies = min(max(int(repeat[1]), 1), rows - row) if repeat else 1
        grid[row : row + copies] = grid[row]
        row += copies
    return grid


def _overlaps(
    start: float, step: float, cells: int, first: float, pixels: int
) -> NDArray[np.float32]:
    """Return the length that cell i shares with pixel j, shape (cells, pixels)."""
    low = (start + step * np.arange(cells))[:, None]
    pixel = (first + np.arange(pixels))[None, :]
    shared = np.minimum(low + step, pixel + 1) - np.maximum(low, pixel)
    lengths: NDArray[np.float32] = np.clip(shared, 0, None).astype(np.float32)
    return lengths
