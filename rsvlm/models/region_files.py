"""The files of a region head: ``regions.json`` and ``regions.safetensors``.

They hold what ``rsvlm train regions`` learned: the head, and the low-rank updates of the
trunk where it learned too. The trunk itself comes from an asset, as everywhere.
"""

import json
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.findings import Purpose
from rsvlm.models.bases import WEIGHTS, base_folder
from rsvlm.models.checkpoint import (
    load_tensors,
    merge_lora,
    read_settings_file,
    save_tensors,
)
from rsvlm.models.encoder import build_encoder, frozen_encoder
from rsvlm.models.precision import fast_dtype
from rsvlm.models.region_head import RegionHead

#: Name of the head's weights and of its settings in a checkpoint folder.
HEAD_FILE, SETTINGS_FILE = "regions.safetensors", "regions.json"
#: Beginning of the names of the trunk's updates.
ENCODER = "encoder."


def _first_cuts() -> dict[Purpose, float]:
    return {"locate": 0.3, "presence": 0.3, "anything": 0.5}


class FinderSettings(BaseModel):
    """What ``regions.json`` holds: how the head was built and where its scores cut.

    Attributes:
        encoder: Asset of the encoder.
        text_encoder: Asset of the encoder of descriptions.
        lora: Alpha / rank of the encoder's low-rank updates; None where it has none.
        layers: Hidden states of it that the head reads.
        long_side: Longest side of a view, in px.
        width: Channels of the head's trunk.
        embedding: Width of the space in which places and queries meet.
        labels: What the head was trained to find.
        cuts: Purpose -> least confidence of an object: ``"locate"`` to draw and
            count, ``"presence"`` to say that a thing is there, ``"anything"`` to
            mention it unasked, ``"named"`` to show the best one where a question takes
            for granted that there is one; without it, as for ``"presence"``.
        slope: Calibration of scores: confidence = sigmoid(slope * logit + intercept +
            offset of the label).
        intercept: See ``slope``.
        offsets: Label -> what its scores are worth more or less than those of others.
        granted: Odds that a thing is not among the candidates though a question takes
            for granted that there is one; 1 leaves confidences as they are.
        mask_cut: Mask logit above which a pixel belongs to an object.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str
    text_encoder: str = "all-minilm-l6-v2"
    lora: float | None = None
    layers: tuple[int, ...]
    long_side: int
    width: int
    embedding: int
    labels: tuple[str, ...]
    cuts: dict[Purpose, float] = Field(default_factory=_first_cuts)
    slope: float = 1.0
    intercept: float = 0.0
    offsets: dict[str, float] = Field(default_factory=dict)
    granted: float = Field(1.0, gt=0)
    mask_cut: float = 0.0

    def cut(self, purpose: Purpose) -> float:
        """Return the least confidence of an object that is sought for a purpose."""
        return self.cuts.get(purpose, self.cuts["presence"])


def read_settings(folder: Path) -> FinderSettings:
    """Read ``regions.json`` of a checkpoint folder.

    Raises:
        CheckpointError: If it is missing or not valid.
    """
    return read_settings_file(
        FinderSettings,
        folder / SETTINGS_FILE,
        f"{folder} has no region head ({SETTINGS_FILE} is missing). Train one with "
        "rsvlm train regions.",
    )


def save_settings(settings: FinderSettings, folder: Path) -> None:
    """Write ``regions.json``."""
    fields = settings.model_dump(mode="json")
    text = json.dumps(fields, indent=1) + "\n"
    (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")


def load_weights(head: RegionHead, path: Path) -> None:
    """Load the weights of a region head from a file.

    Raises:
        CheckpointError: If the file is missing, damaged, or of another size.
    """
    tensors = load_tensors(path)
    own = {k: v for k, v in tensors.items() if not k.startswith(ENCODER)}
    try:
        head.load_state_dict(own)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not fit the settings of the head: "
            f"{' '.join(str(error).split())[:200]}. Copy the folder again."
        ) from error


def save_weights(tensors: dict[str, Tensor], folder: Path) -> None:
    """Write ``regions.safetensors`` in bfloat16."""
    halves = {name: value.to(torch.bfloat16) for name, value in tensors.items()}
    save_tensors(halves, folder / HEAD_FILE)


def load_updates(path: Path) -> dict[str, Tensor]:
    """Return the updates of the trunk in a file, by the trunk's own names.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    return {
        name.removeprefix(ENCODER): value
        for name, value in load_tensors(path).items()
        if name.startswith(ENCODER)
    }


def load_trunk(settings: FinderSettings, folder: Path) -> nn.Module:
    """Return the encoder that a head reads: frozen, updated, in the fastest type.

    Raises:
        CheckpointError: If an update does not fit.
        AssetError: If the asset cannot be fetched.
    """
    if settings.lora is None:
        return frozen_encoder(settings.encoder)
    from transformers import AutoConfig

    path, base = folder / HEAD_FILE, base_folder(settings.encoder)
    state = load_tensors(base / WEIGHTS) | load_updates(path)
    merged = merge_lora({k: v.float() for k, v in state.items()}, settings.lora)
    encoder = build_encoder(AutoConfig.from_pretrained(base))
    encoder.load_state_dict(merged)
    encoder.requires_grad_(False)
    return encoder.to(fast_dtype()).eval()
