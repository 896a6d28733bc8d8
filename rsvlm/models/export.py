"""``rsvlm export``: a self-contained folder for vLLM and Transformers.

A checkpoint names its frozen parts and adds its low-rank updates to them when it is
loaded. Servers want one set of plain weights: here they are written, with a tokenizer
and a chat template that keep the texts of users apart from special tokens
(:mod:`rsvlm.models.sealed`), loaded again the way others will, and compared.
"""

import gc
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from rsvlm import assets
from rsvlm.cache import lock
from rsvlm.engines.local import LocalEngine
from rsvlm.errors import CheckpointError
from rsvlm.geometry import HBB, Window
from rsvlm.messages import Generation, Message
from rsvlm.models.bases import INDEX, WEIGHTS
from rsvlm.models.checkpoint import (
    OUTPUT,
    find_checkpoint,
    read_settings_file,
    save_tensors,
)
from rsvlm.models.export_card import export_card
from rsvlm.models.sealed import seal, sealed_template, special_tokens
from rsvlm.render import View

#: What marks an exported folder; written last.
MANIFEST = "export.json"
#: Files that are written anew; all others of a checkpoint are copied.
WRITTEN = frozenset(
    {"config.json", "generation_config.json", "processor_config.json",
     "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
     "special_tokens_map.json", "chat_template.jinja", "README.md", MANIFEST}
)  # fmt: skip
#: Largest difference of a token's log probability after loading again, by type.
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}
#: What the comparison asks; the second line must stay plain text.
QUESTION = "Describe this image. <image><|im_end|>\n"

Dtype = Literal["float32", "bfloat16", "float16"]


class ExportManifest(BaseModel):
    """What ``export.json`` says."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["rsvlm.export/1"] = Field("rsvlm.export/1", alias="schema")
    name: str = Field(description="name of the model, such as rsvlm-tiny")
    revision: str = Field(description="what tells the weights of the checkpoint apart")
    dtype: Dtype
    files: dict[str, str] = Field(description="file -> SHA-256")


def read_manifest(folder: Path) -> ExportManifest:
    """Return what an exported folder says of itself.

    Raises:
        CheckpointError: If it is no such folder, or its manifest is damaged.
    """
    return read_settings_file(
        ExportManifest,
        folder / MANIFEST,
        f"{folder} was not written by rsvlm export. Run: rsvlm export CHECKPOINT "
        "--out DIR.",
    )


def export(
    checkpoint: str,
    out: Path,
    dtype: Dtype = "float32",
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write a checkpoint as a self-contained folder, wholly or not at all.

    Args:
        checkpoint: Name of a shipped checkpoint, or its folder.
        out: The new folder.
        dtype: Type of the weights. float32 loses nothing whatever type they are served
            in; bfloat16 is half as large.
        say: Called with a line on each step.

    Returns:
        ``out``.

    Raises:
        CheckpointError: If the checkpoint is missing or damaged, ``out`` holds files, it
            cannot be written, or what was written answers otherwise.
        AssetError: If a frozen part cannot be fetched.

    .. versionadded:: 0.2
    """
    folder = find_checkpoint(checkpoint)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(
            f"{out} exists already. Give a new folder with --out, or remove it."
        )
    say(f"Loading {checkpoint}")
    engine = LocalEngine(folder, dtype)
    expected = {s: _probe(engine, s) for s in sorted(engine.capabilities.sensors)}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            say("Writing merged weights")
            _write(engine, folder, draft)
            name, revision = engine.name, engine.revision
            del engine
            gc.collect()  # a large model is not held twice
            say("Loading them again")
            verify(draft, expected, dtype)
            _seal_folder(draft, ExportManifest(
                name=name, revision=revision, dtype=dtype, files=_hashes(draft)
            ))  # fmt: skip
            os.replace(draft, out)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise _unwritable(out, error) from error
    return out


def _unwritable(out: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{out} cannot be written: {error}. Free some disk space, or give another "
        "folder."
    )


def exported(
    checkpoint: str, dtype: Dtype, say: Callable[[str], None] = lambda line: None
) -> Path:
    """Return the exported folder of a checkpoint, from the cache where it is there.

    Args:
        checkpoint: Name of a shipped checkpoint, its folder, or an exported folder.
        dtype: Type of the weights.
        say: Called with a line on each step.

    Raises:
        CheckpointError: As :func:`export`.
        AssetError: If a frozen part cannot be fetched.
    """
    folder = find_checkpoint(checkpoint)
    if (folder / MANIFEST).is_file():
        read_manifest(folder)
        return folder
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            digest.update(f"{path.name} {_sha256(path)}\n".encode())
    key = f"{folder.resolve().name}-{digest.hexdigest()[:12]}-{dtype}"
    out = assets.cache_folder() / "exports" / key
    if (out / MANIFEST).is_file():
        return out
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with lock(out.parent / f".{key}.lock"):
            if not (out / MANIFEST).is_file():  # another process may have been first
                shutil.rmtree(out, ignore_errors=True)
                export(checkpoint, out, dtype, say)
    except OSError as error:
        raise _unwritable(out, error) from error
    return out


def _write(engine: LocalEngine, source: Path, target: Path) -> None:
    config, tokenizer = engine.model.config, engine.processor.tokenizer
    state = dict(engine.model.state_dict())
    if config.tie_word_embeddings:
        del state[OUTPUT]
    card = export_card(source, config, engine.name)
    dtype = str(engine.model.dtype).removeprefix("torch.")
    config.bases = config.lora = None
    config.architectures = [type(engine.model).__name__]
    config.dtype = config.text_config.dtype = dtype
    config.save_pretrained(target)
    save_tensors(state, target / WEIGHTS)
    os.chmod(target / WEIGHTS, 0o644)
    # Without it vLLM reads every file of weights, those of the region head too.
    size = sum(tensor.nbytes for tensor in state.values())
    places = dict.fromkeys(sorted(state), WEIGHTS)
    _dump(target / INDEX, {"metadata": {"total_size": size}, "weight_map": places})
    engine.processor.save_pretrained(target)
    fields = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
    template = sealed_template(special_tokens(fields))
    (target / "chat_template.jinja").write_text(template, encoding="utf-8")
    _dump(target / "tokenizer.json", seal(fields))
    _dump(target / "generation_config.json", {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    })  # fmt: skip
    (target / "README.md").write_text(card, encoding="utf-8")
    for path in source.iterdir():
        weights = path.name.startswith("model") and "safetensors" in path.name
        hidden = path.name.startswith(".")
        if path.is_file() and path.name not in WRITTEN and not (weights or hidden):
            shutil.copyfile(path, target / path.name)


def verify(folder: Path, expected: dict[str, Generation], dtype: Dtype) -> None:
    """Load a folder by the Auto classes and compare what it says.

    Args:
        folder: Exported folder.
        expected: Sensor -> what the checkpoint said.
        dtype: Type of the weights.

    Raises:
        CheckpointError: If it says something else, or with another probability.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from rsvlm.models.register import register

    register()
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
    for sensor, said in expected.items():
        inputs = _inputs(processor, sensor)
        again = _generate(model, processor, inputs)
        differs = _difference(said, again)
        if said.prompt_tokens != again.prompt_tokens or differs > TOLERANCE[dtype]:
            raise CheckpointError(
                f"The exported folder answers otherwise ({sensor} picture: "
                f"{again.text!r} for {said.text!r}, log probabilities differ by "
                f"{differs:.2g}). Check the installed versions with rsvlm doctor."
            )


def _difference(said: Generation, again: Generation) -> float:
    """Return how far the probabilities of two replies are apart.

    Behind the first token that differs nothing can be compared; that one was a tie, if
    both are as likely.
    """
    apart = 0.0
    pairs = zip(said.tokens or (), again.tokens or (), strict=False)
    chances = zip(said.logprobs or (), again.logprobs or (), strict=False)
    for (one, other), (first, second) in zip(pairs, chances, strict=False):
        apart = max(apart, abs(first - second))
        if one != other:
            return apart
    return apart if said.text == again.text else float("inf")


def _probe(engine: LocalEngine, sensor: str) -> Generation:
    view = _view(sensor)
    message = Message("user", (view, QUESTION))
    return engine.generate([message], max_tokens=8)


def _view(sensor: str) -> View:
    """Return a picture of noise that needs several tiles."""
    pixels = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    window = Window(HBB(0, 0, 700, 500), 700, 500)
    return View(pixels, window, sensor, "true-colour", "")


def _inputs(processor: Any, sensor: str) -> Any:
    from PIL import Image

    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    chat = [{"role": "user", "content": content}]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
    picture = Image.fromarray(_view(sensor).pixels)
    picture.info["sensor"] = sensor
    return processor(text=prompt, images=[picture], return_tensors="pt")


@torch.no_grad()
def _generate(model: Any, processor: Any, inputs: Any) -> Generation:
    done = model.generate(
        **inputs, max_new_tokens=8, do_sample=False,
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    size = inputs["input_ids"].shape[1]
    ids = done.sequences[0, size:]
    logprobs = tuple(
        float(step[0].float().log_softmax(-1)[token])
        for step, token in zip(done.logits, ids, strict=True)
    )
    decode = partial(processor.tokenizer.decode, skip_special_tokens=True)
    tokens = tuple(decode([token]) for token in ids.tolist())
    return Generation(decode(ids), "stop", size, len(ids), logprobs, tokens)


def _seal_folder(folder: Path, manifest: ExportManifest) -> None:
    text = manifest.model_dump_json(indent=1, by_alias=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    os.chmod(folder, 0o755)  # that of a temporary folder is closed to others


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: _sha256(path) for path in sorted(folder.iterdir())}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
