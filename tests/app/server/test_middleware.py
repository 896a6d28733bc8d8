"""The gate, without a network: hosts, origins, keys, rates, headers, log, figures."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.errors import install_errors
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.keys import KeyFile, owner
from rsvlm.app.server.metrics import Metrics, probes
from rsvlm.app.server.middleware import install_gate

JSON = {"content-type": "application/json"}


class Gate:
    """An application of a few routes behind the gate."""

    def __init__(self, keys: KeyFile | None = None, **limits: Any) -> None:
        self.limits = GateLimits.model_validate(limits)
        self.admission, self.metrics = Admission(self.limits), Metrics()
        self.ready = True
        app = FastAPI()
        app.include_router(probes(self.admission, self.metrics, lambda: self.ready))

        @app.api_route("/v1/who", methods=["GET", "POST", "DELETE"])
        async def who(request: Request) -> dict[str, str]:
            return {"owner": owner(request), "body": (await request.body()).decode()}

        @app.post("/v1/files")
        async def files(request: Request) -> int:
            return sum([len(part) async for part in request.stream()])

        @app.get("/v1/files/{name}")
        async def file(name: str) -> str:
            return name

        @app.get("/v1/stream")
        async def stream() -> StreamingResponse:
            def parts() -> Iterator[str]:
                yield "one"
                raise ValueError("/srv/secret")

            return StreamingResponse(parts())

        @app.post("/v1/slow")
        async def slow(request: Request) -> None:
            await request.body()
            await asyncio.sleep(5)

        @app.get("/v1/late")
        async def late() -> StreamingResponse:
            async def parts() -> AsyncIterator[str]:
                yield "a"
                await asyncio.sleep(0.1)
                yield "b"

            return StreamingResponse(parts())

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse("page")

        app.mount("/chat", Starlette(routes=[Route("/a/{b}", page)]))
        install_errors(app)
        install_gate(
            app, self.limits, keys=keys, metrics=self.metrics,
            body_limits={"/v1/files": 4096},
        )  # fmt: skip
        self.client = TestClient(app, base_url="http://localhost")


@pytest.fixture
def gate() -> Gate:
    return Gate(max_body_bytes=1024, max_held_bytes=1500)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:8000", 200), ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200), ("10.1.2.3", 200), ("gpu-box:8000", 200),
        ("evil.example", 421), ("localhost.evil.example", 421), ("gpu-box.evil", 421),
        ("127.0.0.1.evil.example", 421), ("", 421), ("[::1", 421), ("user@evil", 421),
        ("evil@", 421),
    ],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(host: str, status: int) -> None:
    client = Gate(hosts=("gpu-box",)).client
    assert client.get("/v1/who", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost"}, 200),
        ({"origin": "https://localhost"}, 200),  # TLS ends before us
        ({"origin": "http://localhost:80"}, 200),
        ({"origin": "https://maps.example"}, 200),
        ({"origin": "http://maps.example"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_what_another_page_sends_is_refused(
    headers: dict[str, str], status: int
) -> None:
    client = Gate(origins=("https://maps.example",)).client
    assert client.post("/v1/who", headers=headers).status_code == status
    assert client.delete("/v1/who", headers=headers).status_code == status
    assert client.get("/v1/who", headers=headers).status_code == 200


def test_cross_origin_reading_is_off_by_default(gate: Gate) -> None:
    asked = {"origin": "https://maps.example", "access-control-request-method": "POST"}
    answer = gate.client.options("/v1/who", headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    client = Gate(origins=("https://maps.example",)).client
    answer = client.options("/v1/who", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "https://maps.example"
    evil = {**asked, "origin": "https://evil.example"}
    answer = client.options("/v1/who", headers=evil)
    assert "access-control-allow-origin" not in answer.headers


def test_every_path_but_the_probes_needs_a_key(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key, secret = keys.add("ann")
    client = Gate(keys).client
    for path in ("/v1/who", "/v1/nowhere", "/metrics", "/docs", "/openapi.json",
                 "/chat/a/1", "/", "/health/", "//health", "/health/../v1/who"):  # fmt: skip
        answer = client.get(path)
        assert (path, answer.status_code) == (path, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "missing_api_key"
    assert client.get("/health").status_code == client.get("/ready").status_code == 200
    right = {"authorization": f"Bearer {secret}"}
    assert client.get("/v1/who", headers=right).json()["owner"] == "ann"
    wrong = client.get("/v1/who", headers={"authorization": f"Bearer {secret}x"})
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert secret not in wrong.text
    keys.revoke(key.id)
    assert client.get("/v1/who", headers=right).status_code == 401
    keys.path.write_text("{")
    assert client.get("/v1/who", headers=right).status_code == 503


def test_a_browser_asks_for_the_key(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    _, secret = keys.add("ann")
    client = Gate(keys).client
    asked = client.get("/chat/a/1", headers={"accept": "text/html,*/*"})
    assert asked.headers["www-authenticate"] == 'Basic realm="rsvlm"'
    token = base64.b64encode(f"me:{secret}".encode()).decode()
    answer = client.get("/chat/a/1", headers={"authorization": f"Basic {token}"})
    assert answer.text == "page"


def test_a_key_has_a_rate(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    ann, bob = ({"authorization": f"Bearer {keys.add(o)[1]}"} for o in ("ann", "bob"))
    client = Gate(keys, requests_per_minute=1, burst=2).client
    statuses = [client.get("/v1/who", headers=ann).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = client.get("/v1/who", headers=ann)
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert client.get("/v1/who", headers=bob).status_code == 200
    assert client.get("/chat/a/1", headers=ann).status_code == 200  # tiles, pages


def test_a_body_is_limited_by_its_path(gate: Gate) -> None:
    def sizes(path: str, size: int) -> set[int]:
        declared = gate.client.post(path, content=b"x" * size)
        chunked = gate.client.post(
            path, content=(b"x" * 100 for _ in range(size // 100))
        )
        return {declared.status_code, chunked.status_code}

    assert sizes("/v1/who", 1000) == {200}
    assert sizes("/v1/files", 4000) == {200}
    declared = gate.client.post("/v1/files", content=b"x" * 4097)
    assert declared.status_code == 413
    assert declared.headers["connection"] == "close"
    assert declared.json()["error"]["code"] == "too_large"
    assert gate.client.post("/v1/files2", content=b"x" * 2000).status_code == 413


def test_every_answer_carries_the_headers(gate: Gate) -> None:
    ids = set()
    for path, headers in (
        ("/health", {}), ("/v1/nowhere", {}), ("/chat/a/1", {}), ("/chat/b", {}),
        ("/v1/who", {"host": "evil.example"}), ("/docs", {}),
    ):  # fmt: skip
        answer = gate.client.get(path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"].split("; ")
        assert "default-src 'self'" in policy
        assert "img-src 'self' data: blob:" in policy
        assert "object-src 'none'" in policy
        assert "http" not in answer.headers["content-security-policy"]
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 6


def test_the_log_names_routes_and_owners_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    _, secret = keys.add("ann")
    caplog.set_level(logging.INFO, "rsvlm")
    client = Gate(keys).client
    right = {"authorization": f"Bearer {secret}", "x-request-id": "mine\nfake"}
    client.post("/v1/who?api_key=QUERY", content="BODY", headers=right)
    client.get("/v1/files/PATHNAME.tif", headers=right)
    client.get("/nowhere/SECRET", headers=right)
    client.get("/chat/a/SECRET", headers=right)
    client.request("BREW", "/v1/who", headers=right)
    log = "\n".join(r.getMessage() for r in caplog.records if r.name == "rsvlm.access")
    for word in ("BODY", "QUERY", "PATHNAME", "SECRET", secret, "mine", "BREW"):
        assert word not in log
    for part in (" POST /v1/who 200 ", " GET /v1/files/{name} 200 ", " GET - 404 ",
                 " GET /chat 200 ", " other /v1/who 405 ", "B owner=ann"):  # fmt: skip
        assert part in log
    assert log.count("\n") == 4


def test_figures(gate: Gate) -> None:
    gate.client.get("/v1/who")
    gate.client.get("/v1/files/a.tif")
    gate.client.get("/v1/files/b.tif")
    gate.client.get("/nowhere")
    gate.client.post("/v1/who", content=b"x" * 2000)
    gate.metrics.tokens(7, 3)
    gate.metrics.upload(100)
    gate.admission.refused["queue"] += 1
    text = gate.client.get("/metrics").text
    for line in (
        'rsvlm_requests_total{method="GET",route="/v1/who",status="200"} 1.0',
        'rsvlm_requests_total{method="GET",route="/v1/files/{name}",status="200"} 2.0',
        'rsvlm_requests_total{method="GET",route="-",status="404"} 1.0',
        'rsvlm_refused_requests_total{status="413"} 1.0',
        'rsvlm_request_seconds_count{route="/v1/who"} 1.0',
        'rsvlm_tokens_total{kind="prompt"} 7.0',
        'rsvlm_tokens_total{kind="completion"} 3.0',
        "rsvlm_uploads_total 1.0", "rsvlm_upload_bytes_total 100.0",
        "rsvlm_running 0.0", "rsvlm_queued 0.0",
        'rsvlm_refused_questions_total{reason="queue"} 1.0',
    ):  # fmt: skip
        assert line in text


def test_ready_turns_off_and_health_does_not(gate: Gate) -> None:
    assert gate.client.get("/ready").json() == {"status": "ready"}
    gate.ready = False
    starting = gate.client.get("/ready")
    assert (starting.status_code, starting.headers["retry-after"]) == (503, "5")
    assert starting.json()["error"]["code"] == "starting"
    gate.ready = gate.admission.draining = True
    assert gate.client.get("/ready").json()["error"]["code"] == "stopping"
    assert gate.client.get("/health").status_code == 200


def test_a_stream_that_breaks_is_logged_and_not_hidden(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    answer = gate.client.get("/v1/stream")
    assert answer.text == "one"
    assert "failed: ValueError" in caplog.text
    assert "/srv" not in caplog.text


def test_there_are_no_web_sockets(gate: Gate) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), gate.client.websocket_connect("/chat/a/1"):
        pass


def test_an_answer_that_does_not_start_in_time_is_given_up() -> None:
    gate = Gate(start_seconds=0.05)
    answer = gate.client.post("/v1/slow", content=b"x")
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline"
    assert gate.client.get("/v1/late").text == "ab"  # it has started
