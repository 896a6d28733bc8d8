"""Evaluation by names."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsvlm.app import notebook
from rsvlm.app.notebook import evaluate, export_to_lmms_eval
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.replay import EchoAsker

BENCHMARK = """
name: own
version: 1
title: Own
source: made up
task: vqa
data: {file: own.jsonl, license: CC0-1.0}
prompt: {id: plain}
protocols: [{id: exact, metric: vqa_accuracy, primary: true}]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a benchmark of the user: two samples on one image."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own.yaml").write_text(BENCHMARK)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "a.png")
    samples = [
        {"id": f"s{i}", "images": [{"path": "a.png", "width": 8, "height": 8}],
         "task": "vqa", "conversation": [{"role": "user", "text": "Is it dark?"}],
         "answers": ["yes"], "source": "x", "licence": "x", "split": "test"}
        for i in range(2)
    ]  # fmt: skip
    lines = "".join(f"{json.dumps(sample)}\n" for sample in samples)
    (folder / "own.jsonl").write_text(lines)
    return folder


def test_a_benchmark_of_the_user_by_name(own: Path) -> None:
    report = evaluate("own", "echo", include=[own])
    assert report.value == 1.0
    assert "data:image/webp" in report.html()
    part = evaluate("own", "echo", include=[own], limit=1)
    assert part.results["exact"].subset


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="vhr10-ref"):
        evaluate("vhr10-reff", "echo")


def test_training_images_are_refused_or_marked(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    digest = sha256((own / "a.png").read_bytes()).hexdigest()
    (checkpoint / "train-images.txt").write_text(f"{digest}\n")
    monkeypatch.setattr(notebook, "checkpoint_of", lambda model: checkpoint)
    monkeypatch.setattr(notebook, "build_asker", lambda model, coords: EchoAsker())
    with pytest.raises(SettingsError, match="trained on 1 of 1 images of own"):
        evaluate("own", "x", include=[own])
    report = evaluate("own", "x", include=[own], allow_leak=True)
    assert "trained on 1 of 1 images" in report.run.notes("own")[0]


def test_a_benchmark_becomes_a_task_of_lmms_eval(own: Path, tmp_path: Path) -> None:
    path = export_to_lmms_eval("own", tmp_path / "out", include=[own], limit=1)
    assert path.name == "rsvlm_own.yaml"
    (line,) = path.with_suffix(".jsonl").read_text().splitlines()
    assert json.loads(line)["prompt"] == "Is it dark?"
