"""Answers in one dialect, rewritten in another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.dialects import DIALECTS, get_dialect
from rsvlm.geometry import HBB, Region, Window, iou
from rsvlm.translation import translate, translate_lines

sides = st.integers(0, 400)


@pytest.mark.parametrize("name", DIALECTS)
@given(x=sides, y=sides, w=st.integers(60, 400), h=st.integers(60, 400))
def test_a_box_survives_the_way_there_and_back(
    name: str, x: int, y: int, w: int, h: int
) -> None:
    box = HBB(x, y, x + w, y + h)
    ours, theirs = get_dialect("rsvlm"), get_dialect(name)
    whole = Window.whole(800, 800, 800, 800)
    text = ours.encode([Region(box, "ship")], whole)
    there, count = translate(text, ours, theirs, 800, 800)
    assert count == 1
    back, count = translate(there, theirs, ours, 800, 800)
    assert count == 1
    (region,) = ours.parse(back, whole)
    assert iou(region.shape, box) > 0.8  # some dialects count in 100 steps


def test_what_a_model_saw_decides_about_its_pixels() -> None:
    ours, qwen = get_dialect("rsvlm"), get_dialect("qwen2.5-vl")
    text = '[{"bbox_2d": [56, 56, 112, 112], "label": "ship"}]'
    assert translate(text, qwen, ours, 1000, 1000, (560, 560))[0] == (
        "ship [100,100,200,200]"
    )


def test_damaged_lines_are_named_and_others_go_on() -> None:
    ours = get_dialect("rsvlm")
    good = {"id": 7, "text": "ship [1,2,30,40]", "width": 10, "height": 10}
    lines = ["", json.dumps(good), "{", "[]", json.dumps(good | {"text": 3}),
             json.dumps(good | {"width": 0}), json.dumps(good | {"seen": [1]}),
             json.dumps(good | {"text": "there is none"})]  # fmt: skip
    found = list(translate_lines(lines, ours, get_dialect("json-1000")))
    assert [line.number for line in found] == [2, 3, 4, 5, 6, 7, 8]
    assert [bool(line.fault) for line in found] == [False, *[True] * 5, False]
    first = json.loads(str(found[0].text))
    assert first["id"] == 7
    assert json.loads(first["text"])[0]["bbox_2d"] == [1, 2, 30, 40]
    assert found[-1].regions == 0
