"""Parts as the recipes ``base`` name them: a Qwen, and a published ViT of open_clip."""

import json
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from rsvlm.app.build import build_assistant
from rsvlm.engines.local import LocalEngine
from rsvlm.errors import CheckpointError
from rsvlm.messages import Message
from rsvlm.models.aligned import AlignedEncoder
from rsvlm.models.checkpoint import base_tensors, base_tokenizer
from rsvlm.models.export import export
from rsvlm.models.finder import RegionFinder
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.samples import read_samples
from rsvlm.training.align import AlignRecipe, train_align
from rsvlm.training.outlines import OutlineRecipe, train_outlines
from rsvlm.training.regions import RegionRecipe, train_regions
from rsvlm.training.run import load_recipe
from rsvlm.training.tune import TuneRecipe, initial_model, train_tune
from tests.rsvlm.conftest import CORPUS
from tests.rsvlm.qwen import FAMILIES, write_qwen

#: CLIP in small; the published files of the recipes compute QuickGELU.
ARCH = "ViT-T-quickgelu"
CONFIG: dict[str, Any] = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 56, "layers": 4, "width": 32, "head_width": 16,
                   "patch_size": 14},
    "text_cfg": {"context_length": 12, "vocab_size": 64, "width": 16, "heads": 2,
                 "layers": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A published encoder: architecture and state dict of the whole CLIP."""
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(open_clip.factory._MODEL_CONFIGS, ARCH, CONFIG)
        patch.setenv("RSVLM_CACHE", str(folder / "cache"))
        model = open_clip.create_model(ARCH)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(float(weight.dim() == 1), 0.2, generator=generator)
        torch.save(OrderedDict(model.state_dict()), folder / "weights.pt")
        yield f"{ARCH}:{folder / 'weights.pt'}"


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def language(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return write_qwen(folder, request.param, CORPUS)


@pytest.fixture(scope="module")
def recipe(language: Path, encoder: str) -> TuneRecipe:
    update = {
        "language_model": str(language), "encoder": encoder, "layers": (2, 3, 4),
        "steps": 2, "warm_steps": 2, "lora_rate": 0.02,
    }  # fmt: skip
    return load_recipe(TuneRecipe, "smoke", "tune").model_copy(update=update)


@pytest.fixture(scope="module")
def run(
    recipe: TuneRecipe, smoke_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return train_tune(recipe, smoke_data, folder, folder / "features")


@torch.no_grad()
def test_the_language_model_says_what_it_says_in_transformers(
    language: Path, recipe: TuneRecipe
) -> None:
    tokenizer = base_tokenizer(language)
    model: Any = initial_model(recipe, tokenizer).float()
    theirs = AutoModelForCausalLM.from_pretrained(language, dtype=torch.float32)
    tied = model.lm_head.weight is model.get_input_embeddings().weight
    assert tied is theirs.config.tie_word_embeddings
    ids = torch.randint(0, 400, (1, 40), generator=torch.Generator().manual_seed(1))
    # Behind a beginning that is kept, too: positions count on.
    for cut in (0, 17):
        found = model(input_ids=ids[:, :cut], use_cache=True) if cut else None
        cache = found.past_key_values if found else None
        logits = model(input_ids=ids[:, cut:], past_key_values=cache).logits
        assert torch.allclose(logits, theirs(ids).logits[:, cut:], atol=1e-4)


def test_only_updates_and_the_projector_are_stored(run: Path) -> None:
    state = load_file(run / "model.safetensors")
    lora = {name for name in state if ".lora_" in name}
    assert len(lora) == 2 * 7 * 2  # both halves, 7 linear layers, 2 blocks
    assert all(n.startswith("model.optical_projector.") for n in state.keys() - lora)
    moved = [v for n, v in state.items() if n.endswith("lora_B.weight")]
    assert all(v.abs().max() > 0 for v in moved)


def test_an_exported_folder_says_the_same(
    run: Path,
    tmp_path: Path,
    make_view: Callable[..., View],
    noise: Callable[..., NDArray[np.uint8]],
) -> None:
    # It is compared with what Transformers' own loop writes before it appears.
    out = export(str(run), tmp_path / "served")
    before, after = (LocalEngine(folder, "float32") for folder in (run, out))
    stored = load_file(out / "model.safetensors")
    tied = before.model.config.tie_word_embeddings
    assert ("lm_head.weight" in stored) is not tied
    text = "Where? <tool_call> <think>"  # no tokens in the text of a user
    messages = [Message("user", (make_view(noise(90, 120)), text))]
    one, two = (e.generate(messages, max_tokens=12) for e in (before, after))
    assert one.text == two.text
    assert one.logprobs == pytest.approx(two.logprobs, abs=1e-5)


def test_tokens_of_tools_and_thoughts_are_no_text(language: Path) -> None:
    tokenizer = base_tokenizer(language)
    ids = tokenizer("a <think>b", add_special_tokens=False, split_special_tokens=True)
    assert not set(ids["input_ids"]) & set(tokenizer.added_tokens_decoder)
    image = tokenizer.convert_tokens_to_ids("<image>")
    names = {t: tokenizer.convert_tokens_to_ids(t) for t in ("<think>", "<|im_end|>")}
    assert image == names["<|im_end|>"] + 2  # where <|image_pad|> was
    assert tokenizer.decode([image, *names.values()], skip_special_tokens=True) == ""


def test_a_file_of_several_that_is_missing_is_named(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = write_qwen(tmp_path_factory.mktemp("parts"), "qwen3", CORPUS)
    assert len(base_tensors(folder)) == 1 + 2 * 11 + 1
    name = "model-00002-of-00002.safetensors"
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        base_tensors(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": ["x"]}))
    with pytest.raises(CheckpointError, match=r"index\.json is damaged"):
        base_tensors(folder)


@pytest.fixture(scope="module")
def whole(
    encoder: str,
    text_folder: Path,
    smoke_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A checkpoint that went through all stages, and its run folders beside it."""
    folder = tmp_path_factory.mktemp("whole")
    language = write_qwen(tmp_path_factory.mktemp("language"), "qwen2", CORPUS)
    both, text = dict.fromkeys(("optical", "sar"), encoder), str(text_folder)
    align = load_recipe(AlignRecipe, "smoke", "align").model_copy(
        update={"encoders": both, "text_encoder": text, "layers": (2, 4), "size": 56,
                "steps": 2}
    )  # fmt: skip
    aligned = train_align(align, smoke_data, folder / "align", folder / "features")
    tune = load_recipe(TuneRecipe, "smoke", "tune").model_copy(
        update={"language_model": str(language), "encoder": encoder,
                "layers": (2, 3, 4), "aligned": str(aligned), "steps": 2,
                "warm_steps": 2,
                "parts": ("optical_projector", "sar_projector", "lora")}
    )  # fmt: skip
    checkpoint = train_tune(tune, smoke_data, folder / "tune", folder / "features")
    regions = load_recipe(RegionRecipe, "smoke", "regions").model_copy(
        update={"encoder": encoder, "text_encoder": text, "layers": (2, 3, 4),
                "learn": "lora", "rank": 2, "epochs": 1, "mosaics": 0}
    )  # fmt: skip
    train_regions(regions, smoke_data, folder / "regions", folder / "features")
    outlines = load_recipe(OutlineRecipe, "base", "outlines").model_copy(
        update={"start": str(folder / "regions"), "width": 16, "epochs": 1}
    )
    train_outlines(outlines, smoke_data, folder / "outlines", folder / "features")
    for name in ("regions.json", "regions.safetensors", "outlines.safetensors"):
        shutil.copyfile(folder / "outlines" / name, checkpoint / name)
    return checkpoint


def test_every_stage_takes_the_published_encoder(
    whole: Path, smoke_data: Path, tmp_path: Path
) -> None:
    updates: dict[str, Tensor] = load_file(whole / "align.safetensors")
    assert any(".self_attn.out_proj.lora_B" in name for name in updates)
    vectors = AlignedEncoder.load(whole).encode_text(["water", "a harbour"])
    assert np.isfinite(vectors).all()
    finder = RegionFinder.load(whole)
    assert finder.settings.lora is not None
    assert finder.outlines is not None
    out = export(str(whole), tmp_path / "served")
    sample = next(
        s for s in read_samples(smoke_data / "val.jsonl") if s.task == "detect"
    )
    said = []
    for folder in (whole, out):
        assistant = build_assistant(str(folder))
        with Raster.open(smoke_data / sample.images[0].path) as raster:
            answer = assistant.ask([raster], "How many storage tanks are there?")
        assert answer.count is not None
        said.append(answer.text)
    assert said[0] == said[1]
