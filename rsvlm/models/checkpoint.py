"""Checkpoint folders: what was trained, and the names of the frozen parts.

``model.safetensors`` holds projectors, low-rank updates (LoRA) and encoders that were
tuned. Frozen parts come from assets; low-rank updates are added to them at load, so
that inference pays nothing for them and needs no peft. A folder whose config names no
bases is self-contained, as ``save_pretrained`` writes it.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from rsvlm.errors import CheckpointError
from rsvlm.models.bases import WEIGHTS, base_folder
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.processing import RSVLMImageProcessor, RSVLMProcessor
from rsvlm.models.register import register

register()  # the Auto classes of Transformers know our models from here on

#: Part of the model -> prefix of its keys in a checkpoint.
PREFIXES = {
    "language_model": "model.language_model.",
    "optical_encoder": "model.optical_encoder.",
    "sar_encoder": "model.sar_encoder.",
}

#: Checkpoints that ship inside the package: name -> folder beside the code.
SHIPPED = {"tiny": Path(__file__).parents[1] / "checkpoints" / "tiny"}


def find_checkpoint(name: str) -> Path:
    """Return the folder of a shipped checkpoint or of a path.

    Raises:
        CheckpointError: If there is no such folder or it holds no config.
    """
    folder = SHIPPED.get(name, Path(name))
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{name!r} is no checkpoint: {folder} holds no config.json. Give the "
            f"folder of a checkpoint, or one of: {', '.join(SHIPPED)}."
        )
    return folder


def load_config(folder: Path) -> RSVLMConfig:
    """Read the configuration of a checkpoint folder.

    Raises:
        CheckpointError: If it is missing, damaged, or of another kind of model.
    """
    path = folder / "config.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        kind = fields.get("model_type")
        if kind == RSVLMConfig.model_type:
            return cast(RSVLMConfig, RSVLMConfig.from_pretrained(folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {_one_line(error)}. "
            "Copy the checkpoint folder again."
        ) from error
    raise CheckpointError(
        f"{folder} holds a model of type {kind!r}, not {RSVLMConfig.model_type!r}. "
        "Give the folder of a checkpoint that rsvlm train tune wrote."
    )


Settings = TypeVar("Settings", bound=BaseModel)


def read_settings_file(kind: type[Settings], path: Path, missing: str) -> Settings:
    """Read a JSON file of settings beside the weights of a part.

    Args:
        kind: Model of the file.
        path: The file.
        missing: What to say where there is none, and what to do about it.

    Raises:
        CheckpointError: If it is missing, no UTF-8, or not valid.
    """
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(missing) from None
    except (ValidationError, UnicodeDecodeError) as error:
        problem = "it is no UTF-8 text"
        if isinstance(error, ValidationError):
            problem = error.errors()[0]["msg"]
        raise CheckpointError(
            f"{path} is not valid: {problem}. Copy the checkpoint folder again."
        ) from None


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} is missing. Copy the whole checkpoint folder again."
        ) from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged ({_one_line(error)}). Copy the checkpoint folder again."
        ) from error


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file at once or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, draft)
    os.replace(draft, path)


def merge_lora(state: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Add low-rank updates to the weights they belong to.

    Args:
        state: Weights, and ``<layer>.lora_A.weight`` (r, D_in), ``.lora_B.weight``
            (D_out, r) beside ``<layer>.weight``.
        scale: Alpha / rank.

    Returns:
        Weights without the low-rank keys: W + scale * B A.

    Raises:
        CheckpointError: If an update has no weight to go to.
    """
    merged = {key: value for key, value in state.items() if ".lora_" not in key}
    for key, down in state.items():
        if not key.endswith(".lora_A.weight"):
            continue
        layer = key.removesuffix(".lora_A.weight")
        up, weight = state.get(f"{layer}.lora_B.weight"), merged.get(f"{layer}.weight")
        if up is None:
            raise CheckpointError(
                f"the low-rank update {layer!r} lacks its second half. "
                "Copy the checkpoint folder again."
            )
        if weight is None or weight.shape != (len(up), down.shape[1]):
            raise CheckpointError(
                f"the low-rank update {layer!r} has no weight to be added to. "
                "Use the base model that config.json names under 'bases'."
            )
        delta = up.float() @ down.float()
        merged[f"{layer}.weight"] = (weight.float() + scale * delta).to(weight.dtype)
    return merged


def base_state(bases: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the frozen weights of the named assets, by the model's own keys."""
    state: dict[str, Tensor] = {}
    for part, asset in bases.items():
        if part not in PREFIXES:
            continue
        for key, value in load_tensors(base_folder(asset) / WEIGHTS).items():
            state[PREFIXES[part] + key.removeprefix("model.")] = value
    return state


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
            f"{folder} cannot be loaded: {_one_line(error)}. "
            "Copy the checkpoint folder again."
        ) from error
    lost = sorted([*report["missing_keys"], *report["unexpected_keys"]])
    if lost:  # Transformers would go on with random weights
        raise CheckpointError(
            f"the weights in {folder} do not fit its config.json: {len(lost)} names "
            f"differ, such as {lost[0]}. Copy the checkpoint folder again."
        )
    return cast(RSVLMForConditionalGeneration, model.eval())


def assemble(
    config: RSVLMConfig, state: dict[str, Tensor], dtype: torch.dtype
) -> RSVLMForConditionalGeneration:
    """Build a model around weights, without initialising any that are replaced."""
    with torch.device("meta"):
        model = RSVLMForConditionalGeneration(config)
    state = {key: value.to(dtype) for key, value in state.items()}
    state["lm_head.weight"] = state["model.language_model.embed_tokens.weight"]
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights do not fit config.json: {_one_line(error)}. Use the "
            "checkpoint with the base models that its config.json names."
        ) from error
    model.lm_head.weight = model.get_input_embeddings().weight
    fill_buffers(model)
    model.eval()
    return model


def fill_buffers(model: nn.Module) -> None:
    """Give values to buffers that no checkpoint stores.

    Raises:
        CheckpointError: If there is a buffer that it does not know.
    """
    for module in model.modules():
        if isinstance(module, LlamaRotaryEmbedding):
            fresh = LlamaRotaryEmbedding(config=module.config)
            module.inv_freq = fresh.inv_freq
            module.original_inv_freq = fresh.original_inv_freq
        elif isinstance(getattr(module, "position_ids", None), Tensor):  # of CLIP
            count = cast(Tensor, module.position_ids).shape[-1]
            module.position_ids = torch.arange(count).expand(1, -1)
    left = [name for name, buffer in model.named_buffers() if buffer.is_meta]
    if left:
        raise CheckpointError(f"buffers without a value: {', '.join(left)}")


def write_checkpoint(
    model: nn.Module,
    tokenizer: Any,
    folder: Path,
    kept: Mapping[str, Tensor] | None = None,
) -> None:
    """Write what was trained, with everything that is needed to load it.

    Args:
        model: The model; peft may have put low-rank updates into it.
        tokenizer: Its tokenizer.
        folder: Checkpoint folder; files of an earlier step are replaced.
        kept: Tensors of an earlier run that did not learn, written as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = cast(RSVLMConfig, model.config)
    state = {
        name.replace(".default.", ".").replace(".base_layer.", "."): parameter.detach()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    config.save_pretrained(folder)
    RSVLMProcessor(image_processor_of(config), tokenizer).save_pretrained(folder)
    trained = {k: v.to(torch.bfloat16) for k, v in state.items()}
    save_tensors({**(kept or {}), **trained}, folder / WEIGHTS)


def image_processor_of(config: RSVLMConfig) -> RSVLMImageProcessor:
    """Return the image processor that fits a configuration."""
    from rsvlm.models.encoder import NORMALISATION

    mean, std = NORMALISATION[config.optical_config.model_type]
    return RSVLMImageProcessor(
        tile_size=config.tile_size,
        patch_size=config.optical_config.patch_size,
        max_tiles=config.max_tiles,
        factor=config.projector_factor,
        mean=mean,
        std=std,
    )


def base_tokenizer(folder: Path) -> Any:
    """Return a language model's tokenizer with ``<image>`` in place of a spare token.

    Special tokens that the language model never used keep the vocabulary, and with
    it every weight, as it is.

    Raises:
        CheckpointError: If the tokenizer is missing or has no spare special token.
    """
    from transformers import PreTrainedTokenizerFast

    source = folder / "tokenizer.json"
    text = source.read_text(encoding="utf-8") if source.is_file() else ""
    spare = json.dumps("<reponame>")
    if spare not in text:
        raise CheckpointError(
            f"{source} has no special token <reponame>, whose place <image> takes. "
            "Use a language model of the SmolLM2 family."
        )
    text = text.replace(spare, json.dumps("<image>"))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.json"
        path.write_text(text, encoding="utf-8")
        return PreTrainedTokenizerFast(
            tokenizer_file=str(path),
            bos_token="<|im_start|>",
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            additional_special_tokens=["<image>"],
        )


def load_processor(folder: Path) -> RSVLMProcessor:
    """Return the processor of a checkpoint folder.

    Raises:
        CheckpointError: If its config or its tokenizer is missing or damaged.
    """
    from transformers import PreTrainedTokenizerFast

    config = load_config(folder)
    path = folder / "tokenizer.json"
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    except Exception as error:  # tokenizers raises nothing narrower
        raise CheckpointError(
            f"{path} cannot be read: {_one_line(error)}. "
            "Copy the checkpoint folder again."
        ) from error
    if tokenizer.convert_tokens_to_ids("<image>") != config.image_token_id:
        raise CheckpointError(
            f"{path} does not fit config.json: <image> is no token of it, or another. "
            "Copy the checkpoint folder again."
        )
    return RSVLMProcessor(image_processor_of(config), tokenizer)
