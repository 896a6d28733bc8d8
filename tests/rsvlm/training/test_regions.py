"""``rsvlm train regions`` on tiny models."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rsvlm.data_engine.shards import write_shards
from rsvlm.errors import CheckpointError, SettingsError, UnknownNameError
from rsvlm.labels import OBJECTS
from rsvlm.models.encoder import frozen_encoder
from rsvlm.models.finder import FinderSettings
from rsvlm.models.region_head import RegionMaps, peaks
from rsvlm.samples import read_samples
from rsvlm.training.features import FeatureCache
from rsvlm.training.mix import Mix
from rsvlm.training.mosaic import ABSENT, Entry, Labelled
from rsvlm.training.region_data import RegionData
from rsvlm.training.region_loss import WEIGHTS, region_loss
from rsvlm.training.region_steps import Draw
from rsvlm.training.regions import (
    STRANGERS,
    RegionRecipe,
    _scenes,
    train_regions,
    wordings,
)


class Stop(Exception):
    """The kill of a run."""


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def untimed(folder: Path) -> list[dict[str, Any]]:
    timed = {"time_s", "wait_share"}
    return [{k: v for k, v in x.items() if k not in timed} for x in lines(folder)]


def test_an_interrupted_run_ends_like_any_other(
    region_recipe: RegionRecipe,
    region_run: Path,
    smoke_data: Path,
    features: Path,
    tmp_path: Path,
) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 2/2"):
            raise Stop

    with pytest.raises(Stop):
        train_regions(region_recipe, smoke_data, tmp_path, features, stop)
    said: list[str] = []
    train_regions(region_recipe, smoke_data, tmp_path, features, said.append)
    assert not any(line.startswith("epoch 1/2") for line in said)
    for name in ("regions.safetensors", "state.safetensors"):
        one, two = load_file(region_run / name), load_file(tmp_path / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert (tmp_path / "regions.json").read_text() == (
        region_run / "regions.json"
    ).read_text()
    assert untimed(tmp_path) == untimed(region_run)
    with pytest.raises(SettingsError, match="another 'epochs'"):
        train_regions(
            region_recipe.model_copy(update={"epochs": 3}),
            smoke_data,
            tmp_path,
            features,
        )


def test_what_a_run_leaves_behind(
    region_run: Path, region_recipe: RegionRecipe, smoke_data: Path, features: Path
) -> None:
    assert {path.name for path in region_run.iterdir()} == {
        "run.json", "log.jsonl", "regions.json", "regions.safetensors",
        "state.safetensors", "train-images.txt",
    }  # fmt: skip
    run = json.loads((region_run / "run.json").read_text())
    assert run["recipe"] == region_recipe.model_dump(mode="json")
    assert run["inputs"].keys() == {"train", "val"}
    assert run["end"] >= run["start"]
    first, second, last = lines(region_run)
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert first.keys() >= {"val_loss", "wait_share", *WEIGHTS}
    settings = FinderSettings.model_validate(last["calibration"])
    text = (region_run / "regions.json").read_text()
    assert FinderSettings.model_validate_json(text) == settings
    assert settings.labels == tuple(OBJECTS)
    written = (region_run / "run.json").read_text()
    for folder in (region_run, smoke_data, features, Path.cwd()):
        assert str(folder) not in written


def test_a_head_that_is_trained_longer_finds_more(
    region_recipe: RegionRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    recipe = region_recipe.model_copy(update={"epochs": 6, "learning_rate": 5e-3})
    train_regions(recipe, smoke_data, tmp_path, features)
    epochs = [line for line in lines(tmp_path) if "epoch" in line]
    assert epochs[-1]["val_loss"] < 0.8 * epochs[0]["val_loss"]
    assert epochs[-1]["size"] < 0.5 * epochs[0]["size"]


def test_shards_and_a_mix_teach_as_well(
    region_recipe: RegionRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    for split in ("train", "val"):
        samples = read_samples(smoke_data / f"{split}.jsonl")
        write_shards(samples, smoke_data, tmp_path / "data", split)
    update = {
        "train": ("train-*.tar",), "val": ("val-*.tar",), "epochs": 1, "mosaics": 2,
        "mix": Mix(weights={"mosaics": 0.0}, size=6), "batch": 4,
    }  # fmt: skip
    recipe = region_recipe.model_copy(update=update)
    train_regions(recipe, tmp_path / "data", tmp_path / "out", tmp_path / "features")
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["inputs"].keys() == {"train", "val"}
    wrong = recipe.model_copy(update={"mix": Mix(weights={"mosaic": 0.0})})
    with pytest.raises(UnknownNameError, match="Did you mean 'mosaics'"):
        train_regions(wrong, tmp_path / "data", tmp_path / "new", tmp_path / "f")
    assert not (tmp_path / "new").exists()


def test_training_starts_from_the_head_of_a_checkpoint(
    region_recipe: RegionRecipe,
    region_run: Path,
    smoke_data: Path,
    features: Path,
    tmp_path: Path,
) -> None:
    first = shutil.copytree(region_run, tmp_path / "first")
    (first / "config.json").write_text("{}")
    still = {"start": str(first), "learning_rate": 0.0, "weight_decay": 0.0}
    recipe = region_recipe.model_copy(update=still | {"epochs": 1})
    train_regions(recipe, smoke_data, tmp_path / "out", features)
    one = load_file(first / "regions.safetensors")
    two = load_file(tmp_path / "out" / "regions.safetensors")
    assert all(torch.equal(one[key], two[key]) for key in one)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["inputs"].keys() == {"train", "val", "start"}
    wide = recipe.model_copy(update={"width": 64})
    with pytest.raises(CheckpointError, match="does not fit"):
        train_regions(wide, smoke_data, tmp_path / "wide", features)


def test_pictures_without_objects_and_data_without_val(
    region_recipe: RegionRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(smoke_data, tmp_path / "data")
    samples = [s for s in read_samples(data / "train.jsonl") if s.task == "detect"]
    empty = [s.model_copy(update={"targets": ()}) for s in samples[:5]]
    text = "".join(s.model_dump_json(by_alias=True) + "\n" for s in empty)
    (data / "train.jsonl").write_text(text)
    recipe = region_recipe.model_copy(update={"batch": 2, "variants": 2, "epochs": 1})
    for name, held_out in (("same", text), ("none", "")):
        (data / "val.jsonl").write_text(held_out)
        out = tmp_path / name
        train_regions(recipe, data, out, tmp_path / "features")
        for key, value in load_file(out / "regions.safetensors").items():
            assert value.isfinite().all(), key
        assert all(np.isfinite(lines(out)[0][term]) for term in WEIGHTS)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"layers": (9,)}, r"no layers \[9\]"),
        ({"train": ("none.jsonl",)}, r"none\.jsonl is missing"),
        ({"val": ("none.jsonl",)}, r"none\.jsonl is missing"),
        ({"train": ("run.json",)}, "holds no sample of task 'detect'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_at_once(
    region_recipe: RegionRecipe,
    smoke_data: Path,
    tmp_path: Path,
    update: dict[str, Any],
    message: str,
) -> None:
    recipe = region_recipe.model_copy(update=update)
    data = shutil.copytree(smoke_data, tmp_path / "data")
    (data / "run.json").write_text("")
    with pytest.raises(SettingsError, match=message):
        train_regions(recipe, data, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def data(
    region_recipe: RegionRecipe, smoke_data: Path, features: Path, encoder_folder: Path
) -> RegionData:
    recipe = region_recipe.model_copy(update={"variants": 3})
    samples = [s for s in read_samples(smoke_data / "val.jsonl") if s.task == "detect"]
    entries = [Entry((Labelled.of(sample),)) for sample in samples]
    return RegionData(
        entries, smoke_data, recipe, FeatureCache(features, "test"),
        frozen_encoder(str(encoder_folder)), 3, lambda done, total: None,
    )  # fmt: skip


def test_targets_fit_the_colours_of_each_variant(data: RegionData) -> None:
    for index in range(len(data.entries)):
        for variant in range(3):
            entry = data.entry(index, variant)
            h, w = entry["features"].shape[1:]
            assert entry["heat"].shape == (len(OBJECTS), 2 * h, 2 * w)
            assert entry["colours"].shape == (3, 4 * h, 4 * w)
            inside = entry["mask"].amax(0) > 0
            colours = entry["colours"].float().mean(0)
            shown = colours > 0  # padding is black
            ground = colours[shown & ~inside].mean()
            assert colours[inside].mean() > ground + 30  # objects are bright
    plain, varied = data.entry(0, 0), data.entry(0, 1)
    assert plain["features"].shape != varied["features"].shape or not torch.equal(
        plain["features"], varied["features"]
    )


def test_a_batch_is_filled_up_to_its_largest_grid(data: RegionData) -> None:
    batch = data.batch(Draw(0, 0, (0, 1, 2)))
    rows, columns = batch["features"].shape[2:]
    for name, factor in (("heat", 2), ("size", 2), ("offset", 2), ("weight", 2),
                         ("inside", 2), ("mask", 4), ("colours", 4),
                         ("judged", 2)):  # fmt: skip
        assert batch[name].shape[-2:] == (factor * rows, factor * columns), name
    grids = {
        tuple(data.entry(0, variant)["features"].shape[1:]) for variant in range(3)
    }
    areas = {4 * h * w for h, w in grids}
    assert int(batch["inside"][0].sum()) in areas
    for row in range(3):
        outside = 1 - batch["inside"][row]
        assert (batch["heat"][row] * outside).sum() == 0


def perfect(batch: dict[str, torch.Tensor], asked: int, strangers: int) -> RegionMaps:
    heat = torch.logit(batch["heat"].clamp(1e-4, 1 - 1e-4))
    none = torch.full((len(heat), strangers, *heat.shape[2:]), -9.0)
    mask = (batch["mask"] * 2 - 1) * 20.0
    return RegionMaps(
        torch.cat([heat, none], 1),
        batch["size"],
        batch["offset"],
        torch.cat([mask, mask[:, :1].expand(-1, strangers, -1, -1)], 1),
    )


def test_perfect_maps_cost_little_and_give_the_boxes(data: RegionData) -> None:
    batch = data.plain([0, 1])
    maps = perfect(batch, len(OBJECTS), 2)
    terms = region_loss(maps, batch, len(OBJECTS))
    assert terms.keys() == WEIGHTS.keys()
    assert terms["size"] == terms["offset"] == 0
    assert terms["mask"] < 0.01
    worse = RegionMaps(-maps.heat, maps.size + 1, maps.offset + 1, -maps.mask)
    for name, value in region_loss(worse, batch, len(OBJECTS)).items():
        assert value > terms[name] + 0.5, name
    # Where an object has a box alone, the mask costs nothing.
    blind = batch | {"outlined": torch.zeros_like(batch["outlined"])}
    assert region_loss(worse, blind, len(OBJECTS))["mask"] <= 1.0  # an empty Dice
    # A stranger that is found costs as well.
    heat = maps.heat.clone()
    heat[:, -1] = 3.0
    found = region_loss(
        RegionMaps(heat, maps.size, maps.offset, maps.mask), batch, len(OBJECTS)
    )
    assert found["heat"] > terms["heat"] + 1
    for row in range(2):
        scale = 112 / 96
        for k, label in enumerate(OBJECTS):
            truth = sorted(
                [v * scale for v in t.hbb]
                for t in data.entries[row].cells[0].sample.targets
                if t.label == label
            )
            boxes = peaks(maps.heat[row, k], maps.size[row], maps.offset[row], 7.0, 20)
            sure = sorted(list(box.box) for box in boxes if box.score > 0.99)
            assert sure == [pytest.approx(box, abs=0.1) for box in truth]


def test_pictures_of_scenes_teach_what_is_not_there(
    region_recipe: RegionRecipe,
    smoke_data: Path,
    features: Path,
    encoder_folder: Path,
    tmp_path: Path,
) -> None:
    recipe = region_recipe.model_copy(update={"empty": 3, "epochs": 1})
    scenes = _scenes(read_samples(smoke_data / "train.jsonl"))
    assert {cell.sample.answers[0] for cell in scenes} <= set(ABSENT)
    forest = next(c for c in scenes if c.sample.answers[0] == "forest")
    data = RegionData(
        [Entry((forest,))], smoke_data, recipe, FeatureCache(features, "test"),
        frozen_encoder(str(encoder_folder)), 1, lambda done, total: None,
    )  # fmt: skip
    batch = data.plain([0])
    assert batch["heat"].sum() == batch["mask"].sum() == batch["weight"].sum() == 0
    labels = list(OBJECTS)
    quiet = perfect(batch, len(labels), 0)
    for label in labels:  # a find costs, but where nobody labelled that class
        heat = quiet.heat.clone()
        heat[:, labels.index(label)] = 3.0
        loud = RegionMaps(heat, quiet.size, quiet.offset, quiet.mask)
        cost = region_loss(loud, batch, len(labels))["heat"]
        assert (cost > 10) == (label in ABSENT["forest"]), label
    train_regions(recipe, smoke_data, tmp_path, features)
    assert all(np.isfinite(lines(tmp_path)[0][term]) for term in WEIGHTS)


def test_words_for_every_label() -> None:
    words = wordings()
    assert words.keys() == OBJECTS.keys()
    assert {"ship", "ships", "boat", "vessels"} <= set(words["ship"])
    known = {form for forms in words.values() for form in forms}
    assert not known & set(STRANGERS)
    with pytest.raises(ValueError, match="strangers"):
        RegionRecipe(strangers=len(STRANGERS) + 1)
    RegionRecipe(strangers=len(STRANGERS))


def test_sizes_never_share_features(
    region_recipe: RegionRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        raise Stop

    for side in (112, 56):
        recipe = region_recipe.model_copy(update={"long_side": side})
        with pytest.raises(Stop):
            train_regions(
                recipe, smoke_data, tmp_path / str(side), tmp_path / "c", stop
            )
    assert len(list((tmp_path / "c").iterdir())) == 2
