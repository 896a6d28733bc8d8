"""The files of aligned encoders: ``align.json`` and ``align.safetensors``.

They hold what ``rsvlm train align`` learned: low-rank updates or weights of the encoders,
heads and the temperature. The trunks come from assets, as everywhere.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.models.bases import WEIGHTS, base_folder
from rsvlm.models.checkpoint import (
    load_tensors,
    merge_lora,
    read_settings_file,
    save_tensors,
)
from rsvlm.models.encoder import build_encoder
from rsvlm.models.precision import fast_dtype

#: Names of the settings and of the weights in a checkpoint folder.
SETTINGS_FILE, ALIGN_FILE = "align.json", "align.safetensors"


class AlignSettings(BaseModel):
    """What ``align.json`` holds.

    Attributes:
        encoders: Sensor -> asset of its trunk.
        text_encoder: Asset of the text encoder.
        layers: Hidden states that the heads read.
        size: Side in px to which a view is resized.
        width: Hidden width of the heads.
        lora: Sensor -> alpha / rank of its low-rank updates; none for whole weights.
        covers: Classes of land cover that the dense heads were trained on.
        places: Kind of place -> texts of what stands around it.
        background: Texts of scenes that are none of the places.
        window_m: Ground size of the windows that they were trained on, m; None unknown.
        gsd_m: Sensor -> finest and coarsest ground sample distance seen, m/px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoders: dict[str, str]
    text_encoder: str = "all-minilm-l6-v2"
    layers: tuple[int, ...]
    size: int = Field(gt=0)
    width: int = Field(gt=0)
    lora: dict[str, float] = {}
    covers: tuple[str, ...] = ()
    places: dict[str, tuple[str, ...]] = {}
    background: tuple[str, ...] = ()
    window_m: float | None = None
    gsd_m: dict[str, tuple[float, float]] = {}


def read_settings(folder: Path) -> AlignSettings:
    """Read ``align.json`` of a checkpoint folder.

    Raises:
        CheckpointError: If it is missing or not valid.
    """
    return read_settings_file(
        AlignSettings,
        folder / SETTINGS_FILE,
        f"{folder} has no aligned encoders ({SETTINGS_FILE} is missing). Train them with "
        "rsvlm train align.",
    )


def encoder_state(folder: Path, sensor: str) -> dict[str, Tensor]:
    """Return the whole weights of a sensor's encoder, by the module's own names.

    Args:
        folder: Checkpoint folder with aligned encoders.
        sensor: ``"optical"`` or ``"sar"``.

    Raises:
        CheckpointError: If files are missing or damaged, or do not fit the trunk.
        AssetError: If the trunk cannot be fetched.
    """
    settings = read_settings(folder)
    if sensor not in settings.encoders:
        raise CheckpointError(
            f"{folder} has no {sensor} encoder, only {', '.join(settings.encoders)}. "
            "Give a checkpoint that was aligned with both sensors."
        )
    state = load_tensors(base_folder(settings.encoders[sensor]) / WEIGHTS)
    own = part_of(load_tensors(folder / ALIGN_FILE), f"{sensor}_encoder.")
    merged = {k: v.float() for k, v in (state | own).items()}
    return merge_lora(merged, settings.lora.get(sensor, 1.0))


def learned(folder: Path) -> tuple[str, ...]:
    """Return the sensors whose trunk was trained; the others are their assets."""
    names = load_tensors(folder / ALIGN_FILE)
    return tuple(
        sensor
        for sensor in read_settings(folder).encoders
        if any(name.startswith(f"{sensor}_encoder.") for name in names)
    )


def load_encoder(folder: Path, sensor: str) -> nn.Module:
    """Return a sensor's encoder, frozen, in the fastest type.

    Raises:
        CheckpointError: As :func:`encoder_state`.
        AssetError: If the trunk cannot be fetched.
    """
    from transformers import AutoConfig

    settings = read_settings(folder)
    state = encoder_state(folder, sensor)
    config = AutoConfig.from_pretrained(base_folder(settings.encoders[sensor]))
    encoder = build_encoder(config)
    fill(encoder, state, folder)
    encoder.requires_grad_(False)
    return encoder.to(fast_dtype()).eval()


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, without that beginning, in float32."""
    return {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def fill(module: nn.Module, state: dict[str, Tensor], folder: Path) -> None:
    """Load weights into a module.

    Raises:
        CheckpointError: If names or shapes differ.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{folder / ALIGN_FILE} does not fit {SETTINGS_FILE}: "
            f"{' '.join(str(error).split())[:200]}. Copy the checkpoint folder again."
        ) from error


def save_aligned(
    settings: AlignSettings, tensors: Mapping[str, Tensor], folder: Path
) -> None:
    """Write ``align.json`` and ``align.safetensors``: bfloat16, single numbers whole."""
    weights = {
        name: tensor.to(torch.bfloat16) if tensor.dim() else tensor.float()
        for name, tensor in tensors.items()
    }
    save_tensors(weights, folder / ALIGN_FILE)
    save_settings(settings, folder)


def save_settings(settings: AlignSettings, folder: Path) -> None:
    """Write ``align.json``."""
    text = settings.model_dump_json(indent=1) + "\n"
    (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")
