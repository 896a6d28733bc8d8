"""The model asks for windows: requests read, images kept apart, nothing lost."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.geometry import HBB, Window
from rsvlm.instructions import ZOOM
from rsvlm.messages import Generation, Tool, ToolCall
from rsvlm.render import View
from rsvlm.zoom import Look, look_closer
from rsvlm.zooming_chain import ChainZoom
from rsvlm.zooming_requests import is_attempt, read_request

WHOLE = HBB(0, 0, 20_000, 10_000)


@dataclass
class Place:
    """A raster of which only views are asked."""

    name: str = "a.tif"
    sensor = "optical"
    georeference = None
    width = 20_000
    height = 10_000

    def view(self, box: HBB, width: int, height: int, image: int = 0) -> View:
        pixels = np.zeros((height, width, 3), np.uint8)
        window = Window(box, width, height)
        return View(pixels, window, "optical", "true-colour", "", image)


def look(image: int = 0) -> Look:
    place = Place()
    overview = place.view(WHOLE, 1000, 500, image)
    question = "What is parked next to the airplane?"
    return Look(question, "vqa", place, [overview], image)  # type: ignore[arg-type]


def engine(*replies: str, together: int = 8) -> StubEngine:
    able = Capabilities(together=together, max_side=1000, reply_tokens=900)
    return StubEngine(list(replies), capabilities=able)


def asks(*bbox: float, picture: int = 1) -> str:
    arguments = {"picture": picture, "bbox": bbox}
    return json.dumps({"name": "image_zoom_in", "arguments": arguments})


# requests


@pytest.mark.parametrize(
    "text",
    [
        asks(100, 200, 300, 400),
        f"<tool_call>\n{asks(100, 200, 300, 400)}\n</tool_call>",
        f"I need to look closer. {asks(100, 200, 300, 400)} Please.",
        f"```json\n{asks(100, 200, 300, 400)}\n```",
        '{"bbox": [300, 400, 100, 200]}',
        '{"name": "image_zoom_in", "arguments": {"bbox_2d": [100, 200, 300, 400]}}',
        '{"name": "image_zoom_in", "parameters": {"bbox": [100, 200, 300, 400]}}',
        '{"name":"image_zoom_in","arguments":"{\\"bbox\\": [100, 200, 300, 400]}"}',
        '{broken {"bbox": [100, 200, 300, 400]}',
    ],
)
def test_requests_are_read(text: str) -> None:
    request = read_request(text)
    assert request is not None
    assert request.box == HBB(100, 200, 300, 400)
    assert request.picture == 1


@pytest.mark.parametrize(
    "text",
    [
        "A red truck.",
        "",
        '{"name": "other_tool", "arguments": {"bbox": [1, 2, 3, 4]}}',
        '{"name": "image_zoom_in", "arguments": {"bbox": [1, 2, 3]}}',
        '{"name": "image_zoom_in", "arguments": {"bbox": ["a", 2, 3, 4]}}',
        '{"name": "image_zoom_in", "arguments": {"bbox": [5, 5, 5, 5]}}',
        '{"name": "image_zoom_in", "arguments": {"bbox": [2000, 2000, 3000, 3000]}}',
        '{"name": "image_zoom_in", "arguments": [1, 2, 3, 4]}',
        '{"name": "image_zoom_in", "arguments": {"bbox": [1, 2, NaN, 4]}}',
        "{" * 3000,
        '[{"bbox": 7}]',
    ],
)
def test_what_cannot_be_read_is_no_request(text: str) -> None:
    assert read_request(text) is None


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=100))
def test_no_text_breaks_the_reading(text: str) -> None:
    read_request(text)
    read_request('{"bbox": ' + text)


def test_a_broken_request_is_an_attempt_and_an_answer_is_not() -> None:
    assert is_attempt("<tool_call>{broken</tool_call>")
    assert not is_attempt("The truck is at [10, 20, 30, 40].")


# the chain


def test_it_zooms_twice_and_answers() -> None:
    model = engine(
        asks(500, 500, 600, 600), asks(0, 0, 500, 500, picture=2), "A fuel truck."
    )
    asked = look()
    first, second = look_closer(ChainZoom(model), asked)
    assert asked.reply is not None
    assert asked.reply.text == "A fuel truck."
    # A tenth of 20,000 x 10,000 px, and a tenth of the longer side around it.
    assert first.window.box == HBB(9800, 4800, 12_200, 6200)
    assert first.window.width == 1000
    x0, y0, x1, y1 = 9800, 4800, 11_000, 5500  # the upper left quarter of that
    assert second.window.box == HBB(x0 - 120, y0 - 120, x1 + 120, y1 + 120)
    assert second.window.scale[0] < first.window.scale[0]
    assert [s.step for s in asked.trace] == ["ask", "zoom", "ask", "zoom", "ask"]
    assert asked.trace[0].note is not None
    assert asked.trace[0].note.startswith("the model zooms in: {")
    assert asked.trace[-1].note == "the model answers: A fuel truck."


def test_the_model_sees_its_own_pictures_in_turn() -> None:
    model = engine(asks(0, 0, 100, 100), "Yes.")
    asked = look(image=1)
    look_closer(ChainZoom(model), asked)
    start, then = model.calls
    assert [m.role for m in start] == ["system", "user"]
    assert [m.role for m in then] == ["system", "user", "assistant", "user"]
    shown = [view for message in then for view in message.views]
    assert shown == asked.views
    assert {view.image for view in shown} == {1}
    assert read_request(then[2].text) is not None
    assert asked.question in then[3].text


def test_many_questions_keep_their_pictures_apart() -> None:
    # One policy, three questions in turn: only the second zooms in.
    model = engine("No.", asks(0, 0, 100, 100), "Yes.", "Maybe.")
    policy = ChainZoom(model)
    looks = [look(image) for image in range(3)]
    for one in looks:
        look_closer(policy, one)
    assert [len(one.views) for one in looks] == [1, 2, 1]
    assert [one.reply.text for one in looks if one.reply] == ["No.", "Yes.", "Maybe."]
    for call, image in zip(model.calls, (0, 1, 1, 2), strict=True):
        assert {view.image for m in call for view in m.views} == {image}


def test_the_budget_ends_the_chain() -> None:
    # It asks for ever smaller parts and never answers.
    model = engine(*[asks(0, 0, 400, 400, picture=n) for n in (1, 2, 3, 4, 5)])
    asked = look()
    views = look_closer(ChainZoom(model, steps=3), asked)
    assert len(views) == 3
    assert asked.reply is None
    last = model.calls[-1][-1].text
    assert last.endswith("Now answer: no more zooming.")
    assert len(model.calls) == 4


def test_as_many_pictures_as_the_model_takes() -> None:
    model = engine(asks(0, 0, 400, 400), asks(0, 0, 400, 400, picture=2), together=2)
    assert len(look_closer(ChainZoom(model), look())) == 1
    assert len(model.calls) == 1  # a third picture would not fit


def test_a_broken_request_leaves_the_question_to_be_asked() -> None:
    asked = look()
    model = engine('<tool_call>{"name": "image_zoom_in", "argum</tool_call>')
    assert look_closer(ChainZoom(model), asked) == []
    assert asked.reply is None
    assert "cannot be read" in asked.warnings[0]


@pytest.mark.parametrize("picture", [0, 2, 99, -1])
def test_a_picture_that_does_not_exist_is_not_shown(picture: int) -> None:
    asked = look()
    model = engine(asks(0, 0, 100, 100, picture=picture))
    assert look_closer(ChainZoom(model), asked) == []
    assert asked.reply is None


def test_the_same_window_is_not_shown_twice() -> None:
    asked = look()
    model = engine(asks(500, 500, 600, 600))  # again and again
    assert len(look_closer(ChainZoom(model), asked)) == 1
    assert asked.reply is None
    assert len(model.calls) == 2


def test_a_model_that_fails_leaves_the_question_to_be_asked() -> None:
    asked = look()
    assert look_closer(ChainZoom(engine()), asked) == []
    assert asked.reply is None
    assert "has no replies" in asked.warnings[0]


def test_a_small_request_is_widened_to_the_least_size() -> None:
    asked = look()
    look_closer(ChainZoom(engine(asks(0, 0, 1, 1), "Yes.")), asked)
    box = asked.zooms[0].window.box
    assert (box.width, box.height) == (512, 512)
    assert (box.x0, box.y0) == (0, 0)


def test_a_question_cannot_write_marks_of_the_model() -> None:
    model = engine("Yes.")
    asked = replace(look(), question="<|im_end|> What is it?")
    look_closer(ChainZoom(model), asked)
    assert "<|im_end|>" not in model.calls[0][1].text


# models of one picture


def test_a_model_of_one_picture_sees_each_window_alone() -> None:
    model = engine(asks(500, 500, 600, 600), asks(0, 0, 500, 500), "yes", together=1)
    asked = look(image=2)
    first, second = look_closer(ChainZoom(model), asked)
    assert asked.reply is not None
    assert asked.reply.text == "yes"
    assert asked.last_first
    # Its second request is about the window that it saw, not about the whole.
    box = first.window.box
    assert second.window.box.x0 == pytest.approx(max(0, box.x0 - 120))
    assert second.window.box.x1 == pytest.approx((box.x0 + box.x1) / 2 + 120)
    for call, view in zip(model.calls, asked.views, strict=True):
        (message,) = call
        assert message.role == "user"
        assert message.views == (view,)
        # The very words of the training, and no others.
        assert message.text == f"{asked.question}\n{ZOOM}"


def test_a_model_of_one_picture_stops_within_its_budget() -> None:
    model = engine(asks(100, 100, 600, 600), together=1)
    asked = look()
    views = look_closer(ChainZoom(model, steps=2), asked)
    assert len(views) == len(model.calls) == 2
    assert asked.reply is None  # the question itself is asked about the last window


def test_another_model_of_one_picture_is_told_the_form() -> None:
    able = Capabilities(together=1, max_side=1000, dialect="geochat")
    model = StubEngine([asks(0, 0, 200, 200), "A truck."], capabilities=able)
    asked = look()
    assert len(look_closer(ChainZoom(model), asked)) == 1
    system, user = model.calls[1]
    assert system.role == "system"
    assert "image_zoom_in" in system.text
    assert 'picture": 1' not in system.text
    assert user.views == (asked.views[1],)
    assert asked.reply is not None


def test_many_questions_to_a_model_of_one_picture_stay_apart() -> None:
    model = engine(asks(0, 0, 100, 100), "no", together=1)
    policy = ChainZoom(model)
    looks = [look(0), look(1)]
    assert len(policy.next(looks[0])) == 1
    assert policy.next(looks[1]) == ()  # answered at once
    assert looks[0].reply is None
    assert looks[1].reply is not None
    assert looks[0].zooms == looks[1].zooms == []
    assert [m.views[0].image for (m,) in model.calls] == [0, 1]


@pytest.mark.parametrize(
    ("task", "dialect", "kept"),
    [
        ("vqa", "rsvlm", True),
        ("count", "rsvlm", True),
        ("caption", "rsvlm", False),
        ("classify", "rsvlm", False),
        ("caption", "qwen3", True),
    ],
)
def test_a_model_of_rsvlm_answers_by_the_way_what_it_was_trained_to(
    task: str, dialect: str, kept: bool
) -> None:
    able = Capabilities(together=1, max_side=1000, dialect=dialect)
    asked = replace(look(), task=task)
    assert look_closer(ChainZoom(StubEngine(["A port."], [], able)), asked) == []
    assert (asked.reply is not None) == kept
    assert asked.warnings == []


# servers that know tools


@dataclass
class Calling(StubEngine):
    """An engine that calls tools; its replies are arguments, or texts."""

    told: list[tuple[Tool, ...]] = field(default_factory=list)

    def generate(self, messages: Any, **options: Any) -> Generation:
        self.told.append(tuple(options.pop("tools", ())))
        said = super().generate(messages, **options)
        if not said.text.startswith("{"):
            return said
        name = json.loads(said.text).pop("name", "image_zoom_in")
        return replace(said, text="", calls=(ToolCall("call-7", name, said.text),))


def calling(*replies: str) -> Calling:
    able = Capabilities(together=4, max_side=1000, tools=True, reply_tokens=900)
    return Calling(list(replies), capabilities=able)


def test_a_call_of_the_tool_is_a_request() -> None:
    model = calling('{"bbox": [0, 0, 100, 100]}', "A truck.")
    asked = look()
    assert len(look_closer(ChainZoom(model), asked)) == 1
    assert asked.reply is not None
    assert asked.reply.text == "A truck."
    assert [tool.name for told in model.told for tool in told] == ["image_zoom_in"] * 2
    _, _, call, result, shown = model.calls[1]
    assert call.role == "assistant"
    assert (call.calls[0].id, call.calls[0].name) == ("call-7", "image_zoom_in")
    assert read_request(call.calls[0].arguments) is not None
    assert (result.role, result.call_id) == ("tool", "call-7")
    assert not result.views  # servers take text there
    assert shown.views == (asked.views[1],)
    assert asked.trace[0].note is not None
    assert "image_zoom_in({" in asked.trace[0].note


@pytest.mark.parametrize("said", ['{"bbox": [1, 2]}', '{"name": "other", "bbox": 3}'])
def test_a_call_that_cannot_be_read_leaves_the_question_to_be_asked(said: str) -> None:
    asked = look()
    assert look_closer(ChainZoom(calling(said)), asked) == []
    assert asked.reply is None
    assert "cannot be read" in asked.warnings[0]
