"""ASGI middleware: how much a request may hold, and how long it may take.

Bytes are counted while they come, so that a body without a declared length, or with a
false one, is cut off as well.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.gate_settings import GateLimits

#: Seconds in which the rest of a refused body is thrown away. Without that the client
#: may see its connection reset, and not why.
_LINGER = 2.0
_BUSY_RETRY = 2  # seconds


class RequestLimits:
    """Answers 413, 408, 429 or 504 when a request goes beyond the limits.

    .. versionadded:: 0.2
    """

    def __init__(
        self, app: ASGIApp, limits: GateLimits, larger: Mapping[str, int]
    ) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            limits: The limits.
            larger: Path below which bodies go to a file as they come -> their limit in
                bytes.
        """
        self.app, self.limits, self.larger = app, limits, dict(larger)
        self.held = 0  # bytes of bodies in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most, streamed = self._most(scope["path"])
        body = _Body(self, receive, most, streamed)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            await _refuse(_too_large(most), receive, send)
            return
        try:
            await self._answer(scope, body, send)
        finally:
            self.held -= body.held

    async def _answer(self, scope: Scope, body: "_Body", send: Send) -> None:
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if body.fault is not None and not started:
                return  # the application's own words for a body that broke off
            started = True
            if not body.deadline.expired():
                body.deadline.reschedule(None)
            await send(message)

        try:
            async with body.deadline:
                await self.app(scope, body.receive, send_on)
        except Exception as error:
            if isinstance(error, TimeoutError) and body.deadline.expired():
                raise _late(self.limits.start_seconds) from None
            if body.fault is None:
                raise
        if body.fault is not None and not started:
            await _refuse(body.fault, body.raw, send)

    def _most(self, path: str) -> tuple[int, bool]:
        for prefix, most in self.larger.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return most, True
        return self.limits.max_body_bytes, False


class _Body:
    """The body of one request, as it comes in."""

    def __init__(
        self, gate: RequestLimits, receive: Receive, most: int, streamed: bool
    ) -> None:
        self.raw, self._gate, self._most, self._streamed = receive, gate, most, streamed
        self.fault: ApiError | None = None
        self.held = 0
        self.deadline = asyncio.timeout(gate.limits.start_seconds)
        self._received, self._waited, self._complete = 0, 0.0, False

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client went away.

        Raises:
            ApiError: If the body is too large or comes too slowly.
        """
        if self.fault is not None:
            raise self.fault
        if self._complete:
            return await self.raw()
        message = await self._next()
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
            self._complete = not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        """Wait for the client; the time that we take ourselves does not count."""
        limits, loop = self._gate.limits, asyncio.get_running_loop()
        patience = limits.body_seconds + self._received / limits.body_bytes_per_second
        start = loop.time()
        try:
            async with asyncio.timeout(patience - self._waited):
                message = await self.raw()
        except TimeoutError:
            if self.deadline.expired():
                raise
            self.fault = ApiError(
                408,
                f"The body of the request stopped after {self._received} bytes. "
                "Send it again, at once.",
                code="body_timeout",
            )
            raise self.fault from None
        now = loop.time()
        self._waited += now - start
        if self.deadline.when() is not None and not self.deadline.expired():
            self.deadline.reschedule(now + limits.start_seconds)
        return message

    def _count(self, size: int) -> None:
        self._received += size
        if self._received > self._most:
            self.fault = _too_large(self._most)
        elif not self._streamed:
            self.held += size
            self._gate.held += size
            if self._gate.held > self._gate.limits.max_held_bytes:
                self.fault = ApiError(
                    429,
                    "The bodies of other requests fill the memory meant for them. Send "
                    "the same request again, or upload images to /v1/files first.",
                    code="busy",
                    retry_after=_BUSY_RETRY,
                )
        if self.fault is not None:
            raise self.fault


def _too_large(most: int) -> ApiError:
    return ApiError(
        413,
        f"The body of this request is larger than {most / 2**20:g} MiB. "
        "Upload large images with POST /v1/files and name their ids.",
        code="too_large",
    )


def _late(seconds: float) -> ApiError:
    message = f"No answer within {seconds:g} s. Ask about less, or later."
    return ApiError(504, message, code="deadline")


async def _refuse(error: ApiError, receive: Receive, send: Send) -> None:
    """Answer, let the client read the answer, and close the connection."""
    response = error.response({"Connection": "close"})
    headers = response.raw_headers
    start = {"type": "http.response.start", "status": error.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER if error.status == 413 else 0):
            more = True
            while more:
                message = await receive()
                more = bool(message.get("more_body", False))
    await send({"type": "http.response.body", "body": b"", "more_body": False})
