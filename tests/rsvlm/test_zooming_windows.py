"""Windows around tiles, cells of scores, and probes by labelled pictures."""

import numpy as np
import pytest

from rsvlm.embedding import unit
from rsvlm.geometry import HBB, Window
from rsvlm.zoom import drawn_at
from rsvlm.zooming_margins import picture_probe, threshold_for
from rsvlm.zooming_windows import heat, unite, widened

WHOLE = HBB(0, 0, 4000, 4000)


def test_windows_have_context_and_a_least_size_and_stay_inside() -> None:
    box = widened(HBB(3950, 10, 3990, 30), WHOLE, 0.5, 100)
    assert box == HBB(3900, 0, 4000, 100)
    assert widened(WHOLE, WHOLE, 0.5, 100) == WHOLE


def test_neighbouring_tiles_share_a_window() -> None:
    boxes = [HBB(0, 0, 500, 500), HBB(3000, 0, 3500, 500), HBB(500, 0, 1000, 500)]
    found = unite(boxes, WHOLE, 0, 100, 4)
    assert found == [(HBB(0, 0, 1000, 500), 0), (HBB(3000, 0, 3500, 500), 1)]
    assert len(unite(boxes, WHOLE, 0, 100, 1)) == 1


def test_cells_take_the_score_of_the_finest_tile() -> None:
    boxes = np.array([[0, 0, 4000, 4000], [0, 0, 2000, 2000]], float)
    rows = heat(boxes, np.array([5.0, 1.0]), WHOLE)
    assert (len(rows), len(rows[0])) == (32, 32)
    assert (rows[0][0], rows[20][20], rows[0][15], rows[0][16]) == (1, 5, 1, 5)
    assert heat(np.zeros((0, 4)), np.zeros(0), WHOLE) == ()


def test_a_view_is_never_larger_than_its_window() -> None:
    assert drawn_at(HBB(0, 0, 300, 150), 448) == Window(HBB(0, 0, 300, 150), 300, 150)
    assert drawn_at(HBB(0, 0, 896, 448), 448).height == 224


def test_pictures_set_a_label_apart() -> None:
    generator = np.random.default_rng(0)
    others = generator.normal(0, 1, (60, 8))
    others[:, 0] *= 5  # a direction in which all pictures differ
    shown = generator.normal(0, 1, (30, 8)) + np.eye(8)[1] * 3
    probe = picture_probe(unit(shown), unit(others))
    assert abs(probe.direction[1]) > 0.9
    margins = probe.margins(unit(others))
    assert margins.mean() == pytest.approx(0, abs=1e-4)
    assert margins.std() == pytest.approx(1, abs=1e-3)
    assert np.median(probe.margins(unit(shown))) > 1.5


def test_no_threshold_where_none_is_precise_enough() -> None:
    assert threshold_for([3.0, 2.0], [False, True], 0.8) == float("inf")
    assert threshold_for([3.0, 2.5, 2.0, 1.0], [True, True, True, False], 0.75) == 1.0
