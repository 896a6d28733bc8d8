"""Fixtures that several tests share: no network, a tiny random model."""

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from PIL import Image

#: Where the source data sets lie, if they are there.
DATA = Path(os.environ.get("RSVLM_DATA") or Path(__file__).parents[2] / "shared/data")


class Tree:
    """A folder that files are put into."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, path: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def text(self, path: str, text: str) -> Path:
        target = self.at(path)
        target.write_text(text, encoding="utf-8")
        return target

    def json(self, path: str, value: Any) -> Path:
        return self.text(path, json.dumps(value))

    def jsonl(self, path: str, values: Sequence[Any]) -> Path:
        return self.text(path, "".join(f"{json.dumps(value)}\n" for value in values))

    def image(self, path: str, width: int = 8, height: int = 6) -> Path:
        target = self.at(path)
        Image.new("RGB", (width, height), (90, 120, 60)).save(target)
        return target

    def mask(self, path: str, pixels: ArrayLike) -> Path:
        target = self.at(path)
        Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(target)
        return target


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty folder for the files of a data set."""
    return Tree(tmp_path / "data")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests reach this machine only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        local = isinstance(address, (str, bytes)) or str(address[0]) in (
            "127.0.0.1", "::1", "localhost",
        )  # fmt: skip
        if not local:
            raise AssertionError(f"a test wants to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def data_folder() -> Path:
    """The folder of the source data sets; the test is skipped without it."""
    if not DATA.is_dir():
        pytest.skip(f"the data sets are not at {DATA}; set RSVLM_DATA")
    return DATA
