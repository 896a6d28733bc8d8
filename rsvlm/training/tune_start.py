"""What a run of ``rsvlm train tune`` begins with, and what it leaves as it was.

A run begins with base weights, or with an earlier checkpoint of which it may teach some
parts only. What it does not teach is written again bit for bit, so that, say, a new
projector for radar changes no answer about an optical picture.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from rsvlm.errors import SettingsError
from rsvlm.models.aligned_files import (
    ALIGN_FILE,
    SETTINGS_FILE,
    encoder_state,
    learned,
    read_settings,
)
from rsvlm.models.bases import WEIGHTS, base_folder
from rsvlm.models.checkpoint import (
    PREFIXES,
    SHIPPED,
    assemble,
    base_state,
    find_checkpoint,
    load_config,
    load_tensors,
    merge_lora,
    write_checkpoint,
)
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.encoder import check_layers
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.precision import fast_dtype
from rsvlm.models.projector import Projector
from rsvlm.training.images import FILE as IMAGES_FILE
from rsvlm.training.images import read_train_images
from rsvlm.training.low_rank import fuse_updates
from rsvlm.training.tune_recipe import TuneRecipe

#: Layers of the language model that get low-rank updates.
LORA_TARGETS = (
    r".*language_model\.layers\.\d+\."
    r"(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
)


@dataclass(frozen=True)
class Start:
    """What a run begins with.

    Attributes:
        folder: Checkpoint that goes on; None for base weights.
        config: Its configuration.
        tensors: What it stores, as stored.
        aligned: Folder of the aligned encoders; None where there are none.
    """

    folder: Path | None = None
    config: RSVLMConfig | None = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    aligned: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Name -> file that the result depends on."""
        found = {}
        if self.folder is not None:
            found["start"] = self.folder / WEIGHTS
        if self.aligned is not None:
            found["aligned"] = self.aligned / ALIGN_FILE
        return found

    @property
    def learned(self) -> tuple[str, ...]:
        """Sensors whose encoder differs from its asset."""
        return learned(self.aligned) if self.aligned is not None else ()

    def has(self, part: str) -> bool:
        """Whether the checkpoint stores a part, such as ``"sar_projector"``."""
        return any(name.startswith(f"model.{part}.") for name in self.tensors)


def find_start(recipe: TuneRecipe) -> Start:
    """Read what a recipe begins with.

    Raises:
        SettingsError: If the checkpoint was made with other sizes or models, or the
            parts that learn and the aligned encoders do not go together.
        CheckpointError: If a folder is missing, incomplete or damaged.
    """
    folder = find_checkpoint(recipe.start) if recipe.start else None
    config, tensors = None, dict[str, Tensor]()
    if folder is not None:
        config = load_config(folder)
        _check_fit(recipe, config)
        tensors = load_tensors(folder / WEIGHTS)
    if not recipe.parts:
        raise SettingsError(
            "Nothing is to learn: 'parts' is empty. Name one or more of "
            "optical_projector, sar_projector, lora."
        )
    aligned = None
    if recipe.aligned:
        if "sar_projector" not in recipe.parts:
            raise SettingsError(
                f"The SAR encoder of {recipe.aligned!r} needs a projector that learns. "
                "Add 'sar_projector' to 'parts', or leave out 'aligned'."
            )
        aligned = SHIPPED.get(recipe.aligned, Path(recipe.aligned))
    elif folder is not None and (folder / SETTINGS_FILE).is_file():
        aligned = folder
    start = Start(folder, config, tensors, aligned)
    _check_aligned(recipe, start)
    return start


def _check_aligned(recipe: TuneRecipe, start: Start) -> None:
    if start.aligned is None:
        return
    sensors = read_settings(start.aligned).encoders
    if has_sar(recipe, start) and "sar" not in sensors:
        raise SettingsError(
            f"{str(start.aligned)!r} has no SAR encoder, only {', '.join(sensors)}. "
            "Name a folder that was aligned with both sensors under 'aligned'."
        )
    taught = "optical" in start.learned
    if recipe.aligned and taught and "optical_projector" not in recipe.parts:
        raise SettingsError(
            f"{recipe.aligned!r} has an optical encoder that learned; the projector "
            "that stays fits another. Add 'optical_projector' to 'parts'."
        )


def _check_fit(recipe: TuneRecipe, config: RSVLMConfig) -> None:
    if not config.bases:
        raise SettingsError(
            f"The checkpoint {recipe.start!r} is self-contained, so that nothing tells "
            "what of it was trained. Start from the folder before rsvlm export."
        )
    had = {
        "language_model": config.bases.get("language_model"),
        "encoder": config.bases.get("optical_encoder"),
        "layers": tuple(config.feature_layers),
        "tile_size": config.tile_size,
        "max_tiles": config.max_tiles,
        "factor": config.projector_factor,
    } | {name: config.lora[name] for name in ("rank", "alpha") if config.lora}
    for name, value in had.items():
        if getattr(recipe, name) != value:
            raise SettingsError(
                f"The checkpoint {recipe.start!r} has {name} = {value!r}, the recipe "
                f"{getattr(recipe, name)!r}. Write the same, or begin with base "
                "weights: start = ''."
            )


def has_sar(recipe: TuneRecipe, start: Start) -> bool:
    """Whether radar gets an encoder and a projector of its own."""
    had = start.config is not None and start.config.sar_config is not None
    return had or "sar_projector" in recipe.parts


def _config(recipe: TuneRecipe, tokenizer: Any, start: Start) -> RSVLMConfig:
    from transformers import AutoConfig

    bases = {"language_model": recipe.language_model, "optical_encoder": recipe.encoder}
    if has_sar(recipe, start):
        bases["sar_encoder"] = recipe.encoder  # one that never saw radar
        if start.aligned is not None:
            bases["sar_encoder"] = read_settings(start.aligned).encoders["sar"]
    parts = {
        name: AutoConfig.from_pretrained(base_folder(asset)).to_dict()
        for name, asset in bases.items()
    }
    for part in parts.values():  # a path of this machine is nobody's business
        part.pop("_name_or_path", None)
    old = start.config or RSVLMConfig()
    lora = {"rank": recipe.rank, "alpha": recipe.alpha}
    return RSVLMConfig(
        text_config=parts["language_model"],
        optical_config=parts["optical_encoder"],
        sar_config=parts.get("sar_encoder"),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        feature_layers=recipe.layers,
        tile_size=recipe.tile_size,
        max_tiles=recipe.max_tiles,
        projector_factor=recipe.factor,
        projector_width=old.projector_width,
        bases=bases,
        lora=lora if "lora" in recipe.parts else old.lora,
        trained_gsd_m=cast(Any, recipe.trained_gsd_m or old.trained_gsd_m),
        sar_gsd_m=cast(Any, recipe.sar_gsd_m or old.sar_gsd_m),
        zooms=recipe.questions.get("zoom", 0) > 0 or old.zooms,
        weak_sensors=recipe.weak_sensors or tuple(old.weak_sensors),
    )


def _check_encoders(recipe: TuneRecipe, config: RSVLMConfig) -> None:
    optical, sar = config.optical_config, config.sar_config
    check_layers(optical, recipe.layers)
    multiple = optical.patch_size * recipe.factor
    if recipe.tile_size % multiple:
        raise SettingsError(
            f"A tile of {recipe.tile_size} px is no multiple of {multiple} px, patch "
            "size x factor. Change 'tile_size'."
        )
    for name in ("model_type", "patch_size", "hidden_size", "num_hidden_layers"):
        if sar is not None and getattr(sar, name) != getattr(optical, name):
            raise SettingsError(
                f"The SAR encoder has {name} = {getattr(sar, name)!r}, the optical "
                f"one {getattr(optical, name)!r}. Align encoders of one kind."
            )


def initial_model(
    recipe: TuneRecipe, tokenizer: Any, start: Start | None = None
) -> RSVLMForConditionalGeneration:
    """Return the model that a run begins with; its projectors learn or are frozen.

    Low-rank updates of the checkpoint are part of the weights where they do not learn;
    where they do, :func:`add_updates` puts them in. A projector for SAR that the
    checkpoint does not have is a copy of the optical one.

    Raises:
        SettingsError: If tiles or layers do not fit the encoders.
        CheckpointError: If weights are missing or do not fit.
    """
    start = start or find_start(recipe)
    config = _config(recipe, tokenizer, start)
    _check_encoders(recipe, config)
    width = config.optical_config.hidden_size * len(recipe.layers)
    projector = Projector(
        width, config.text_config.hidden_size, recipe.factor, config.projector_width
    )
    state = base_state(config.bases or {})
    words = state["model.language_model.embed_tokens.weight"].float()
    with torch.no_grad():
        projector.gain.copy_(words.pow(2).mean(-1).sqrt().mean())
    for name, value in projector.state_dict().items():
        state[f"model.optical_projector.{name}"] = value
    for part in ("optical_encoder", "sar_encoder"):
        sensor = part.removesuffix("_encoder")
        if start.aligned and part in (config.bases or {}) and sensor in start.learned:
            own = encoder_state(start.aligned, sensor)
            state |= {PREFIXES[part] + name: value for name, value in own.items()}
    learns = "lora" in recipe.parts
    state |= {k: v for k, v in start.tensors.items() if not (learns and ".lora_" in k)}
    if config.sar_config is not None and not start.has("sar_projector"):
        for name in projector.state_dict():
            copied = state[f"model.optical_projector.{name}"].clone()
            state[f"model.sar_projector.{name}"] = copied
    state = {key: value.to(fast_dtype()) for key, value in state.items()}
    lora = config.lora or {"alpha": 1, "rank": 1}
    state = merge_lora(state, lora["alpha"] / lora["rank"])
    model = assemble(config, state, fast_dtype())
    model.requires_grad_(False)
    _free_projectors(model, recipe)
    if recipe.recompute:
        model.model.language_model.gradient_checkpointing_enable(
            {"use_reentrant": False}
        )
    return model


def _free_projectors(model: RSVLMForConditionalGeneration, recipe: TuneRecipe) -> None:
    for part in recipe.parts:
        if part != "lora":
            # Trained parts stay in float32 also where products are in bfloat16.
            model.model.get_submodule(part).to(torch.float32).requires_grad_(True)


def add_updates(
    model: RSVLMForConditionalGeneration, recipe: TuneRecipe, start: Start
) -> nn.Module:
    """Return the model with low-rank updates that learn, if the recipe wants any."""
    from peft import LoraConfig, get_peft_model

    if "lora" not in recipe.parts:
        return model
    lora = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, target_modules=LORA_TARGETS
    )
    tuned = cast(nn.Module, get_peft_model(model, lora))
    with torch.no_grad():
        for name, value in start.tensors.items():
            if ".lora_" in name:
                own = name.removesuffix(".weight") + ".default.weight"
                model.get_parameter(own).copy_(value)
    _free_projectors(model, recipe)  # peft froze them
    fuse_updates(tuned)
    return tuned


def write_tuned(
    model: RSVLMForConditionalGeneration, tokenizer: Any, start: Start, folder: Path
) -> None:
    """Write a checkpoint: what learned, and what did not as it was before."""
    frozen = {
        name: parameter.detach().to(torch.bfloat16)
        for name, parameter in model.named_parameters()
        if "_projector." in name and not parameter.requires_grad
    }
    write_checkpoint(model, tokenizer, folder, {**frozen, **start.tensors})


def carry_files(start: Start, folder: Path) -> None:
    """Copy the aligned encoders into a checkpoint, and whose pictures they saw."""
    known = set(read_train_images(folder) or ())
    for source in {start.folder, start.aligned} - {None}:
        known |= read_train_images(cast(Path, source)) or frozenset()
    if known:
        draft = folder / f".{IMAGES_FILE}.part"
        draft.write_text("".join(f"{d}\n" for d in sorted(known)), encoding="ascii")
        os.replace(draft, folder / IMAGES_FILE)
    if start.aligned is not None:
        for name in (SETTINGS_FILE, ALIGN_FILE):
            shutil.copyfile(start.aligned / name, folder / name)
