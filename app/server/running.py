"""How uvicorn runs the server: patience with slow clients, and a clean end.

On SIGTERM or SIGINT ``/ready`` turns to 503 and nothing new is begun, while the address
still answers; running work may end; then the process does. A second signal ends it at
once.
"""

import asyncio
import logging
import socket
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.logs import log_config
from rsvlm.errors import SettingsError

#: Seconds in which the head of a request must be complete.
HEAD_SECONDS = 10.0
#: Connections at a time; beyond it uvicorn answers 503 by itself.
_CONNECTIONS = 1024
#: Seconds for answers that are under way, and for pages that listen for ever.
_LAST_SECONDS = 5


class PatientProtocol(H11Protocol):
    """Closes connections whose request does not come; uvicorn waits for ever.

    .. versionadded:: 0.2
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take data; wait on while the head of a request is incomplete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._stop()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        error = ApiError(400, "This is no HTTP request.", code="bad_request")
        response = error.response({"Connection": "close"})
        head = h11.Response(status_code=400, headers=response.raw_headers)
        for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        # After an answer uvicorn waits for the next request with a timer of its own.
        # Answers that were given before the body came leave h11 waiting for the body,
        # and each of its bytes takes uvicorn's timer away.
        answered = self.cycle is not None and self.cycle.response_complete
        idle = self.conn.their_state is h11.IDLE or answered
        waits = idle and not self.timeout_keep_alive_task
        if not waits or self.transport.is_closing():
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        SettingsError: If the address is taken, or is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise SettingsError(
            f"The server cannot listen on {host!r}, port {port}: {error.strerror}. "
            "Name another with --port or --host."
        ) from error


class Server(uvicorn.Server):
    """A uvicorn server that drains before it ends.

    Attributes:
        admission: What is drained.
        loop: The event loop, once it runs.

    .. versionadded:: 0.2
    """

    def __init__(
        self, app: Any, admission: Admission, host: str, port: int, **options: Any
    ) -> None:
        """Prepare a server; ``run()`` or ``await serve()`` starts it.

        Args:
            app: The ASGI application.
            admission: What is drained; its limits hold the grace time.
            host: What to listen on.
            port: 0 takes any free one.
            options: More options of ``uvicorn.Config``, such as TLS files.
        """
        ours: dict[str, Any] = {
            "http": PatientProtocol,
            "ws": "none",
            "log_config": log_config(),
            "access_log": False,  # it logs whole addresses
            "server_header": False,
            "proxy_headers": False,  # nothing here depends on who a client says it is
            "limit_concurrency": _CONNECTIONS,
            "timeout_graceful_shutdown": _LAST_SECONDS,
        }
        logging.captureWarnings(True)  # Python would write them to stderr, with paths
        super().__init__(uvicorn.Config(app, host=host, port=port, **ours | options))
        self.admission = admission
        self._drain: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes.

        Raises:
            SettingsError: If the address cannot be listened on.
        """
        super().run(sockets or [listen(self.config.host, self.config.port)])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal, end on the second."""
        if self.loop is None or self._drain is not None:
            super().handle_exit(sig, frame)
        else:
            self.loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """Begin to drain; call it on the event loop."""
        if self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._drain_and_end())

    async def _drain_and_end(self) -> None:
        try:
            await self.admission.drain(self.admission.limits.grace_seconds)
        finally:
            self.should_exit = True
