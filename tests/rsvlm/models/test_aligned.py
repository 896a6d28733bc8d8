"""Aligned encoders: files, vectors, maps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from rsvlm.embedding import class_vectors, zero_shot
from rsvlm.errors import CheckpointError
from rsvlm.geometry import HBB, Window
from rsvlm.models.align_head import AlignHead, DenseHead
from rsvlm.models.aligned import (
    ALIGN_FILE,
    SETTINGS_FILE,
    AlignedEncoder,
    AlignSettings,
    encoded_side,
    encoder_state,
    load_encoder,
    normalised_squares,
    save_aligned,
    squares,
)
from rsvlm.render import View

LAYER = "encoder.layer.0.attention.q_proj"


def view(pixels: NDArray[np.uint8], sensor: str = "optical") -> View:
    height, width = pixels.shape[:2]
    window = Window(HBB(0, 0, width, height), width, height)
    return View(pixels, window, sensor, "gray", "")


@pytest.fixture(scope="module")
def folder(
    encoder_folder: Path, text_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Both sensors on one trunk, SAR with low-rank updates, and maps of two classes."""
    folder = tmp_path_factory.mktemp("aligned")
    torch.manual_seed(0)
    tensors = {
        f"sar_encoder.{LAYER}.lora_A.weight": torch.randn(2, 32),
        f"sar_encoder.{LAYER}.lora_B.weight": torch.randn(32, 2),
        "log_scale": torch.tensor(2.0),
    }
    for sensor in ("optical", "sar"):
        for name, head in (
            ("head", AlignHead(64, 32, 16)),
            ("dense", DenseHead(64, 32)),
        ):
            state = head.state_dict()
            tensors |= {f"{sensor}_{name}.{k}": v for k, v in state.items()}
    settings = AlignSettings(
        encoders=dict.fromkeys(("optical", "sar"), str(encoder_folder)),
        text_encoder=str(text_folder),
        layers=(2, 4),
        size=56,
        width=16,
        lora={"sar": 2.0},
        covers=("forest", "parking lot"),
        places={"harbor": ("a ship",)},
        background=("grassland", "farmland"),
        window_m=2000.0,
    )
    save_aligned(settings, tensors, folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> AlignedEncoder:
    return AlignedEncoder.load(folder)


def pictures(count: int, side: int = 60) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 255, (side, side + i, 3), dtype=np.uint8) for i in range(count)
    ]


def test_low_rank_updates_are_added_to_the_trunk(
    folder: Path, encoder_folder: Path
) -> None:
    trunk = load_file(encoder_folder / "model.safetensors")
    tensors = load_file(folder / ALIGN_FILE)
    up = tensors[f"sar_encoder.{LAYER}.lora_B.weight"].float()
    down = tensors[f"sar_encoder.{LAYER}.lora_A.weight"].float()
    state = encoder_state(folder, "sar")
    wanted = trunk[f"{LAYER}.weight"].float() + 2.0 * up @ down
    assert torch.allclose(state[f"{LAYER}.weight"], wanted, atol=1e-5)
    assert state.keys() == trunk.keys()
    plain = encoder_state(folder, "optical")
    assert all(torch.equal(plain[k], trunk[k].float()) for k in trunk)
    module = load_encoder(folder, "sar")
    assert not any(p.requires_grad for p in module.parameters())


def test_vectors_are_unit_and_do_not_depend_on_the_batch(
    encoder: AlignedEncoder,
) -> None:
    views = [
        view(p, s) for p, s in zip(pictures(11), ["optical", "sar"] * 6, strict=False)
    ]
    together = encoder.encode_image(views)
    assert together.shape == (11, 32)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-4)
    alone = np.concatenate([encoder.encode_image([v]) for v in views])
    assert together == pytest.approx(alone, abs=1e-3)
    other = encoder.encode_image([view(views[0].pixels, "sar")])
    assert abs(other @ together[0]) < 0.99  # another sensor, another encoder


def test_texts_are_unit_vectors_of_the_same_space(encoder: AlignedEncoder) -> None:
    texts = encoder.encode_text(["a ship", "forest"])
    assert texts.shape == (2, encoder.width)
    assert np.linalg.norm(texts, axis=1) == pytest.approx(1, abs=1e-4)


def test_zero_shot_gives_chances_by_ensembles(encoder: AlignedEncoder) -> None:
    views = [
        view(p, s) for p, s in zip(pictures(3), ("optical", "sar", "sar"), strict=True)
    ]
    chances = zero_shot(encoder, views, ["forest", "ship", "grassland"])
    assert chances.sum(axis=1) == pytest.approx(1)
    names = class_vectors(encoder, ["forest", "ship", "grassland"], "sar")
    scores = encoder.scale * encoder.encode_image(views[1:2]) @ names.T
    assert chances[1].argmax() == scores.argmax()
    assert zero_shot(encoder, [], ["forest"]).shape == (0, 1)


def test_maps_are_chances_on_the_grid_of_patches(encoder: AlignedEncoder) -> None:
    maps = encoder.cover_maps(view(pictures(1)[0], "sar"))
    assert maps.shape == (2, 4, 4)
    assert maps.sum(axis=0) == pytest.approx(1, abs=1e-5)


def test_places_compete_with_the_background(encoder: AlignedEncoder) -> None:
    views = [view(p) for p in pictures(3)]
    chances = encoder.place_scores(views)
    assert encoder.places == ("harbor",)
    assert chances.shape == (3, 1)
    assert (chances < 1).all()


def test_a_picture_is_not_enlarged_in_vain() -> None:
    assert encoded_side(1000, 700, 196, 14) == 196
    assert encoded_side(100, 60, 196, 14) == 112
    assert encoded_side(130, 60, 196, 14) == 140
    assert encoded_side(20, 20, 56, 14) == 56
    square = squares([np.full((10, 30, 3), 124, np.uint8)], 28)
    flat = normalised_squares(square, "dinov2")
    assert flat.shape == (1, 3, 28, 28)
    assert float(flat[0, 0].std()) == pytest.approx(0, abs=1e-6)


def test_damaged_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"align.json is missing.*train align"):
        AlignedEncoder.load(tmp_path)
    copy = shutil.copytree(folder, tmp_path / "copy")
    settings = json.loads((copy / SETTINGS_FILE).read_text())
    settings["width"] = 8
    (copy / SETTINGS_FILE).write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"does not fit align\.json"):
        AlignedEncoder.load(copy)
    settings["width"] = 0
    (copy / SETTINGS_FILE).write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="not valid"):
        AlignedEncoder.load(copy)
    (copy / SETTINGS_FILE).write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match="UTF-8"):
        AlignedEncoder.load(copy)


def test_a_sensor_without_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    settings = json.loads((copy / SETTINGS_FILE).read_text())
    del settings["encoders"]["sar"]
    (copy / SETTINGS_FILE).write_text(json.dumps(settings))
    encoder = AlignedEncoder.load(copy)
    with pytest.raises(CheckpointError, match="not aligned with sar images"):
        encoder.encode_image([view(pictures(1)[0], "sar")])
    with pytest.raises(CheckpointError, match="no sar encoder, only optical"):
        encoder_state(copy, "sar")
    tensors = load_file(folder / ALIGN_FILE)
    kept = {k: v for k, v in tensors.items() if "dense" not in k}
    save_file(kept, copy / ALIGN_FILE)
    with pytest.raises(CheckpointError, match="no maps of land cover"):
        AlignedEncoder.load(copy).cover_maps(view(pictures(1)[0]))


def test_multispectral_pictures_are_seen_as_optical_ones(folder: Path) -> None:
    multispectral = AlignedEncoder.load(folder).encode_image(
        [view(pictures(1)[0], "multispectral"), view(pictures(1)[0])]
    )
    assert multispectral[0] == pytest.approx(multispectral[1])
