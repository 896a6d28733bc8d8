"""A web server on this machine that serves parts of one file and counts its bytes."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Files(ThreadingHTTPServer):
    """Serves ``data`` at every path.

    Attributes:
        data: What is served.
        tag: Its ETag; None sends none.
        has_parts: Whether range requests are answered with parts.
        status: Sent instead of an answer, so many times.
        location: Where a 302 leads to.
        more: Headers that are sent as well, or instead.
        asked: Ranges asked for, first and last byte.
        paths: Paths asked for.
        sent: Bytes sent.
    """

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = data
        self.tag: str | None = '"1"'
        self.has_parts = True
        self.status: list[int] = []
        self.location = ""
        self.more: dict[str, str] = {}
        self.asked: list[tuple[int, int]] = []
        self.paths: list[str] = []
        self.sent = 0

    def handle_error(self, *_: Any) -> None:
        """Say nothing: the other side may have enough."""

    @property
    def host(self) -> str:
        """Its place on a list of hosts."""
        return f"127.0.0.1:{self.server_address[1]}"

    def url(self, path: str = "a.tif") -> str:
        """Return an address."""
        return f"http://{self.host}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Files
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        server.paths.append(self.path)
        if server.status:
            self._answer(server.status.pop(0), b"no", {"Location": server.location})
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        headers = dict(server.more)
        if server.tag:
            headers["ETag"] = server.tag
        if match is None or not server.has_parts:
            self._answer(200, server.data, headers)
            return
        first, last = int(match[1]), min(int(match[2]), len(server.data) - 1)
        server.asked.append((first, last))
        headers.setdefault("Content-Range", f"bytes {first}-{last}/{len(server.data)}")
        self._answer(206, server.data[first : last + 1], headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.server.sent += len(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(data: bytes) -> Iterator[Files]:
    """Serve some bytes until the block is left."""
    with Files(data) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
