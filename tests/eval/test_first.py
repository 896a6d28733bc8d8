import json
from pathlib import Path

import pytest

from rsvlm.assistant import Assistant
from rsvlm.data_engine.build import build
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import SettingsError
from rsvlm.eval.first import run


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    build("smoke", folder, folder)
    return folder


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_each_score_stands_beside_its_baseline(records: Path, tmp_path: Path) -> None:
    assistant = Assistant(StubEngine(["yes"]))
    table = run(assistant, records, "test", tmp_path, limit=3, kinds=("presence",))
    (answer, alone) = json.loads((tmp_path / "metrics.json").read_text())
    # Always "yes" is right for every present class and wrong for every absent one.
    assert answer["value"] == alone["value"] == 0.5
    assert answer["baseline"] == {"always yes": 0.5}
    assert "always yes 0.500" in table
    lines = (tmp_path / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == answer["n"]
    assert json.loads(lines[0])["schema"] == "rsvlm.prediction/1"


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_boxes_that_are_the_truth_score_one(records: Path, tmp_path: Path) -> None:
    lines = (records / "test.jsonl").read_text().splitlines()
    ground = next(
        s for s in map(json.loads, lines) if s["task"] == "ground" and s["targets"]
    )
    image, target = ground["images"][0], ground["targets"][0]
    one = ground | {"targets": [target]}
    (records / "val.jsonl").write_text(json.dumps(one) + "\n")
    size = [image["width"], image["height"]] * 2
    units = [round(1000 * v / s) for v, s in zip(target["hbb"], size, strict=True)]
    oracle = StubEngine([f"{target['label']} {units}"])
    run(Assistant(oracle), records, "val", tmp_path, kinds=("ground",))
    scores = json.loads((tmp_path / "metrics.json").read_text())
    assert [score["value"] for score in scores] == [1.0, 1.0]


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="rsvlm data build"):
        run(Assistant(StubEngine(["a"])), tmp_path, "test", tmp_path)
