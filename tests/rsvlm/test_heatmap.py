"""Scores of tiles and zoom steps, drawn."""

import numpy as np
import pytest

from rsvlm.answer_parts import TraceStep
from rsvlm.geometry import HBB, Window
from rsvlm.heatmap import ZOOMED, draw_zoom

WINDOW = Window(HBB(0, 0, 4000, 2000), 400, 200)
GRAY = np.full((200, 400, 3), 100, np.uint8)
WHOLE = (0.0, 0.0, 4000.0, 2000.0)


def test_the_best_cell_is_the_brightest() -> None:
    scores = ((0.0, 0.0, 1.0, 4.0), (0.0, 0.0, 0.0, 0.0))
    step = TraceStep(step="score", image=0, window=WHOLE, scores=scores)
    out = draw_zoom(GRAY, [step], WINDOW)
    assert out.shape == GRAY.shape
    assert (out[:100, :200] == 100).all()  # at the median nothing is drawn
    assert (out[10:90, 310:390, 0] > 150).all()
    assert out[50, 350].sum() > out[50, 250].sum() != 300


def test_windows_are_outlined_where_they_lie() -> None:
    steps = [
        TraceStep(step="look", image=0, window=WHOLE),
        TraceStep(step="zoom", image=0, window=(1000, 500, 2000, 1500), score=3.2),
        TraceStep(step="zoom", image=1, window=(0, 0, 500, 500)),
    ]
    out = draw_zoom(GRAY, steps, WINDOW)
    drawn = (out == ZOOMED).all(-1)
    rows, columns = np.nonzero(drawn[45:])  # the number stands above
    assert (columns.min(), columns.max()) == pytest.approx((100, 200), abs=2)
    assert (rows.min() + 45, rows.max() + 45) == pytest.approx((50, 150), abs=2)
    assert not drawn[:, :90].any()
    assert (GRAY == 100).all()


def test_the_number_of_a_window_at_the_border_stands_inside_it() -> None:
    def drawn(score: float) -> np.ndarray:
        step = TraceStep(step="zoom", image=0, window=(0, 0, 2000, 1000), score=score)
        return draw_zoom(GRAY, [step], WINDOW)

    differs = (drawn(1.11) != drawn(8.88)).any(-1)
    rows, columns = np.nonzero(differs)
    assert rows.size > 5
    assert rows.max() < 40
    assert columns.max() < 100


def test_a_tiny_window_is_still_seen() -> None:
    step = TraceStep(step="zoom", image=0, window=(2000, 1000, 2001, 1001))
    out = draw_zoom(GRAY, [step], WINDOW)
    assert (out == ZOOMED).all(-1).sum() > 30


def test_an_answer_without_zoom_is_left_as_it_is() -> None:
    step = TraceStep(step="look", image=0, window=WHOLE)
    assert (draw_zoom(GRAY, [step], WINDOW) == GRAY).all()
