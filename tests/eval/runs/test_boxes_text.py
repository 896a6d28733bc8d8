import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.boxes_text import parse_coords, read_boxes
from rsvlm.eval.records import Box
from rsvlm.samples import ImageRef

IMAGE = ImageRef(path="a.png", width=200, height=100)


def read(text: str, coords: str, sent: tuple[int, int] | None = None) -> list[Box]:
    return list(read_boxes(text, parse_coords(coords), IMAGE, sent))


def corners(text: str, coords: str) -> list[tuple[float, ...]]:
    return [
        tuple(round(v, 6) for point in box.points for v in point)
        for box in read(text, coords)
    ]


@pytest.mark.parametrize(
    ("space", "box"),
    [
        ("norm1000", (20.0, 20.0, 60.0, 40.0)),
        ("norm100", (200.0, 200.0, 600.0, 400.0)),
        ("norm1", (20000.0, 20000.0, 60000.0, 40000.0)),
        ("pixel", (100.0, 200.0, 300.0, 400.0)),
    ],
)
def test_the_declared_space_decides(space: str, box: tuple[float, ...]) -> None:
    assert corners("[100, 200, 300, 400]", space) == [box]


def test_999_ends_at_the_border() -> None:
    assert corners("[0,0,999,999]", "norm999") == [(0, 0, 200, 100)]


def test_pixels_of_the_resized_picture_need_its_size() -> None:
    (box,) = read("[10,10,20,20]", "pixel_resized", (100, 50))
    assert box.points == ((20, 20), (40, 40))
    with pytest.raises(SettingsError, match="size is not known"):
        read("[10,10,20,20]", "pixel_resized")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("ship [1,2,3,4],[5,6,7,8]; plane [0,0,9,9]", ["ship", "ship", "plane"]),
        ("<ref>ship</ref><box>(1,2),(3,4)</box>", ["ship"]),
        ('[{"bbox_2d": [1,2,3,4], "label": "red ship"}]', ["red ship"]),
        ("[{'label': 'car', 'box': [1,2,3,4]}]", ["car"]),
        ("The ship is at [1, 2, 3, 4].", ["The ship is at"]),
        ("[[1,2,3,4],[5,6,7,8]]", ["", ""]),
        ("1, 2, 3, 4", [""]),
        ("(1.5,2),(3,4)", [""]),
        ("[1,2,3,4] [5, 6, 7", [""]),
        ("There are 2 of 3 ships (4 in all)", []),
        ("[1,2,3]", []),
        ("[1,2,3,4,5,6,7,8]", []),
        ("", []),
        ("none", []),
    ],
)
def test_the_forms_that_models_write(text: str, labels: list[str]) -> None:
    assert [box.label for box in read(text, "pixel")] == labels


def test_nothing_is_clipped_and_corners_are_sorted() -> None:
    assert corners("[30,-5,-10,120]", "pixel") == [(-10, -5, 30, 120)]


def test_the_sense_of_an_angle_matters() -> None:
    # A 20 x 10 box about (50, 50): turned by 90 degrees it is 10 x 20.
    up = corners("[40,45,60,55,90]", "pixel:xyxya:cw")
    assert sorted(up[0][::2]) == [45, 45, 55, 55]
    cw = corners("[50,50,20,10,30]", "pixel:cxcywha:cw")[0]
    ccw = corners("[50,50,20,10,30]", "pixel:cxcywha:ccw")[0]
    # The right edge's middle goes down on screen clockwise, up counter-clockwise.
    assert (cw[3] + cw[5]) / 2 == pytest.approx(50 + 10 * math.sin(math.radians(30)))
    assert (ccw[3] + ccw[5]) / 2 == pytest.approx(50 - 10 * math.sin(math.radians(30)))


def test_braces_with_an_angle() -> None:
    assert corners("{<10><20><30><40>|<90>}", "norm100:xyxya:cw") == [
        (60, 20, 60, 40, 20, 40, 20, 20)
    ]


def test_a_quad_keeps_its_corners() -> None:
    text = "[[1,2],[9,2],[9,8],[1,8]]"
    assert corners(text, "pixel:quad") == [(1, 2, 9, 2, 9, 8, 1, 8)]
    assert corners("[1,2,9,2,9,8,1,8]", "pixel:quad") == corners(text, "pixel:quad")


def test_an_angle_of_unknown_sense_is_refused() -> None:
    with pytest.raises(SettingsError, match="sense is not declared"):
        parse_coords("norm100:xyxya")
    with pytest.raises(SettingsError, match="SPACE is norm1000"):
        parse_coords("percent")
    with pytest.raises(SettingsError, match="--coords norm1000"):
        read_boxes("", Coords(), IMAGE)


@given(st.text(max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    for form in ("pixel", "norm1000:xyxya:cw", "norm1:quad"):
        for box in read(text, form):
            assert len(box.points) in (2, 4)


@given(st.tuples(*[st.integers(0, 1000)] * 4))
def test_a_box_comes_back(numbers: tuple[int, ...]) -> None:
    x0, x1 = sorted(numbers[::2])
    y0, y1 = sorted(numbers[1::2])
    (box,) = read(f"ship [{x0},{y0},{x1},{y1}]", "norm1000")
    assert box.points[0] == pytest.approx((x0 / 5, y0 / 10))
    assert box.points[1] == pytest.approx((x1 / 5, y1 / 10))
