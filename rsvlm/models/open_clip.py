"""Image encoders of open_clip as their Transformers twins.

open_clip builds the network and reads its checkpoints; the weights are then moved into
the Transformers class of the same network, which is what the model holds and what vLLM
serves. Two families are known: open_clip's own CLIP ViT, and timm's ViT with layer
scale (DINOv2) inside a custom CLIP.
"""

import errno
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from rsvlm.errors import CheckpointError

#: Names inside a residual block: timm's -> Transformers'.
_TIMM_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
#: open_clip's -> Transformers'.
_CLIP_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


class _Ignored:
    """Stands for an object that a checkpoint holds beside its weights."""

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


#: open_clip's schedule writes the learning rate as a number of numpy, so that its
#: training checkpoints (SkyCLIP's) hold these names in the state of the optimizer.
#: They are read as nothing: neither numpy nor code of the file runs.
_STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_Ignored, f"numpy.{name}")
    for name in ("dtype", "core.multiarray.scalar", "_core.multiarray.scalar")
]


def load_clip(name: str, pretrained: str | Path | None = None) -> Any:
    """Return a model of open_clip, image and text part, in evaluation mode.

    The file may be a state dict (``.pt``, ``.bin``), a training checkpoint of
    open_clip, or safetensors. No code of a file is run. Position embeddings of
    another image size are resized as open_clip does.

    Args:
        name: Architecture, such as ``"ViT-B-32"``, or a config that open_clip knows.
        pretrained: Checkpoint file; None gives random weights.

    Raises:
        CheckpointError: If open_clip does not know the name, or the file is damaged,
            holds code or does not fit.
    """
    import open_clip

    # A name of open_clip's own weights would be fetched; a whole path is none.
    path = None if pretrained is None else str(Path(pretrained).absolute())
    try:
        if path is not None:
            _refuse_torchscript(path)
        with torch.serialization.safe_globals(_STAND_INS):
            model = open_clip.create_model(name, pretrained=path, pretrained_text=False)
    except Exception as error:  # open_clip, torch and safetensors raise a dozen kinds
        raise CheckpointError(
            f"open_clip cannot build {name!r} from {path}: {_problem(error)}"
        ) from error
    return model.eval()


def load_open_clip(name: str, pretrained: str | Path | None = None) -> nn.Module:
    """Return the visual part of an open_clip model; see :func:`load_clip`."""
    visual: nn.Module = load_clip(name, pretrained).visual
    return visual


def _refuse_torchscript(path: str) -> None:
    """Refuse archives of code by name; torch would warn of them before it refuses."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise CheckpointError(
                "it is a TorchScript archive, which holds code. Save the state_dict() "
                "of the model in it as safetensors, and give that file."
            )


def _problem(error: Exception) -> str:
    """Return what is wrong with a file, and what to do, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, CheckpointError):
        return text
    if code := re.search(r"GLOBAL (\S+) (?:was not|whose)", text):
        return (
            f"beside weights it holds {code[1]}, and no code of a file is run. Save "
            "its state dict alone, best as safetensors, and give that file."
        )
    damaged = "Weights only load failed" in text or "PytorchStreamReader" in text
    # What torch raises for half an archive depends on where it was cut.
    damaged |= getattr(error, "errno", None) == errno.EINVAL
    if damaged or isinstance(error, (EOFError, SafetensorError)):
        return "it is no checkpoint, or is damaged. Download it again."
    return (
        f"{text[:200].rstrip(' !.,:') or type(error).__name__}. "
        "Name an architecture of open_clip.list_models() and a file that fits it."
    )


def twin(visual: nn.Module) -> nn.Module:
    """Return the Transformers twin of an open_clip visual part.

    Args:
        visual: ``open_clip``'s VisionTransformer, or its TimmModel around a timm ViT.

    Returns:
        ``CLIPVisionModel`` or ``Dinov2Model`` with the same weights.

    Raises:
        CheckpointError: If the network is none of the two families.
    """
    problem = f"{type(visual).__name__} is another kind of network"
    try:
        if hasattr(visual, "trunk") and hasattr(visual.trunk, "blocks"):
            return _dinov2(visual.trunk)
        if hasattr(visual, "transformer") and hasattr(visual, "class_embedding"):
            return _clip(visual)
    except (KeyError, AttributeError) as error:  # a part that is not there
        problem = " ".join(str(error).split())
    except RuntimeError as error:  # of load_state_dict: shapes differ
        problem = " ".join(str(error).split())[:200]
    raise CheckpointError(_no_twin(problem))


def _no_twin(problem: str) -> str:
    return (
        f"This network has no twin in Transformers: {problem}. Use a CLIP ViT, or a "
        "timm ViT with layer scale and without registers (DINOv2)."
    )


def _split(state: dict[str, Tensor], fused: str, parts: list[str]) -> dict[str, Tensor]:
    """Take fused query, key and value weights out of ``state`` and split them."""
    out: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        for separator in (".", "_"):  # qkv.weight, in_proj_weight
            value = state.pop(f"{fused}{separator}{kind}", None)
            if value is not None:
                chunks = value.chunk(3)
                out |= {f"{p}.{kind}": c for p, c in zip(parts, chunks, strict=True)}
    return out


def _dinov2(trunk: Any) -> nn.Module:
    from transformers import Dinov2Config, Dinov2Model

    state = dict(trunk.state_dict())
    take = state.pop
    block = trunk.blocks[0]
    config = Dinov2Config(
        hidden_size=trunk.embed_dim,
        num_hidden_layers=len(trunk.blocks),
        num_attention_heads=block.attn.num_heads,
        mlp_ratio=block.mlp.fc1.out_features // trunk.embed_dim,
        image_size=trunk.patch_embed.img_size[0],
        patch_size=trunk.patch_embed.patch_size[0],
        layer_norm_eps=trunk.norm.eps,
    )
    new = {
        "embeddings.cls_token": take("cls_token"),
        "embeddings.mask_token": torch.zeros(1, trunk.embed_dim),
        "embeddings.position_embeddings": take("pos_embed"),
        "embeddings.patch_embeddings.projection.weight": take(
            "patch_embed.proj.weight"
        ),
        "embeddings.patch_embeddings.projection.bias": take("patch_embed.proj.bias"),
        "layernorm.weight": take("norm.weight"),
        "layernorm.bias": take("norm.bias"),
    }
    for i in range(len(trunk.blocks)):
        old, to = f"blocks.{i}.", f"encoder.layer.{i}."
        heads = [f"{to}attention.{p}_proj" for p in "qkv"]
        new |= _split(state, f"{old}attn.qkv", heads)
        for name, renamed in _TIMM_BLOCK.items():
            for kind in ("weight", "bias"):
                new[f"{to}{renamed}.{kind}"] = take(f"{old}{name}.{kind}")
        for n in (1, 2):
            new[f"{to}layer_scale{n}.lambda1"] = take(f"{old}ls{n}.gamma")
    return _filled(Dinov2Model(config), new, state)


def _activation(gelu: Any) -> str:
    """Return Transformers' name of a form of GELU."""
    if "Quick" in type(gelu).__name__:  # what OpenAI's weights were trained with
        return "quick_gelu"
    return "gelu_pytorch_tanh" if gelu.approximate == "tanh" else "gelu"


def _clip(visual: Any) -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    state = dict(visual.state_dict())
    take = state.pop
    blocks = visual.transformer.resblocks
    width = visual.conv1.out_channels
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=blocks[0].mlp.c_fc.out_features,
        num_hidden_layers=len(blocks),
        num_attention_heads=blocks[0].attn.num_heads,
        image_size=visual.image_size[0],
        patch_size=visual.patch_size[0],
        layer_norm_eps=visual.ln_post.eps,
        hidden_act=_activation(blocks[0].mlp.gelu),
    )
    model = CLIPVisionModel(config)
    root = "vision_model." if hasattr(model, "vision_model") else ""
    new = {
        f"{root}embeddings.class_embedding": take("class_embedding"),
        f"{root}embeddings.position_embedding.weight": take("positional_embedding"),
        f"{root}embeddings.patch_embedding.weight": take("conv1.weight"),
    }
    for kind in ("weight", "bias"):
        new[f"{root}pre_layrnorm.{kind}"] = take(f"ln_pre.{kind}")
        new[f"{root}post_layernorm.{kind}"] = take(f"ln_post.{kind}")
    for i in range(len(blocks)):
        old, to = f"transformer.resblocks.{i}.", f"{root}encoder.layers.{i}."
        heads = [f"{to}self_attn.{p}_proj" for p in "qkv"]
        new |= _split(state, f"{old}attn.in_proj", heads)
        for name, renamed in _CLIP_BLOCK.items():
            for kind in ("weight", "bias"):
                new[f"{to}{renamed}.{kind}"] = take(f"{old}{name}.{kind}")
    state.pop("proj", None)  # to the space shared with text, behind the features
    return _filled(model, new, state)


def _filled(
    model: nn.Module, new: dict[str, Tensor], left: dict[str, Tensor]
) -> nn.Module:
    """Return the twin with its weights; ``left`` are those that found no place."""
    buffers = {name for name, _ in model.named_buffers()}
    missing, unexpected = model.load_state_dict(new, strict=False)
    lost = [name for name in missing if name not in buffers] + list(unexpected)
    if lost or left:
        names = ", ".join([*lost, *left][:5])
        raise CheckpointError(_no_twin(f"{names} would be lost"))
    return model.eval()
