from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.geometry import HBB
from rsvlm.zoom import plan_search


@dataclass
class Size:
    width: int
    height: int
    gsd: float | None = None


def test_a_small_raster_is_one_window_enlarged() -> None:
    plan = plan_search(Size(256, 128), side=672)
    assert plan.windows == (HBB(0, 0, 256, 128),)
    assert plan.size(plan.windows[0]) == (672, 336)


def test_a_fine_raster_is_looked_at_as_coarse_as_objects_need() -> None:
    # 0.1 m/px: a window of 672 px at 0.3 m/px covers 2016 px of the raster.
    plan = plan_search(Size(3000, 3000, gsd=0.1), side=672)
    assert plan.windows == (HBB(0, 0, 3000, 3000),)
    tiles = plan_search(Size(6000, 2000, gsd=0.1), side=672).windows
    assert {(tile.width, tile.height) for tile in tiles} == {(2016, 2000)}


def test_the_budget_makes_windows_larger_and_says_so() -> None:
    plan = plan_search(Size(30_000, 30_000), side=672, budget=36)
    assert plan.coarse
    assert len(plan.windows) <= 36


def test_zoom_none_is_one_window() -> None:
    assert len(plan_search(Size(30_000, 30_000), 672, "none").windows) == 1


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([None, 0.05, 1.0]))
def test_windows_cover_the_raster(width: int, height: int, gsd: float | None) -> None:
    plan = plan_search(Size(width, height, gsd), side=672)
    for x, y in ((0, 0), (width - 1, height - 1), (width // 2, height // 2)):
        assert any(w.x0 <= x < w.x1 and w.y0 <= y < w.y1 for w in plan.windows)
    for window in plan.windows:
        columns, rows = plan.size(window)
        assert max(columns, rows) == 672
        if min(columns, rows) > 20:
            assert columns / rows == pytest.approx(
                window.width / window.height, rel=0.06
            )
