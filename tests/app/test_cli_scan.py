"""``rsvlm scan``: what is printed, and what it says where it cannot be done."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rsvlm.app import cli_scan
from rsvlm.app.cli import main
from tests.retrieval.test_objects import Bright, scene, write


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Bright:
    found = Bright()
    monkeypatch.setattr(cli_scan, "_finder", lambda _: found)
    return found


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["scan", *arguments])


def test_objects_are_counted_once_though_windows_overlap(
    finder: Bright, tmp_path: Path
) -> None:
    path = write(tmp_path / "port.tif", scene())
    result = run(str(path))
    assert result.exit_code == 0, result.output
    assert result.stdout == "port.tif: 12 windows; 2 ship.\n"
    seen = len(finder.seen)
    again = run(str(path), "--json")
    assert json.loads(again.stdout) == {
        "image": "port.tif",
        "windows": 12,
        "objects": {"ship": 2},
    }
    assert len(finder.seen) == seen


def test_a_checkpoint_without_a_region_head_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    path = write(tmp_path / "port.tif", scene())
    result = run(str(path), "--model", str(tmp_path))
    assert result.exit_code
    assert "region head" in result.stderr


def test_a_missing_file_is_told_in_words(finder: Bright, tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.tif"))
    assert result.exit_code
    assert "none.tif" in result.stderr
