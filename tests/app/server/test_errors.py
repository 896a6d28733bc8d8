"""OpenAI's error body for every failure, and nothing of this machine in any."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rsvlm.app.server.errors import ApiError, as_api_error, install_errors, public
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.logs import SafeFormatter
from rsvlm.app.server.metrics import Metrics
from rsvlm.app.server.middleware import install_gate
from rsvlm.errors import (
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    ImageError,
    SettingsError,
    UnknownNameError,
)

KEY = "rsvlm-" + "k" * 43


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("'/srv/files/ab/port.tif' is broken.", "'port.tif' is broken."),
        ("See /a/b/c, /d/e.tif; ~/x/y.png", "See c, e.tif; y.png"),
        (r"C:\Users\me\port.tif is broken", "port.tif is broken"),
        (r"\\server\share\port.tif", "port.tif"),
        ("not in /srv/files/", "not in [folder]"),
        ("Upload it with POST /v1/files.", "Upload it with POST /v1/files."),
        ("See https://example.org/a/b and/or image/png.",) * 2,
        (f"the key {KEY} is old", "the key [key] is old"),
        ("Authorization: Bearer abcdef0123456789", "Authorization: [key]"),
        ("one\n two\x00", "one two\x00"),
    ],
)
def test_paths_and_keys_are_cut_out(message: str, expected: str) -> None:
    assert public(message) == expected


def test_a_message_does_not_quote_a_picture() -> None:
    assert len(public("x" * 10**7)) == 1000


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (ImageError("'/srv/x/port.tif' is no image."), 400, "image_error", None),
        (SettingsError("Unknown shape 'cube'."), 400, "settings_error", None),
        (UnknownNameError("task", "fly", ["vqa"]), 400, "unknown_name_error", None),
        (EngineError("http://127.0.0.1:8001 is down."), 503, "engine_error", "5"),
        (EngineTimeoutError("no answer"), 503, "engine_error", "5"),
        (EngineRefusedError("no"), 400, "content_filter", None),
        (HTTPException(404), 404, "not_found", None),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method_not_allowed", None),
        (ClientDisconnect(), 499, "gone", None),
        (ExceptionGroup("tasks", [EngineError("x")]), 503, "engine_error", "5"),
        (ExceptionGroup("tasks", [OSError(), OSError()]), 500, "internal_error", None),
        (ZeroDivisionError("/srv/secret"), 500, "internal_error", None),
    ],
)
def test_what_a_client_is_told(
    error: Exception, status: int, code: str, retry: str | None
) -> None:
    answer = as_api_error(error)
    assert (answer.status, answer.code) == (status, code)
    assert (answer.headers or {}).get("Retry-After") == retry
    body = answer.body()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    for secret in ("/srv", "127.0.0.1", "secret"):
        assert secret not in body["message"]


def test_a_given_answer_stays_as_it_is() -> None:
    error = ApiError(429, "Wait.", code="queue_full", retry_after=3)
    assert as_api_error(error) is error
    assert error.type == "rate_limit_error"
    assert error.headers == {"Retry-After": "3"}


def test_clients_do_not_repeat_what_cannot_succeed() -> None:
    assert ApiError(504, "Too long.").headers == {"x-should-retry": "false"}
    assert ApiError(400, "Wrong.").headers == {}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    image: str = ""


def application() -> FastAPI:
    app = FastAPI()

    @app.post("/v1/thing")
    async def thing(body: Body) -> dict[str, int]:
        return {"size": 10 // body.size}

    @app.get("/v1/key")
    async def key() -> None:
        try:
            raise OSError(f"/srv/secret/{KEY}")
        except OSError as error:
            raise RuntimeError(KEY) from error

    install_errors(app)
    install_gate(app, GateLimits(), keys=None, metrics=Metrics())
    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(application(), base_url="http://localhost")


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"size": "no", "image": "SECRET"}, "size", "valid integer"),
        ({"size": 1, "n": 10**9}, "n", "not permitted"),
        ({}, "size", "required"),
        ([], None, "valid dictionary"),
    ],
)
def test_a_wrong_field_is_named_and_not_quoted(
    client: TestClient, body: Any, param: str | None, words: str
) -> None:
    answer = client.post("/v1/thing", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == param
    assert words in error["message"]
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b"1e999"])
def test_broken_json_is_the_clients_fault(client: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/thing", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_unknown_addresses_and_methods(client: TestClient) -> None:
    assert client.get("/v1/nowhere").json()["error"]["code"] == "not_found"
    answer = client.put("/v1/thing")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"


def test_a_bug_is_a_500_without_secrets_in_the_answer_or_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = client.get("/v1/key")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    log = "\n".join(caplog.messages)
    assert answer.headers["x-request-id"] in log
    assert "RuntimeError < " in log  # and where it was
    assert "test_errors:key:" in log
    assert "from OSError" in log
    for text in (answer.text, log):
        for secret in (KEY, "/srv", "Traceback"):
            assert secret not in text
    division = client.post("/v1/thing", json={"size": 0})
    assert division.status_code == 500


def test_lines_of_libraries_lose_paths_keys_and_tracebacks() -> None:
    try:
        raise OSError("/srv/secret.tif")
    except OSError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord(
        "lib", logging.ERROR, "/a/b.py", 1, "cannot read %s with %s",
        ("/srv/a/port.tif", KEY), info,
    )  # fmt: skip
    line = SafeFormatter().format(record)
    assert "ERROR lib cannot read port.tif with [key] OSError < " in line
    for secret in ("/srv", "secret", "Traceback", "\n"):
        assert secret not in line
    record = logging.LogRecord("lib", logging.ERROR, "x", 1, "%d", ("no",), None)
    assert "cannot be shown" in SafeFormatter().format(record)
