"""Answers as server-sent events.

A text that is judged and then withheld must not have been shown, so the words of the
answer come at the end, in one go. Until then, chunks without words tell in the field
``rsvlm`` how far the work is and what the model is writing; other clients pass over them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rsvlm.app.server.chat import Asked, answers, prepare, unless_gone, worded
from rsvlm.app.server.errors import report
from rsvlm.app.server.replies import Words, extras_of, usage_of
from rsvlm.app.server.schemas import ChatRequest
from rsvlm.app.server.service import Draft, Event, Queued, Result, Service

#: Seconds without a word after which a comment keeps the connection open.
KEEP_ALIVE = 10.0

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """Events about a piece of work; who stops reading stops the work."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], work: asyncio.Task[Any]) -> None:
        """Send events about work that is under way."""
        super().__init__(events, headers=_HEADERS)
        self.work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; however that ends, the work is over as well."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.work.cancel()


async def stream(
    request: Request,
    service: Service,
    owner: str,
    body: ChatRequest,
    count: Callable[[int, int], None],
) -> EventStream:
    """Answer a request as a stream.

    What fails before the work has begun is raised, so that it has a status of its own.

    Raises:
        ApiError: If it cannot be asked so, or there is no slot.
        RsvlmError: If there is no answer.
    """
    asked = await unless_gone(request, prepare(service, owner, body))
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    work = asyncio.create_task(answers(service, owner, asked, events.put_nowait))
    work.add_done_callback(lambda _: events.put_nowait(None))
    try:
        first = await unless_gone(request, _next(events))
        if work.done():
            work.result()  # raises what went wrong
    except BaseException:
        work.cancel()
        raise
    request_id = getattr(request.state, "request_id", "-")

    async def ended(found: list[Result]) -> list[Words]:
        usage = usage_of(found)
        count(usage["prompt_tokens"], usage["completion_tokens"])
        return await worded(service, owner, asked, found)

    return EventStream(_lines(asked, events, first, work, ended, request_id), work)


async def _next(events: "asyncio.Queue[Event | None]") -> Event | str | None:
    """Return the next event, None at the end, "" where nothing happens for long."""
    try:
        return await asyncio.wait_for(events.get(), KEEP_ALIVE)
    except TimeoutError:
        return ""


async def _lines(
    asked: Asked,
    events: "asyncio.Queue[Event | None]",
    event: Event | str | None,
    work: "asyncio.Task[list[Result]]",
    ended: Callable[[list[Result]], Awaitable[list[Words]]],
    request_id: str,
) -> AsyncIterator[str]:
    """Yield the lines of the stream."""
    reply = asked.reply
    for index in range(asked.choices):
        yield _line(reply.chunk({"role": "assistant", "content": ""}, index))
    while event is not None:
        if isinstance(event, str):
            yield ": still working\n\n"
        else:
            yield _line(reply.chunk(rsvlm=_told(event)))
        event = await _next(events)
    try:
        found = await work
        words = await ended(found)
    except Exception as error:  # noqa: BLE001 - the stream has to tell of it
        # The status has been sent long ago; this is how the openai client hears of it.
        yield _line(report(error, request_id).body())
    else:
        for index, (result, said) in enumerate(zip(found, words, strict=True)):
            extras = extras_of(result, asked.wanted)
            for chunk in reply.said(said, index, **extras):
                yield _line(chunk)
        options = asked.body.stream_options
        if options is not None and options.include_usage:
            yield _line(reply.usage_chunk(found))
    yield "data: [DONE]\n\n"


def _told(event: Event) -> dict[str, Any]:
    if isinstance(event, Draft):
        return {"draft": event.text}
    if isinstance(event, Queued):
        return {"queued": event.position}
    return {"progress": asdict(event.progress)}


def _line(chunk: dict[str, Any]) -> str:
    # Escaped: some clients take the line separators of Unicode for the end of a line.
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n"
