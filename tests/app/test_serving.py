"""The whole server, wired as ``rsvlm serve`` does: files, chat, viewer, batches."""

import base64
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import numpy as np
import openai
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from rsvlm.app import serving_models
from rsvlm.app.cli import main
from rsvlm.app.server.settings import ServerSettings, read_settings
from rsvlm.app.serving import build_server
from rsvlm.app.serving_models import open_models
from rsvlm.assistant import Assistant
from rsvlm.errors import SettingsError
from tests.app.server.fakes import body_of, stub


@contextmanager
def running(settings: ServerSettings, assistant: Assistant) -> Iterator[str]:
    server = build_server(settings, {"tiny": assistant})
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    given = {"port": 0, "data": tmp_path / "data", "keys": tmp_path / "keys.json"}
    return read_settings(environment={}, given={**given, "page": False})


@pytest.fixture
def geotiff(tmp_path: Path) -> Path:
    path = tmp_path / "port.tif"
    pixels = np.zeros((3, 64, 96), np.uint8)
    pixels[:, 20:30, 40:60] = 255
    with rasterio.open(
        path, "w", driver="GTiff", width=96, height=64, count=3, dtype="uint8",
        photometric="RGB", crs="EPSG:32611",
        transform=from_origin(380000, 3730000, 0.5, 0.5),
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


def test_an_upload_is_asked_about_and_placed(
    settings: ServerSettings, geotiff: Path
) -> None:
    boxes = "A ship at [420, 310, 620, 470]."
    assistant = Assistant(stub(boxes), least=0.0)
    with running(settings, assistant) as address:
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
            file = client.files.create(file=geotiff, purpose="vision")
            part: Any = {"type": "image_url", "image_url": {"url": file.id}}
            words: Any = {"type": "text", "text": "Where is the ship?"}
            reply = client.chat.completions.create(
                model="tiny",
                messages=[{"role": "user", "content": [part, words]}],
                extra_body={
                    "rsvlm": {"task": "ground", "return": ["geojson", "overlay"]}
                },
            )
            extra: Any = reply.model_extra
            image = extra["rsvlm"]["images"][0]
            assert (image["path"], image["crs"]) == ("port.tif", "EPSG:32611")
            assert extra["rsvlm"]["regions"][0]["geometry"]["type"] == "Polygon"
            assert extra["rsvlm_geojson"]["features"][0]["properties"]["area_m2"] > 0
            png = base64.b64decode(extra["rsvlm_overlay"][0].partition(",")[2])
            assert png.startswith(b"\x89PNG")
        assert httpx.get(f"{address}/ready").json() == {"status": "ready"}
        assert httpx.get(f"{address}/viewer/?images={file.id}").status_code == 200
        assert "rsvlm_tokens_total" in httpx.get(f"{address}/metrics").text
    assert str(settings.data) not in json.dumps(extra)


def test_an_inline_picture_is_opened_in_the_sandbox(settings: ServerSettings) -> None:
    assistant = Assistant(stub("A farm."), least=0.0)
    with running(settings, assistant) as address:
        url = f"{address}/v1/chat/completions"
        assert httpx.post(url, json=body_of()).json()["rsvlm"]["text"] == "A farm."
        body = body_of()
        body["messages"][0]["content"][0]["image_url"]["url"] = "/etc/passwd"
        reply = httpx.post(url, json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (
            400, "invalid_image_url",
        )  # fmt: skip


def test_no_keys_no_other_machines(settings: ServerSettings) -> None:
    open_to_all = settings.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(SettingsError, match="rsvlm keys add"):
        build_server(open_to_all, {"tiny": Assistant(stub("A farm."))})


def test_the_model_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    def build(*names: str, **fields: str) -> Assistant:
        built.append((*names, fields))
        return Assistant(stub("A farm."))

    monkeypatch.setattr(serving_models, "build_assistant", build)

    def opened(**given: Any) -> Any:
        return open_models(read_settings(environment={}, given=given))

    url = "http://127.0.0.1:9/v1#qwen"
    assert list(opened(name="mine").assistants) == ["mine"]
    assert list(opened(engine=url).assistants) == ["stub"]
    opened(engine=url, model="tiny", knowledge="k")
    assert built == [
        ("tiny", "", "", {"engine": "local"}),
        (url, "", "", {"engine": "local"}),
        ("tiny", "", "k", {"engine": url}),
    ]
    with pytest.raises(SettingsError, match="--engine vllm"):
        opened(vllm={"adapters": {"a": "b"}})


def test_a_vllm_server_and_its_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        key, address, ready = (
            "secret",
            "http://127.0.0.1:9/v1?retries=1#rsvlm-tiny",
            True,
        )
        log: ClassVar[list[str]] = []

        def __init__(self, folder: Path, settings: Any, say: Any) -> None:
            self.settings = settings

        def start(self) -> None:
            self.log.append("start")

        def stop(self) -> None:
            self.log.append("stop")

        def adapter(self, name: str) -> str:
            return f"http://127.0.0.1:9/v1#{name}"

    fields: dict[str, str] = {}

    def build(*names: str, **given: str) -> Assistant:
        fields.update(given)
        engine = stub("A farm.")
        engine.name = "rsvlm-tiny"
        return Assistant(engine)

    monkeypatch.setattr(serving_models, "build_assistant", build)
    # Modules that would load torch.
    for name, parts in (
        ("rsvlm.app.vllm_server", {"VllmServer": Server}),
        ("rsvlm.models.export", {"exported": lambda *_: Path("exported")}),
        ("rsvlm.models.precision", {"fast_dtype": lambda: "torch.float32"}),
    ):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**parts))
    given = {"engine": "vllm", "vllm": {"adapters": {"ports": "somewhere"}}}
    settings = read_settings(environment={}, given=given)
    models = open_models(settings)
    assert fields == {"engine": Server.address, "key": "secret"}
    assert list(models.assistants) == ["tiny", "ports"]
    assert models.assistants["ports"].engine.name == "ports"
    assert models.ready()
    models.stop()
    assert Server.log == ["start", "stop"]

    def broken(*names: str, **given: str) -> Assistant:
        raise SettingsError("no")

    monkeypatch.setattr(serving_models, "build_assistant", broken)
    with pytest.raises(SettingsError):
        open_models(settings)
    assert Server.log[2:] == ["start", "stop"]  # nothing is left running


def test_the_command_names_its_options_and_its_errors(tmp_path: Path) -> None:
    runner = CliRunner()
    help_text = runner.invoke(main, ["serve", "--help"]).output
    for option in (
        "--host",
        "--port",
        "--engine",
        "--model",
        "--knowledge",
        "--config",
    ):
        assert option in help_text
    keys = str(tmp_path / "keys.json")
    found = runner.invoke(main, ["serve", "--host", "0.0.0.0", "--keys", keys])
    assert found.exit_code == 1
    assert found.output.startswith("Error: Other machines reach a server")
    found = runner.invoke(main, ["serve", "--adapter", "x"])
    assert found.exit_code == 2
