from pathlib import Path

import pytest

from rsvlm import assets
from rsvlm.app.samples import image_path


def test_a_path_stays_as_it_is() -> None:
    assert image_path("some/port.tif") == "some/port.tif"
    assert image_path("no-such-scene") == "no-such-scene"
    assert image_path("smollm2-135m-instruct") == "smollm2-135m-instruct"


def test_a_scene_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "cached", lambda name: tmp_path)
    monkeypatch.setattr(assets, "fetch", lambda name, progress=None: tmp_path)
    assert image_path("wye-mills") == str(tmp_path / "wye-mills.tif")


def test_a_file_of_that_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wye-mills").touch()
    monkeypatch.chdir(tmp_path)
    assert image_path("wye-mills") == "wye-mills"
