"""A served model that fails: what is tried again, what is waited, what is said."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rsvlm.engines.remote import RemoteEngine
from rsvlm.engines.remote_settings import read_settings
from rsvlm.errors import EngineError, EngineTimeoutError, StoppedError
from rsvlm.messages import Generation, Message
from rsvlm.progress import Progress, listening

Connect = Callable[..., RemoteEngine]
QUESTION = [Message("user", ("How many ships?",))]


def ask(engine: RemoteEngine, **options: Any) -> Generation:
    return engine.generate(QUESTION, **{"max_tokens": 24} | options)


@pytest.mark.parametrize(
    "failure",
    [
        lambda server: server.drop,
        lambda server: server.fail(500),
        lambda server: server.fail(503, "overloaded"),
        lambda server: server.fail(429, "slow down"),
        lambda server: server.fail(408),
        lambda server: server.fail(400, "not now", x_should_retry="true"),
        lambda server: server.reply(""),
        lambda server: server.reply(None),
        lambda server: server.json({"hello": "world"}),
        lambda server: server.json({"choices": []}),
        lambda server: server.json([1, 2]),
        lambda server: server.json({"choices": None}),
        lambda server: server.send(200, b"<html>gateway</html>", "text/html"),
        lambda server: server.send(200, b'{"choices": [', "application/json"),
        lambda server: server.send(200, b"\xff\xfe\xfa", "application/json"),
    ],
)
def test_passing_failures_are_tried_again(
    server: Any, connect: Connect, waits: list[float], failure: Callable[[Any], Any]
) -> None:
    server.script = [failure(server), failure(server), server.reply("two")]
    assert ask(connect()).text == "two"
    assert len(server.requests) == 3
    assert server.requests[0] == server.requests[2]
    assert 0.25 <= waits[0] <= 0.5
    assert 0.5 <= waits[1] <= 1.0


def test_waits_grow_and_differ(server: Any, connect: Connect, waits: list[float]) -> None:  # fmt: skip
    server.script = [server.fail(500)]
    with pytest.raises(EngineError, match="overloaded or failing"):
        ask(connect(retries=9))
    assert len(server.requests) == 10
    assert max(waits) <= 20
    assert waits[8] >= 10
    again = list(waits)
    with pytest.raises(EngineError):
        ask(connect(retries=9))
    assert waits[9:] != again


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"retry_after_ms": "3500", "Retry_After": "9"}, 3.5),
        ({"Retry_After": "0"}, 0.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_a_server_says_how_long_to_wait(
    server: Any,
    connect: Connect,
    waits: list[float],
    headers: dict[str, str],
    seconds: float,
) -> None:
    server.script = [server.fail(429, **headers), server.reply("two")]
    ask(connect())
    assert seconds <= waits[0] <= seconds + 0.5


def test_an_hour_is_not_waited(server: Any, connect: Connect) -> None:
    server.script = [server.fail(429, "come back later", Retry_After="3600")]
    with pytest.raises(EngineError, match="429: come back later"):
        ask(connect())
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (
            400,
            "context of 4096 tokens exceeded",
            "refuses the request.*context of 4096",
        ),
        (401, "bad key", "RSVLM_API_KEY"),
        (403, "not you", "RSVLM_API_KEY"),
        (404, "no such model", "has no model 'my-model'.*ends with /v1"),
        (413, "too big", "max_side"),
        (422, "bad field", "refuses the request"),
    ],
)
def test_lasting_failures_are_not_tried_again(
    server: Any, connect: Connect, status: int, text: str, message: str
) -> None:
    server.script = [server.fail(status, text)]
    with pytest.raises(EngineError, match=message) as caught:
        ask(connect())
    assert text in str(caught.value)
    assert caught.value.status == "error"
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed(server: Any, connect: Connect) -> None:
    server.script = [server.fail(307, Location=f"{server.url}/elsewhere")]
    with pytest.raises(EngineError, match=r"has moved to .*elsewhere"):
        ask(connect())
    assert len(server.requests) == 1


def test_no_server(connect: Connect, waits: list[float]) -> None:
    with RemoteEngine(read_settings("http://127.0.0.1:9/v1?retries=2#m"), sleep=waits.append) as engine:  # fmt: skip
        with pytest.raises(EngineError, match=r"127\.0\.0\.1:9/v1 cannot be reached"):
            ask(engine)
        assert len(waits) == 2
        assert (engine.revision, engine.served) == ("unknown", None)


def test_a_server_that_hangs(server: Any, connect: Connect, waits: list[float]) -> None:
    server.script = [server.hang]
    with pytest.raises(EngineTimeoutError, match=r"within 0.3 s") as caught:
        ask(connect(timeout=0.3, retries=1))
    assert caught.value.status == "timeout"
    assert len(waits) == 1
    server.requests.clear()
    server.script = [server.hang, server.reply("two")]
    assert ask(connect(timeout=0.3)).text == "two"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("refusal", "left_out"),
    [
        ("logprobs is not supported by this model", "logprobs"),
        ("Unknown field: `seed`", "seed"),
        ("Unsupported value: 'temperature' does not support 0.0", "temperature"),
        (
            "[{'loc': ['body', 'stop'], 'msg': 'Extra inputs are not permitted'}]",
            "stop",
        ),
    ],
)
def test_a_field_that_a_server_does_not_know_is_left_out(
    server: Any, connect: Connect, waits: list[float], refusal: str, left_out: str
) -> None:
    server.script = [server.fail(400, refusal), server.reply("two")]
    engine = connect(retries=0)
    for _ in range(2):
        assert ask(engine, seed=1, stop=["\n"]).text == "two"
    first, *later = server.requests
    assert left_out in first
    assert len(later) == 2
    assert all(set(first) - set(request) == {left_out} for request in later)
    assert waits == []


def test_max_tokens_under_its_other_name(server: Any, connect: Connect) -> None:
    text = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.script = [server.fail(400, text), server.reply("two")]
    ask(connect())
    assert "max_tokens" not in server.requests[1]
    assert server.requests[1]["max_completion_tokens"] == 24


def test_a_field_is_left_out_once_only(server: Any, connect: Connect) -> None:
    server.script = [server.fail(400, "unknown seed")]
    with pytest.raises(EngineError, match="unknown seed"):
        ask(connect(), seed=1)
    assert len(server.requests) == 2


def stop_after(reports: int) -> Callable[[Progress], None]:
    left = [None] * reports

    def listener(progress: Progress) -> None:
        if not left:
            raise StoppedError
        left.pop()

    return listener


def test_who_is_not_wanted_does_not_wait(
    server: Any, connect: Connect, waits: list[float]
) -> None:
    server.script = [server.fail(429)]
    with listening(stop_after(0)), pytest.raises(StoppedError):
        ask(connect())
    assert waits == []


def test_a_long_wait_ends_when_it_is_not_wanted(server: Any) -> None:
    server.script = [server.fail(429, Retry_After="20")]
    begin = time.monotonic()
    engine = RemoteEngine(read_settings(f"{server.url}#m"))
    with engine, listening(stop_after(1)), pytest.raises(StoppedError):
        ask(engine)
    assert time.monotonic() - begin < 10
    assert len(server.requests) == 1


def test_who_waits_for_a_slot_can_be_stopped(server: Any, connect: Connect) -> None:
    server.script = [server.hang, server.reply("two")]
    engine = connect(concurrency=1)
    first = threading.Thread(target=ask, args=(engine,))
    first.start()
    while not server.requests:
        time.sleep(0.01)
    with listening(stop_after(1)), pytest.raises(StoppedError):
        ask(engine)
    assert len(server.requests) == 1
    server.over.set()
    first.join()
    assert ask(engine).text == "two"
