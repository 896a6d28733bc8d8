"""A canvas shows one scene, however much of it is drawn and at whatever size."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.data_engine.canvases import Canvas, Piece, moved, piece_of, scatter
from rsvlm.samples import Target


def image(side: int, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return a gray image with a red object."""
    pixels = np.full((side, side, 3), 120, np.uint8)
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1] = (250, 10, 10)
    return pixels


def red(pixels: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the box of what is red."""
    rows, columns = np.nonzero(pixels[..., 0] > pixels[..., 1].astype(int) + 80)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


SHIP = Target(label="ship", hbb=(40, 40, 60, 50), polygons=((40, 40, 60, 40, 60, 50),))


def test_a_piece_holds_its_object_and_nothing_of_others() -> None:
    pixels = image(100, (40, 40, 60, 50))
    piece = piece_of(pixels, [SHIP], 0)
    assert piece is not None
    (one,) = piece.targets
    assert red(piece.pixels) == one.hbb
    assert one.polygons[0][:2] == one.hbb[:2]
    near = Target(label="ship", hbb=(62, 40, 70, 50))
    assert piece_of(pixels, [SHIP, near], 0) is None
    at_edge = Target(label="ship", hbb=(90, 40, 99, 50))
    assert piece_of(pixels, [at_edge], 0) is None  # the soft edge would hide it


def test_the_whole_and_a_window_show_the_same_object() -> None:
    piece = piece_of(image(100, (40, 40, 60, 50)), [SHIP], 0)
    assert piece is not None
    ground = np.full((50, 50, 3), 120, np.uint8)
    canvas = Canvas(ground, 800, ((piece, 300, 420),))
    whole, (small,) = canvas.render((0, 0, 800, 800), 400)
    window, (large,) = canvas.render((280, 400, 380, 500), 200)
    assert whole.shape == (400, 400, 3)
    assert red(whole) == pytest.approx(small.hbb, abs=1.01)
    assert red(window) == pytest.approx(large.hbb, abs=1.01)
    assert moved(large, 0.5, 280, 400).hbb == canvas.targets[0].hbb
    assert moved(small, 2, 0, 0).hbb == canvas.targets[0].hbb


def test_an_object_that_a_window_cuts_is_not_known_in_it() -> None:
    piece = piece_of(image(100, (40, 40, 60, 50)), [SHIP], 0)
    assert piece is not None
    canvas = Canvas(np.full((50, 50, 3), 120, np.uint8), 800, ((piece, 300, 420),))
    x0 = canvas.targets[0].hbb[0]
    _, found = canvas.render((x0 + 5, 400, x0 + 105, 500), 100)
    assert found == ()


def test_pieces_lie_apart_and_what_is_too_large_is_left_out() -> None:
    rng = np.random.default_rng(3)
    pieces = [Piece(image(60, (0, 0, 1, 1))) for _ in range(9)]
    huge = Piece(image(400, (0, 0, 1, 1)))
    canvas = scatter(image(50, (0, 0, 1, 1)), 300, [huge, *pieces], rng)
    assert all(piece is not huge for piece, _, _ in canvas.pieces)
    taken = np.zeros((300, 300), int)
    for piece, x, y in canvas.pieces:
        taken[y : y + piece.size[1], x : x + piece.size[0]] += 1
    assert len(canvas.pieces) > 3
    assert taken.max() == 1
