"""Recipes, the log of a run, and what is kept between two."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from rsvlm.errors import CheckpointError, ImageError, SettingsError, UnknownNameError
from rsvlm.samples import ImageRef
from rsvlm.training.align_data import AlignRecipe
from rsvlm.training.features import FeatureCache, picture_hash
from rsvlm.training.outline_recipe import OutlineRecipe
from rsvlm.training.regions import RegionRecipe
from rsvlm.training.run import (
    RECIPES,
    STATE_FILE,
    RunLog,
    load_recipe,
    read_changes,
)
from rsvlm.training.state import learning_rate, load_state, save_state
from rsvlm.training.tune import TuneRecipe


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    name, stage = path.stem.rsplit("-", 1)
    kinds: dict[str, Any] = {
        "align": AlignRecipe, "tune": TuneRecipe, "regions": RegionRecipe,
        "outlines": OutlineRecipe,
    }  # fmt: skip
    kind = kinds[stage]
    assert load_recipe(kind, name, stage) == load_recipe(kind, str(path), stage)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"stepps = 3", "Unknown setting 'stepps'.*Did you mean 'steps'"),
        (b"max_tiles = -1", "max_tiles: Input should be greater than or equal to 0"),
        (b"steps = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(text)
    with pytest.raises((SettingsError, UnknownNameError), match=message) as caught:
        load_recipe(TuneRecipe, str(path), "tune")
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(
        SettingsError, match=r"'tinny'.*smoke, tiny, tiny-gpu, tiny-words\."
    ):
        load_recipe(TuneRecipe, "tinny", "tune")


def test_a_setting_can_be_given_another_value() -> None:
    changes = read_changes(
        ["steps=7", "layers = [6]", "start=runs/a b", "questions={a = 2}"]
    )
    recipe = load_recipe(TuneRecipe, "smoke", "tune", changes | {"questions": {}})
    assert changes["questions"] == {"a": 2}
    assert (recipe.steps, recipe.layers, recipe.start) == (7, (6,), "runs/a b")
    assert recipe.rank == load_recipe(TuneRecipe, "smoke", "tune").rank


@pytest.mark.parametrize("line", ["steps", "=3", " = 3", ""])
def test_what_is_no_setting_is_refused(line: str) -> None:
    with pytest.raises(SettingsError, match=f"'{line}' is no KEY=VALUE"):
        read_changes([line])


def test_an_unknown_setting_on_the_command_line_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'stepps'.*'steps'"):
        load_recipe(TuneRecipe, "smoke", "tune", {"stepps": 3})


def lines(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()
    ]


def test_a_run_says_what_it_was(tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text("x")
    log = RunLog(tmp_path / "out", TuneRecipe(steps=7), {"train": data})
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["end"] is None
    log.close()
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run.keys() == {
        "recipe", "inputs", "revision", "packages", "start", "end",
    }  # fmt: skip
    assert run["recipe"] == TuneRecipe(steps=7).model_dump(mode="json")
    assert run["inputs"]["train"].startswith("2d711642b726b044")  # SHA-256 of "x"
    assert run["start"] <= run["end"]
    assert {"torch", "transformers", "peft", "accelerate"} <= run["packages"].keys()


def test_a_log_goes_on_where_the_run_does(tmp_path: Path) -> None:
    log = RunLog(tmp_path, TuneRecipe(), {})
    for step in (10, 20, 30):
        log.add(step=step, loss=1.0)
    log.add(calibration={})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"time_s": 3, "st')  # the kill came here
    log.rewind("step", 20)
    assert [line["step"] for line in lines(tmp_path)] == [10, 20]
    log.add(step=25)
    assert [line["step"] for line in lines(tmp_path)] == [10, 20, 25]
    log.rewind("step", 0)
    assert lines(tmp_path) == []


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text("x")
    out = tmp_path / "out"
    RunLog(out, TuneRecipe(), {"train": data})
    RunLog(out, TuneRecipe(steps=3), {"train": data})  # nothing was trained yet
    start = json.loads((out / "run.json").read_text()) | {
        "start": "2020-01-02T03:04:05Z"
    }
    (out / "run.json").write_text(json.dumps(start))
    (out / STATE_FILE).touch()
    RunLog(out, TuneRecipe(steps=3), {"train": data})
    run = json.loads((out / "run.json").read_text())
    assert run["start"] == "2020-01-02T03:04:05Z"  # the run began then
    with pytest.raises(SettingsError, match=r"another 'steps'\. Name another folder"):
        RunLog(out, TuneRecipe(steps=4), {"train": data})
    data.write_text("y")
    with pytest.raises(SettingsError, match="another 'train'"):
        RunLog(out, TuneRecipe(steps=3), {"train": data})


def trained(steps: int) -> tuple[nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), 0.1)
    for _ in range(steps):
        layer(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return layer, optimizer


def test_weights_and_moments_come_back(tmp_path: Path) -> None:
    layer, optimizer = trained(3)
    named = dict(layer.named_parameters())
    save_state(tmp_path, named, optimizer, {"step": 3, "best": float("inf")})
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    assert {"weight/bias", "exp_avg/bias", "exp_avg_sq/weight", "step/bias"} <= set(
        load_file(tmp_path / STATE_FILE)
    )
    other, fresh = trained(0)
    progress = load_state(tmp_path, dict(other.named_parameters()), fresh)
    assert progress == {"step": 3, "best": float("inf")}
    for model, optimiser in ((layer, optimizer), (other, fresh)):
        model(torch.ones(1, 3)).sum().backward()
        optimiser.step()
    assert torch.equal(layer.weight, other.weight)
    assert torch.equal(layer.bias, other.bias)


def test_nothing_to_continue(tmp_path: Path) -> None:
    layer, optimizer = trained(0)
    assert load_state(tmp_path, dict(layer.named_parameters()), optimizer) == {}


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    layer, optimizer = trained(1)
    save_state(tmp_path, dict(layer.named_parameters()), optimizer, {})
    for other in (nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 2))):
        fresh = torch.optim.AdamW(other.parameters())
        with pytest.raises(CheckpointError, match="does not fit the model"):
            load_state(tmp_path, dict(other.named_parameters()), fresh)
    (tmp_path / STATE_FILE).write_bytes(b"x" * 50)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_state(tmp_path, dict(layer.named_parameters()), optimizer)


def test_the_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, 2.0, 10) for step in range(101)]
    assert rates[0] == 0
    assert rates[10] == max(rates) == 2
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.04)
    assert learning_rate(200, 100, 2.0, 10) == pytest.approx(0.04)


def test_features_are_kept_by_key_and_identity(tmp_path: Path) -> None:
    one, other = FeatureCache(tmp_path, "a 2"), FeatureCache(tmp_path, "a 3")
    value = torch.arange(6).reshape(2, 3).T  # not contiguous
    one.put("x/0", {"tokens": value})
    assert "x/0" in one
    assert "x/0" not in other
    assert "x/1" not in one
    assert torch.equal(FeatureCache(tmp_path, "a 2").get("x/0")["tokens"], value)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_picture_without_a_hash_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    ref = ImageRef(path="a.png", width=1, height=1)
    assert picture_hash(ref, tmp_path).startswith("2d711642b726b044")
    known = ref.model_copy(update={"sha256": "abc"})
    assert picture_hash(known, tmp_path / "none") == "abc"
    with pytest.raises(ImageError, match=r"cannot read the picture .*a\.png"):
        picture_hash(ref, tmp_path / "none")
