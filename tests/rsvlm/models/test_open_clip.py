"""Encoders of open_clip give the same features as their twins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import nn
from transformers import CLIPVisionModel
from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

from rsvlm.errors import CheckpointError
from rsvlm.models.encoder import encode
from rsvlm.models.features import feature_grid
from rsvlm.models.open_clip import load_open_clip, twin


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


def test_open_clip_reads_its_own_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 28, "layers": 1, "width": 64, "patch_size": 14},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 1,
                     "layers": 1},
    }  # fmt: skip
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-tiny", config)
    model = open_clip.create_model("ViT-tiny")
    path = tmp_path / "tiny.pt"
    torch.save(model.state_dict(), path)
    loaded = load_open_clip("ViT-tiny", path)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.visual.state_dict()[name])


@pytest.mark.parametrize(
    ("name", "file"), [("ViT-Q-99", None), ("ViT-B-32", "no-such-file.pt")]
)
def test_what_open_clip_cannot_build_is_named(name: str, file: str | None) -> None:
    with pytest.raises(CheckpointError, match=f"cannot build '{name}'") as caught:
        load_open_clip(name, file)
    assert "\n" not in str(caught.value)
