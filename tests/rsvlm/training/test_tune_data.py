"""What ``rsvlm train tune`` learns from: pictures of two sensors, seen and varied."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer, image_processor_of
from rsvlm.models.encoder import encode, frozen_encoder
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.samples import read_samples
from rsvlm.training.augment import load_picture, turn
from rsvlm.training.conversations import Picture, pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.tune_check import thinned
from rsvlm.training.tune_data import Eye, Look, TuneData, read_picture
from rsvlm.training.tune_encode import encode_all, encode_tiles
from rsvlm.training.tune_loss import batch_on, loss_of, project
from rsvlm.training.tune_recipe import TuneRecipe
from rsvlm.training.tune_start import initial_model
from tests.rsvlm.training.drawing import batch_of


@torch.no_grad()
def test_tiles_are_projected_by_their_sensor(
    two_encoders: RSVLMForConditionalGeneration,
) -> None:
    inner, layers = two_encoders.model, (2, 4)
    pixels = torch.randn(5, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    sensors = torch.tensor([1, 0, 0, 1, 0])
    features = torch.stack([
        encode(inner.sar_encoder if s else inner.optical_encoder, p[None], layers)[0]
        for s, p in zip(sensors, pixels, strict=True)
    ])  # fmt: skip
    for chosen in (slice(None), sensors == 1, sensors == 0):
        expected = inner.get_image_features(pixels[chosen], sensors[chosen])
        tokens = project(inner, features[chosen], sensors[chosen])
        assert torch.allclose(tokens, expected.pooler_output, atol=1e-5)
    plain = inner.get_image_features(pixels[sensors == 0]).pooler_output
    assert torch.allclose(
        project(inner, features[sensors == 0], None), plain, atol=1e-5
    )


@pytest.fixture
def radar_sets(
    radar_recipe: TuneRecipe, radar_data: Path, aligned: Path, tmp_path: Path
) -> tuple[TuneData, RSVLMForConditionalGeneration]:
    """Encoded pictures of both sensors, and the model that encoded them."""
    recipe = radar_recipe.model_copy(update={"variants": 3})
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    model = initial_model(recipe, tokenizer)
    eyes = {
        "optical": Eye(model.model.optical_encoder, FeatureCache(tmp_path, "optical")),
        "sar": Eye(model.model.sar_encoder, FeatureCache(tmp_path, "sar")),
    }
    found = pictures(read_samples(radar_data / "train.jsonl"))
    few = [*found[:3], *(p for p in found if p.source == "radar")]
    processor = image_processor_of(model.config)
    data = TuneData(few, radar_data, eyes, processor, recipe, train=True)
    encode_all(data, range(len(few)), lambda done, total: None)
    return data, model


def test_pictures_are_seen_by_their_encoder(
    radar_sets: tuple[TuneData, RSVLMForConditionalGeneration], encoder_folder: Path
) -> None:
    data, model = radar_sets
    assert data.routes == ["optical"] * 3 + ["sar"] * 5
    plain = frozen_encoder(str(encoder_folder))
    for index, sensor in enumerate(data.routes):
        encoders = {"optical": plain, "sar": model.model.sar_encoder}
        seen = {
            name: encode_tiles(
                Eye(encoder, data.eyes["sar"].cache), [data.cut(index, 0)], data
            )
            for name, encoder in encoders.items()
        }
        other = {"optical": "sar", "sar": "optical"}[sensor]
        found = data.part(Look(index, 0))
        assert isinstance(found, torch.Tensor)
        assert torch.equal(found, seen[sensor])
        assert not torch.allclose(found, seen[other], atol=0.1)
    batch = batch_on(data, batch_of(data, [4, 0]), torch.device("cpu"))
    sensors = batch.inputs["sensor_ids"].tolist()
    assert sensors == [1] + [0] * (len(batch.features) - 1)
    loss, _ = loss_of(model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert model.model.sar_projector.gain.grad is not None
    assert model.model.optical_projector.gain.grad is None


def test_radar_varies_by_speckle_and_turns_alone(
    radar_sets: tuple[TuneData, RSVLMForConditionalGeneration], radar_data: Path
) -> None:
    data, _ = radar_sets
    changed = 0
    for index in range(3, 7):
        plain = load_picture(radar_data / data.pictures[index].ref.path)
        assert np.array_equal(data.shown(index, 0), plain)
        for variant in (1, 2):
            shown = data.shown(index, variant)
            turned, _ = turn(plain, [], *data.turned(index, variant))
            assert shown.shape == plain.shape  # nothing is cut away
            assert (shown == shown[..., :1]).all()  # no colours
            alike = np.corrcoef(turned[..., 0].ravel(), shown[..., 0].ravel())[0, 1]
            assert alike > 0.6
            changed += not np.array_equal(turned, shown)
    assert changed == 8


def test_a_geotiff_is_drawn_as_in_use(radar_data: Path) -> None:
    path = radar_data / "images/radar-4.tif"
    shown = read_picture(path, "sar")
    assert shown.shape == (48, 48, 3)
    levels = shown.reshape(-1, 3).mean(0)
    # VV of -9 dB in -25..0, VH of -16 dB in -30..-5, their ratio of 7 dB in 0..15.
    assert levels == pytest.approx((255 * 16 / 25, 255 * 14 / 25, 255 * 7 / 15), abs=4)


def test_radar_that_webp_stored_in_colour_is_gray(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 250, (8, 8, 1), dtype=np.uint8)
    tinted = np.concatenate([levels, levels + 1, levels + 2], axis=-1)
    colours: NDArray[np.uint8] = tinted * np.array([1, 0, 0], np.uint8)
    for name, pixels in (("tinted", tinted), ("colours", colours)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    assert np.array_equal(
        read_picture(tmp_path / "tinted.png", "sar"), levels.repeat(3, -1)
    )
    for name, sensor in (("tinted", "optical"), ("colours", "sar")):
        path = tmp_path / f"{name}.png"
        assert np.array_equal(read_picture(path, sensor), load_picture(path))


def test_pairs_are_no_pictures_and_shares_need_the_whole(radar_data: Path) -> None:
    samples = list(read_samples(radar_data / "train.jsonl"))
    assert any(len(sample.images) == 2 for sample in samples)
    found = pictures(samples)
    assert not any("retrieve" in picture.by_task for picture in found)
    assert all(p.whole for p in found if p.ref.sensor == "sar" or p.detect)
    assert not all(picture.whole for picture in found)
    scene = next(picture for picture in found if not picture.whole)
    (sample, *_) = (s for group in scene.by_task.values() for s in group)
    assert Picture(
        scene.ref, [sample.model_copy(update={"meta": {"kind": "cover-share"}})]
    ).whole


def test_sources_are_thinned_evenly(radar_data: Path) -> None:
    found = pictures(read_samples(radar_data / "train.jsonl"))
    sources = Counter(picture.source for picture in found)
    source, count = sources.most_common(1)[0]
    kept = thinned(found, {source: 3})
    assert Counter(p.source for p in kept) == {**sources, source: 3}
    rows = [
        i for i, p in enumerate([p for p in found if p.source == source]) if p in kept
    ]
    assert max(np.diff(rows)) <= count // 3 + 1
    assert thinned(found, {}) == found
