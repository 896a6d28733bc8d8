import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from rsvlm import assets
from rsvlm.app import build, demo, progress
from rsvlm.app import samples as scenes
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine


def test_every_question_leaves_a_picture_geojson_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 3}
    place = {"crs": "EPSG:32618", "transform": from_origin(400000, 4310000, 1, 1)}
    with rasterio.open(
        scene, "w", dtype="uint8", photometric="RGB", **profile, **place
    ) as file:
        file.write(
            np.random.default_rng(0).integers(0, 255, (3, 60, 60), dtype=np.uint8)
        )
    stub = StubEngine(["tennis court [100,100,500,500]"])
    monkeypatch.setattr(build, "build_assistant", lambda *_: Assistant(stub))
    monkeypatch.setattr(assets, "cached", lambda name: tmp_path)
    monkeypatch.setattr(scenes, "image_path", lambda name: str(scene))
    monkeypatch.setattr(progress, "fetch_all", lambda names: None)
    monkeypatch.setattr("rsvlm.models.bases.CONVERTERS", {})
    out = tmp_path / "demo"
    result = CliRunner().invoke(demo.main, ["--out", str(out)])
    assert result.exit_code == 0, result.output
    tasks = [json.loads(p.read_text())["task"] for p in sorted(out.glob("*.json"))]
    assert tasks == ["caption", "vqa", "count", "ground", "segment"]
    for kind in ("png", "geojson"):
        assert len(list(out.glob(f"*.{kind}"))) == 5
    assert "Where are the tennis courts?" in result.output
