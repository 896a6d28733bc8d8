"""Who a browser is: an unguessable number in a cookie.

Nothing of a person is known. The cookie is read by the server alone (``HttpOnly``) and
only its hash is kept, so that neither a script in the page nor a reader of the data
base can take over a session. Files, questions and history belong to
``session:<hash>``.
"""

import re
import secrets
from hashlib import sha256
from http.cookies import SimpleCookie

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Name of the cookie, and days that a browser keeps it.
COOKIE, DAYS = "rsvlm_session", 30
#: Paths that need a session.
PATHS = ("/chat", "/viewer")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """Return 256 random bits, as 43 letters."""
    return secrets.token_urlsafe(32)


def owner_of_token(token: str | None) -> str | None:
    """Return the owner that a cookie stands for; None for a missing or odd one.

    >>> owner_of_token("A" * 43)
    'session:2309bd66c9c47cb73b8e15fd592d21f5'
    """
    if token is None or not _TOKEN.fullmatch(token):
        return None
    return f"session:{sha256(token.encode()).hexdigest()[:32]}"


def session_owner(request: HTTPConnection) -> str | None:
    """Return the owner of a request's files and history; None without a session.

    Where API keys are required, that is the holder of the key, in every browser.
    """
    holder = request.scope.get("state", {}).get("owner", "local")
    if holder != "local":
        return str(holder)
    return owner_of_token(request.cookies.get(COOKIE))


class SessionCookie:
    """ASGI middleware that gives every browser its own session at the first visit."""

    def __init__(self, app: ASGIApp, paths: tuple[str, ...] = PATHS) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            paths: Starts of the paths that need a session.
        """
        self.app, self.paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the response to a new browser sets the cookie."""
        if scope["type"] != "http" or not scope["path"].startswith(self.paths):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        known = owner_of_token(connection.cookies.get(COOKIE)) is not None
        # Renewed with each visit of the page itself, so that it lives while it is used.
        renew = scope["method"] == "GET" and scope["path"].rstrip("/") == self.paths[0]
        if known and not renew:
            await self.app(scope, receive, send)
            return
        token = connection.cookies[COOKIE] if known else new_token()
        # Who stands behind a proxy with TLS; it can only make the cookie stricter.
        schemes = (connection.url.scheme, connection.headers.get("x-forwarded-proto"))
        cookie = _cookie(token, secure="https" in schemes)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, sending)


def _cookie(token: str, *, secure: bool) -> str:
    jar: SimpleCookie = SimpleCookie()
    jar[COOKIE] = token
    jar[COOKIE]["path"] = "/"
    jar[COOKIE]["httponly"] = True
    jar[COOKIE]["samesite"] = "Lax"
    jar[COOKIE]["max-age"] = DAYS * 86_400
    if secure:
        jar[COOKIE]["secure"] = True
    return jar[COOKIE].OutputString()
