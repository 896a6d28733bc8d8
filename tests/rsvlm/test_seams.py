"""Parts of an object that tiles cut become one again."""

import numpy as np
import pytest

from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, iou
from rsvlm.seams import joined
from rsvlm.tiling import grid

#: Three tiles of 100 px that overlap by 20 px, and what each sees of the row of pixels.
TILES = grid(260, 100, 100, 0.2)


def box(x0: float, x1: float, y0: float = 40, y1: float = 50) -> HBB:
    return HBB(x0, y0, x1, y1)


def test_an_object_across_three_tiles_is_one() -> None:
    assert [tile.x0 for tile in TILES] == [0, 80, 160]
    parts = [
        (Region(box(20, 100), "ship", 0.6), TILES[0]),
        (Region(box(30, 60, 70, 80), "ship", 0.5), TILES[0]),
        (Region(box(80, 179.5), "ship", 0.9), TILES[1]),
        (Region(box(160.4, 230), "ship", 0.7), TILES[2]),
    ]
    assert joined(parts) == [
        Region(box(20, 230), "ship", 0.9),
        Region(box(30, 60, 70, 80), "ship", 0.5),
    ]
    assert joined([]) == []


@pytest.mark.parametrize(
    "other",
    [
        Region(box(80, 170), "harbor"),  # of another label
        Region(box(80, 170), "ship", image=1),  # of another image
        Region(box(80, 170, 52, 62), "ship"),  # the neighbour
        Region(box(80, 170, 46, 66), "ship"),  # they agree in too little
        Region(box(90, 170), "ship"),  # whole in its tile
    ],
)
def test_others_stay_apart(other: Region) -> None:
    one = Region(box(20, 100), "ship")
    assert joined([(one, TILES[0]), (other, TILES[1])]) == [one, other]


def test_a_part_that_ends_at_the_border_of_the_raster_is_whole() -> None:
    one, other = Region(box(0, 90), "ship"), Region(box(80, 170), "ship")
    assert len(joined([(one, TILES[0]), (other, TILES[1])])) == 2


def test_masks_are_joined_pixel_by_pixel() -> None:
    slope = np.zeros((60, 160), bool)
    for x in range(160):
        slope[x // 4 + 2 : x // 4 + 12, x] = True
    whole = Mask.from_array(slope, 10, 20)
    left = Mask.from_array(slope[:, :90], 10, 20)
    right = Mask.from_array(slope[10:, 70:], 80, 30)
    (region,) = joined(
        [(Region(left, "bridge"), TILES[0]), (Region(right, "bridge"), TILES[1])]
    )
    assert isinstance(region.shape, Mask)
    assert region.shape.area == whole.area
    assert iou(region.shape, whole) == 1


def test_outlines_are_joined() -> None:
    corners = ((10.0, 20.0), (100.0, 45.0), (100.0, 55.0), (10.0, 30.0))
    more = ((80.0, 39.4444), (170.0, 64.4444), (170.0, 74.4444), (80.0, 49.4444))
    parts = [
        (Region(Polygon(c), "bridge"), t)
        for c, t in zip((corners, more), TILES[:2], strict=True)
    ]
    (region,) = joined(parts)
    assert isinstance(region.shape, Polygon)
    assert region.shape.area == pytest.approx(1600, rel=0.01)
    strips = [
        (Region(Polygon(c).min_area_obb(), "b"), t)
        for (c, t) in zip((corners, more), TILES[:2], strict=True)
    ]
    (region,) = joined(strips)
    assert isinstance(region.shape, OBB)
    assert region.shape.area == pytest.approx(1600, rel=0.15)
    assert region.shape.hbb.width == pytest.approx(160, abs=8)
