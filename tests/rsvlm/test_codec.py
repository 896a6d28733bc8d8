import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.codec import MAX_POINTS, RsvlmCodec
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape, Window, iou

CODEC = RsvlmCodec()
#: One text unit is 2 raster pixels along x and 1 along y.
WINDOW = Window(HBB(1000, 500, 3000, 1500), width=800, height=400)
#: One text unit is one raster pixel.
UNITS = Window.whole(1000, 1000, 448, 448)


def boxes(text: str) -> list[tuple[str, tuple[float, float, float, float]]]:
    found = []
    for region in CODEC.parse(text, UNITS):
        assert isinstance(region.shape, HBB)
        box = region.shape
        found.append((region.label, (box.x0, box.y0, box.x1, box.y1)))
    return found


def shapes(text: str) -> list[Shape]:
    return [region.shape for region in CODEC.parse(text, UNITS)]


def test_units_are_parts_of_the_view() -> None:
    regions = [
        Region(HBB(1200, 600, 1400, 650), "ship"),
        Region(HBB(2000, 1000, 2200, 1100), "pier"),
        Region(HBB(1000, 500, 3000, 1500), "ship"),
    ]
    text = "ship [100,100,200,150],[0,0,1000,1000]; pier [500,500,600,600]"
    assert CODEC.encode(regions, WINDOW) == text
    assert CODEC.parse(text, WINDOW) == [regions[0], regions[2], regions[1]]


def test_oriented_box_starts_at_the_top() -> None:
    box = OBB(((1400.0, 700.0), (1200.0, 800.0), (1000.0, 700.0), (1200.0, 600.0)))
    text = "ship [100,100,200,200,100,300,0,200]"
    assert CODEC.encode([Region(box, "ship")], WINDOW) == text
    (back,) = CODEC.parse(text, WINDOW)
    assert back.shape.kind == "obb"
    assert set(back.shape.corners) == set(box.corners)


def test_polygon_and_mask() -> None:
    triangle = Polygon(((1000.0, 500.0), (3000.0, 1500.0), (1000.0, 1500.0)))
    text = "lake poly[0,0,1000,1000,0,1000]"
    assert CODEC.encode([Region(triangle, "lake")], WINDOW) == text
    assert CODEC.parse(text, WINDOW) == [Region(triangle, "lake")]
    pixels = np.ones((500, 1000), dtype=bool)
    mask = Mask.from_array(pixels, 2000, 1000)  # the lower right quarter
    text = "lake mask[2x4;0*4;0*2,1*2]"
    assert RsvlmCodec(grid=4).encode([Region(mask, "lake")], WINDOW) == text
    assert CODEC.parse(text, WINDOW) == [Region(mask, "lake")]


def test_nothing_is_none() -> None:
    outside = [
        Region(HBB(0, 0, 10, 10)),
        Region(OBB.from_center(5000, 900, 10, 4, 30)),
        Region(Polygon(((0, 0), (9, 0), (9, 9)))),
        Region(Mask.from_array(np.ones((3, 3), dtype=bool))),
    ]
    assert CODEC.encode([], WINDOW) == "none"
    assert CODEC.encode(outside, WINDOW) == "none"
    for text in ("none", "There is none.", "", "No ships are visible."):
        assert CODEC.parse(text, WINDOW) == []


def test_regions_are_cut_at_the_border_of_the_view() -> None:
    box = Region(HBB(0, 0, 1200, 600), "ship")
    assert CODEC.encode([box], WINDOW) == "ship [0,0,100,100]"
    ring = Polygon(((-500, 100), (500, 100), (500, 200), (-500, 200)))
    text = CODEC.encode([Region(ring)], UNITS)
    (shape,) = shapes(text)
    assert shape.hbb == HBB(0, 100, 500, 200)
    assert shape.area == 500 * 100


def test_small_objects_do_not_vanish() -> None:
    view = Window.whole(100_000, 100_000, 448, 448)
    corner = HBB(99_990, 99_990, 99_999, 99_999)
    kinds: list[Shape] = [corner, OBB(corner.corners), Polygon(corner.corners)]
    for shape in kinds:
        (back,) = CODEC.parse(CODEC.encode([Region(shape)], view), view)
        assert back.shape.hbb == HBB(99_900, 99_900, 100_000, 100_000)
        assert back.shape.kind == shape.kind


def test_small_object_in_the_first_corner() -> None:
    view = Window.whole(100_000, 100_000, 448, 448)
    assert CODEC.encode([Region(HBB(1, 1, 9, 9))], view) == "[0,0,1,1]"


def test_long_outlines_are_simplified() -> None:
    turns = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    circle = Polygon(
        tuple(
            (500 + 300 * float(np.cos(t)), 500 + 300 * float(np.sin(t))) for t in turns
        )
    )
    (back,) = shapes(CODEC.encode([Region(circle)], UNITS))
    assert len(back.corners) <= MAX_POINTS
    assert iou(back, circle) > 0.95


@pytest.mark.parametrize(
    "text",
    [
        "ship [10,20,30,40]",
        "ship[10, 20, 30, 40]",
        "ship: [ 10 , 20 ,\n 30 , 40 ]",
        "ship (10, 20, 30, 40)",
        "(ship) [10 20 30 40]",
        "ship\n[10,20,30,40]",
        "ship [30,40,10,20]",  # swapped corners
        "ship [30,20,10,40]",
        "ship [10.0,20.0,30.0,40.0]",
        "ship (10,20),(30,40)",
        "ship [[10,20],[30,40]]",
        "1. **ship** [10,20,30,40]",
        "Sure! There is 1: ship is located at [10,20,30,40]. It is large.",
        "ship [10,20,30,40], [50,60",  # cut off
        "ship [10,20,30,40]; plane [50,60,70]",  # three numbers
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship"}]',
        '```json\n{"label": "ship", "bbox": [[10, 20], [30, 40]]}\n```',
        '[{"bbox_2d":[10,20,30,40],"label":"ship"},{"bbox_2d":[50,60,70,80],"la',
    ],
)
def test_what_models_write_is_read(text: str) -> None:
    assert boxes(text) == [("ship", (10, 20, 30, 40))]


def test_labels_of_several_items() -> None:
    text = "Here are ship [1,2,3,4],[5,6,7,8] and a plane [1,1,2,2]\n[3,3,4,4]"
    assert boxes(text) == [
        ("ship", (1, 2, 3, 4)),
        ("ship", (5, 6, 7, 8)),
        ("a plane", (1, 1, 2, 2)),
        ("a plane", (3, 3, 4, 4)),
    ]
    assert boxes("[1,2,3,4]; ship [5,6,7,8]")[0] == ("", (1, 2, 3, 4))
    assert boxes("It is at [1,2,3,4].") == [("", (1, 2, 3, 4))]
    for label in ("mask", "poly", "solar mask", "long poly"):
        assert boxes(f"{label} [1,2,3,4]") == [(label, (1, 2, 3, 4))]


def test_numbers_are_clamped_to_the_view() -> None:
    assert boxes("ship [-5,20,1200,99999]") == [("ship", (0, 20, 1000, 1000))]


@pytest.mark.parametrize(
    "text",
    [
        "3 ships",
        "There are 3 ships (2 large, 1 small) in 2020.",
        "(10, 20)",
        "[10,20,30,40,50]",
        "[10,10,10,10]",  # no area
        "[1100,20,1200,40]",  # no area in view
        "poly[1,2,3,4]",
        "mask[2x2;0*2x2]",
        "[10, twenty, 30, 40]",
        '{"bbox_2d": [1, NaN, 3, 4]}',
        '{"bbox_2d": [1, 2, 3, 1e400]}',
        '{"bbox_2d": [1, 2, 3, "4"]}',
    ],
)
def test_what_is_no_region(text: str) -> None:
    assert CODEC.parse(text, UNITS) == []


def test_loose_shapes() -> None:
    ring = ((10.0, 10.0), (50.0, 10.0), (50.0, 30.0))
    for text in (
        "poly[10,10,50,10,50,30]",
        "lake poly [10,10,50,10,50,30]",
        "lake polygon(10, 10, 50, 10, 50, 30)",
        "lake [[10,10],[50,10],[50,30]]",
        '{"polygon": [[10,10],[50,10],[50,30]], "label": "lake"}',
    ):
        assert shapes(text) == [Polygon(ring)]
    square = ((10.0, 10.0), (50.0, 10.0), (50.0, 30.0), (10.0, 30.0))
    assert shapes("ship [10,10,10,30,50,30,50,10]") == [OBB(square)]
    assert shapes("yard poly[10,10,50,10,50,30,10,30]") == [Polygon(square)]
    (mask,) = shapes("lake mask [2x2;0*2;0*1,1*1]")
    assert mask.hbb == HBB(500, 500, 1000, 1000)


LABEL = st.lists(
    st.sampled_from(["ship", "large", "storage tank", "pier 4", "north", "Hafen"]),
    max_size=3,
).map(" ".join)
UNIT = st.integers(0, 1000)
SHAPE = st.one_of(
    st.builds(
        lambda x, y, w, h: HBB(x, y, min(x + w, 1000), min(y + h, 1000)),
        *(st.integers(0, 999), st.integers(0, 999), st.integers(1, 99)),
        st.integers(1, 99),
    ),
    st.builds(
        OBB.from_center,
        *(st.integers(200, 800), st.integers(200, 800), st.integers(60, 150)),
        *(st.integers(30, 150), st.integers(-90, 90)),
    ),
)
RASTER = st.builds(
    lambda x, y, w, h: Window(HBB(x, y, x + w, y + h), 448, 448),
    *(st.integers(0, 9999), st.integers(0, 9999)),
    *(st.integers(50, 999), st.integers(50, 999)),
)


@settings(deadline=None)
@given(st.lists(st.builds(Region, SHAPE, LABEL), max_size=6), RASTER)
def test_round_trip(in_units: list[Region], window: Window) -> None:
    frame = Window(window.box, 1000, 1000)
    regions = [Region(frame.to_raster(r.shape), r.label) for r in in_units]
    back = CODEC.parse(CODEC.encode(regions, window), window)
    key = {label: i for i, label in enumerate(["", *(r.label for r in regions)][::-1])}
    expected = sorted(regions, key=lambda r: -key[r.label])
    assert [r.label for r in back] == [r.label for r in expected]
    for found, meant in zip(back, expected, strict=True):
        assert found.shape.kind == meant.shape.kind
        assert found.confidence == 1
        half = [side / 2 + 1e-6 for side in frame.scale]
        a, b = found.shape.hbb, meant.shape.hbb
        assert abs(a.x0 - b.x0) <= half[0]
        assert abs(a.x1 - b.x1) <= half[0]
        assert abs(a.y0 - b.y0) <= half[1]
        assert abs(a.y1 - b.y1) <= half[1]
        # Rounding moves an edge of at least 30 units by half of one.
        assert isinstance(meant.shape, HBB) or iou(found.shape, meant.shape) > 0.9


@settings(deadline=None)
@given(st.lists(st.integers(0, 1), min_size=128, max_size=128), RASTER)
def test_mask_round_trip(bits: list[int], window: Window) -> None:
    cells = np.array(bits, dtype=bool).reshape(8, 16)
    window = Window(window.box, 320, 160)
    mask = Window(window.box, 16, 8).to_raster(Mask.from_array(cells))
    back = CODEC.parse(CODEC.encode([Region(mask, "lake")], window), window)
    assert [region.shape for region in back] == ([mask] if cells.any() else [])


WORDS = ["poly", "mask", "none", "ship", "is at", "2x4;", "0*4", "12", "1000", "3.5"]
JSON = ['{"bbox_2d":[1,2,3,4]}', '"label":', "9" * 400, "NaN"]
PIECES = st.sampled_from([*'[](){};:,.*x"\n -', *WORDS, *JSON])


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_no_text_makes_parsing_fail(text: str) -> None:
    for region in CODEC.parse(text, WINDOW):
        box = region.shape.hbb
        assert box.clip(3001, 1501) == box
        assert box.x0 >= 1000
        assert box.y0 >= 500
        assert region.shape.area > 0


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"bbox":' + "[" * 50_000 + "}",
        '{"bbox": [1, 2, 3, ' + "9" * 400 + "]}",
        "is " * 50_000 + "[1,2,3,4]",
    ],
)
def test_runaway_replies_are_read(text: str) -> None:
    assert len(CODEC.parse(text, UNITS)) <= 1
