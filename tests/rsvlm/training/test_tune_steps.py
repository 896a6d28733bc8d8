"""The batches of ``rsvlm train tune``: the same whoever makes them, and when."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer, image_processor_of
from rsvlm.models.encoder import frozen_encoder
from rsvlm.models.processing import RSVLMImageProcessor
from rsvlm.samples import read_samples
from rsvlm.training import tune_encode, tune_steps
from rsvlm.training.conversations import pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.tune_check import check, checked
from rsvlm.training.tune_data import Eye, Look, Part, TuneData, TuneRecipe
from rsvlm.training.tune_encode import encode_all, normalised
from rsvlm.training.tune_loss import loss_of
from rsvlm.training.tune_start import add_updates, find_start, initial_model
from rsvlm.training.tune_steps import (
    Drawer,
    ahead,
    drawn,
    steps_ahead,
    with_features,
)


@pytest.fixture
def make_data(
    tune_recipe: TuneRecipe, smoke_data: Path, encoder_folder: Path, tmp_path: Path
) -> Callable[[str], TuneData]:
    def make(name: str) -> TuneData:
        recipe = tune_recipe.model_copy(
            update={"variants_of": {"synthetic_pairs": 2}, "batch": 3}
        )
        processor = RSVLMImageProcessor(
            tile_size=recipe.tile_size, max_tiles=recipe.max_tiles, factor=2
        )
        eye = Eye(frozen_encoder(str(encoder_folder)), FeatureCache(tmp_path, name))
        found = pictures(read_samples(smoke_data / "train.jsonl"))[::3]
        data = TuneData(
            found, smoke_data, {"optical": eye}, processor, recipe, train=True
        )
        told: list[tuple[int, int]] = []
        encode_all(data, lambda done, total: told.append((done, total)))
        assert told[-1] == (sum(data.variants), sum(data.variants))
        return data

    return make


def test_worker_processes_make_the_same_batches(
    make_data: Callable[[str], TuneData], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data("alone")
    tokenizer = base_tokenizer(base_folder(data.recipe.language_model))
    alone = list(steps_ahead(data, tokenizer, 1, 7))
    for module in (tune_steps, tune_encode):
        monkeypatch.setattr(module, "loader_workers", lambda: 2)
    helped = make_data("helped")
    batches = list(steps_ahead(helped, tokenizer, 3, 7))  # as if it was stopped at 2
    assert [step for step, _ in batches] == [3, 4, 5, 6, 7]
    for (_, one), (_, other) in zip(alone[2:], batches, strict=True):
        assert one.pictures == other.pictures
        assert one.inputs.keys() == other.inputs.keys()
        for name, value in one.inputs.items():
            assert torch.equal(value, other.inputs[name]), name
        assert torch.equal(one.features, other.features)


def test_each_step_asks_anew(
    make_data: Callable[[str], TuneData], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data("anew")
    tokenizer = base_tokenizer(base_folder(data.recipe.language_model))
    monkeypatch.setattr(tune_steps, "choose_pictures", lambda data, step: [0])
    drawer = Drawer(data, tokenizer)
    asked = {drawer[step][0]["input_ids"].tobytes() for step in range(1, 7)}
    assert len(asked) > 3


def test_a_source_has_its_own_number_of_variants(
    make_data: Callable[[str], TuneData],
) -> None:
    data = make_data("variants")
    sources = [picture.source for picture in data.pictures]
    assert {v for v, s in zip(data.variants, sources, strict=True)
            if s == "synthetic_pairs"} == {2}  # fmt: skip
    assert {v for v, s in zip(data.variants, sources, strict=True)
            if s != "synthetic_pairs"} == {data.recipe.variants}  # fmt: skip
    for index, count in enumerate(data.variants):
        looks = [Look(index, variant) for variant in range(count)]
        assert all(len(data.features(look)) == data.rows(look) for look in looks)
    assert data.rows(Look(0, 0, overview=True)) == 1


def test_tiles_are_normalised_as_in_use() -> None:
    processor = RSVLMImageProcessor(tile_size=28)
    rng = np.random.default_rng(0)
    tiles = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(28, 28), (9, 20)]]
    made = normalised(tiles, processor, torch.device("cpu"))
    for tile, pixels in zip(tiles, made, strict=True):
        assert torch.allclose(pixels, torch.from_numpy(processor.normalise(tile)))
        assert (pixels[:, tile.shape[0] :] == 0).all()


def test_work_done_ahead_keeps_its_order_and_its_errors() -> None:
    drawn: list[int] = []

    def items() -> "list[int]":
        return list(range(9))

    def work(item: int) -> int:
        drawn.append(item)
        if item == 7:
            raise ValueError("seven")
        return item * item

    found = ahead(items(), work)
    assert [next(found) for _ in range(7)] == [n * n for n in range(7)]
    with pytest.raises(ValueError, match="seven"):
        next(found)
    found = ahead(items(), lambda item: item)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]  # a run that is stopped


def test_held_out_pictures_are_of_all_sources(
    make_data: Callable[[str], TuneData],
) -> None:
    data = make_data("check")
    sources = {picture.source for picture in data.pictures}
    few = checked(data.pictures, 2)
    assert {picture.source for picture in few} == sources
    assert len(few) == max(2, len(sources))
    recipe = data.recipe
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    model = initial_model(recipe, tokenizer)
    assert check(model, data, tokenizer) == check(model, data, tokenizer)


def test_a_step_leaves_nothing_on_another_device(
    radar_recipe: TuneRecipe, radar_data: Path, tmp_path: Path
) -> None:
    """On "meta", which stands for a GPU: mixing devices is an error there too."""
    update = {"start": "", "aligned": "", "parts": get_args(Part)}
    recipe = radar_recipe.model_copy(update=update)
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    start = find_start(recipe)
    model = initial_model(recipe, tokenizer, start)
    eyes = {
        sensor: Eye(
            model.model.get_submodule(f"{sensor}_encoder"),
            FeatureCache(tmp_path, sensor),
        )
        for sensor in ("optical", "sar")
    }
    found = pictures(read_samples(radar_data / "train.jsonl"))
    few = [*found[:3], *(p for p in found if p.source == "radar")]
    processor = image_processor_of(model.config)
    data = TuneData(few, radar_data, eyes, processor, recipe, train=True)
    encode_all(data, lambda done, total: None)
    rng = np.random.default_rng(0)
    both = drawn(data, [4, 0, 1], tokenizer, recipe.questions, rng)
    batch = with_features(data, both)
    model.to("meta")
    tuned = add_updates(model, recipe, start)
    loss, right = loss_of(model, batch.to(torch.device("meta")))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.device.type == right.device.type == "meta"
    for name, parameter in tuned.named_parameters():
        assert parameter.device.type == "meta", name
        assert parameter.requires_grad == (parameter.grad is not None), name
