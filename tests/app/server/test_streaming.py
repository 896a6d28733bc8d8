"""Streams: what comes when, and what happens when nobody listens any more."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from rsvlm.app.server import streaming
from rsvlm.app.server.gate_settings import GateLimits
from tests.app.server.fakes import SlowEngine, app_of, body_of, serving, stub


def slow(steps: int = 1000, pause: float = 0.01) -> SlowEngine:
    return SlowEngine(["A farm."], steps=steps, pause=pause)


@pytest.fixture
def engine() -> SlowEngine:
    return slow()


@pytest.fixture
def app(engine: SlowEngine) -> FastAPI:
    return app_of(engine, GateLimits(max_running=1))


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with serving(app) as address:
        yield f"{address}/v1/chat/completions"


def until(fact: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


def events(address: str, **fields: Any) -> list[Any]:
    """Return the chunks of a stream, and its comments as strings."""
    found: list[Any] = []
    body = body_of(stream=True, **fields)
    with httpx.stream("POST", address, json=body, timeout=30) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        for line in reply.iter_lines():
            if line.startswith("data: {"):
                found.append(json.loads(line.removeprefix("data: ")))
            elif line:
                found.append(line)
    return found


def words(chunks: list[Any], index: int = 0) -> str:
    choices = [
        c for chunk in chunks if isinstance(chunk, dict) for c in chunk["choices"]
    ]
    return "".join(
        c["delta"].get("content", "") for c in choices if c["index"] == index
    )


def test_words_come_when_they_are_judged(address: str, engine: SlowEngine) -> None:
    engine.steps = 30
    *chunks, done = events(address, stream_options={"include_usage": True})
    assert done == "data: [DONE]"
    assert words(chunks) == "A farm."
    told = [chunk.get("rsvlm", {}) for chunk in chunks]
    stages = [fields["progress"]["stage"] for fields in told if "progress" in fields]
    assert stages[0] == "look"
    assert "write" in stages
    assert {"draft": "A farm."} in told
    first_word = next(i for i, c in enumerate(chunks) if words([c]))
    assert all("draft" not in fields for fields in told[first_word:])
    *_, last, usage = chunks
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["rsvlm"]["text"] == "A farm."
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 2


def test_each_choice_is_streamed(address: str, engine: SlowEngine) -> None:
    engine.steps = 1
    chunks = events(address, n=2, temperature=1)
    assert [words(chunks, index) for index in (0, 1)] == ["A farm."] * 2


def test_comments_keep_a_quiet_connection_open(
    address: str, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.05)
    engine.steps, engine.pause = 2, 0.4
    assert ": still working" in events(address)


@pytest.mark.parametrize("stream", [True, False])
def test_who_goes_away_frees_the_slot(
    address: str, engine: SlowEngine, app: FastAPI, stream: bool
) -> None:
    async def ask_and_go() -> None:
        async with httpx.AsyncClient() as client:
            task = asyncio.ensure_future(
                client.post(address, json=body_of(stream=stream), timeout=60)
            )
            await asyncio.to_thread(engine.began.wait, 10)
            task.cancel()

    admission = app.state.service.admission
    asyncio.run(ask_and_go())
    until(lambda: not admission.running)
    assert engine.ended == ["StoppedError"]
    engine.steps = 1
    assert words(events(address)) == "A farm."


def test_who_goes_away_while_waiting_leaves_the_queue(
    address: str, engine: SlowEngine, app: FastAPI
) -> None:
    admission = app.state.service.admission

    async def two() -> list[str]:
        async with httpx.AsyncClient(timeout=60) as client:
            first = asyncio.ensure_future(client.post(address, json=body_of()))
            await asyncio.to_thread(engine.began.wait, 10)
            lines: list[str] = []
            body = body_of(stream=True)
            async with client.stream("POST", address, json=body) as reply:
                async for line in reply.aiter_lines():
                    lines.append(line)
                    if "queued" in line:
                        break
            while admission.queued:
                await asyncio.sleep(0.01)
            assert admission.running == 1
            first.cancel()
            return lines

    assert '"rsvlm":{"queued":0}' in asyncio.run(two())[-1]
    until(lambda: not admission.running)
    assert engine.ended == ["StoppedError"]


def test_what_fails_before_it_began_has_its_status(address: str) -> None:
    for fields, status in (({"rsvlm": {"task": "grond"}}, 400), ({"model": "x"}, 404)):
        body = {**body_of(stream=True), **fields}
        assert httpx.post(address, json=body).status_code == status


def test_what_fails_later_is_told_in_the_stream() -> None:
    form = {
        "type": "json_schema",
        "json_schema": {
            "schema": {
                "properties": {"count": {"type": "integer"}}, "required": ["count"],
            }
        },
    }  # fmt: skip
    with serving(app_of(stub("A farm."))) as address:
        *_, error, done = events(f"{address}/v1/chat/completions", response_format=form)
    assert error["error"]["code"] == "schema_not_filled"
    assert done == "data: [DONE]"
