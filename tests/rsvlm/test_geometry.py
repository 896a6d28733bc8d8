import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.geometry import (
    HBB,
    OBB,
    Mask,
    Polygon,
    Region,
    Shape,
    Window,
    intersection_area,
    iou,
    nms,
)

NUMBER = st.floats(0, 1e4).map(lambda x: round(x, 2))
BOX = st.builds(
    lambda x, y, w, h: HBB(x, y, x + w, y + h), NUMBER, NUMBER, NUMBER, NUMBER
)
SIDE = st.integers(1, 3000)
WINDOW = st.builds(
    lambda x, y, w, h, vw, vh: Window(HBB(x, y, x + w, y + h), vw, vh),
    *(NUMBER, NUMBER, SIDE, SIDE, SIDE, SIDE),
)


def square(x: float, y: float, side: float = 10) -> HBB:
    return HBB(x, y, x + side, y + side)


def full(x: int, y: int, side: int = 10) -> Mask:
    return Mask.from_array(np.ones((side, side), dtype=bool), x, y)


def test_importing_geometry_is_light() -> None:
    code = (
        "import sys, rsvlm.geometry, rsvlm.codec, rsvlm.tiling, rsvlm.georeference; "
        "print({'shapely', 'pycocotools', 'pyproj', 'rasterio'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_rendered_pixels_become_raster_pixels() -> None:
    # A 200 x 100 part at (1000, 500), rendered at half size.
    window = Window(HBB(1000, 500, 1200, 600), width=100, height=50)
    assert window.scale == (2, 2)
    assert window.to_raster(HBB(0, 0, 50, 50)) == HBB(1000, 500, 1100, 600)
    assert window.to_view(HBB(1000, 500, 1100, 600)) == HBB(0, 0, 50, 50)


def test_every_kind_goes_through_the_window() -> None:
    window = Window(HBB(100, 200, 140, 220), width=20, height=20)  # 2 x 1 per pixel
    ring = ((0, 0), (10, 0), (10, 10), (0, 10))
    moved = ((100, 200), (120, 200), (120, 210), (100, 210))
    assert window.to_raster(OBB(ring)).corners == moved
    assert window.to_raster(Polygon(ring, (ring,))) == Polygon(moved, (moved,))
    mask = window.to_raster(full(0, 0))
    assert mask.window == HBB(100, 200, 120, 210)
    assert mask.area == 200
    assert window.to_view(mask).window == HBB(0, 0, 10, 10)


def test_whole_raster() -> None:
    window = Window.whole(12000, 9000, 800, 600)
    assert window == Window(HBB(0, 0, 12000, 9000), 800, 600)
    assert window.scale == (15, 15)


@pytest.mark.parametrize(("box", "side"), [(HBB(0, 0, 1, 1), 0), (HBB(5, 5, 5, 9), 10)])
def test_empty_window_is_refused(box: HBB, side: int) -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        Window(box, side, side)


@settings(deadline=None)
@given(BOX, WINDOW)
def test_view_and_raster_are_inverse(box: HBB, window: Window) -> None:
    back = window.to_raster(window.to_view(box))
    assert back.corners[0] == pytest.approx(box.corners[0], abs=1e-6)
    assert back.corners[2] == pytest.approx(box.corners[2], abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (square(0, 0), square(5, 0), 50 / 150),
        (square(0, 0), square(10, 0), 0.0),
        (square(0, 0), OBB(square(5, 0).corners), 50 / 150),
        (full(0, 0), full(5, 0), 50 / 150),
        (full(100, 200), full(105, 206), 20 / 180),
        (full(0, 0), Polygon(square(5, 0).corners), 50 / 150),
        (full(0, 0), Mask.from_array(np.zeros((10, 10), dtype=bool)), 0.0),
        # The square on its corner inside a square covers half of it.
        (square(0, 0), Polygon(((5, 0), (10, 5), (5, 10), (0, 5))), 0.5),
        # Boxes apart though their horizontal boxes overlap.
        (
            OBB.from_center(0, 0, 20, 1, 45),
            OBB.from_center(3, -3, 20, 1, 45),
            0.0,
        ),
    ],
)
def test_iou_of_shapes(a: Shape, b: Shape, expected: float) -> None:
    assert iou(a, b) == pytest.approx(expected)
    assert iou(b, a) == pytest.approx(expected)


def test_direction_of_rotation_matters() -> None:
    # Worked example: 0.52 when turned clockwise on screen, 0 the other way.
    a, b = HBB(10, 40, 50, 46), HBB(20, 46, 60, 52)

    def turned(box: HBB, angle: float) -> OBB:
        return OBB.from_center(*box.center, box.width, box.height, angle)

    assert iou(turned(a, 30), turned(b, 30)) == pytest.approx(0.52, abs=0.01)
    assert iou(turned(a, -30), turned(b, -30)) == 0


@settings(deadline=None)
@given(BOX, BOX)
def test_iou_is_the_same_for_every_kind(a: HBB, b: HBB) -> None:
    value = iou(a, b)
    assert 0 <= value <= 1
    assert iou(OBB(a.corners), Polygon(b.corners)) == pytest.approx(value, abs=1e-6)
    assert intersection_area(OBB(a.corners), b) == pytest.approx(
        a.intersection(b), rel=1e-6, abs=1e-3
    )


def test_nms_keeps_the_surest() -> None:
    low = Region(square(1, 0), "ship", 0.3)
    high = Region(square(0, 0), "ship", 0.9)
    apart = Region(square(50, 0), "ship", 0.5)
    other = Region(square(0, 0), "plane", 0.4)
    elsewhere = Region(square(0, 0), "ship", 0.2, image=1)
    regions = [low, high, apart, other, elsewhere]
    assert nms(regions) == [high, apart, other, elsewhere]
    assert nms(regions, by_label=False) == [high, apart, elsewhere]
    assert nms(regions, threshold=0.95) == [high, apart, other, low, elsewhere]


def test_nms_of_rotated_boxes_uses_rotated_overlap() -> None:
    # Parallel diagonal boxes: their horizontal boxes overlap by more than half.
    regions = [
        Region(OBB.from_center(0, 0, 40, 2, 45), "ship"),
        Region(OBB.from_center(3, -3, 40, 2, 45), "ship"),
    ]
    assert iou(regions[0].shape.hbb, regions[1].shape.hbb) > 0.5
    assert nms(regions) == regions


def test_nms_allows_an_overlap_of_the_threshold() -> None:
    # IoU 50 / 100: exactly the default threshold.
    regions = [Region(HBB(0, 0, 10, 10)), Region(HBB(0, 0, 10, 5))]
    assert nms(regions) == regions
    assert nms(regions, threshold=0.49) == regions[:1]


def test_nms_of_nothing_and_of_empty_boxes() -> None:
    empty = Region(HBB(1, 1, 1, 1))
    assert nms([]) == []
    assert nms([empty, empty]) == [empty, empty]


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda x, y, c: Region(square(x, y), "", c),
            st.integers(0, 30),
            st.integers(0, 30),
            st.sampled_from([0.2, 0.5, 0.8]),
        ),
        max_size=12,
    )
)
def test_nms_equals_the_plain_definition(regions: list[Region]) -> None:
    kept: list[Region] = []
    for region in sorted(regions, key=lambda r: -r.confidence):
        if all(iou(region.shape, k.shape) <= 0.5 for k in kept):
            kept.append(region)
    assert nms(regions) == kept
