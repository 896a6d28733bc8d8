"""The whole server with keys: no route is open, and nobody sees what another keeps."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rsvlm.app.cli import main
from rsvlm.app.server.keys import KeyFile
from rsvlm.app.server.settings import ServerSettings
from rsvlm.app.serving import build_server
from rsvlm.assistant import Assistant
from tests.app.server.fakes import png, stub

QUESTION = {"role": "user", "content": [{"type": "text", "text": "What is shown?"}]}


class Both:
    """Two clients of one server, each with a key of its own."""

    def __init__(self, app: FastAPI, keys: KeyFile) -> None:
        self.app = app
        self.ann = self.client(keys.add("ann")[1])
        self.bob = self.client(keys.add("bob")[1])

    def client(self, key: str = "") -> TestClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return TestClient(self.app, base_url="http://localhost", headers=headers)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("server")
    keys = KeyFile(folder / "keys.json")
    keys.add("operator")
    settings = ServerSettings.model_validate(
        {"host": "0.0.0.0", "data": folder, "keys": keys.path, "page": False}
    )
    engine = stub("A port.")
    app = build_server(settings, {"stub": Assistant(engine, least=0.0)}).config.app
    assert isinstance(app, FastAPI)
    with TestClient(app):  # runs what the server runs while it lives
        yield Both(app, keys)


def upload(client: TestClient, data: bytes, purpose: str = "vision") -> str:
    form = {"file": ("port.png", io.BytesIO(data))}
    answer = client.post("/v1/files", files=form, data={"purpose": purpose})
    assert answer.status_code == 200, answer.text
    id: str = answer.json()["id"]
    return id


def about(image: str) -> dict[str, Any]:
    part = {"type": "image_url", "image_url": {"url": image}}
    message = {"role": "user", "content": [part, *QUESTION["content"]]}
    return {"model": "stub", "messages": [message]}


def test_no_route_is_open(both: Both) -> None:
    nobody = both.client()
    paths = set()
    for route in both.app.routes:
        path = str(getattr(route, "path", ""))
        for method in getattr(route, "methods", None) or ("GET",):
            if path not in ("/health", "/ready"):
                answer = nobody.request(method, path, follow_redirects=False)
                assert (method, path, answer.status_code) == (method, path, 401)
                paths.add(path)
    assert {"/v1/chat/completions", "/v1/files", "/v1/batches", "/metrics"} <= paths
    assert any(path.startswith("/viewer") for path in paths)


def test_files_of_another_are_not_there(both: Both) -> None:
    file = upload(both.ann, png(10))
    assert both.ann.get(f"/v1/files/{file}").status_code == 200
    for method, path in (
        ("GET", f"/v1/files/{file}"), ("GET", f"/v1/files/{file}/content"),
        ("DELETE", f"/v1/files/{file}"), ("GET", f"/viewer/images/{file}"),
    ):  # fmt: skip
        assert both.bob.request(method, path).status_code == 404
    listed = [entry["id"] for entry in both.bob.get("/v1/files").json()["data"]]
    assert file not in listed
    answer = both.bob.post("/v1/chat/completions", json=about(file))
    assert answer.status_code == 404
    # The same words as for a file that nobody has.
    message = answer.json()["error"]["message"]
    other = both.bob.post("/v1/chat/completions", json=about("file-" + "0" * 24))
    assert other.status_code == 404
    assert other.json()["error"]["message"].replace("0" * 24, "") == message.replace(
        file.removeprefix("file-"), ""
    )
    answer = both.ann.post("/v1/chat/completions", json=about(file))
    assert answer.json()["choices"][0]["message"]["content"] == "A port."


def test_the_same_picture_of_two_is_kept_for_each(both: Both) -> None:
    one, two = upload(both.ann, png(20)), upload(both.bob, png(20))
    assert both.ann.delete(f"/v1/files/{one}").status_code == 200
    assert both.bob.get(f"/v1/files/{two}/content").content == png(20)


def test_batches_of_another_are_not_there(both: Both) -> None:
    body = about("sample-nothing")
    line = {
        "custom_id": "1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
    }
    file = upload(both.ann, json.dumps(line).encode() + b"\n", "batch")
    asked = {
        "input_file_id": file, "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }  # fmt: skip
    stolen = both.bob.post("/v1/batches", json=asked)
    assert stolen.status_code in (400, 404)
    batch = both.ann.post("/v1/batches", json=asked).json()["id"]
    assert both.ann.get(f"/v1/batches/{batch}").status_code == 200
    assert both.bob.get(f"/v1/batches/{batch}").status_code == 404
    assert both.bob.post(f"/v1/batches/{batch}/cancel").status_code == 404
    assert both.bob.get("/v1/batches").json()["data"] == []


def test_a_server_for_others_does_not_start_without_keys(tmp_path: Path) -> None:
    keys = str(tmp_path / "none.json")
    command = ["serve", "--host", "0.0.0.0", "--keys", keys]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert result.output == (
        "Error: Other machines reach a server on '0.0.0.0', and there are no API keys. "
        "Make one with: rsvlm keys add NAME, or serve on --host 127.0.0.1.\n"
    )
