"""The gate on a real socket: slow and hostile clients, overload, a clean end."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx
import pytest
from fastapi import FastAPI, Request
from openai import OpenAI

from rsvlm.app.server import body as body_module
from rsvlm.app.server import running
from rsvlm.app.server.admission import Admission
from rsvlm.app.server.errors import ApiError, install_errors
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.keys import owner
from rsvlm.app.server.metrics import Metrics, probes
from rsvlm.app.server.middleware import install_gate
from rsvlm.app.server.running import Server
from rsvlm.errors import SettingsError


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice]}


class Live:
    """A server on a free port, with one route that takes its time."""

    def __init__(self, **limits: Any) -> None:
        self.limits = GateLimits.model_validate(limits)
        self.admission = Admission(self.limits)
        self.failing, self.held, self.reading = 0, False, 0
        self.app = self.application()
        self.server = Server(self.app, self.admission, "127.0.0.1", 0, log_config=None)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def application(self) -> FastAPI:
        app, metrics = FastAPI(), Metrics()
        app.include_router(probes(self.admission, metrics, lambda: True))

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> dict[str, Any]:
            text = (await request.json())["messages"][0]["content"]
            async with self.admission.slot(owner(request)):
                await self.work()
                if self.failing > 0:  # an engine that is being restarted
                    self.failing -= 1
                    raise ApiError(503, "The engine is away.", retry_after=1)
            return completion(f"answer to {text}")

        @app.post("/v1/read")
        async def read(request: Request) -> int:
            size = len(await request.body())
            self.reading += 1
            await self.work()
            return size

        install_errors(app)
        install_gate(app, self.limits, keys=None, metrics=metrics)
        return app

    async def work(self) -> None:
        """Take a moment, or until the test lets it go on."""
        await asyncio.sleep(0.01)
        while self.held:
            await asyncio.sleep(0.01)

    def __enter__(self) -> Self:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def stop(self) -> None:
        loop = self.server.loop
        assert loop is not None
        loop.call_soon_threadsafe(self.server.stop)

    def __exit__(self, *error: object) -> None:
        if self.thread.is_alive():
            self.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def send(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """Send raw bytes and return what comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            for part in parts:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    sock.sendall(part)
                time.sleep(pause)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := sock.recv(65536):
                    answer += part
        return answer


@contextlib.contextmanager
def live(**limits: Any) -> Iterator[Live]:
    with Live(**limits) as server:
        yield server


def head(*lines: str, path: str = "/v1/read") -> bytes:
    return "\r\n".join(
        [f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]
    ).encode()


def test_a_half_sent_body_is_answered_408() -> None:
    with live(body_seconds=0.3) as server:
        start = time.monotonic()
        answer = server.send(head("Content-Length: 1000"), b"x" * 400)
        assert b"HTTP/1.1 408 " in answer
        assert b"stopped after 400 bytes" in answer
        assert 0.2 < time.monotonic() - start < 2


def test_a_body_that_trickles_is_answered_408() -> None:
    with live(body_seconds=0.3, body_bytes_per_second=10_000) as server:
        answer = server.send(head("Content-Length: 50"), *[b"x"] * 30, pause=0.06)
        assert b"HTTP/1.1 408 " in answer
        arrived = re.search(rb"stopped after (\d+) bytes", answer)
        assert arrived is not None
        assert int(arrived[1]) < 25  # it was not waited for until it ended
        # One that comes steadily is waited for, beyond the same time.
        quick = server.send(
            head("Content-Length: 12000", "Connection: close"), *[b"x" * 1500] * 8,
            pause=0.06,
        )  # fmt: skip
        assert b"HTTP/1.1 200 " in quick
        assert quick.endswith(b"12000")


def test_a_body_without_a_length_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "_LINGER", 0.2)
    with live(max_body_bytes=10_000) as server:
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        answer = server.send(head("Transfer-Encoding: chunked"), *[chunk] * 5)
        assert b"HTTP/1.1 413 " in answer
        assert b"connection: close" in answer.lower()
        declared = server.send(head("Content-Length: 99999999999"))
        assert b"HTTP/1.1 413 " in declared


def test_a_large_body_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "_LINGER", 0.2)
    with live(max_body_bytes=2**20) as server:
        before = memory()
        part = b"x" * 2**20
        answer = server.send(head(f"Content-Length: {200 * 2**20}"), *[part] * 200)
        assert answer == b"" or b" 413 " in answer  # or reset while it still sent
        chunk = b"100000\r\n" + part + b"\r\n"
        server.send(head("Transfer-Encoding: chunked"), *[chunk] * 200)
        assert memory() - before < 50
        assert httpx.get(f"{server.url}/health").status_code == 200


def memory() -> float:
    """Return the resident memory of this process in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_bodies_of_all_requests_together_are_limited() -> None:
    with live(max_held_bytes=10_000) as server, ThreadPoolExecutor(2) as pool:
        server.held = True
        url = f"{server.url}/v1/read"

        def post() -> int:
            return httpx.post(url, content=b"x" * 4000, timeout=30).status_code

        first = [pool.submit(post) for _ in range(2)]
        while server.reading < 2:
            time.sleep(0.01)
        answer = httpx.post(url, content=b"x" * 2001, timeout=30)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        server.held = False
        assert [future.result() for future in first] == [200, 200]
        assert post() == 200  # given back


def test_an_answer_before_the_body_does_not_keep_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "HEAD_SECONDS", 0.2)
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n"
    with (
        Live() as live,
        socket.create_connection(("127.0.0.1", live.port), timeout=10) as sock,
    ):
        sock.sendall(head)
        assert sock.recv(65536).startswith(b"HTTP/1.1 404")
        time.sleep(0.1)
        sock.sendall(b"x")  # uvicorn stops its own clock at this byte
        while sock.recv(65536):
            pass  # ends when the server closes; else the timeout fails the test


def test_a_request_that_does_not_come_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "HEAD_SECONDS", 0.2)
    with live() as server:
        start = time.monotonic()
        assert server.send() == b""
        assert server.send(b"POST / HTTP/1.1\r\nHost: ") == b""
        whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = server.send(whole, b"GET / HT", pause=0.05)  # after a good one
        assert answer.count(b"HTTP/1.1") == 1
        assert time.monotonic() - start < 3
        server.held = True  # the work itself may take longer than that
        threading.Timer(0.5, setattr, (server, "held", False)).start()
        url = f"{server.url}/v1/read"
        assert httpx.post(url, content=b"x", timeout=30).status_code == 200


def test_garbage_is_answered_400() -> None:
    with live() as server:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/x\r\n\r\n",
                        b"GET /\r\n\r\n", b"A" * 100_000):  # fmt: skip
            answer = server.send(garbage)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.endswith(b'"code":"bad_request"}}')
        no_host = b"GET /health HTTP/1.0\r\n\r\n"
        assert b" 400 " in server.send(no_host)
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_overload_is_answered_429_and_nothing_is_lost() -> None:
    async def ask(port: int, number: int) -> tuple[int, dict[str, Any], bytes]:
        question = {"messages": [{"role": "user", "content": f"q{number}"}]}
        content = json.dumps(question).encode()
        lines = (f"Content-Length: {len(content)}", "Connection: close")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(*lines, path="/v1/chat/completions") + content)
        start, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(start.split()[1]), json.loads(answer), start.lower()

    async def flood(server: Live) -> list[tuple[int, dict[str, Any], bytes]]:
        return await asyncio.gather(*(ask(server.port, n) for n in range(200)))

    with live(max_running=4, max_queue=40, burst=1000) as server:
        answers = asyncio.run(flood(server))
        assert {status for status, _, _ in answers} == {200, 429}
        for number, (status, answer, start) in enumerate(answers):
            if status == 200:
                text = answer["choices"][0]["message"]["content"]
                assert text == f"answer to q{number}"
            else:
                assert answer["error"]["code"] == "queue_full"
                assert b"\r\nretry-after: " in start
        assert sum(status == 200 for status, _, _ in answers) >= 44
        assert (server.admission.running, server.admission.queued) == (0, 0)
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_the_openai_client_recovers_by_itself() -> None:
    with live(max_running=1, max_queue=1) as server, ThreadPoolExecutor(4) as pool:
        server.failing = 1  # the first answer is lost with the engine

        def ask(number: int) -> str:
            client = OpenAI(base_url=f"{server.url}/v1", api_key="-", max_retries=5)
            with client:
                answer = client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"q{number}"}]
                )
            return answer.choices[0].message.content or ""

        server.held = True
        asked = [pool.submit(ask, number) for number in range(3)]
        while not server.admission.refused["queue"]:  # one runs, one waits
            time.sleep(0.01)
        server.held = False
        texts = [future.result() for future in asked]
        assert texts == [f"answer to q{n}" for n in range(3)]
        assert server.failing == 0


def test_running_work_ends_before_the_server_does() -> None:
    with live(max_running=1, grace_seconds=30) as server, ThreadPoolExecutor(4) as pool:
        server.held = True
        question = {"messages": [{"role": "user", "content": "q"}]}
        url = f"{server.url}/v1/chat/completions"
        first = pool.submit(httpx.post, url, json=question, timeout=30)
        while not server.admission.running:
            time.sleep(0.01)
        second = pool.submit(httpx.post, url, json=question, timeout=30)
        while not server.admission.queued:
            time.sleep(0.01)
        server.stop()
        queued = second.result()
        assert (queued.status_code, queued.headers["retry-after"]) == (503, "5")
        ready = httpx.get(f"{server.url}/ready")
        assert (ready.status_code, ready.json()["error"]["code"]) == (503, "stopping")
        assert httpx.get(f"{server.url}/health").status_code == 200
        late = httpx.post(url, json=question, timeout=30)
        assert (late.status_code, late.json()["error"]["code"]) == (503, "stopping")
        server.held = False
        answer = first.result().json()
        assert answer["choices"][0]["message"]["content"] == "answer to q"
        server.thread.join(5)
        assert not server.thread.is_alive()


def test_an_address_that_is_taken_is_one_line() -> None:
    with live() as server:
        late = Server(server.app, server.admission, "127.0.0.1", server.port)
        with pytest.raises(SettingsError, match="Name another with --port") as caught:
            late.run()
        assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"'192\.0\.2\.1', port 1"):
        running.listen("192.0.2.1", 1)


SCRIPT = """
import asyncio, sys
from fastapi import FastAPI
from rsvlm.app.server.admission import Admission
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.running import Server
from rsvlm.errors import SettingsError
app, admission = FastAPI(), Admission(GateLimits(grace_seconds=10))
@app.get("/slow")
async def slow():
    async with admission.slot("local"):
        print("begun", flush=True)
        await asyncio.sleep(0.5)
    return "done"
server = Server(app, admission, "127.0.0.1", int(sys.argv[1]))
server.run()
print("ended", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigterm_drains() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process, ThreadPoolExecutor(1) as pool:

        def ask() -> str:
            transport = httpx.HTTPTransport(retries=8)
            with httpx.Client(transport=transport, timeout=30) as client:
                return client.get(f"http://127.0.0.1:{port}/slow").text

        answer = pool.submit(ask)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        assert answer.result(10) == '"done"'
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "ended\n")
        assert "Traceback" not in err
