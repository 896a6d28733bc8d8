"""A picture is sent once to a server that keeps it, and again when it is gone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.codec import RsvlmCodec
from rsvlm.engines.kept_pictures import REMEMBERED, KeptPictures
from rsvlm.errors import EngineError
from rsvlm.messages import Message
from rsvlm.render import View

MISS = "Cache miss for image at index 0 but data is not provided."


def parts_of(request: dict[str, Any]) -> list[Any]:
    return [p for p in request["messages"][0]["content"] if p["type"] == "image_url"]


@pytest.fixture
def views(
    make_view: Callable[..., View], noise: Callable[..., NDArray[np.uint8]]
) -> tuple[View, View, View]:
    """One picture, the same seen by radar, and another."""
    one = noise(8, 9)
    return make_view(one), make_view(one, "sar"), make_view(noise(8, 9, 1))


def test_a_picture_is_sent_once(
    server: Any, connect: Callable[..., Any], views: tuple[View, ...]
) -> None:
    server.script = [server.reply("a")]
    engine = connect(remembers="true", max_images=2)
    for shown in (views[:1], views[:1], views[:2], views[2:], views[1:]):
        engine.generate([Message("user", (*shown, "What?"))], max_tokens=5)
    sent = [[p["image_url"] is not None for p in parts_of(r)] for r in server.requests]
    assert sent == [[True], [False], [False, True], [True], [False, False]]
    names = [[p["uuid"] for p in parts_of(r)] for r in server.requests]
    assert names[0] == names[1]
    assert len({n for row in names for n in row}) == 3  # the sensor is part of the name


def test_a_server_that_has_lost_it_gets_it_again(
    server: Any,
    connect: Callable[..., Any],
    views: tuple[View, ...],
    waits: list[float],
) -> None:
    server.script = [server.reply("a"), server.fail(400, MISS), server.reply("b")]
    engine = connect(remembers="true", retries=0)
    ask = [Message("user", (views[0], "What?"))]
    assert engine.generate(ask, max_tokens=5).text == "a"
    assert engine.generate(ask, max_tokens=5).text == "b"
    sent = [parts_of(r)[0]["image_url"] is not None for r in server.requests]
    assert sent == [True, False, True]
    assert waits == []


def test_a_server_that_never_has_it_is_given_up(
    server: Any, connect: Callable[..., Any], views: tuple[View, ...]
) -> None:
    server.script = [server.fail(400, MISS)]
    with pytest.raises(EngineError, match="refuses the request"):
        connect(remembers="true").generate(
            [Message("user", (views[0], "What?"))], max_tokens=5
        )
    assert len(server.requests) == 4


def test_what_failed_is_not_taken_as_there(
    server: Any, connect: Callable[..., Any], views: tuple[View, ...]
) -> None:
    server.script = [server.drop, server.fail(503), server.reply("a")]
    connect(remembers="true").generate(
        [Message("user", (views[0], "What?"))], max_tokens=5
    )
    assert all(parts_of(r)[0]["image_url"] for r in server.requests)


def test_other_servers_get_no_names(
    server: Any, connect: Callable[..., Any], views: tuple[View, ...]
) -> None:
    server.script = [server.reply("a")]
    for _ in range(2):
        connect().generate([Message("user", (views[0], "What?"))], max_tokens=5)
    assert all(
        p.keys() == {"type", "image_url"} for r in server.requests for p in parts_of(r)
    )


def test_names_are_forgotten_at_last() -> None:
    pictures = KeptPictures(RsvlmCodec(), 1e6)
    chat: list[dict[str, Any]] = [
        {"content": "text"},
        {"content": [{"uuid": str(n)} for n in range(REMEMBERED + 1)]},
    ]
    pictures.answered(chat)
    assert len(pictures._there) == REMEMBERED
    assert "0" not in pictures._there
