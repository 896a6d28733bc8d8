"""Boxes of an engine without a region finder: dialect, words, doubts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

from rsvlm.assistant import Assistant
from rsvlm.doubts import doubts, strange_boxes, sure_of_count
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.geometry import Window
from rsvlm.raster import Raster

WINDOW = Window.whole(200, 100, 200, 100)


@pytest.fixture
def raster(tmp_path: Path) -> Iterator[Raster]:
    """200 x 100 px, which Qwen2.5-VL sees as 196 x 112."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 100, 200), dtype=np.uint8)
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "width": 200, "height": 100, "count": 3}
    place = {"crs": "EPSG:32611", "transform": from_origin(380000, 3730000, 1, 1)}
    with rasterio.open(
        path, "w", dtype="uint8", photometric="RGB", **profile, **place
    ) as file:
        file.write(pixels)
    with Raster.open(path) as opened:
        yield opened


def engine(reply: str, dialect: str, known: bool = True, kind: str = "remote") -> StubEngine:  # fmt: skip
    able = Capabilities(dialect=dialect, dialect_known=known, reply_tokens=500)
    return StubEngine([reply], capabilities=able, kind=kind, name="other")


@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        ("qwen2.5-vl", '```json\n[{"bbox_2d": [98, 56, 196, 112], "label": "ship"}]\n```'),
        ("qwen3-vl", '{"bbox_2d": [500, 500, 1000, 1000], "label": "ship"}'),
        ("geochat", "<p>ship</p> {<50><50><100><100>|<0>}"),
        ("internvl", "<ref>ship</ref><box>[[500, 500, 1000, 1000]]</box>"),
        ("gemini", '[{"box_2d": [500, 500, 1000, 1000], "label": "Ship"}]'),
        ("rsvlm", "ship [500,500,1000,1000]"),
    ],
)  # fmt: skip
def test_boxes_of_any_dialect_reach_the_answer(
    raster: Raster, dialect: str, reply: str
) -> None:
    asked = engine(reply, dialect)
    answer = Assistant(asked).ask([raster], "Where is the ship?")
    (region,) = answer.regions
    assert region.hbb == pytest.approx((100, 50, 200, 100))
    assert region.label.lower() == "ship"
    assert (answer.text, answer.count) == ("Found 1 ship.", 1)
    assert not [w for w in answer.warnings if "dialect" in w]
    prompt = asked.calls[0][0].text
    assert prompt.startswith("Where is the ship?\n")
    assert ("bbox_2d" in prompt) == dialect.startswith("qwen")


def test_no_boxes_are_said_in_words(raster: Raster) -> None:
    answer = Assistant(engine("[]", "qwen3-vl")).ask([raster], "Where is the ship?")
    assert (answer.text, answer.regions, answer.count) == ("No ship was found.", (), 0)
    spoken = "There is no ship to be seen."
    answer = Assistant(engine(spoken, "qwen3-vl")).ask([raster], "Where is the ship?")
    assert answer.text == spoken


def test_the_shape_that_is_asked_for_is_in_the_prompt(raster: Raster) -> None:
    asked = engine("[50,50,20,10,30]", "geoground")
    answer = Assistant(asked).ask([raster], "Where is the ship?", shape="obb")
    assert "oriented" in asked.calls[0][0].text
    assert answer.regions[0].kind == "obb"


def test_a_doubt_about_boxes_reaches_the_answer(raster: Raster) -> None:
    reply = '{"bbox_2d": [9, 9, 5000, 90], "label": "ship"}'
    answer = Assistant(engine(reply, "qwen3-vl")).ask([raster], "Where is the ship?")
    assert any("go up to 5000" in warning for warning in answer.warnings)


def test_reply_tokens_of_the_engine_come_before_those_of_the_task(
    raster: Raster,
) -> None:
    words = " ".join(["word"] * 300)
    answer = Assistant(engine(words, "qwen3-vl")).ask([raster], "Describe the image.")
    assert answer.text == words
    short = Assistant(StubEngine([words])).ask([raster], "Describe the image.")
    assert len(short.text.split()) == 64


def test_a_strange_unit_is_said() -> None:
    (said,) = strange_boxes(engine("", "qwen3-vl"), '{"bbox_2d": [9, 9, 5000, 90]}', WINDOW)  # fmt: skip
    assert "go up to 5000" in said
    assert said.endswith("Name its dialect: URL?dialect=NAME#MODEL.")
    (said,) = strange_boxes(engine("", "qwen3-vl", kind="local"), '{"bbox_2d": [0.1, 0.1, 0.5, 0.5]}', WINDOW)  # fmt: skip
    assert "fractions" in said
    assert "URL" not in said


def test_a_guessed_dialect_is_said_where_it_was_used() -> None:
    guessed = engine("", "json-1000", known=False)
    (said,) = strange_boxes(guessed, '{"bbox_2d": [1, 1, 50, 90]}', WINDOW)
    assert "were read as 'json-1000'" in said
    assert strange_boxes(guessed, "There is none.", WINDOW) == []
    assert strange_boxes(engine("", "json-1000"), '{"bbox_2d": [1, 1, 5, 9]}', WINDOW) == []  # fmt: skip


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0, 50), st.floats(0, 1))
def test_more_doubt_makes_a_count_less_sure(
    taken: list[float], missed: float, more: float
) -> None:
    sure = sure_of_count(taken, missed)
    assert 0 < sure <= 1
    assert sure_of_count([*taken, more], missed) <= sure
    assert sure_of_count(taken, missed + more) <= sure
    assert sure_of_count([1.0] * len(taken), 0.0) == 1.0


def test_words_about_a_sensor_of_which_little_was_learned_are_a_guess(
    tmp_path: Path,
) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), (90, 120, 60)).save(tmp_path / "a.png")
    both = frozenset({"optical", "sar"})
    sure = StubEngine([], capabilities=Capabilities(sensors=both))
    weak = StubEngine(
        [], capabilities=Capabilities(sensors=both, weak=frozenset({"sar"}))
    )
    for sensor in ("optical", "sar"):
        with Raster.open(tmp_path / "a.png", sensor) as raster:
            views = [raster.preview(64)]
        assert doubts(sure, views, [None]) == []
        said = doubts(weak, views, [None])
        assert [("learned little" in line) for line in said] == [True] * (
            sensor == "sar"
        )
