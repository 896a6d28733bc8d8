"""Fixtures that several tests share: no network, a tiny random model."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

#: Where the source data sets lie, if they are there.
DATA = Path(os.environ.get("RSVLM_DATA") or Path(__file__).parents[2] / "shared/data")


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
