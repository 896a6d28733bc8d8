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

from rsvlm.errors import CheckpointError
from rsvlm.models.bases import INDEX, WEIGHTS, base_folder
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

#: Name of the output layer, in language models of Transformers as in ours.
OUTPUT = "lm_head.weight"

#: Special tokens of our chat form: begin and end of a turn, and what fills up.
CHAT = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
#: Special tokens that are never used: SmolLM2's, then that of Qwen, whose models without
#: pictures share the vocabulary of those with.
SPARE = ("<reponame>", "<|image_pad|>")

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
            f"{path} cannot be read: {one_line(error)}. "
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


def one_line(error: object) -> str:
    """Return a message as one short line without its last dot."""
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
            f"{path} is damaged ({one_line(error)}). Copy the checkpoint folder again."
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
            (D_out, r) beside ``<layer>.weight``. It is emptied: a large model must
            not be held twice.
        scale: Alpha / rank.

    Returns:
        Weights without the low-rank keys: W + scale * B A.

    Raises:
        CheckpointError: If an update has no weight to go to.
    """
    updates = {key: value for key, value in state.items() if ".lora_" in key}
    merged = {key: value for key, value in state.items() if ".lora_" not in key}
    state.clear()
    for key, down in updates.items():
        if not key.endswith(".lora_A.weight"):
            continue
        layer = key.removesuffix(".lora_A.weight")
        up, weight = (
            updates.get(f"{layer}.lora_B.weight"),
            merged.get(f"{layer}.weight"),
        )
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
        for key, value in base_tensors(base_folder(asset)).items():
            # Beside the language model proper there may be its output layer.
            own = key if key == OUTPUT else PREFIXES[part] + key.removeprefix("model.")
            state[own] = value
    return state


def base_tensors(folder: Path) -> dict[str, Tensor]:
    """Return the weights of a Transformers folder, of one file or of several.

    Raises:
        CheckpointError: If a file is missing or damaged.
    """
    index = folder / INDEX
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return load_tensors(folder / WEIGHTS)
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted({Path(name).name for name in places.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index} is damaged ({one_line(error)}). Copy the whole folder again."
        ) from error
    return {k: v for name in names for k, v in load_tensors(folder / name).items()}


def assemble(
    config: RSVLMConfig, state: dict[str, Tensor], dtype: torch.dtype
) -> RSVLMForConditionalGeneration:
    """Build a model around weights, without initialising any that are replaced."""
    with torch.device("meta"):
        model = RSVLMForConditionalGeneration(config)
    state = {key: value.to(dtype) for key, value in state.items()}
    if config.tie_word_embeddings:
        state[OUTPUT] = state[f"{PREFIXES['language_model']}embed_tokens.weight"]
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights do not fit config.json: {one_line(error)}. Use the "
            "checkpoint with the base models that its config.json names."
        ) from error
    if config.tie_word_embeddings:
        model.lm_head.weight = cast(nn.Parameter, model.get_input_embeddings().weight)
    fill_buffers(model)
    model.eval()
    return model


def fill_buffers(model: nn.Module) -> None:
    """Give values to buffers that no checkpoint stores.

    Raises:
        CheckpointError: If there is a buffer that it does not know.
    """
    for module in model.modules():
        # Each family of language models has its own class of the same build.
        if type(module).__name__.endswith("RotaryEmbedding"):
            fresh = cast(Any, type(module))(config=module.config)
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
    it every weight, as it is. All added tokens count as special, also those that mark
    tool calls and thoughts in other uses of the model: no text of a user writes them.

    Raises:
        CheckpointError: If the tokenizer is missing or damaged, lacks the tokens of our
            chat form, or has no spare special token.
    """
    from transformers import PreTrainedTokenizerFast

    source = folder / "tokenizer.json"
    try:
        fields = json.loads(source.read_text(encoding="utf-8"))
        added = {token["content"]: token for token in fields["added_tokens"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = getattr(error, "strerror", None) or one_line(error)
        raise CheckpointError(
            f"{source} cannot be read: {problem}. Copy the folder of the language model "
            "again, with its tokenizer.json."
        ) from error
    spare = next((name for name in SPARE if name in added), None)
    lost = [name for name in CHAT if name not in added]
    if spare is None or lost:
        raise CheckpointError(
            f"{source} has no special token {' or '.join(lost or SPARE)}. Use a language "
            "model of the SmolLM2, Qwen2.5 or Qwen3 family."
        )
    for token in added.values():
        token["special"] = True
    text = json.dumps(fields, ensure_ascii=False)
    text = text.replace(json.dumps(spare), json.dumps("<image>"))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.json"
        path.write_text(text, encoding="utf-8")
        start, end, pad = CHAT
        return PreTrainedTokenizerFast(
            tokenizer_file=str(path),
            bos_token=start,
            eos_token=end,
            pad_token=pad,
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
            f"{path} cannot be read: {one_line(error)}. "
            "Copy the checkpoint folder again."
        ) from error
    if tokenizer.convert_tokens_to_ids("<image>") != config.image_token_id:
        raise CheckpointError(
            f"{path} does not fit config.json: <image> is no token of it, or another. "
            "Copy the checkpoint folder again."
        )
    return RSVLMProcessor(image_processor_of(config), tokenizer)
