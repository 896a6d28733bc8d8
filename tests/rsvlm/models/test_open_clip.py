"""Encoders of open_clip give the same features as their twins."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPVisionModel
from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

from rsvlm.errors import CheckpointError
from rsvlm.models.encoder import encode
from rsvlm.models.features import feature_grid
from rsvlm.models.open_clip import load_clip, load_open_clip, twin


class Wrapped(nn.Module):
    """What open_clip puts around a network of timm."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk


def randomised(model: nn.Module) -> Any:
    """Give every weight a value that shows whether it was moved."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def clip(**changes: Any) -> Any:
    options: dict[str, Any] = {
        "image_size": 42, "patch_size": 14, "width": 32, "layers": 3, "heads": 2,
        "mlp_ratio": 2.0, "output_dim": 16, "output_tokens": True,
    }  # fmt: skip
    return randomised(VisionTransformer(**options | changes))


def dinov2(name: str = "vit_small_patch14_dinov2", **changes: Any) -> Any:
    options: dict[str, Any] = {
        "img_size": 56, "depth": 4, "embed_dim": 64, "num_heads": 2, "num_classes": 0,
    }  # fmt: skip
    return randomised(timm.create_model(name, **options | changes))


PIXELS = torch.randn(2, 3, 42, 42, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "form", [nn.GELU, QuickGELU, lambda: nn.GELU(approximate="tanh")]
)
@torch.no_grad()
def test_clip(form: Callable[[], nn.Module]) -> None:
    visual = clip(act_layer=form)
    model = twin(visual)
    assert isinstance(model, CLIPVisionModel)
    _, tokens = visual(PIXELS)  # patches behind the last norm
    states = model(pixel_values=PIXELS).last_hidden_state[:, 1:]
    root = getattr(model, "vision_model", model)
    assert torch.allclose(root.post_layernorm(states), tokens, atol=1e-4)
    assert encode(model, PIXELS, (1, 3)).shape == (2, 9, 64)


@torch.no_grad()
def test_a_twin_of_clip_takes_pictures_of_other_sizes() -> None:
    grid = feature_grid(twin(clip()), torch.zeros(1, 3, 28, 70), (2,))
    assert grid.shape == (1, 32, 2, 5)


@torch.no_grad()
def test_dinov2() -> None:
    trunk = dinov2()
    model = twin(Wrapped(trunk))
    assert isinstance(model, Dinov2Model)
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(2))
    expected = trunk.forward_features(pixels)
    output = model(pixel_values=pixels, output_hidden_states=True)
    assert torch.allclose(output.last_hidden_state, expected, atol=1e-4)
    _, (middle,) = trunk.forward_intermediates(pixels, indices=[1], output_fmt="NLC")
    assert torch.allclose(output.hidden_states[2][:, 1:], middle, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: clip(ls_init_value=0.1), "ls_1"),
        (lambda: clip(no_ln_pre=True), "ln_pre"),
        (lambda: Wrapped(dinov2("vit_small_patch14_reg4_dinov2")), "position_emb"),
        (lambda: Wrapped(dinov2(qk_norm=True)), "norm"),
        (lambda: Wrapped(dinov2("vit_small_patch16_224", img_size=32)), "ls1"),
        (lambda: nn.Linear(2, 2), "Linear is another kind of network"),
    ],
)
def test_a_network_without_a_twin_is_refused(
    make: Callable[[], nn.Module], problem: str
) -> None:
    with pytest.raises(CheckpointError, match=f"no twin.*{problem}") as caught:
        twin(make())
    assert "\n" not in str(caught.value)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A whole model of open_clip; it knows the architecture as ``ViT-tiny``."""
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 28, "layers": 1, "width": 64, "patch_size": 14},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 1,
                     "layers": 1},
    }  # fmt: skip
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-tiny", config)
    model: nn.Module = open_clip.create_model("ViT-tiny")
    return model


def test_open_clip_reads_its_own_checkpoints(tiny: Any, tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    torch.save(tiny.state_dict(), path)
    loaded = load_open_clip("ViT-tiny", path)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, tiny.visual.state_dict()[name])
    whole = load_clip("ViT-tiny", path)
    assert not whole.training
    for name, value in whole.state_dict().items():
        assert torch.equal(value, tiny.state_dict()[name])


@pytest.mark.parametrize(
    ("name", "file"), [("ViT-Q-99", None), ("ViT-B-32", "no-such-file.pt")]
)
def test_what_open_clip_cannot_build_is_named(name: str, file: str | None) -> None:
    with pytest.raises(CheckpointError, match=f"cannot build '{name}'") as caught:
        load_open_clip(name, file)
    assert "\n" not in str(caught.value)


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.marker),))


def hidden_code(model: nn.Module, path: Path) -> None:
    trap = Trap(path.parent / "ran")
    torch.save({"state_dict": model.state_dict(), "args": trap}, path)


def bare_pickle(model: nn.Module, path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(path.parent / "ran"), protocol=2))


def code_of_numpy(model: nn.Module, path: Path) -> None:
    """What stands for numbers of numpy lets no other part of numpy through."""
    torch.save({"state_dict": model.state_dict(), "array": np.zeros(2)}, path)


def torchscript(model: nn.Module, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:  # as OpenAI's own files are
        archive.writestr("archive/constants.pkl", b"")
        archive.writestr("archive/data.pkl", b"")


def pointer(model: nn.Module, path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\nsize 1712060000\n")


def cut(model: nn.Module, path: Path) -> None:
    torch.save(model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:5000])


def cut_late(model: nn.Module, path: Path) -> None:
    torch.save(model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-500])


def cut_safetensors(model: nn.Module, path: Path) -> None:
    save_file(model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-500])


def image_half(model: nn.Module, path: Path) -> None:
    state = model.state_dict()
    torch.save({k: v for k, v in state.items() if k.startswith("visual")}, path)


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (hidden_code, r"it holds (posix|nt)\.mkdir, and no code .* safetensors"),
        (bare_pickle, r"it holds (posix|nt)\.mkdir, and no code .* safetensors"),
        (code_of_numpy, r"it holds numpy\.\S+_reconstruct, and no code"),
        (torchscript, "it is a TorchScript archive, which holds code"),
        (pointer, r"no checkpoint, or is damaged\. Download it again"),
        (lambda _, path: path.write_bytes(b""), r"damaged\. Download it again"),
        (cut, r"damaged\. Download it again"),
        (cut_late, r"damaged\. Download it again"),
        (cut_safetensors, r"damaged\. Download it again"),
        (image_half, "Missing key.*Name an architecture"),
        (lambda _, path: torch.save({}, path), "Name an architecture"),
        (lambda _, path: torch.save([1], path), "Name an architecture"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_no_code_runs(
    write: Callable[[nn.Module, Path], None],
    problem: str,
    tiny: nn.Module,
    tmp_path: Path,
) -> None:
    path = tmp_path / ("a.safetensors" if write is cut_safetensors else "a.pt")
    write(tiny, path)
    problem = f"cannot build 'ViT-tiny' from .*{problem}"
    with pytest.raises(CheckpointError, match=problem) as caught:
        load_clip("ViT-tiny", path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
