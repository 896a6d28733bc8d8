"""The examples of docs/serving.md and of the README run as printed."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsvlm.app.server.settings import read_settings
from rsvlm.assistant import Assistant
from tests.app.server.fakes import stub
from tests.app.server.test_clients import Encoder
from tests.app.test_serving import running

ROOT = Path(__file__).parents[3]
PAGES = {
    name: (ROOT / name).read_text("utf-8") for name in ("docs/serving.md", "README.md")
}
BLOCKS = {
    name: re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)
    for name, page in PAGES.items()
}


def examples(page: str, language: str) -> str:
    """Return the examples of a page that ask a server."""
    found = [
        t
        for kind, t in BLOCKS[page]
        if kind == language and "127.0.0.1" in t and "pip" not in t
    ]
    assert found
    return "\n".join(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    pixels = np.zeros((3, 64, 96), np.uint8)
    pixels[:, 20:30, 40:60] = 255
    with rasterio.open(
        folder / "port.tif", "w", driver="GTiff", width=96, height=64, count=3,
        dtype="uint8", photometric="RGB", crs="EPSG:32611",
        transform=from_origin(380000, 3730000, 0.5, 0.5),
    ) as file:  # fmt: skip
        file.write(pixels)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    given = {"port": 0, "data": folder / "data", "keys": folder / "no", "page": False}
    encoder: Any = Encoder()
    boxes = stub("A ship at [420, 310, 620, 470].")
    assistant = Assistant(boxes, least=0.0, scenes=encoder)
    with running(read_settings(environment={}, given=given), assistant) as address:
        yield address


def run(command: list[str], text: str, folder: Path) -> str:
    done = subprocess.run(
        command, input=text, text=True, capture_output=True, cwd=folder, check=False,
        env={**os.environ, "no_proxy": "*"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(text: str, address: str) -> str:
    return text.replace("http://127.0.0.1:8000", address)


def test_the_readme_in_python(address: str, folder: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-"]
    shown = run(command, here(examples("README.md", "python"), address), folder)
    assert "Found 1 ship." in shown
    assert "'hbb': [" in shown


def test_python(address: str, folder: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-"]
    shown = run(command, here(examples("docs/serving.md", "python"), address), folder)
    for expected in ("A ship at", "objects=[Ship(label='A ship'", "0."):
        assert expected in shown


def test_the_readme_with_curl(address: str, folder: Path) -> None:
    script = examples("README.md", "bash")
    shown = run(["bash", "-e"], here(script, address), folder)
    assert '"schema":"rsvlm.answer/1"' in shown


def test_curl(address: str, folder: Path) -> None:
    script = examples("docs/serving.md", "bash")
    shown = run(["bash", "-e"], here(script, address), folder)
    assert '"schema":"rsvlm.answer/1"' in shown
    assert shown.rstrip().endswith("data: [DONE]")


def test_the_settings_are_settings(tmp_path: Path) -> None:
    (text,) = (text for kind, text in BLOCKS["docs/serving.md"] if kind == "toml")
    path = tmp_path / "serve.toml"
    path.write_text(text)
    assert read_settings(path, {}).gate.max_running == 32
    assert tomllib.loads(text)["files"]["hosts"] == []
