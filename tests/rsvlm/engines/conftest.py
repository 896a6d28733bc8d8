"""A server on this machine that speaks like OpenAI's, and fails as told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rsvlm.engines.remote import RemoteEngine
from rsvlm.engines.remote_settings import read_settings

#: What a server does with a request.
Step = Callable[[BaseHTTPRequestHandler], None]


def completion(text: str | None = "", **fields: Any) -> dict[str, Any]:
    """Return the JSON of a reply; fields of the message or of the choice may be set."""
    choice = {name: fields.pop(name) for name in ("finish_reason", "logprobs") if name in fields}  # fmt: skip
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "served",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **fields},
                "finish_reason": "stop",
                **choice,
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


def tokens(*pairs: tuple[str, float]) -> dict[str, Any]:
    """Return log probabilities in the form of the API."""
    return {"content": [{"token": t, "logprob": p, "top_logprobs": []} for t, p in pairs]}  # fmt: skip


@dataclass
class FakeServer:
    """Does the steps of a script, the last one again and again."""

    port: int = 0
    script: list[Step] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    models: list[dict[str, Any]] | None = None
    page: Any = ()
    model_calls: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    # Steps

    def send(self, status: int, body: bytes, kind: str, **headers: str) -> Step:
        def step(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        return step

    def json(self, record: Any, status: int = 200, **headers: str) -> Step:
        return self.send(status, json.dumps(record).encode(), "application/json", **headers)  # fmt: skip

    def reply(self, text: str | None = "", **fields: Any) -> Step:
        return self.json(completion(text, **fields))

    def fail(self, status: int, text: str = "no", **headers: str) -> Step:
        return self.json({"error": {"message": text, "code": None}}, status, **headers)

    def drop(self, handler: BaseHTTPRequestHandler) -> None:
        """Close the connection without a word."""
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Say nothing until the test is over."""
        self.over.wait(30)
        handler.close_connection = True

    def stream(
        self,
        *pieces: Any,
        finish: str | None = "stop",
        then: str = "end",
        field: str = "content",
    ) -> Step:
        """Send pieces of a text, or whole records; ``then`` drop, hang or end."""

        def step(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            records = [p if isinstance(p, dict) else chunk({field: p}) for p in pieces]
            if finish is not None:
                records.append(chunk({}, finish_reason=finish))
                usage = {"prompt_tokens": 11, "completion_tokens": len(pieces)}
                records.append({"choices": [], "usage": usage})
            for record in records:
                _write(handler, f"data: {json.dumps(record)}\n\n")
            if then == "hang":
                self.over.wait(30)
            if then != "end":
                self.drop(handler)
                return
            _write(handler, "data: [DONE]\n\n")
            _write(handler, "")

        return step


def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
    """Return one event of a stream."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, **choice}]}  # fmt: skip


def _write(handler: BaseHTTPRequestHandler, text: str) -> None:
    data = text.encode()
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that is gone after the test."""
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            fake.model_calls += 1
            if fake.page != ():
                fake.json(fake.page)(self)
            elif fake.models is None:
                fake.fail(404)(self)
            else:
                fake.json({"object": "list", "data": fake.models})(self)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = len(fake.requests)
            fake.headers.append({k.lower(): v for k, v in self.headers.items()})
            fake.requests.append(json.loads(body))
            try:
                fake.script[min(number, len(fake.script) - 1)](self)
            except ConnectionError:  # the client has gone
                self.close_connection = True

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    fake.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield fake
    fake.over.set()
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def waits() -> list[float]:
    """Seconds that were waited between tries; nothing waits in the tests."""
    return []


@pytest.fixture
def connect(
    server: FakeServer, waits: list[float]
) -> Iterator[Callable[..., RemoteEngine]]:
    """Make engines that ask the server; settings as in the address of a model."""
    made: list[RemoteEngine] = []

    def make(model: str = "my-model", key: str | None = None, **settings: Any) -> RemoteEngine:  # fmt: skip
        query = "&".join(f"{k}={v}" for k, v in settings.items())
        text = f"{server.url}?{query}#{model}"
        made.append(RemoteEngine(read_settings(text), key, waits.append))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
