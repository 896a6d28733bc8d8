"""The batches of ``rsvlm train tune``: the same whoever makes them, and when."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer, image_processor_of
from rsvlm.models.encoder import frozen_encoder
from rsvlm.models.processing import RSVLMImageProcessor
from rsvlm.samples import read_samples
from rsvlm.training import loader
from rsvlm.training.conversations import pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.loader import WINDOW
from rsvlm.training.tune_check import check, checked
from rsvlm.training.tune_data import Eye, Look, TuneData
from rsvlm.training.tune_encode import encode_all, normalised
from rsvlm.training.tune_loss import batch_on, loss_of
from rsvlm.training.tune_recipe import Part, TuneRecipe
from rsvlm.training.tune_start import add_updates, find_start, initial_model
from rsvlm.training.tune_steps import Read
from tests.rsvlm.training.drawing import batch_of, steps_of


@pytest.fixture
def make_data(
    tune_recipe: TuneRecipe, smoke_data: Path, encoder_folder: Path, tmp_path: Path
) -> Callable[..., TuneData]:
    def make(name: str, **update: Any) -> TuneData:
        update = {"variants_of": {"synthetic_pairs": 2}, "batch": 3} | update
        recipe = tune_recipe.model_copy(update=update)
        processor = RSVLMImageProcessor(
            tile_size=recipe.tile_size, max_tiles=recipe.max_tiles, factor=2
        )
        eye = Eye(frozen_encoder(str(encoder_folder)), FeatureCache(tmp_path, name))
        found = pictures(read_samples(smoke_data / "train.jsonl"))[::3]
        data = TuneData(
            found, smoke_data, {"optical": eye}, processor, recipe, train=True
        )
        told: list[tuple[int, int]] = []
        every = range(len(found))
        encode_all(data, every, lambda done, total: told.append((done, total)))
        assert told[-1] == (sum(data.variants), sum(data.variants))
        return data

    return make


def same(one: Read, other: Read) -> bool:
    """Whether two batches are equal."""
    parts = zip(one.parts, other.parts, strict=True)
    inputs = other.drawn.inputs
    return (
        one.drawn.looks == other.drawn.looks
        and one.drawn.inputs.keys() == inputs.keys()
        and all(np.array_equal(v, inputs[n]) for n, v in one.drawn.inputs.items())
        and all(
            bool((a == b).all()) for pair in parts for a, b in zip(*pair, strict=True)
        )
    )


@pytest.mark.parametrize("variants", [1, 0])  # kept, or shown anew
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_run_goes_on_at_any_step_with_any_help(
    make_data: Callable[..., TuneData],
    monkeypatch: pytest.MonkeyPatch,
    variants: int,
) -> None:
    data = make_data("alone", variants=variants, batch=2)
    steps = WINDOW + 4
    alone = steps_of(data, steps)
    assert len(alone) == steps
    helped = make_data("helped", variants=variants, batch=2)
    monkeypatch.setattr(loader, "loader_workers", lambda: 2)
    for first in (3, WINDOW, WINDOW + 1, steps, steps + 1):
        batches = steps_of(helped, steps, first)
        assert len(batches) == steps + 1 - first
        assert all(map(same, alone[first - 1 :], batches))
    other = steps_of(make_data("other", variants=variants, batch=2, seed=1), steps)
    assert not any(map(same, alone, other))


def test_processes_share_a_run(make_data: Callable[..., TuneData]) -> None:
    data = make_data("share", batch=4)
    alone, shared = steps_of(data, 9), steps_of(data, 9, ranks=2)
    assert len(shared) == 18
    looks = [
        sorted((look.index, look.variant, look.overview) for b in run for look in b.drawn.looks)
        for run in (alone, shared)
    ]  # fmt: skip
    assert looks[0] == looks[1]
    assert all(len(batch.parts) == 2 for batch in shared)


def test_each_time_it_is_asked_anew(make_data: Callable[..., TuneData]) -> None:
    data = make_data("anew", batch=1)
    data.pictures, data.variants = data.pictures[:1], data.variants[:1]
    asked = {b.drawn.inputs["input_ids"].tobytes() for b in steps_of(data, 6)}
    assert len(asked) > 3


def test_little_of_a_batch_is_padding(make_data: Callable[..., TuneData]) -> None:
    data = make_data("padding", batch=4)
    batches = steps_of(data, WINDOW)
    filled = [batch.drawn.inputs["segments"] >= 0 for batch in batches]
    padding = 1 - sum(f.sum() for f in filled) / sum(f.size for f in filled)
    lengths = [int(n) for f in filled for n in f.sum(1)]
    rng = np.random.default_rng(0)
    by_chance = [rng.permutation(lengths)[:4] for _ in range(200)]
    expected = 1 - sum(map(sum, by_chance)) / sum(4 * max(b) for b in by_chance)
    assert padding < expected / 4
    assert padding < 0.05


def test_pictures_shown_anew_fit_their_places(
    make_data: Callable[..., TuneData],
) -> None:
    # Tiles smaller than the pictures, so that a size changes their number.
    data = make_data("sizes", variants=0, variants_of={}, tile_size=56, max_tiles=9)
    assert not any(data.variants)
    counts, sizes = set[int](), set[tuple[int, ...]]()
    for batch in steps_of(data, 12):
        for look, part in zip(batch.drawn.looks, batch.parts, strict=True):
            assert isinstance(part, list)
            assert len(part) == data.rows(look)
            counts.add(len(part))
            if not look.overview:
                sizes.add(data.shown(look.index, look.variant).shape)
        there = batch_on(data, batch, torch.device("cpu"))
        tokens = len(there.features) * data.processor.tokens_per_tile
        assert tokens == int((there.inputs["input_ids"] == 3).sum())
    assert len(counts) > 2
    assert len(sizes) > 8
    # Not below a tile, and never enlarged.
    whole = [data.pictures[i].ref for i in range(len(data.pictures))]
    assert all(56 <= max(size) <= max(ref.width for ref in whole) for size in sizes)


def test_a_source_has_its_own_number_of_variants(
    make_data: Callable[..., TuneData],
) -> None:
    data = make_data("variants")
    sources = [picture.source for picture in data.pictures]
    assert {v for v, s in zip(data.variants, sources, strict=True)
            if s == "synthetic_pairs"} == {2}  # fmt: skip
    assert {v for v, s in zip(data.variants, sources, strict=True)
            if s != "synthetic_pairs"} == {data.recipe.variants}  # fmt: skip
    for index, count in enumerate(data.variants):
        for variant in range(count):
            look = Look(index, variant)
            assert len(data.part(look)) == data.rows(look)
    assert data.rows(Look(0, 0, overview=True)) == 1


def test_tiles_are_normalised_as_in_use() -> None:
    processor = RSVLMImageProcessor(tile_size=28)
    rng = np.random.default_rng(0)
    tiles = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(28, 28), (9, 20)]]
    made = normalised(tiles, processor, torch.device("cpu"))
    for tile, pixels in zip(tiles, made, strict=True):
        assert torch.allclose(pixels, torch.from_numpy(processor.normalise(tile)))
        assert (pixels[:, tile.shape[0] :] == 0).all()


def test_held_out_pictures_are_of_all_sources(
    make_data: Callable[..., TuneData],
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
    encode_all(data, range(len(few)), lambda done, total: None)
    batch = batch_of(data, [4, 0, 1])
    model.to("meta")
    tuned = add_updates(model, recipe, start)
    there = batch_on(data, batch, torch.device("meta"))
    loss, right = loss_of(model, there)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.device.type == right.device.type == "meta"
    for name, parameter in tuned.named_parameters():
        assert parameter.device.type == "meta", name
        assert parameter.requires_grad == (parameter.grad is not None), name
