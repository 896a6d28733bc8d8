"""The whole way to a checkpoint, as `make checkpoint` goes it, at toy size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rsvlm import assets
from rsvlm.raster import Raster

ROOT = Path(__file__).parents[1]
STEPS = ("align", "tune", "regions", "outlines")

pytestmark = [pytest.mark.slow, pytest.mark.model]


def make(out: Path) -> str:
    """Run the script, and return what it says on stderr."""
    done = subprocess.run(
        [ROOT / "scripts/checkpoint.sh", "smoke", "none", out],
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(out / "checkpoint")
    return done.stderr


def trained(run: Path) -> list[str]:
    """Return the lines of a log that tell of training."""
    lines = (run / "log.jsonl").read_text().splitlines()
    return [line for line in lines if '"calibration"' not in line]  # fitted each time


def test_every_stage_runs_and_the_checkpoint_answers(tmp_path: Path) -> None:
    for name in ("smollm2-135m-instruct", "all-minilm-l6-v2", "dinov2-s"):
        if assets.cached(name) is None:
            pytest.skip("fetch the pretrained parts first: rsvlm assets fetch")
    from rsvlm.app.build import build_assistant

    out = tmp_path / "out"
    make(out)
    for step in STEPS:
        log = (out / step / "log.jsonl").read_text().splitlines()
        assert any("held_out" in line or "val_" in line for line in log), step
        assert json.loads((out / "checkpoint" / f"run-{step}.json").read_text())["end"]
    seen = set((out / "checkpoint/train-images.txt").read_text().split())
    for step in ("tune/checkpoint", "regions", "outlines", "align/checkpoint"):
        assert seen >= set((out / step / "train-images.txt").read_text().split()), step
    picture = next((out / "data/images/synthetic").glob("*.png"))
    assistant = build_assistant(str(out / "checkpoint"))
    with Raster.open(picture) as raster:
        answer = assistant.ask([raster], "Where are the storage tanks?")
    assert answer.task == "ground"
    assert answer.model.revision

    before = {step: trained(out / step) for step in STEPS}
    make(out)
    assert before == {step: trained(out / step) for step in STEPS}  # nothing twice
