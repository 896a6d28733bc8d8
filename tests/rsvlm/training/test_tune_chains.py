"""``rsvlm train tune`` teaches to ask for windows, and the checkpoint says so."""

import json
from pathlib import Path

from rsvlm.samples import read_samples
from rsvlm.training.conversations import pictures
from rsvlm.training.tune import TuneRecipe, train_tune


def test_requests_for_windows_are_learnt(
    tune_recipe: TuneRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    assert tune_recipe.questions["zoom"]  # the recipe smoke asks for them
    recipe = tune_recipe.model_copy(
        update={"steps": 2, "warm_steps": 2, "questions": {"zoom": 3}}
    )
    train_tune(recipe, smoke_data, tmp_path / "out", features)
    log = (tmp_path / "out" / "log.jsonl").read_text()
    (line,) = [line for line in map(json.loads, log.splitlines()) if "held_out" in line]
    assert line["held_out"].keys() == {"zoom"}
    config = json.loads((tmp_path / "out" / "checkpoint" / "config.json").read_text())
    assert config["zooms"]
    (first, *_) = pictures(
        s for s in read_samples(smoke_data / "train.jsonl") if s.task == "zoom"
    )
    assert first.ref.width == 192
    assert any(s.roi for s in first.questions("zoom"))
