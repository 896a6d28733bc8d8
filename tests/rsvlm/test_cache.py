import json
import sys
from pathlib import Path

import pytest

from rsvlm import cache
from rsvlm.errors import AssetError


def test_the_variable_of_rsvlm_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "own"
    monkeypatch.setenv("RSVLM_CACHE", "")
    assert cache.cache_folder() == tmp_path / "xdg" / "rsvlm"


@pytest.mark.parametrize(
    ("platform", "parts"),
    [
        ("linux", (".cache", "rsvlm")),
        ("darwin", ("Library", "Caches", "rsvlm")),
        ("win32", ("AppData", "Local", "rsvlm", "Cache")),
    ],
)
def test_each_system_has_its_custom(
    platform: str,
    parts: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RSVLM_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # ignored by the standard
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.cache_folder() == tmp_path.joinpath(*parts)


def test_a_user_without_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("RSVLM_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(AssetError, match="Set RSVLM_CACHE"):
        cache.cache_folder()


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    cache.write_json(path, {"version": 1})
    with pytest.raises(TypeError):
        cache.write_json(path, {"version": object()})
    assert json.loads(path.read_text()) == {"version": 1}
    assert list(tmp_path.iterdir()) == [path]
