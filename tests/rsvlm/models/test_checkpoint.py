"""Checkpoint folders: what is in them, and that they say what was trained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
)

from rsvlm.engines.local import LocalEngine
from rsvlm.errors import CheckpointError, RsvlmError
from rsvlm.models.checkpoint import (
    SHIPPED,
    base_tokenizer,
    find_checkpoint,
    load_processor,
    merge_lora,
    save_tensors,
    write_checkpoint,
)
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.loading import load_model
from rsvlm.models.modeling import RSVLMForConditionalGeneration, RSVLMModel
from rsvlm.models.processing import RSVLMImageProcessor, RSVLMProcessor
from rsvlm.models.register import register
from rsvlm.training.tune import LORA_TARGETS, TuneRecipe, initial_model

Noise = Callable[..., NDArray[np.uint8]]


def inputs_of(processor: RSVLMProcessor, picture: NDArray[np.uint8]) -> dict[str, Any]:
    text = "<|im_start|>user\n<image>\nHow many ships?<|im_end|>\n"
    return dict(processor(text=text, images=[picture], return_tensors="pt"))


@torch.no_grad()
def logits_of(model: Any, inputs: dict[str, Any]) -> Tensor:
    logits: Tensor = model.float()(**inputs).logits
    return logits


@pytest.fixture(scope="module")
def written(
    tune_recipe: TuneRecipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RSVLMForConditionalGeneration, Path]:
    """A model in memory with low-rank updates that change it, and its folder."""
    tokenizer = base_tokenizer(Path(tune_recipe.language_model))
    torch.manual_seed(1)
    model = initial_model(tune_recipe, tokenizer)
    lora = LoraConfig(r=2, lora_alpha=4, target_modules=LORA_TARGETS)
    get_peft_model(model, lora)
    model.model.optical_projector.requires_grad_(True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.3)
            if parameter.requires_grad:  # what the file can hold
                parameter.copy_(parameter.bfloat16().float())
    folder = tmp_path_factory.mktemp("written")
    write_checkpoint(model, tokenizer, folder)
    return model, folder


@pytest.fixture
def folder(written: tuple[Any, Path], tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be damaged."""
    return shutil.copytree(written[1], tmp_path / "checkpoint")


def test_a_loaded_model_is_the_one_in_memory(
    written: tuple[RSVLMForConditionalGeneration, Path], noise: Noise
) -> None:
    register()
    register()  # does no harm
    model, folder = written
    inputs = inputs_of(load_processor(folder), noise(200, 300))
    expected = logits_of(model, inputs)
    own = RSVLMForConditionalGeneration.from_pretrained(folder, dtype="float32")
    auto = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    for loaded in (own, auto):
        assert isinstance(loaded, RSVLMForConditionalGeneration)
        assert not loaded.training
        assert torch.allclose(logits_of(loaded, inputs), expected, atol=1e-4)
    plain = initial_model_logits(model, inputs)
    assert not torch.allclose(plain, expected, atol=0.1)  # the updates matter


@torch.no_grad()
def initial_model_logits(model: Any, inputs: dict[str, Any]) -> Tensor:
    """Return logits without the low-rank updates."""
    kept = {n: p.clone() for n, p in model.named_parameters() if "lora_B" in n}
    for name in kept:
        model.get_parameter(name).zero_()
    plain = logits_of(model, inputs)
    for name, value in kept.items():
        model.get_parameter(name).copy_(value)
    return plain


@pytest.mark.parametrize("dtype", [None, "auto", "bfloat16", torch.bfloat16])
def test_weights_are_bfloat16_unless_asked_otherwise(folder: Path, dtype: Any) -> None:
    model = RSVLMForConditionalGeneration.from_pretrained(folder, dtype=dtype)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_the_inner_model_loads_alone(folder: Path, noise: Noise) -> None:
    register()
    whole = RSVLMForConditionalGeneration.from_pretrained(folder, dtype="float32")
    inner = AutoModel.from_pretrained(folder, dtype="float32")
    assert isinstance(inner, RSVLMModel)
    for name, value in inner.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name


def test_only_what_was_trained_is_stored(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    lora = {name for name in state if ".lora_A." in name or ".lora_B." in name}
    rest = set(state) - lora
    assert len(lora) == 2 * 7 * 2  # both halves, 7 linear layers, 2 blocks
    assert rest
    assert all(name.startswith("model.optical_projector.") for name in rest)
    assert {value.dtype for value in state.values()} == {torch.bfloat16}
    assert not any("default" in name or "base_layer" in name for name in state)


def test_transformers_knows_the_classes(folder: Path, noise: Noise) -> None:
    register()
    config = AutoConfig.from_pretrained(folder)
    assert isinstance(config, RSVLMConfig)
    assert config.image_token_id == 3  # where <reponame> was
    assert config.lora == {"rank": 2, "alpha": 4}
    processor = AutoProcessor.from_pretrained(folder)
    assert isinstance(processor, RSVLMProcessor)
    assert isinstance(AutoImageProcessor.from_pretrained(folder), RSVLMImageProcessor)
    picture = noise(200, 300)
    one, two = inputs_of(processor, picture), inputs_of(load_processor(folder), picture)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    turn = [{"role": "user", "content": "yes"}]
    form = processor.apply_chat_template(turn, add_generation_prompt=True)
    assert form == "<|im_start|>user\nyes<|im_end|>\n<|im_start|>assistant\n"


def test_a_folder_without_bases_loads_as_well(
    two_encoders: RSVLMForConditionalGeneration,
    language_folder: Path,
    tmp_path: Path,
    noise: Noise,
    make_view: Callable[..., Any],
) -> None:
    register()
    two_encoders.save_pretrained(tmp_path)
    tokenizer = base_tokenizer(language_folder)
    images = RSVLMImageProcessor(tile_size=56, max_tiles=2, factor=2)
    RSVLMProcessor(images, tokenizer).save_pretrained(tmp_path)
    inputs = inputs_of(load_processor(tmp_path), noise(100, 60))
    inputs["sensor_ids"] = torch.tensor([0, 1, 1])
    expected = logits_of(two_encoders, inputs)
    for loaded in (
        AutoModelForImageTextToText.from_pretrained(tmp_path, dtype="float32"),
        load_model(tmp_path, "float32"),
    ):
        assert torch.allclose(logits_of(loaded, inputs), expected, atol=1e-4)
    engine = LocalEngine(tmp_path)
    assert engine.capabilities.sensors == {"optical", "sar"}
    # A lost weight must not become a random one.
    state = load_file(tmp_path / "model.safetensors")
    state.pop("model.sar_projector.gain")
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 names differ, such as .*gain"):
        load_model(tmp_path, "float32")


def _config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _change(folder: Path, name: str, value: Tensor | None) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    state.pop(name)
    save_tensors(state if value is None else state | {name: value}, path)


PROJECTOR = "model.optical_projector.gain"
LORA = "model.language_model.layers.0.self_attn.q_proj.lora_{}.weight"
DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    "cut config": (lambda f: _cut(f / "config.json"), r"config\.json cannot be read"),
    "list as config": (
        lambda f: (f / "config.json").write_text("[]"),
        r"config\.json cannot be read",
    ),
    "another model": (
        lambda f: _config(f, model_type="llama"),
        "holds a model of type 'llama'",
    ),
    "unknown part": (
        lambda f: _config(f, optical_config={"model_type": "unheard"}),
        r"config\.json cannot be read",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "is missing"),
    "cut weights": (lambda f: _cut(f / "model.safetensors"), "is damaged"),
    "lost weight": (lambda f: _change(f, PROJECTOR, None), "do not fit config.json"),
    "other shape": (
        lambda f: _change(f, PROJECTOR, torch.zeros(2)),
        "do not fit config.json",
    ),
    "half an update": (
        lambda f: _change(f, LORA.format("B"), None),
        "lacks its second half",
    ),
    "update of another model": (
        lambda f: _change(f, LORA.format("B"), torch.zeros(8, 2)),
        "has no weight to be added to",
    ),
    "unknown base": (
        lambda f: _config(f, bases={"language_model": "gpt", "optical_encoder": "x"}),
        "Unknown base model 'gpt'",
    ),
    "no tokenizer": (
        lambda f: (f / "tokenizer.json").unlink(),
        r"tokenizer\.json cannot be read",
    ),
    "cut tokenizer": (
        lambda f: _cut(f / "tokenizer.json"),
        r"tokenizer\.json cannot be read",
    ),
    "another tokenizer": (lambda f: _config(f, image_token_id=4), "does not fit"),
    "no bases": (lambda f: _config(f, bases=None), "names differ|cannot be loaded"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line(folder: Path, damage: str) -> None:
    harm, message = DAMAGES[damage]
    harm(folder)
    with pytest.raises(RsvlmError, match=message) as caught:
        LocalEngine(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")


def test_a_checkpoint_is_found_by_name_or_by_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_checkpoint(str(folder)) == folder
    monkeypatch.setitem(SHIPPED, "tiny", folder)
    assert find_checkpoint("tiny") == folder
    with pytest.raises(CheckpointError, match="'tyni' is no checkpoint"):
        find_checkpoint("tyni")


def test_low_rank_updates_are_added() -> None:
    state = {
        "a.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "a.lora_A.weight": torch.tensor([[1.0, 10.0]]),
        "a.lora_B.weight": torch.tensor([[2.0], [0.0]]),
        "b.weight": torch.ones(2),
    }
    merged = merge_lora(state, scale=0.5)
    assert merged.keys() == {"a.weight", "b.weight"}
    assert not state  # else a large model would be held twice
    # The first row of B A is [2, 20]; half of it is added.
    assert merged["a.weight"].tolist() == [[2.0, 12.0], [3.0, 4.0]]


def test_image_takes_the_place_of_a_spare_token(
    language_folder: Path, tmp_path: Path
) -> None:
    tokenizer = base_tokenizer(language_folder)
    assert (
        tokenizer("a<image>b<|im_end|>", add_special_tokens=False)["input_ids"][1] == 3
    )
    assert tokenizer.eos_token_id == 2
    assert tokenizer.pad_token_id == 0
    assert tokenizer.decode([3, 2], skip_special_tokens=True) == ""
    text = (language_folder / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace("reponame", "rest"))
    with pytest.raises(CheckpointError, match="no special token <reponame>"):
        base_tokenizer(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        base_tokenizer(tmp_path / "none")
    (tmp_path / "tokenizer.json").write_text(text.replace("im_end", "end_of_turn"))
    with pytest.raises(CheckpointError, match=r"no special token <\|im_end\|>\. Use"):
        base_tokenizer(tmp_path)
