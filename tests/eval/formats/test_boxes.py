"""Boxes in texts: every grammar, cut answers, angles, spaces."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.boxes import (
    legacy_boxes,
    read_boxes,
    to_boxes,
    to_points,
    to_targets,
)

CCW = Coords(space="norm100", box="xyxya", angle="ccw")


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("[1, 2, 3, 4]", [(1, 2, 3, 4)]),
        ("[[1, 2, 3, 4, 5]][[6, 7, 8, 9, 10]]", [(1, 2, 3, 4, 5), (6, 7, 8, 9, 10)]),
        ("[[1, 2, 3, 4, 5]], [[6, 7, 8, 9, 0]]", [(1, 2, 3, 4, 5), (6, 7, 8, 9, 0)]),
        ("[[1, 2, 3, 4, 5], [6, 7, 8, 9, 0]]", [(1, 2, 3, 4, 5), (6, 7, 8, 9, 0)]),
        ("<box>[[[8, 33, 22, 40, 0]]]</box> left", [(8, 33, 22, 40, 0)]),
        ("(1,2),(3,4)", [(1, 2, 3, 4)]),
        ("<|box_start|>(1,2),(3,4)<|box_end|>", [(1, 2, 3, 4)]),
        ("[[1,2],[3,4],[5,6],[7,8]]", [(1, 2, 3, 4, 5, 6, 7, 8)]),
        ("{<1><2><3><4>|<45>}{<5><6><7><8>}", [(1, 2, 3, 4, 45), (5, 6, 7, 8)]),
        ('[{"bbox_2d": [1, 2.5, 3, 4], "label": "a"}]', [(1, 2.5, 3, 4)]),
        ("10,20,30,40 pier\n1,2,3,4 ship", [(10, 20, 30, 40), (1, 2, 3, 4)]),
        ("1,2,3,4,5,6,7,8 pier", [(1, 2, 3, 4, 5, 6, 7, 8)]),
        ("[-2, .5, -0.5, 1e9]", []),  # an exponent is no number that models write
        ("[-2, .5, -0.5, 3.]", [(-2, 0.5, -0.5, 3)]),
        ("[1, 2, 3]", []),
        ("[1, 2, 3, 4, 5, 6]", []),
        ("[1, 2, 3, 99999999999]", []),
        ("In 1999, 12 ships (see [3])", []),
        ("", []),
    ],
)
def test_grammars(text: str, boxes: list[tuple[float, ...]]) -> None:
    assert list(read_boxes(text).boxes) == boxes


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("[[5, 40, 9, 47, 30]][[-12, 41, 1", True),
        ("[[5, 40, 9, 47, 30]][[", True),
        ("[[1, 2, 3, 4], [5, 6", True),
        ("two cars [[8", True),
        ("{<1><2><3", True),
        ("[[5, 40, 9, 47, 30]]", False),
        ("[[5, 40, 9, 47, 30]] and so", False),
        ("[]", False),
        ("no box", False),
        ("", False),
    ],
)
def test_an_answer_that_ends_inside_a_box_is_cut(text: str, cut: bool) -> None:
    assert read_boxes(text).cut is cut


def test_words_are_the_text_without_boxes() -> None:
    text = (
        "There is <ref>1 gray court </ref> <box>[[[8, 33, 22, 40, 0]]]</box> at left, "
        "<ref>2 ships</ref> [[1, 2, 3, 4, 0]][[5"
    )
    assert read_boxes(text).words == "There is 1 gray court at left, 2 ships"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("[1, 2, 3, 4]", "boxes"),
        ("a ship [1, 2, 3, 4]", "a ship"),
        ("There are no ships.", "There are no ships."),
        ("[]", "[]"),
        ("I see the sea", None),
        ("", None),
    ],
)
def test_a_text_that_neither_places_nor_denies_is_not_read(
    text: str, parsed: str | None
) -> None:
    assert read_boxes(text).parsed == parsed


def test_the_legacy_pattern_loses_boxes_with_a_sign() -> None:
    text = "[[5, 40, 9, 47, 30]][[-2, 60, 3, 66, 0]]"
    assert legacy_boxes(text) == ((5, 40, 9, 47, 30),)
    assert len(read_boxes(text).boxes) == 2


def test_an_angle_turns_counter_clockwise_on_screen() -> None:
    # A lying box of 20 x 10 about (20, 15), by 90 degrees: it stands, and the left
    # upper corner goes down (y grows downward) to the left lower one.
    points = to_points((10, 10, 30, 20, 90), CCW, (100, 100))
    assert points[0] == pytest.approx((15, 25))
    assert points[1] == pytest.approx((15, 5))
    turned = CCW.model_copy(update={"angle": "cw"})
    assert to_points((10, 10, 30, 20, 90), turned, (100, 100))[0] == pytest.approx(
        (25, 5)
    )


def test_a_turned_box_is_scaled_along_both_axes() -> None:
    points = to_points((10, 10, 30, 20, 0), CCW, (200, 100))
    assert points == ((20, 10), (60, 10), (60, 20), (20, 20))


def test_directions_of_long_boxes_matter() -> None:
    """The example of the design: IoU 0.00 one way and 0.52 the other."""
    from rsvlm.geometry import OBB

    def iou(sense: str) -> float:
        coords = Coords.model_validate(
            {"space": "pixel", "box": "xyxya", "angle": sense}
        )
        a, b = (
            OBB(to_points(box, coords, (100, 100))).to_shapely()  # type: ignore[arg-type]
            for box in ((10, 40, 50, 46, 30), (20, 46, 60, 52, 30))
        )
        return float(a.intersection(b).area / a.union(b).area)

    assert iou("ccw") == pytest.approx(0.0, abs=0.005)
    assert iou("cw") == pytest.approx(0.52, abs=0.005)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("norm1", (200, 100)),
        ("norm100", (2, 1)),
        ("norm1000", (0.2, 0.1)),
        ("norm999", (200 / 999, 100 / 999)),
        ("pixel", (1, 1)),
        ("pixel_resized", (0.5, 0.25)),
    ],
)
def test_spaces(space: str, expected: tuple[float, float]) -> None:
    coords = Coords.model_validate({"space": space})
    points = to_points((1, 1, 3, 3), coords, (200, 100), (400, 400))
    assert points[0] == pytest.approx(expected)


def test_swapped_corners_are_put_in_order() -> None:
    pixel = Coords(space="pixel")
    assert to_points((3, 4, 1, 2), pixel, (9, 9)) == ((1, 2), (3, 4))


def test_centre_and_size() -> None:
    coords = Coords(space="pixel", box="cxcywha", angle="cw")
    assert to_points((10, 10, 4, 2), coords, (20, 20)) == ((8, 9), (12, 11))
    assert to_points((10, 10, 4, 2, 0), coords, (20, 20))[0] == pytest.approx((8, 9))


def test_what_is_not_declared_is_refused() -> None:
    with pytest.raises(SettingsError, match="sense is not known"):
        to_points((1, 2, 3, 4, 5), Coords(space="pixel"), (9, 9))
    with pytest.raises(SettingsError, match="resized_width"):
        to_points((1, 2, 3, 4), Coords(space="pixel_resized"), (9, 9))
    with pytest.raises(SettingsError, match="'answer'"):
        to_points((1, 2, 3, 4), Coords(space="answer"), (9, 9))


def test_targets_keep_corners_and_bounds() -> None:
    (target,) = to_targets([(10, 10, 30, 20, 90)], CCW, (100, 100))
    assert target.hbb == pytest.approx((15, 5, 25, 25))
    assert len(target.polygons[0]) == 8
    (upright,) = to_targets([(10, 10, 30, 20)], CCW, (100, 100))
    assert upright.polygons == ()
    assert to_boxes([(10, 10, 30, 20)], CCW, (200, 100), label="pier")[0].points == (
        (20, 10),
        (60, 20),
    )


_numbers = st.lists(st.integers(-33, 131), min_size=5, max_size=5)


@given(st.lists(_numbers, max_size=4), st.sampled_from(["]][[", "]], [[", "], ["]))
def test_every_written_box_is_read(boxes: list[list[int]], join: str) -> None:
    text = "[[" + join.join(", ".join(map(str, box)) for box in boxes) + "]]"
    assert read_boxes(text).boxes == tuple(tuple(map(float, box)) for box in boxes)


@given(_numbers, st.sampled_from(["cw", "ccw"]))
def test_a_turned_box_keeps_centre_and_area(box: list[int], sense: str) -> None:
    coords = Coords.model_validate({"space": "pixel", "box": "xyxya", "angle": sense})
    points = to_points(tuple(map(float, box)), coords, (100, 100))
    xs, ys = zip(*points, strict=True)
    assert sum(xs) / 4 == pytest.approx((box[0] + box[2]) / 2, abs=1e-6)
    assert sum(ys) / 4 == pytest.approx((box[1] + box[3]) / 2, abs=1e-6)
    sides = [math.dist(points[i], points[i - 1]) for i in (1, 2)]
    area = abs(box[2] - box[0]) * abs(box[3] - box[1])
    assert sides[0] * sides[1] == pytest.approx(area, abs=1e-6)


@given(st.text(alphabet="[](){}<>|,.-+0123456789 \nab", max_size=80))
def test_no_text_fails(text: str) -> None:
    for box in read_boxes(text).boxes:
        assert len(box) in (4, 5, 8)


@pytest.mark.parametrize("unit", ["[", "<", "1", "1,", "(1,2),", "[[1,", "<1>", "- "])
def test_hostile_texts_end(unit: str) -> None:
    """What is quadratic would run for minutes here."""
    assert len(read_boxes(unit * 30_000).boxes) <= 30_000
