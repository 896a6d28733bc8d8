"""A served model word by word: pieces make the text, whatever breaks off."""

from collections.abc import Callable
from typing import Any

import pytest

from rsvlm.engines.remote import RemoteEngine
from rsvlm.errors import EngineEmptyError, EngineError, EngineTimeoutError
from rsvlm.messages import Generation, Message

Connect = Callable[..., RemoteEngine]
QUESTION = [Message("user", ("How many ships?",))]


def ask(engine: RemoteEngine, **options: Any) -> tuple[Generation, list[str]]:
    pieces: list[str] = []
    reply = engine.generate(QUESTION, max_tokens=24, on_text=pieces.append, **options)
    assert "".join(pieces) == reply.text
    assert all(pieces)
    return reply, pieces


def chunk(text: str, *values: float) -> dict[str, Any]:
    logprobs = {"content": [{"token": text, "logprob": v} for v in values]}
    return {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": logprobs}]}


def test_pieces_as_they_come(server: Any, connect: Connect) -> None:
    server.script = [server.stream(chunk("two", -0.5), chunk(" ships", -0.25))]
    reply, pieces = ask(connect())
    assert pieces == ["two", " ships"]
    assert reply == Generation("two ships", "stop", 11, 2, (-0.5, -0.25))
    (request,) = server.requests
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}


def test_a_stream_that_breaks_off_goes_on(
    server: Any, connect: Connect, waits: list[float]
) -> None:
    server.script = [
        server.stream("two ", "shi", finish=None, then="drop"),
        server.stream("two", finish=None),  # ends without a word why
        server.drop,
        server.stream("two", " ships", " lie"),
    ]
    reply, pieces = ask(connect())
    assert reply.text == "two ships lie"
    assert pieces == ["two ", "shi", "ps", " lie"]
    assert len(waits) == 3


def test_a_second_reply_that_differs_is_not_mixed_in(
    server: Any, connect: Connect
) -> None:
    server.script = [
        server.stream("two ", "ships", finish=None, then="drop"),
        server.stream("three"),
    ]
    with pytest.raises(EngineError, match="another one"):
        ask(connect())
    assert len(server.requests) == 2


def test_a_stream_that_stalls(server: Any, connect: Connect) -> None:
    server.script = [
        server.stream("two ", finish=None, then="hang"),
        server.stream("two ", "ships"),
    ]
    reply, pieces = ask(connect(timeout=0.4))
    assert pieces == ["two ", "ships"]
    server.requests.clear()
    with pytest.raises(EngineTimeoutError, match=r"within 0.4 s"):
        ask(connect(timeout=0.4, retries=0))
    assert reply.text == "two ships"


def test_a_stream_that_never_ends(
    server: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("rsvlm.engines.remote.time.monotonic", lambda: next(clock))
    server.script = [server.stream(*["on "] * 50)]
    with pytest.raises(EngineTimeoutError):
        ask(connect(timeout=100, retries=0))


@pytest.mark.parametrize(
    ("record", "message", "tries"),
    [
        ({"error": {"message": "engine died", "code": 500}}, "engine died", 3),
        ({"error": {"message": "bad picture", "code": 400}}, "bad picture", 1),
        ({"hello": 1}, "no choices", 3),
    ],
)
def test_errors_inside_a_stream(
    server: Any, connect: Connect, record: Any, message: str, tries: int
) -> None:
    server.script = [server.stream("two", record)]
    with pytest.raises(EngineError, match=message):
        ask(connect(retries=2))
    assert len(server.requests) == tries


def test_a_server_without_streams(server: Any, connect: Connect) -> None:
    server.script = [server.reply("two")]
    with pytest.raises(EngineError, match="ended before the reply"):
        ask(connect(retries=0))


def test_nothing_comes(server: Any, connect: Connect) -> None:
    server.script = [server.stream()]
    with pytest.raises(EngineEmptyError):
        ask(connect(retries=1))
    assert len(server.requests) == 2


def test_what_the_caller_raises_is_left_alone(server: Any, connect: Connect) -> None:
    class EnoughError(Exception):
        pass

    def stop(piece: str) -> None:
        raise EnoughError

    server.script = [server.stream("two", then="hang")]
    engine = connect()
    with pytest.raises(EnoughError):
        engine.generate(QUESTION, max_tokens=5, on_text=stop)
    assert len(server.requests) == 1
    server.script = [server.stream("three")]
    assert ask(engine)[0].text == "three"  # the slot and the connection are free


def test_thoughts_are_not_shown(server: Any, connect: Connect) -> None:
    server.script = [server.stream(" <thi", "nk>hm", "</thi", "nk>\n\n", "two")]
    assert ask(connect())[1] == ["two"]
    server.script = [server.stream("<b", "old>two")]
    assert ask(connect())[1] == ["<b", "old>two"]
    server.script = [server.stream("<thi")]
    assert ask(connect())[1] == ["<thi"]


def test_thoughts_without_a_mark_in_front_are_no_answer(
    server: Any, connect: Connect
) -> None:
    server.script = [server.stream("I cou", "nt.", "</think>", "two", " ships")]
    pieces: list[str] = []
    reply = connect().generate(QUESTION, max_tokens=9, on_text=pieces.append)
    assert reply.text == "two ships"
    assert pieces == ["I cou", "nt.", "two", " ships"]


@pytest.mark.parametrize("stop", [["\n"], ["\nand", "zz"]])
def test_stop_texts_are_not_shown(
    server: Any, connect: Connect, stop: list[str]
) -> None:
    server.script = [server.stream("two", " ships", "\n", "and", " more")]
    reply, _ = ask(connect(), stop=stop)
    assert reply.text == "two ships"


def test_the_beginning_of_a_stop_text_is_not_shown(
    server: Any, connect: Connect
) -> None:
    server.script = [server.stream("Obser", "vat", "ion:", " two")]
    reply, pieces = ask(connect(), stop=["Observation:"])
    assert (reply.text, pieces) == ("", [])


def test_what_cannot_be_streamed_with_is_left_out(
    server: Any, connect: Connect
) -> None:
    server.script = [
        server.fail(400, "stream_options is not supported"),
        server.stream(chunk("two", -0.5)),
    ]
    reply, _ = ask(connect())
    assert "stream_options" not in server.requests[1]
    assert reply.completion_tokens == 1
