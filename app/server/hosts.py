"""ASGI middleware: which names the server goes by, and which web pages may use it.

A web page anywhere can make its reader's browser send requests to a server on the
reader's own machine. It can read the answers if its own name is made to point there
(DNS rebinding): so names that are not ours are refused. And it can send what it likes
blindly: so requests that change something are refused if another page sent them.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.gate_settings import GateLimits

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class HostCheck:
    """Refuses strange names with 421, and what other pages send with 403.

    .. versionadded:: 0.2
    """

    def __init__(self, app: ASGIApp, limits: GateLimits) -> None:
        """Wrap an application."""
        self.app = app
        self.hosts = {"localhost", *(name.lower() for name in limits.hosts)}
        self.origins = {origin.lower().rstrip("/") for origin in limits.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            error = self._error(scope["method"], Headers(scope=scope))
            if error is not None:
                await error.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _error(self, method: str, headers: Headers) -> ApiError | None:
        named = headers.getlist("host")
        if len(named) != 1:
            return ApiError(400, "Send one Host header.", code="bad_host")
        host = named[0].lower()
        if not self._ours(host):
            return ApiError(
                421,
                f"The server does not go by the name {host[:100]!r}. Its operator may "
                "add it to the setting 'hosts'.",
                code="bad_host",
            )
        if method not in _SAFE and self._foreign(headers, host):
            return ApiError(
                403,
                "Another web page sent this request. The operator of the server may "
                "add its address to the setting 'origins'.",
                code="foreign_origin",
            )
        return None

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ip_address(name)
        except ValueError:
            return name.removesuffix(".") in self.hosts
        return True  # whoever rebinds a name sends that name

    def _foreign(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None:  # no browser, or an old one
            site = headers.get("sec-fetch-site", "none")
            return site not in ("none", "same-origin")
        origin = origin.lower()
        if origin in self.origins:
            return False
        scheme, _, place = origin.partition("://")
        standard = {"http": ":80", "https": ":443"}.get(scheme)
        if standard is None:
            return True
        return place.removesuffix(standard) != host.removesuffix(standard)
