"""What our own checkpoints can take, and their encoders, wherever the words come from.

A served checkpoint has its language model elsewhere; its region head, its aligned
encoders and the tiles of a search still run here, on the encoders alone.
"""

from pathlib import Path

import torch
from torch import nn

from rsvlm.engines.base import Capabilities
from rsvlm.errors import CheckpointError
from rsvlm.models.bases import WEIGHTS
from rsvlm.models.checkpoint import (
    PREFIXES,
    base_state,
    fill_buffers,
    load_config,
    load_tensors,
)
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.encoder import build_encoder
from rsvlm.models.loading import aligned_state
from rsvlm.models.precision import fast_dtype

#: Most sides of a tile that a picture is looked at with.
TILES = 4


def capabilities_of(config: RSVLMConfig) -> Capabilities:
    """Return what a checkpoint with this configuration can take."""
    sensors = {"optical"} | ({"sar"} if config.sar_config is not None else set())
    trained, radar = config.trained_gsd_m, config.sar_gsd_m
    return Capabilities(
        max_side=config.tile_size * TILES,
        zooms=config.zooms,
        sensors=frozenset(sensors),
        weak=frozenset(config.weak_sensors),
        gsd_m=(trained[0], trained[1]) if trained else None,
        sar_gsd_m=(radar[0], radar[1]) if radar else None,
    )


def load_encoders(folder: Path) -> dict[str, nn.Module]:
    """Return the encoder of each sensor of a checkpoint, in the fastest type.

    They are those of a local engine, without its language model.

    Raises:
        CheckpointError: If files are missing or damaged, or weights do not fit.
        AssetError: If a frozen part cannot be fetched.
    """
    config, dtype = load_config(folder), fast_dtype()
    bases = {k: v for k, v in (config.bases or {}).items() if k != "language_model"}
    state = base_state(bases) | aligned_state(folder, config)
    state |= load_tensors(folder / WEIGHTS)
    found: dict[str, nn.Module] = {}
    for sensor in ("optical", "sar"):
        part = getattr(config, f"{sensor}_config")
        if part is None:
            continue
        prefix = PREFIXES[f"{sensor}_encoder"]
        own = {
            k.removeprefix(prefix): v.to(dtype)
            for k, v in state.items()
            if k.startswith(prefix)
        }
        with torch.device("meta"):
            encoder = build_encoder(part)
        try:
            encoder.load_state_dict(own, strict=True, assign=True)
        except RuntimeError as error:
            raise CheckpointError(
                f"the {sensor} encoder in {folder} does not fit config.json: "
                f"{' '.join(str(error).split())[:200]}. Copy the checkpoint folder again."
            ) from error
        fill_buffers(encoder)
        found[sensor] = encoder.requires_grad_(False).eval()
    return found
