"""Checkpoint folders to models, in evaluation mode."""

from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from rsvlm.errors import CheckpointError
from rsvlm.models.bases import WEIGHTS
from rsvlm.models.checkpoint import (
    PREFIXES,
    assemble,
    base_state,
    load_config,
    load_tensors,
    merge_lora,
    one_line,
)
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.modeling import RSVLMForConditionalGeneration


def load_from_bases(
    folder: Path, config: RSVLMConfig, dtype: torch.dtype | str | None = None
) -> RSVLMForConditionalGeneration:
    """Load a checkpoint whose frozen parts are assets.

    Args:
        folder: Checkpoint folder.
        config: Its configuration, with ``bases``.
        dtype: Type of all weights; None and ``"auto"`` are bfloat16.

    Returns:
        The model in evaluation mode.

    Raises:
        CheckpointError: If weights are missing, left over or of another shape.
    """
    kind = dtype if isinstance(dtype, torch.dtype) else torch.bfloat16
    if isinstance(dtype, str) and dtype != "auto":
        kind = getattr(torch, dtype)
    trained = load_tensors(folder / WEIGHTS)
    lora = config.lora or {"alpha": 1, "rank": 1}
    state = base_state(config.bases or {})
    state |= aligned_state(folder, config)
    state |= trained  # a tuned encoder replaces its base
    # Sums are rounded to the type that was asked for, not to that of the file.
    state = {key: value.to(kind) for key, value in state.items()}
    state = merge_lora(state, lora["alpha"] / lora["rank"])
    return assemble(config, state, kind)


def aligned_state(folder: Path, config: RSVLMConfig) -> dict[str, Tensor]:
    """Return the weights of the encoders that were aligned with text, by own keys.

    A self-contained folder holds them among its weights already.
    """
    from rsvlm.models.aligned_files import SETTINGS_FILE, encoder_state, learned

    if not config.bases or not (folder / SETTINGS_FILE).is_file():
        return {}
    return {
        f"{PREFIXES[f'{sensor}_encoder']}{name}": tensor
        for sensor in learned(folder)
        if getattr(config, f"{sensor}_config", None) is not None
        for name, tensor in encoder_state(folder, sensor).items()
    }


def load_model(folder: Path, dtype: str) -> RSVLMForConditionalGeneration:
    """Load any checkpoint folder, self-contained or not, in evaluation mode.

    Args:
        folder: Checkpoint folder.
        dtype: Name of the type of all weights, such as ``"bfloat16"``.

    Raises:
        CheckpointError: If files are missing or damaged, or weights do not fit.
        AssetError: If a frozen part cannot be fetched.
    """
    config = load_config(folder)
    if config.bases:
        return load_from_bases(folder, config, dtype)
    try:
        model, report = RSVLMForConditionalGeneration.from_pretrained(
            folder, config=config, dtype=dtype, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} cannot be loaded: {one_line(error)}. "
            "Copy the checkpoint folder again."
        ) from error
    lost = sorted([*report["missing_keys"], *report["unexpected_keys"]])
    if lost:  # Transformers would go on with random weights
        raise CheckpointError(
            f"the weights in {folder} do not fit its config.json: {len(lost)} names "
            f"differ, such as {lost[0]}. Copy the checkpoint folder again."
        )
    return cast(RSVLMForConditionalGeneration, model.eval())
