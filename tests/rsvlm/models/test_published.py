"""Published models in every layout of file: equal to open_clip, as search and as base.

The weights are random and small; names, nesting and types are those of the published
files.
"""

import json
import os
import shutil
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from rsvlm.embedding import Embedder, zero_shot
from rsvlm.errors import CheckpointError
from rsvlm.models import published
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import image_processor_of, save_tensors
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.encoder import encode, frozen_encoder
from rsvlm.models.loading import load_model
from rsvlm.models.open_clip import twin
from rsvlm.models.projector import Projector
from rsvlm.models.published import Published, PublishedEncoder
from rsvlm.render import View

#: CLIP in small, with the words of open_clip's own tokenizer.
SMALL: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 56, "layers": 4, "width": 32, "head_width": 16,
                   "patch_size": 14},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2,
                 "layers": 2},
}  # fmt: skip
ARCHITECTURES = {
    "ViT-S": SMALL,
    "ViT-S-quickgelu": SMALL | {"quick_gelu": True},
    "ViT-S-84": SMALL | {"vision_cfg": SMALL["vision_cfg"] | {"image_size": 84}},
    "RN-S": SMALL | {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1],
                                    "width": 8}},
    "Hub-S": SMALL | {"text_cfg": {"hf_model_name": "roberta-base"}},
    "Foreign-S": SMALL | {"text_cfg": SMALL["text_cfg"] | {"hf_tokenizer_name": "x/y"}},
}  # fmt: skip

State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def _small_architectures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, config in ARCHITECTURES.items():
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(published, "fast_dtype", lambda: torch.float32)


def random_clip(arch: str = "ViT-S") -> Any:
    """A model whose every weight shows whether it was loaded."""
    model = open_clip.create_model(arch)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(0.2 * torch.rand(value.shape, generator=generator))
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.sub_(0.1)
    return model.eval()


def remoteclip(state: State, path: Path) -> None:
    torch.save(OrderedDict(state), path)


def before_zip(state: State, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def skyclip(state: State, path: Path) -> None:
    """As open_clip's training writes it: its schedule leaves numbers of numpy."""
    rate = 0.5 * (1 + np.cos(np.pi * 0.3)) * 1e-9
    assert isinstance(rate, np.float64)
    optimizer = {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}},
        "param_groups": [{"lr": rate, "betas": (0.9, 0.98), "params": [0]}],
    }
    torch.save(
        {
            "epoch": 20,
            "name": "SkyCLIP",
            "state_dict": OrderedDict((f"module.{k}", v) for k, v in state.items()),
            "optimizer": optimizer,
            "scaler": {"scale": 65536.0, "growth_interval": 2000},
        },
        path,
    )


def safe(state: State, path: Path) -> None:
    save_file(dict(state), path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pt"
    remoteclip(random_clip().state_dict(), path)
    return path


Make = Callable[..., View]
Noise = Callable[..., NDArray[np.uint8]]


def theirs(model: Any, views: list[View]) -> NDArray[np.float32]:
    """What open_clip's own transform and image part give."""
    from PIL import Image

    transform = open_clip.image_transform(model.visual.image_size, is_train=False)
    pixels = torch.stack([transform(Image.fromarray(view.pixels)) for view in views])
    with torch.no_grad():
        vectors = model.encode_image(pixels, normalize=True).numpy()
    return np.asarray(vectors)


@pytest.mark.parametrize(
    ("arch", "name", "write"),
    [
        ("ViT-S-quickgelu", "RemoteCLIP-ViT-L-14.pt", remoteclip),
        ("ViT-S", "RS5M_ViT-H-14.pt", remoteclip),
        ("ViT-S-quickgelu", "epoch_20.pt", skyclip),
        ("ViT-S", "open_clip_pytorch_model.bin", before_zip),
        ("ViT-S", "open_clip_model.safetensors", safe),
    ],
)
def test_every_layout_gives_what_open_clip_gives(
    arch: str,
    name: str,
    write: Callable[[State, Path], None],
    tmp_path: Path,
    make_view: Make,
    noise: Noise,
) -> None:
    model = random_clip(arch)
    write(model.state_dict(), tmp_path / name)
    encoder = PublishedEncoder.load(f"{arch}:{tmp_path / name}")
    views = [make_view(noise(side, side, side)) for side in (56, 80, 33)]
    vectors = encoder.encode_image(views)
    assert vectors.shape == (3, 24)
    assert np.abs(vectors - theirs(model, views)).max() < 1e-5
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3  # the weights do something
    texts = ["a harbour", "Farm land " * 30]
    with torch.no_grad():
        ids = open_clip.get_tokenizer(arch)(texts)
        expected = model.encode_text(ids, normalize=True).numpy()
    assert np.abs(encoder.encode_text(texts) - expected).max() < 1e-5
    assert encoder.scale == pytest.approx(float(model.logit_scale.detach().exp()))

    folder = base_folder(f"{arch}:{tmp_path / name}")
    state = load_file(folder / "model.safetensors")
    expected_state = twin(model.visual).state_dict()
    assert state.keys() == expected_state.keys()
    assert all(torch.equal(state[key], value) for key, value in expected_state.items())
    kind = json.loads((folder / "config.json").read_text())["hidden_act"]
    assert kind == ("quick_gelu" if "quick" in arch else "gelu")


@torch.no_grad()
def test_it_becomes_the_optical_encoder_of_a_checkpoint(
    weights: Path, language_folder: Path, tmp_path: Path
) -> None:
    name = f"ViT-S:{weights}"
    config = RSVLMConfig(
        text_config=json.loads((language_folder / "config.json").read_text()),
        optical_config=json.loads((base_folder(name) / "config.json").read_text()),
        image_token_id=3,
        feature_layers=(2, 4),
        tile_size=112,
        projector_factor=2,
        projector_width=16,
        bases={"language_model": str(language_folder), "optical_encoder": name},
    )
    folder = tmp_path / "checkpoint"
    config.save_pretrained(folder)
    generator = torch.Generator().manual_seed(1)
    trained = {
        f"model.optical_projector.{key}": torch.randn(value.shape, generator=generator)
        for key, value in Projector(64, 32, 2, 16).state_dict().items()
    }
    save_tensors(trained, folder / "model.safetensors")
    inner = load_model(folder, "float32").model
    direct = twin(random_clip().visual)
    for side in (56, 112):  # positions as trained, and interpolated
        pixels = torch.randn(2, 3, side, side, generator=generator)
        expected = encode(direct, pixels, (2, 4))
        found = encode(inner.optical_encoder, pixels, (2, 4))
        assert torch.allclose(found, expected, atol=1e-5)
    tokens = inner.get_image_features(pixels).pooler_output
    assert tokens.shape == (2, 16, 32)
    assert torch.allclose(tokens, inner.optical_projector(expected), atol=1e-5)
    processor = image_processor_of(config)
    assert processor.mean == [0.48145466, 0.4578275, 0.40821073]
    assert len(list(frozen_encoder(name).parameters())) == len(
        list(direct.parameters())
    )


def test_positions_of_another_image_size_are_resized_as_open_clip_does(
    weights: Path, make_view: Make, noise: Noise
) -> None:
    model = open_clip.create_model("ViT-S-84", pretrained=str(weights)).eval()
    encoder = PublishedEncoder.load(f"ViT-S-84:{weights}")
    assert encoder.size == (84, 84)
    views = [make_view(noise(84, 84))]
    assert np.abs(encoder.encode_image(views) - theirs(model, views)).max() < 1e-5
    state = load_file(base_folder(f"ViT-S-84:{weights}") / "model.safetensors")
    (positions,) = (v for k, v in state.items() if "position_embedding" in k)
    assert torch.equal(positions, model.visual.positional_embedding)


def test_both_ends_of_a_long_picture_are_seen(
    weights: Path, make_view: Make, noise: Noise
) -> None:
    encoder = PublishedEncoder.load(f"ViT-S:{weights}")
    pixels = noise(40, 160)
    other = pixels.copy()
    other[:, -30:] = 255  # what a crop of the centre would drop
    one, two = encoder.encode_image([make_view(pixels), make_view(other)])
    assert np.abs(one - two).max() > 1e-4


def test_batches_do_not_change_vectors(
    weights: Path, make_view: Make, noise: Noise
) -> None:
    encoder: Embedder = PublishedEncoder.load(f"ViT-S:{weights}")
    views = [make_view(noise(56, 56, seed)) for seed in range(published.BATCH + 3)]
    vectors = encoder.encode_image(views)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    alone = np.concatenate([encoder.encode_image([view]) for view in views])
    assert np.abs(vectors - alone).max() < 1e-5
    texts = [f"{i} ships" for i in range(published.BATCH + 3)]
    alone = np.concatenate([encoder.encode_text([text]) for text in texts])
    assert np.abs(encoder.encode_text(texts) - alone).max() < 1e-5
    assert encoder.encode_image([]).shape == encoder.encode_text([]).shape == (0, 24)
    assert encoder.sensors == {"optical"}
    assert encoder.name == "ViT-S:weights.pt"
    shares = zero_shot(encoder, views[:2], ["river", "forest"])
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_weights_of_half_precision_give_nearly_the_same(
    weights: Path, make_view: Make, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = PublishedEncoder.load(f"ViT-S:{weights}")
    monkeypatch.setattr(published, "fast_dtype", lambda: torch.bfloat16)
    fast = PublishedEncoder.load(f"ViT-S:{weights}")
    assert {p.dtype for p in fast.model.parameters()} == {torch.bfloat16}
    views = [make_view(noise(56, 56))]
    cosine = (exact.encode_image(views) * fast.encode_image(views)).sum()
    assert cosine > 0.999
    assert fast.scale == exact.scale  # computed before it is rounded
    assert (exact.encode_text(["a"]) * fast.encode_text(["a"])).sum() > 0.999


def test_content_and_architecture_are_the_key(weights: Path, tmp_path: Path) -> None:
    folder = base_folder(f"ViT-S:{weights}")
    copy = tmp_path / "elsewhere.pt"
    shutil.copy(weights, copy)
    assert base_folder(f"ViT-S:{copy}") == folder
    assert base_folder(f"ViT-S-quickgelu:{weights}") != folder
    revision = PublishedEncoder.load(f"ViT-S:{weights}").revision
    assert PublishedEncoder.load(f"ViT-S:{copy}").revision == revision
    assert PublishedEncoder.load(f"ViT-S-quickgelu:{weights}").revision != revision
    state = random_clip().state_dict()
    state["visual.conv1.weight"] += 1
    remoteclip(state, weights)
    os.utime(weights, ns=(1, 1))  # however coarse the clock is
    assert base_folder(f"ViT-S:{weights}") != folder
    assert PublishedEncoder.load(f"ViT-S:{weights}").revision != revision


def test_a_second_start_does_not_convert(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base_folder(f"ViT-S:{weights}")

    def fail(self: Published) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(Published, "load", fail)
    assert base_folder(f"ViT-S:{weights}") == folder


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ViT-B-32:openai", r"'openai' of ViT-B-32 lies on a model hub.*'ViT-B-32:F"),
        ("ViT-B/32:laion2b_e16", "'laion2b_e16' of ViT-B/32 lies on a model hub"),
        ("hf-hub:laion/CLIP", "nothing is fetched from a model hub"),
        ("ViT-S:no-such.pt", r"no file 'no-such\.pt' with weights of ViT-S"),
        ("ViT-S:", "'ViT-S' names no file of weights. Write ARCH:FILE"),
        ("Vit-B-32:{file}", "no architecture 'Vit-B-32'. Did you mean 'ViT-B-32'"),
        ("Hub-S:{file}", "text encoder 'roberta-base' of Hub-S.*model hub"),
    ],
)
def test_what_would_need_a_hub_or_is_not_there_is_named(
    name: str, problem: str, weights: Path
) -> None:
    for use in (base_folder, PublishedEncoder.load):
        with pytest.raises(CheckpointError, match=problem) as caught:
            use(name.format(file=weights))
        assert "\n" not in str(caught.value)


def test_nothing_is_left_behind_by_a_file_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "rn.pt"
    remoteclip(random_clip("RN-S").state_dict(), path)
    for use in (base_folder, PublishedEncoder.load):
        with pytest.raises(CheckpointError, match=r"Missing key.*Name an architecture"):
            use(f"ViT-S:{path}")
    assert list((tmp_path / "cache" / "bases").iterdir()) == []


def test_a_resnet_serves_search_but_is_no_base(
    tmp_path: Path, make_view: Make, noise: Noise
) -> None:
    path = tmp_path / "rn.pt"
    remoteclip(random_clip("RN-S").state_dict(), path)
    encoder = PublishedEncoder.load(f"RN-S:{path}")
    views = [make_view(noise(32, 32))]
    expected = theirs(random_clip("RN-S"), views)
    assert np.abs(encoder.encode_image(views) - expected).max() < 1e-5
    with pytest.raises(CheckpointError, match=r"ModifiedResNet is another kind.*ViT"):
        base_folder(f"RN-S:{path}")


@pytest.mark.parametrize("arch", ["Foreign-S", "ViT-B-16-SigLIP"])
def test_a_tokenizer_is_never_fetched(arch: str, weights: Path) -> None:
    with pytest.raises(CheckpointError, match=f"tokenizer of {arch} would be fetched"):
        PublishedEncoder.load(f"{arch}:{weights}")


@pytest.mark.parametrize(
    ("file", "arch", "warned"),
    [
        ("RemoteCLIP-ViT-L-14.pt", "ViT-S", True),
        ("RemoteCLIP-ViT-L-14.pt", "ViT-S-quickgelu", False),
        ("SkyCLIP_ViT_L14_top50pct/epoch_20.pt", "ViT-S", True),
        ("SkyCLIP_ViT_B32_top50pct/epoch_20.pt", "ViT-S", False),
        ("RS5M_ViT-B-32.pt", "ViT-S", True),
        ("RS5M_ViT-H-14.pt", "ViT-S", False),
    ],
)
def test_files_that_need_quickgelu_are_known(
    file: str, arch: str, warned: bool, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    remoteclip(random_clip().state_dict(), path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        base_folder(f"{arch}:{path}")
    messages = [str(warning.message) for warning in caught]
    assert any(f"Write 'ViT-S-quickgelu:{path}'" in m for m in messages) == warned
