"""Calls of tools by a served model, through the official client."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.engines.remote import RemoteEngine
from rsvlm.errors import EngineError
from rsvlm.geometry import HBB, Window
from rsvlm.messages import Generation, Message, Tool
from rsvlm.render import View
from rsvlm.zoom import Look, look_closer
from rsvlm.zooming_chain import ChainZoom

Connect = Callable[..., RemoteEngine]
QUESTION = [Message("user", ("How many ships?",))]
ZOOM = Tool("image_zoom_in", "Shows a part.", {"type": "object"})


def calls(*named: tuple[str, str]) -> list[dict[str, Any]]:
    """Return calls in the form of the API: name and arguments."""
    return [
        {"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": a}}
        for i, (n, a) in enumerate(named)
    ]


def ask(engine: RemoteEngine, **options: Any) -> Generation:
    given: dict[str, Any] = {"max_tokens": 24, "tools": (ZOOM,)}
    return engine.generate(QUESTION, **given | options)


def test_a_tool_is_declared_and_its_call_is_read(server: Any, connect: Connect) -> None:
    said = calls(("image_zoom_in", '{"bbox": [1, 2, 3, 4]}'), ("other", "{"))
    server.script = [server.reply(None, tool_calls=said, finish_reason="tool_calls")]
    found = ask(connect())
    assert [(c.id, c.name, c.arguments) for c in found.calls] == [
        ("c0", "image_zoom_in", '{"bbox": [1, 2, 3, 4]}'), ("c1", "other", "{"),
    ]  # fmt: skip
    assert (found.text, found.finish_reason) == ("", "stop")
    (tool,) = server.requests[0]["tools"]
    assert tool == {
        "type": "function",
        "function": {
            "name": "image_zoom_in",
            "description": "Shows a part.",
            "parameters": {"type": "object"},
        },
    }


def test_pieces_of_a_streamed_call_are_joined(server: Any, connect: Connect) -> None:
    (first,) = calls(("image_zoom_in", '{"bbox": '))
    rest = {"index": 0, "function": {"arguments": "[1, 2, 3, 4]}"}}
    server.script = [
        server.stream(
            [{"index": 0, **first}], [rest], finish="tool_calls", field="tool_calls"
        )
    ]
    shown: list[str] = []
    found = ask(connect(), on_text=shown.append)
    (call,) = found.calls
    assert (call.id, call.arguments) == ("c0", '{"bbox": [1, 2, 3, 4]}')
    assert shown == []


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            400,
            '"auto" tool choice requires --enable-auto-tool-choice to be set',
        ),
        (400, "registry.ollama.ai/library/llava:7b does not support tools"),
        (422, "Unknown field: tools"),
        (500, "tools param requires --jinja flag"),
    ],
)
def test_a_server_without_tools_is_asked_in_words(
    status: int, text: str, server: Any, connect: Connect, waits: list[float]
) -> None:
    server.script = [server.fail(status, text), server.reply("two")]
    engine = connect()
    assert ask(engine).text == "two"
    assert ask(engine).text == "two"
    assert ["tools" in request for request in server.requests] == [True, False, False]
    assert waits == []


def test_another_fault_of_a_server_is_none_of_the_tool(
    server: Any, connect: Connect, waits: list[float]
) -> None:
    server.script = [server.fail(500, "unknown error"), server.reply("two")]
    assert ask(connect()).text == "two"
    assert ["tools" in request for request in server.requests] == [True, True]
    assert len(waits) == 1


def test_broken_calls_of_a_server_are_survived(server: Any, connect: Connect) -> None:
    wrong = [{"function": None}, {"id": 7, "function": {"name": 3, "arguments": []}}]
    server.script = [server.reply("Two.", tool_calls=wrong)]
    found = ask(connect())
    assert found.text == "Two."
    assert all(call.name == "" for call in found.calls)
    server.script = [server.reply("", tool_calls="x")]
    with pytest.raises(EngineError):
        ask(connect())


class Place:
    """A raster of which only views are asked."""

    sensor, georeference, width, height = "optical", None, 8000, 8000

    def view(self, box: HBB, width: int, height: int, image: int = 0) -> View:
        pixels: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        window = Window(box, width, height)
        return View(pixels, window, "optical", "true-colour", "", image)


def chain(engine: RemoteEngine) -> Look:
    place = Place()
    overview = place.view(HBB(0, 0, 8000, 8000), 80, 80)
    about: Any = place
    look = Look("What is beside the airplane?", "vqa", about, [overview])
    look_closer(ChainZoom(engine), look)
    return look


def test_a_chain_of_calls_reaches_the_server_in_the_form_of_the_api(
    server: Any, connect: Connect
) -> None:
    said = calls(("image_zoom_in", '{"picture": 1, "bbox": [0, 0, 100, 100]}'))
    server.script = [
        server.reply("", tool_calls=said, finish_reason="tool_calls"),
        server.reply("A truck."),
    ]
    look = chain(connect(max_side=80))
    assert look.reply is not None
    assert look.reply.text == "A truck."
    chat = server.requests[1]["messages"]
    assert [m["role"] for m in chat] == ["system", "user", "assistant", "tool", "user"]
    (call,) = chat[2]["tool_calls"]
    assert call["id"] == chat[3]["tool_call_id"] == "c0"
    assert json.loads(call["function"]["arguments"])["bbox"] == [0, 0, 120, 120]
    assert chat[4]["content"][0]["type"] == "image_url"
    assert all("tools" in request for request in server.requests)


def test_a_chain_goes_on_in_words_where_the_server_knows_no_tools(
    server: Any, connect: Connect
) -> None:
    line = '{"name": "image_zoom_in", "arguments": {"bbox": [0, 0, 100, 100]}}'
    server.script = [
        server.fail(400, "this model does not support tools"),
        server.reply(line),
        server.reply("A truck."),
    ]
    look = chain(connect(max_side=80))
    assert look.reply is not None
    assert look.reply.text == "A truck."
    chat = server.requests[2]["messages"]
    assert [m["role"] for m in chat] == ["system", "user", "assistant", "user"]
    assert "image_zoom_in" in chat[2]["content"]


def test_a_model_of_rsvlm_is_asked_in_the_words_of_its_training(
    server: Any, connect: Connect
) -> None:
    server.script = [server.reply("yes")]
    engine = connect(dialect="rsvlm", max_images=1)
    chain(engine)
    (request,) = server.requests
    assert "tools" not in request
    (message,) = request["messages"]
    assert message["content"][1]["text"].endswith("\nAnswer, or ask for a window.")
