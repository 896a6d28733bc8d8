"""``rsvlm train tune`` on tiny models: it learns, stops, goes on, and says so."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rsvlm.data_engine.shards import write_shards
from rsvlm.engines.local import LocalEngine
from rsvlm.errors import SettingsError
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer
from rsvlm.models.encoder import frozen_encoder
from rsvlm.models.processing import RSVLMImageProcessor
from rsvlm.samples import read_samples
from rsvlm.training.augment import load_picture, turn
from rsvlm.training.conversations import pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.loader import WINDOW
from rsvlm.training.mix import Mix, Order
from rsvlm.training.tune import TuneRecipe, initial_model, train_tune
from rsvlm.training.tune_check import checked
from rsvlm.training.tune_data import Eye, Look, TuneData, turn_patches
from rsvlm.training.tune_encode import encode_all, encode_tiles
from rsvlm.training.tune_loss import batch_on
from rsvlm.training.tune_steps import steps_ahead
from tests.rsvlm.training.drawing import batch_of
from tests.rsvlm.training.launching import train_in_two, train_until_killed


class Stop(Exception):
    """The kill of a run."""


def stop_at(text: str) -> Callable[[str], None]:
    def progress(line: str) -> None:
        if line.startswith(text):
            raise Stop

    return progress


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a log without what no two runs have in common."""
    lines = [
        json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()
    ]
    timed = {
        "time_s", "tokens_per_s", "images_per_s", "wait_share", "padding",
    }  # fmt: skip
    return [{k: v for k, v in line.items() if k not in timed} for line in lines]


def test_an_interrupted_run_ends_like_any_other(
    tune_recipe: TuneRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    recipe = tune_recipe.model_copy(update={"steps": 6})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    said: list[str] = []
    train_tune(recipe, smoke_data, whole, features, said.append)
    for line in ("warm start 10/10", "step 4: held out"):
        with pytest.raises(Stop):
            train_tune(recipe, smoke_data, parts, features, stop_at(line))
    # What was done before the first kill is not done again.
    again: list[str] = []
    train_tune(recipe, smoke_data, parts, features, again.append)
    assert not any(line.startswith("warm start") for line in again)
    assert any(line.startswith("step 6/6: loss") for line in said)
    for name in ("checkpoint/model.safetensors", "state.safetensors"):
        one, two = load_file(whole / name), load_file(parts / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert log_of(whole) == log_of(parts)
    assert [line["step"] for line in log_of(whole)] == [2, 4, 6, 6]
    # Once more does nothing, and a changed recipe is no continuation.
    before = (whole / "checkpoint" / "model.safetensors").read_bytes()
    train_tune(recipe, smoke_data, whole, features)
    assert (whole / "checkpoint" / "model.safetensors").read_bytes() == before
    assert log_of(whole) == log_of(parts)
    with pytest.raises(SettingsError, match="another 'steps'"):
        train_tune(tune_recipe, smoke_data, whole, features)


def test_a_killed_run_ends_like_any_other(
    tune_recipe: TuneRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    """Killed in the first of two windows, in the middle of an epoch or wherever."""
    update = {"steps": WINDOW + 4, "check_every": 7, "warm_steps": 2, "variants": 0}
    recipe = tune_recipe.model_copy(update=update)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_tune(recipe, smoke_data, whole, tmp_path / "features")
    train_until_killed("tune", recipe, smoke_data, parts)
    train_tune(recipe, smoke_data, parts, tmp_path / "features")
    one, two = (load_file(run / "state.safetensors") for run in (whole, parts))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert log_of(whole) == log_of(parts)


def test_shards_teach_the_same_as_files(
    tuned: Path, tune_recipe: TuneRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    for split in ("train", "val"):
        samples = read_samples(smoke_data / f"{split}.jsonl")
        # Each shard holds about one picture.
        write_shards(samples, smoke_data, tmp_path / "data" / "shards", split, 1)
    update = {"train": ("shards/train-*.tar",), "val": ("shards/val-*.tar",)}
    recipe = tune_recipe.model_copy(update=update)
    # No features are there yet: the pictures are read from the shards.
    out = train_tune(recipe, tmp_path / "data", tmp_path / "out", tmp_path / "features")
    one, two = (
        load_file(folder / "model.safetensors")
        for folder in (tuned / "checkpoint", out)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    names = [
        (folder / "train-images.txt").read_text()
        for folder in (tuned / "checkpoint", out)
    ]
    assert names[0] == names[1]
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"train/0", "train/1", "val/0"} <= run["inputs"].keys()


def test_two_processes_share_a_run(
    tune_recipe: TuneRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    recipe = tune_recipe.model_copy(update={"questions": {"classify": 1, "vqa": 2}})
    out = tmp_path / "out"
    train_in_two("tune", recipe, smoke_data, out)
    assert [line["step"] for line in log_of(out)] == [2, 4, 4]
    shares = log_of(out)[-1]["held_out"]
    assert shares.keys() == {"classify", "vqa"}
    for name, value in load_file(out / "checkpoint" / "model.safetensors").items():
        assert value.isfinite().all(), name
    state = load_file(out / "state.safetensors")
    assert any(value.any() for name, value in state.items() if "lora_B" in name)
    # A run of two is no run of one.
    with pytest.raises(SettingsError, match="a run of 2 processes, now there are 1"):
        train_tune(recipe, smoke_data, out, features)


def test_pictures_shown_anew_teach_as_well(
    tune_recipe: TuneRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    update = {"variants": 0, "steps": 2, "check_every": 2, "warm_steps": 2}
    recipe = tune_recipe.model_copy(update=update)
    said: list[str] = []
    train_tune(recipe, smoke_data, tmp_path / "out", tmp_path / "features", said.append)
    assert "encoding train: 0/0" in said  # nothing is kept
    held_out = checked(
        pictures(read_samples(smoke_data / "val.jsonl")), recipe.check_pictures
    )
    assert len(list((tmp_path / "features").rglob("*.st"))) == len(held_out)


def test_a_mix_says_what_is_shown_and_encoded(
    tune_recipe: TuneRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    mix = Mix(weights={"synthetic_pairs": 0}, caps={"synthetic": 3}, size=9)
    update = {"mix": mix, "steps": 2, "check_every": 2, "warm_steps": 0, "batch": 3}
    recipe = tune_recipe.model_copy(update=update)
    said: list[str] = []
    train_tune(recipe, smoke_data, tmp_path / "out", tmp_path / "features", said.append)
    assert "encoding train: 6/6" in said  # of two steps of three


def test_what_a_run_leaves_behind(
    tuned: Path, tune_recipe: TuneRecipe, smoke_data: Path, features: Path
) -> None:
    kinds = {".json", ".jsonl", ".safetensors", ".jinja", ".txt"}
    for path in (path for path in tuned.rglob("*") if path.is_file()):
        assert path.suffix in kinds, path
        assert not path.name.startswith("."), path
        assert path.read_bytes()[:2] not in (b"PK", b"\x80\x02", b"\x80\x04"), path
    run = json.loads((tuned / "run.json").read_text())
    assert run["recipe"] == tune_recipe.model_dump(mode="json")
    assert run["inputs"].keys() == {"train", "val"}
    assert run["end"] >= run["start"]
    log = [json.loads(line) for line in (tuned / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [2, 4, 4]
    assert log[1].keys() == {
        "time_s", "step", "loss", "tokens_per_s", "images_per_s", "wait_share",
        "padding",
    }  # fmt: skip
    assert 0 <= log[1]["wait_share"] < 1
    assert 0 <= log[1]["padding"] < 0.5
    shares = log[2]["held_out"]
    assert shares.keys() >= {"classify", "vqa", "count", "caption", "ground"} - {
        "classify"  # two held-out pictures may show no scene
    }
    assert all(0 <= share <= 1 for share in shares.values())
    # No folder of this machine but those that the recipe itself names.
    written = (tuned / "run.json").read_text() + (tuned / "log.jsonl").read_text()
    for folder in (tuned, smoke_data, features, Path.cwd(), Path.home()):
        if len(folder.parts) > 2:
            assert str(folder) not in written


def test_training_lowers_the_loss(
    tune_recipe: TuneRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    update = {
        "steps": 30, "check_every": 30, "questions": {"classify": 1}, "rank": 8,
        "lora_rate": 1e-2, "projector_rate": 1e-2,
        "mix": Mix(weights={"synthetic_pairs": 0}),
    }  # fmt: skip
    train_tune(tune_recipe.model_copy(update=update), smoke_data, tmp_path, features)
    losses = [line["loss"] for line in log_of(tmp_path) if "loss" in line]
    assert len(losses) == 3
    assert losses[-1] < 0.7 * losses[0]
    engine = LocalEngine(tmp_path / "checkpoint")
    assert (engine.model.config.bases or {})["optical_encoder"] == tune_recipe.encoder


def test_frozen_parts_stay_what_they_were(
    tune_recipe: TuneRecipe, engine: LocalEngine
) -> None:
    tokenizer = base_tokenizer(base_folder(tune_recipe.language_model))
    fresh = initial_model(tune_recipe, tokenizer).float().state_dict()
    trained = engine.model.state_dict()
    assert trained.keys() == fresh.keys()
    linear = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    for name, value in trained.items():
        may_change = "projector" in name or (
            "language_model" in name and any(part in name for part in linear)
        )
        assert may_change or torch.equal(value, fresh[name]), name
        assert not may_change or not torch.equal(value, fresh[name]), name


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"questions": {"compare": 1}}, "no sample of the tasks under 'questions'"),
        ({"layers": (2, 9)}, r"no layers \[9\]"),
        ({"tile_size": 100}, "100 px is no multiple of 28 px"),
        ({"train": ("none.jsonl",)}, r"none\.jsonl is missing"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_at_once(
    tune_recipe: TuneRecipe,
    smoke_data: Path,
    tmp_path: Path,
    update: dict[str, Any],
    message: str,
) -> None:
    recipe = tune_recipe.model_copy(update=update)
    with pytest.raises(SettingsError, match=message):
        train_tune(recipe, smoke_data, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_data_without_words_or_questions_for_all(
    tune_recipe: TuneRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    """Pictures that only answer yes or no, and some that answer nothing."""
    data = shutil.copytree(smoke_data, tmp_path / "data")
    kept = [
        s
        for s in read_samples(data / "train.jsonl")
        if s.task == "vqa" and s.source == "synthetic" and int(s.id.split("/")[1]) % 2
    ]
    others = [s for s in read_samples(data / "train.jsonl") if s.task == "caption"]
    text = "".join(s.model_dump_json(by_alias=True) + "\n" for s in [*others, *kept])
    (data / "train.jsonl").write_text(text)
    update = {"questions": {"vqa": 1}, "steps": 3}
    recipe = tune_recipe.model_copy(update=update)
    out = train_tune(recipe, data, tmp_path / "out", features)
    for name, value in load_file(out / "model.safetensors").items():
        assert value.isfinite().all(), name


@pytest.fixture
def make_data(
    tune_recipe: TuneRecipe, smoke_data: Path, encoder_folder: Path, tmp_path: Path
) -> Callable[..., TuneData]:
    def make(**update: Any) -> TuneData:
        recipe = tune_recipe.model_copy(update=update)
        processor = RSVLMImageProcessor(
            tile_size=recipe.tile_size, max_tiles=recipe.max_tiles, factor=2
        )
        store = FeatureCache(tmp_path, str(update))
        found = pictures(read_samples(smoke_data / "train.jsonl"))
        encoder = frozen_encoder(str(encoder_folder))
        eyes = {"optical": Eye(encoder, store)}
        data = TuneData(found, smoke_data, eyes, processor, recipe, train=True)
        encode_all(data, range(len(found)), lambda done, total: None)
        return data

    return make


def test_epochs_show_every_picture_equally_often(
    make_data: Callable[..., TuneData],
) -> None:
    data = make_data(batch=5, epochs=2.0)
    count = len(data.pictures)
    assert (2 * count) % 5  # what is over goes to other steps
    windows = data.recipe.windows(count, (0, 1))
    assert windows.steps == 2 * count // 5
    order = Order([p.source for p in data.pictures], data.recipe.mix, 0)
    tokenizer = base_tokenizer(base_folder(data.recipe.language_model))
    run = list(steps_ahead(data, tokenizer, order, windows))
    assert len(run) == windows.steps
    assert {len(batch.parts) for batch in run} <= {5, 6}
    shown = Counter(look.index for batch in run for look in batch.drawn.looks)
    assert shown == dict.fromkeys(range(count), 2)


def test_turned_variants_are_the_turned_pictures(
    make_data: Callable[..., TuneData], encoder_folder: Path, smoke_data: Path
) -> None:
    # Tiles smaller than the pictures: then each variant is encoded on its own.
    data = make_data(tile_size=56, variants=3)
    index = next(i for i, p in enumerate(data.pictures) if p.detect)
    assert data.rows(Look(index, 0)) == len(data.part(Look(index, 0)))
    picture = load_picture(smoke_data / data.pictures[index].ref.path)
    assert len({data.turned(index, v) for v in range(3)}) > 1
    for variant in range(3):
        objects = data.items(index, variant)
        shown = data.shown(index, variant)
        if variant:  # brightness and colours vary, what is where does not
            turned, _ = turn(picture, [], *data.turned(index, variant))
            alike = np.corrcoef(turned.mean(-1).ravel(), shown.mean(-1).ravel())
            assert alike[0, 1] > 0.95
        assert (objects.width, objects.height) == (shown.shape[1], shown.shape[0])
        for item in objects.items:  # objects are brighter than the ground
            x0, y0, x1, y1 = map(int, item.hbb)
            assert shown[y0:y1, x0:x1].max() > np.median(shown) + 50
        eye = Eye(frozen_encoder(str(encoder_folder)), data.eyes["optical"].cache)
        expected = encode_tiles(eye, [data.cut(index, variant)], data)
        found = data.part(Look(index, variant))
        assert isinstance(found, torch.Tensor)
        assert torch.equal(expected, found)


def test_batches_fit_their_features(make_data: Callable[..., TuneData]) -> None:
    data = make_data()
    for seed in range(6):
        batch = batch_on(data, batch_of(data, [0, 1, 2], seed), torch.device("cpu"))
        inputs = batch.inputs
        assert inputs["input_ids"].shape == inputs["weight"].shape
        placeholders = int((inputs["input_ids"] == 3).sum())
        assert placeholders == len(batch.features) * data.processor.tokens_per_tile
        assert (inputs["weight"].sum(1) > 0).all()


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirror", [True, False])
def test_patches_turn_like_pictures(quarter: int, mirror: bool) -> None:
    side = 4
    picture = np.zeros((side, side, 3), np.uint8)
    picture[..., 0] = np.arange(side * side).reshape(side, side)
    patches = torch.arange(side * side).reshape(1, -1, 1).repeat(2, 1, 3)
    shown, _ = turn(picture, [], quarter, mirror)
    turned = turn_patches(patches, quarter, mirror)
    assert turned.shape == patches.shape
    assert turned[1, :, 2].tolist() == shown[..., 0].flatten().tolist()
