"""``learn = "lora"``: the encoder learns with the head, from pictures shown anew."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rsvlm.errors import CheckpointError, SettingsError
from rsvlm.labels import OBJECTS
from rsvlm.models.encoder import frozen_encoder
from rsvlm.models.finder import RegionFinder
from rsvlm.samples import read_samples
from rsvlm.training.mix import Mix, Order
from rsvlm.training.mosaic import Entry, Labelled, mosaics
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.region_steps import Draw, Steps, draws
from rsvlm.training.region_views import RegionViews
from rsvlm.training.regions import train_regions


class Stop(Exception):
    """The kill of a run."""


@pytest.fixture(scope="module")
def recipe(region_recipe: RegionRecipe) -> RegionRecipe:
    update = {
        "learn": "lora", "rank": 2, "first_block": 2, "learning_rate": 3e-3,
        "encoder_rate": 3e-3, "average": 0.5,
    }  # fmt: skip
    return region_recipe.model_copy(update=update)


@pytest.fixture(scope="module")
def run(
    recipe: RegionRecipe, smoke_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished run whose encoder learned as well."""
    out = tmp_path_factory.mktemp("lora")
    train_regions(recipe, smoke_data, out, out)
    return out


@pytest.fixture
def views(recipe: RegionRecipe, smoke_data: Path) -> RegionViews:
    samples = list(read_samples(smoke_data / "train.jsonl"))
    full = [Labelled.of(s) for s in samples if s.task == "detect"]
    entries = [Entry((cell,)) for cell in full] + mosaics(full, [], 2, 0)
    return RegionViews(entries, smoke_data, recipe, 14)


def test_an_interrupted_run_ends_like_any_other(
    recipe: RegionRecipe, run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 2/2"):
            raise Stop

    with pytest.raises(Stop):
        train_regions(recipe, smoke_data, tmp_path, tmp_path, stop)
    train_regions(recipe, smoke_data, tmp_path, tmp_path)
    for name in ("regions.safetensors", "state.safetensors"):
        one, two = load_file(run / name), load_file(tmp_path / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_head_and_encoder_learn(
    recipe: RegionRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    longer = recipe.model_copy(update={"epochs": 6})
    train_regions(longer, smoke_data, tmp_path, tmp_path)
    text = (tmp_path / "log.jsonl").read_text()
    epochs = [json.loads(line) for line in text.splitlines()][:-1]
    assert epochs[-1]["val_loss"] < 0.8 * epochs[0]["val_loss"]
    assert 0 <= epochs[-1]["val_map50"] <= 1
    tensors = load_file(tmp_path / "regions.safetensors")
    up = {k: v for k, v in tensors.items() if k.endswith("lora_B.weight")}
    assert all(".layer.2." in k or ".layer.3." in k for k in up)
    assert all(value.abs().max() > 0 for value in up.values())  # they start at 0


def test_the_finder_has_an_encoder_of_its_own(
    run: Path, recipe: RegionRecipe, encoder_folder: Path
) -> None:
    shared = frozen_encoder(str(encoder_folder))
    finder = RegionFinder.load(run, shared)
    assert finder.settings.lora == 2.0
    assert finder.encoder is not shared
    plain, own = shared.state_dict(), finder.encoder.state_dict()
    assert plain.keys() == own.keys()
    changed = {k for k in own if not torch.equal(own[k], plain[k])}
    assert len(changed) == 2 * 6  # of two blocks
    assert all(".layer.2." in k or ".layer.3." in k for k in changed)
    noise = np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8)
    one, _ = finder.maps(noise, ["ship"])
    two, _ = RegionFinder.load(run).maps(noise, ["ship"])
    assert one == two


def test_what_the_encoder_learned_changes_the_revision(run: Path) -> None:
    """What another encoder found must not be taken for what this one would find."""
    one, same, other = (RegionFinder.load(run) for _ in range(3))
    with torch.no_grad():
        next(iter(other.encoder.parameters())).add_(1)
    assert one.revision == same.revision != other.revision


def test_training_goes_on_from_updates(
    run: Path, recipe: RegionRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    (run / "config.json").write_text("{}")
    still = {
        "start": str(run), "epochs": 1, "learning_rate": 0.0, "encoder_rate": 0.0,
        "weight_decay": 0.0,
    }  # fmt: skip
    for name, learn in (("both", "lora"), ("head", "head")):
        again = recipe.model_copy(update=still | {"learn": learn})
        train_regions(again, smoke_data, tmp_path / name, features)
        one = load_file(run / "regions.safetensors")
        two = load_file(tmp_path / name / "regions.safetensors")
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name
        assert RegionFinder.load(tmp_path / name).settings.lora == 2.0
    other = recipe.model_copy(update=still | {"rank": 4})
    with pytest.raises(CheckpointError, match=r"do not fit the recipe: .*'rank'"):
        train_regions(other, smoke_data, tmp_path / "rank", features)
    other = recipe.model_copy(update={"first_block": 4})
    with pytest.raises(SettingsError, match="Lower 'first_block'"):
        train_regions(other, smoke_data, tmp_path / "block", features)


def order_of(views: RegionViews) -> Order:
    return Order([entry.source for entry in views.entries], Mix(), seed=0)


def test_targets_lie_where_objects_are_seen(views: RegionViews) -> None:
    seen = 0
    for draw in draws(order_of(views), 4, range(3)):
        batch = views.batch(draw)
        assert batch["picture"].shape[1:] == (112, 112, 3)
        assert batch["mask"].shape[1:] == (len(OBJECTS), 32, 32)
        pictures = batch["picture"].mean(-1).reshape(-1, 8, 14, 8, 14)
        cells = pictures.transpose(0, 1, 3, 2, 4).reshape(-1, 8, 8, 14 * 14)
        heat = batch["heat"].reshape(-1, len(OBJECTS), 8, 2, 8, 2)
        centres = heat.max((1, 3, 5)) >= 0.999
        for picture, centre in zip(cells, centres, strict=True):
            if centre.any() and not centre.all():
                seen += 1
                brightest = picture.max(-1)
                assert brightest[centre].mean() > np.median(picture) + 5
    assert seen > 10


def test_every_epoch_shows_something_else(views: RegionViews) -> None:
    one, same, two = (views.batch(Draw(epoch, 0, (0, 1))) for epoch in (0, 0, 1))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["picture"], two["picture"])
    plain = views.plain([0, 1])
    assert plain["picture"][0, :, :, 0].std() > 0


def test_windows_of_pictures_cost_less(views: RegionViews) -> None:
    """The encoder learns from 4 x 4 patches, and is checked on whole pictures."""
    views.recipe = views.recipe.model_copy(update={"view": 56})
    batch = views.batch(Draw(0, 0, (0, 1, len(views) - 1)))  # the last one a mosaic
    assert batch["picture"].shape == (3, 56, 56, 3)
    assert batch["heat"].shape[2:] == (8, 8)
    assert batch["mask"].shape[2:] == (16, 16)
    assert views.plain([0])["picture"].shape == (1, 112, 112, 3)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_workers_change_nothing(views: RegionViews) -> None:
    todo = draws(order_of(views), 3, range(1))
    own = list(Steps(views, todo).ahead())
    views.workers = 1
    theirs = list(Steps(views, todo).ahead())
    assert len(own) == len(theirs) == len(todo)
    for one, two in zip(own, theirs, strict=True):
        assert all(np.array_equal(one[name], two[name]) for name in one)
