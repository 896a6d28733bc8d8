"""Low-rank updates of an image encoder: what a small run learns of a large trunk.

A checkpoint holds the updates alone and names the trunk; where it is loaded they are
added to the trunk's weights, see :func:`rsvlm.models.checkpoint.merge_lora`.

Source:
    LoRA, https://arxiv.org/abs/2106.09685.
"""

from typing import Any, cast

from torch import nn

from rsvlm.errors import SettingsError
from rsvlm.training.low_rank import fuse_updates

#: Layers of a trunk that get low-rank updates: Dinov2's names, then CLIP's.
TARGETS = r".*layers?\.(BLOCK)\.(attention\.[qkvo]_proj|self_attn\.(q|k|v|out)_proj|mlp\.fc[12])"
#: Alpha / rank: what the product of an update's halves is multiplied with.
FACTOR = 2.0


def add_updates(encoder: nn.Module, rank: int, first: int) -> None:
    """Give the layers of an encoder low-rank updates; all else is frozen.

    Args:
        encoder: Module of :func:`rsvlm.models.encoder.build_encoder`.
        rank: Rank of the updates.
        first: First block that gets them, counted from 0.

    Raises:
        SettingsError: If the encoder has no such block.
    """
    from peft import LoraConfig, inject_adapter_in_model

    count = int(cast(Any, encoder.config).num_hidden_layers)
    if first >= count:
        raise SettingsError(
            f"The encoder has {count} blocks, counted from 0, so that none gets "
            f"low-rank updates from block {first} on. Lower 'first_block'."
        )
    blocks = "|".join(map(str, range(first, count)))
    config = LoraConfig(
        r=rank,
        lora_alpha=round(FACTOR * rank),
        target_modules=TARGETS.replace("BLOCK", blocks),
    )
    inject_adapter_in_model(config, encoder)
    fuse_updates(encoder)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(".lora_" in name)


def public_name(name: str) -> str:
    """Return the name of a layer's parameter in a checkpoint.

    >>> public_name("encoder.layer.0.mlp.fc1.lora_A.default.weight")
    'encoder.layer.0.mlp.fc1.lora_A.weight'
    """
    return name.replace(".default.", ".").replace(".base_layer.", ".")
