from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("gradio")

from rsvlm.app import serving
from rsvlm.app.cli import main
from rsvlm.app.server.settings import ServerSettings


class Server:
    """A server that says how it was to be started."""

    settings: ServerSettings
    ran = False

    def run(self) -> None:
        Server.ran = True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Server]:
    def build(settings: ServerSettings, **_: Any) -> Server:
        Server.settings = settings
        return Server()

    Server.ran = False
    monkeypatch.setattr(serving, "build_server", build)
    monkeypatch.setattr("rsvlm.app.progress.fetch_all", lambda names: None)
    return Server


def test_chat_says_where_the_page_is_in_one_line(started: type[Server]) -> None:
    result = CliRunner().invoke(main, ["chat", "--port", "8123"])
    assert result.exit_code == 0
    assert result.stdout == (
        "Open http://127.0.0.1:8123/chat in a browser (Ctrl-C ends).\n"
    )
    assert started.ran
    assert started.settings.page
    assert started.settings.port == 8123


def test_chat_takes_model_knowledge_and_folder(
    started: type[Server], tmp_path: Path
) -> None:
    options = ["--model", "mine", "--knowledge", "kb", "--data", str(tmp_path)]
    result = CliRunner().invoke(main, ["chat", "--host", "::1", *options])
    assert "http://[::1]:8000/chat" in result.stdout
    settings = started.settings
    assert (settings.model, settings.knowledge) == ("mine", "kb")
    assert settings.data == tmp_path


def test_chat_works_without_all_sample_scenes(
    started: type[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsvlm.errors import AssetError

    def fails(names: list[str]) -> None:
        raise AssetError("There is no package index.")

    monkeypatch.setattr("rsvlm.app.progress.fetch_all", fails)
    result = CliRunner().invoke(main, ["chat"])
    assert result.exit_code == 0
    assert "Not all sample scenes are here" in result.stderr
    assert started.ran


def test_a_wrong_setting_is_told_in_one_line(started: type[Server]) -> None:
    result = CliRunner().invoke(main, ["chat", "--port", "99999"])
    assert result.exit_code == 2
    assert not started.ran
