"""Images of other hosts on the command line: only where the user allows the host."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner, Result
from rasterio.io import MemoryFile

from rsvlm.app import build
from rsvlm.app.cli import main
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from tests.serving_parts import Files, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    stub = StubEngine(["ship [100,100,400,600]"])
    monkeypatch.setattr(build, "build_assistant", lambda *_: Assistant(stub))
    monkeypatch.delenv("RSVLM_ALLOW_HOSTS", raising=False)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 700, 700), dtype=np.uint8)
    place = rasterio.Affine(1, 0, 380000, 0, -1, 3730000)
    with MemoryFile() as memory:
        with memory.open(
            driver="COG", width=700, height=700, count=3, dtype="uint8",
            crs="EPSG:32611", transform=place, blocksize=128,
        ) as file:  # fmt: skip
            file.write(pixels)
        data = bytes(memory.read())
    with serving(data) as server:
        yield server


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), env=env)


def test_info_of_an_allowed_host(server: Files) -> None:
    url = server.url("scenes/port.tif?token=secret")
    result = run("info", url, "--json", "--allow-host", server.host)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["width"], facts["crs"]) == (700, "EPSG:32611")
    assert facts["path"] == server.url("scenes/port.tif")
    assert 0 < server.sent < len(server.data)


def test_a_question_to_an_allowed_host(server: Files, tmp_path: Path) -> None:
    overlay = tmp_path / "a.png"
    result = run(
        "ask", server.url(), "Where is the ship?", "--json", "--overlay", str(overlay),
        env={"RSVLM_ALLOW_HOSTS": f"maps.example {server.host}"},
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["images"][0]["path"] == server.url()
    assert answer["regions"][0]["hbb"] == [70, 70, 280, 420]
    assert overlay.stat().st_size > 0


@pytest.mark.parametrize("command", [["info"], ["ask"]])
def test_other_hosts_are_refused_in_one_line(server: Files, command: list[str]) -> None:
    question = ["Where is the ship?"] if command == ["ask"] else []
    for hosts in ([], ["--allow-host", "maps.example"]):
        result = run(*command, server.url(), *question, *hosts)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert "--allow-host" in result.output
    assert server.paths == []
