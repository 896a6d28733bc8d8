"""The gate before the application: what every request passes, in this order.

1. :class:`Observed`: id, log line, figures, security headers, answer to any failure.
2. :class:`~rsvlm.app.server.hosts.HostCheck`: names of the server, foreign pages.
3. CORS headers, for the web pages that the settings name.
4. :class:`KeyCheck`: whose request it is, and how many of them.
5. :class:`~rsvlm.app.server.body.RequestLimits`: size and time.

All of it is plain ASGI: Starlette's ``BaseHTTPMiddleware`` would hold back streams and
hide that a client went away.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsvlm.app.server.admission import Rates
from rsvlm.app.server.body import RequestLimits
from rsvlm.app.server.errors import ApiError, report
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.hosts import HostCheck
from rsvlm.app.server.keys import LOCAL, KeyFile, secret_of
from rsvlm.app.server.metrics import Metrics
from rsvlm.errors import SettingsError

_LOG = logging.getLogger("rsvlm.access")

#: Paths that need no key: they say that the server is there, and no more.
PUBLIC = frozenset({"/health", "/ready"})

#: Nothing is loaded from or sent to another place, whatever a model writes into a page.
#: ``unsafe-inline`` and ``unsafe-eval`` are what Gradio's own page needs.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' "
    "blob:; worker-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; frame-ancestors 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def install_gate(
    app: FastAPI,
    limits: GateLimits,
    *,
    keys: KeyFile | None,
    metrics: Metrics,
    body_limits: Mapping[str, int] | None = None,
) -> None:
    """Put the gate before an application, after everything else was added to it.

    Args:
        app: The application.
        limits: The limits.
        keys: Who may use it; None where nobody else reaches it.
        metrics: Where requests are counted.
        body_limits: Path below which bodies go to a file as they come -> their limit
            in bytes.

    .. versionadded:: 0.2
    """
    app.add_middleware(RequestLimits, limits=limits, larger=body_limits or {})
    app.add_middleware(KeyCheck, limits=limits, keys=keys)
    if limits.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=limits.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(HostCheck, limits=limits)
    app.add_middleware(Observed, metrics=metrics)


class Observed:
    """Gives each request an id, and sees to it that it ends with a proper answer.

    The log line names the route, not the address: an address may hold anything.

    .. versionadded:: 0.2
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":  # there are none here
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req-{uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        start, status, size = time.perf_counter(), 0, 0

        async def send_on(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=list(message["headers"]))
                headers["x-request-id"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here
            answer = report(error, request_id)
            # An answer that has begun is broken off: uvicorn closes the connection.
            if not status:
                await answer.response()(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - start
            method, route = _method(scope), _route(scope)
            self.metrics.request(method, route, status or 499, seconds)
            _LOG.info(
                "%s %s %s %d %.0fms %dB owner=%s",
                request_id, method, route, status or 499, seconds * 1000, size,
                scope["state"].get("owner", "-"),
            )  # fmt: skip


class KeyCheck:
    """Finds out whose request it is, or answers 401; counts them, or answers 429.

    .. versionadded:: 0.2
    """

    def __init__(self, app: ASGIApp, limits: GateLimits, keys: KeyFile | None) -> None:
        """Wrap an application."""
        self.app, self.keys, self.rates = app, keys, Rates(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in PUBLIC:
            headers = Headers(scope=scope)
            try:
                owner = self._owner(headers)
                scope["state"]["owner"] = owner
                if scope["path"].startswith("/v1/"):
                    self.rates.take(owner, asyncio.get_running_loop().time())
            except ApiError as error:
                extra = {} if error.status != 401 else _challenge(headers)
                await error.response(extra)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _owner(self, headers: Headers) -> str:
        if self.keys is None:
            return LOCAL
        sent = headers.getlist("authorization")
        secret = secret_of(sent[0]) if len(sent) == 1 else None
        if secret is None:
            message = "Send an API key: 'Authorization: Bearer KEY'."
            raise ApiError(401, message, code="missing_api_key")
        try:
            owner = self.keys.owner_of(secret)
        except SettingsError as error:
            _LOG.error("The file of keys cannot be read.")
            message = "The server cannot check keys at the moment."
            raise ApiError(503, message, code="keys", retry_after=60) from error
        if owner is None:
            message = "This API key is not known here, or was revoked."
            raise ApiError(401, message, code="invalid_api_key")
        return owner


def _challenge(headers: Headers) -> dict[str, str]:
    """Let a browser ask for the key once, and tell programs what to send."""
    page = "text/html" in headers.get("accept", "")
    return {"WWW-Authenticate": 'Basic realm="rsvlm"' if page else "Bearer"}


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return method if method in known else "other"


def _route(scope: Scope) -> str:
    """Return the pattern of the route, where a part is mounted, or a dash."""
    root: str = scope.get("root_path", "")
    path: str = getattr(scope.get("route"), "path", "")
    return root or path or "-"
