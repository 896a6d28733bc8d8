import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, OBB, Mask, Region
from rsvlm.tiling import grid, merge

TILES = grid(180, 100, 100, 0.2)


def test_tiles_go_row_by_row_and_the_last_are_shifted_inwards() -> None:
    assert grid(250, 150, 100, 0.0) == [
        HBB(0, 0, 100, 100),
        HBB(100, 0, 200, 100),
        HBB(150, 0, 250, 100),
        HBB(0, 50, 100, 150),
        HBB(100, 50, 200, 150),
        HBB(150, 50, 250, 150),
    ]


def test_neighbours_repeat_the_overlap() -> None:
    assert TILES == [HBB(0, 0, 100, 100), HBB(80, 0, 180, 100)]


def test_small_raster_is_one_tile() -> None:
    assert grid(30, 20, 100, 0.2) == [HBB(0, 0, 30, 20)]


@settings(deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.floats(0, 0.95),
)
def test_tiles_cover_the_raster(
    width: int, height: int, tile: int, overlap: float
) -> None:
    hits = np.zeros((height, width), dtype=int)
    tiles = grid(width, height, tile, overlap)
    for box in tiles:
        assert box.width == min(tile, width)
        assert box.height == min(tile, height)
        assert box.clip(width, height) == box
        hits[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] += 1
    assert hits.min() >= 1
    assert len(set(tiles)) == len(tiles)


@pytest.mark.parametrize(("tile", "overlap"), [(0, 0.2), (100, 1.0), (100, -0.1)])
def test_unusable_settings(tile: int, overlap: float) -> None:
    with pytest.raises(SettingsError):
        grid(100, 100, tile, overlap)


def test_part_goes_when_the_next_tile_has_the_whole() -> None:
    # The left tile cuts a 50 px ship at x = 100; its part is as sure as the whole,
    # and its IoU of 0.6 with it would let suppression keep the wrong one.
    part = Region(HBB(80, 40, 100, 50), "ship")
    part_above_half = Region(HBB(70, 10, 100, 20), "ship")
    whole = Region(HBB(80, 40, 130, 50), "ship")
    other = Region(HBB(70, 10, 120, 20), "ship")
    assert merge([[part, part_above_half], [whole, other]], TILES) == [whole, other]


def test_double_of_the_overlap_goes() -> None:
    left = Region(HBB(82, 40, 92, 50), "ship", 0.6)
    right = Region(HBB(82, 40, 93, 50), "ship", 0.7)
    assert merge([[left], [right]], TILES) == [right]


def test_parts_of_an_object_larger_than_the_overlap_become_one() -> None:
    left = Region(HBB(20, 40, 100, 50), "ship")
    right = Region(HBB(80, 40, 170, 50), "ship")
    assert merge([[left], [right]], TILES) == [Region(HBB(20, 40, 170, 50), "ship")]


def test_small_object_inside_a_larger_one_stays() -> None:
    # It touches no border between tiles, so it is an object of its own.
    small = Region(HBB(90, 40, 95, 45), "vehicle")
    large = Region(HBB(85, 30, 130, 60), "vehicle")
    assert merge([[small], [large]], TILES) == [small, large]


def test_border_of_the_raster_cuts_nothing() -> None:
    small = Region(HBB(0, 0, 5, 5), "vehicle")
    large = Region(HBB(0, 0, 60, 60), "vehicle")
    assert merge([[small, large], []], TILES) == [small, large]


def test_part_of_another_label_stays() -> None:
    part = Region(HBB(80, 40, 100, 50), "ship")
    whole = Region(HBB(80, 40, 130, 50), "pier")
    assert merge([[part], [whole]], TILES) == [part, whole]


def test_part_of_a_rotated_box_or_mask_is_measured_by_its_shape() -> None:
    whole = OBB.from_center(100, 50, 60, 4, 45)
    beside = OBB.from_center(94, 56, 16, 4, 45)  # in its horizontal box, not in it
    pixels = np.ones((4, 20), dtype=bool)
    mask = Region(Mask.from_array(pixels, 80, 90), "lake")
    larger = Region(Mask.from_array(np.ones((6, 60), dtype=bool), 80, 89), "lake")
    kept = merge(
        [[Region(beside, "ship"), mask], [Region(whole, "ship"), larger]], TILES
    )
    assert {(region.label, region.shape) for region in kept} == {
        ("ship", whole),
        ("ship", beside),
        ("lake", larger.shape),
    }


def test_nothing_found() -> None:
    assert merge([[], []], TILES) == []
    assert merge([], []) == []


def test_regions_and_tiles_must_pair_up() -> None:
    with pytest.raises(ValueError, match="zip"):
        merge([[]], TILES)
