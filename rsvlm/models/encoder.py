"""Image encoder: pixels to patch features of several layers.

The weights may come from any ViT that open_clip can build (see
:mod:`rsvlm.models.open_clip`) or from a Transformers folder; inside, the encoder is
the Transformers module, which is what vLLM serves.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

from rsvlm.errors import SettingsError
from rsvlm.models.bases import WEIGHTS, base_folder
from rsvlm.models.precision import fast_dtype

#: Pictures that go through an encoder together: in bfloat16 batches of 32 are a fifth
#: slower, in float32 as fast, and they need four times the memory.
MICRO_BATCH = 8
#: Mean and standard deviation of RGB in 0-1, by encoder family.
NORMALISATION = {
    "dinov2": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip_vision_model": (
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    ),
}


def build_encoder(config: Any) -> nn.Module:
    """Return the encoder of a config, with random weights."""
    if config.model_type == "dinov2":
        return cast(nn.Module, Dinov2Model(config))
    from transformers import AutoModel

    return cast(nn.Module, AutoModel.from_config(config))


def encode(encoder: nn.Module, pixels: Tensor, layers: tuple[int, ...]) -> Tensor:
    """Return the patch features of several layers, side by side.

    Middle layers hold what the last one has dropped; each is normalised on its own,
    because their scales differ by an order of magnitude.

    Args:
        encoder: Module of :func:`build_encoder`.
        pixels: Normalised RGB, shape (B, 3, H, W), H and W multiples of the patch.
        layers: Which hidden states to take; 0 is the embedding.

    Returns:
        Features without class token, shape (B, N, D * len(layers)), N = H/p * W/p
        in row-major order.
    """
    more = {"interpolate_pos_encoding": True} if _is_clip(encoder) else {}
    output = encoder(pixel_values=pixels, output_hidden_states=True, **more)
    states = output.hidden_states
    parts = [
        nn.functional.layer_norm(states[i][:, 1:], states[i].shape[-1:]) for i in layers
    ]
    return torch.cat(parts, dim=-1)


@torch.no_grad()
def encode_pictures(
    encoder: nn.Module, pixels: Tensor, layers: tuple[int, ...]
) -> Tensor:
    """Return what :func:`encode` does for many pictures, without gradients.

    They pass in micro-batches, in the type of the weights, which decides the speed:
    give weights in :func:`~rsvlm.models.precision.fast_dtype`. Autocast around it would
    convert every weight at every call and is switched off.

    Args:
        encoder: Module of :func:`build_encoder`.
        pixels: Normalised RGB of any floating type, shape (B, 3, H, W), B above 0.
        layers: Which hidden states to take; 0 is the embedding.

    Returns:
        Features, shape (B, N, D * len(layers)), in the type and on the device of the
        weights.
    """
    like = next(encoder.parameters())
    # Measured on one core in float32: the patch embedding as one linear layer gains 1 %
    # of itself; fused query, key and value with layer scales folded into the weights 4
    # to 14 % of all, too little for a second copy of every trunk's blocks.
    with torch.autocast(like.device.type, enabled=False):
        return torch.cat(
            [
                encode(encoder, pixels[start : start + MICRO_BATCH].to(like), layers)
                for start in range(0, len(pixels), MICRO_BATCH)
            ]
        )


def patch_size(encoder: nn.Module) -> int:
    """Return the side of a patch in px."""
    return int(cast(Any, encoder.config).patch_size)


def feature_width(encoder: nn.Module, layers: Sequence[int]) -> int:
    """Return the width of what :func:`encode` gives for these layers."""
    config = cast(Any, encoder.config)
    return int(config.hidden_size) * len(layers)


def check_layers(config: Any, layers: Sequence[int]) -> None:
    """Refuse hidden states that an encoder does not have.

    Raises:
        SettingsError: If a layer is not in 0 to the number of blocks.
    """
    most = int(config.num_hidden_layers)
    wrong = [layer for layer in layers if not 0 <= layer <= most]
    if wrong or not layers:
        raise SettingsError(
            f"The encoder has no layers {wrong or list(layers)}. "
            f"Choose one or more of 0 to {most} under 'layers'."
        )


def _is_clip(encoder: nn.Module) -> bool:
    return bool(getattr(encoder.config, "model_type", "").startswith("clip"))


def frozen_encoder(asset: str) -> nn.Module:
    """Return the encoder of an asset in the fastest type, without gradients."""
    from safetensors.torch import load_file
    from transformers import AutoConfig

    folder = base_folder(asset)
    encoder = build_encoder(AutoConfig.from_pretrained(folder))
    encoder.load_state_dict(load_file(folder / WEIGHTS))
    encoder.requires_grad_(False)
    return encoder.to(fast_dtype()).eval()
