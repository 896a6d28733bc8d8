"""Tiny random models and data, made by code, and what is trained on them.

Everything heavy is imported inside the fixtures: most tests beside this file need
neither torch nor Transformers.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.geometry import HBB, Window
from rsvlm.render import View

if TYPE_CHECKING:
    from rsvlm.engines.local import LocalEngine
    from rsvlm.models.modeling import RSVLMForConditionalGeneration
    from rsvlm.training.regions import RegionRecipe
    from rsvlm.training.tune import TuneRecipe

#: Special tokens of the language model; the last is spare, as in SmolLM2.
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<reponame>")
#: What the tokenizers are trained on.
CORPUS = (
    "user assistant system How many airplanes are there in the image? 1 2 3 4 5 6 7",
    "Answer with a number. Answer with a word or a short phrase. Answer with boxes.",
    "storage tank ship forest grassland farmland river or lake parking lot yes no",
)


def _randomise(model: Any, std: float) -> None:
    """Draw weights large enough to make different inputs differ."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, std, generator=generator)


@pytest.fixture(scope="session")
def one_thread() -> None:
    """Let torch compute in one thread: on tiny models more only get in the way."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def language_folder(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers in bfloat16, with a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    from rsvlm.models.bases import _save

    folder = tmp_path_factory.mktemp("language")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(CORPUS, trainer)
    bpe.save(str(folder / "tokenizer.json"))
    config = LlamaConfig(
        vocab_size=bpe.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    _randomise(model, 0.3)
    _save(model.to(torch.bfloat16), folder)
    return folder


@pytest.fixture(scope="session")
def encoder_folder(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dinov2 of four layers in bfloat16."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    from rsvlm.models.bases import _save

    folder = tmp_path_factory.mktemp("encoder")
    config = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
    )
    model = Dinov2Model(config)
    _randomise(model, 0.2)
    _save(model.to(torch.bfloat16), folder)
    return folder


@pytest.fixture(scope="session")
def text_folder(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers, with a tokenizer."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("text")
    pieces = Tokenizer(models.BPE(unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    alphabet = list("abcdefghijklmnopqrstuvwxyz")
    trainer = trainers.BpeTrainer(
        vocab_size=200, special_tokens=special, initial_alphabet=alphabet
    )
    pieces.train_from_iterator(CORPUS, trainer)
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    pieces.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=pieces.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
    )
    model = BertModel(config, add_pooling_layer=False)
    _randomise(model, 0.3)
    config.save_pretrained(folder)
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def smoke_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``rsvlm data build smoke`` writes."""
    from rsvlm.data_engine.build import build

    folder = tmp_path_factory.mktemp("smoke")
    build("smoke", folder / "none", folder)
    return folder


@pytest.fixture(scope="session")
def tune_recipe(language_folder: Path, encoder_folder: Path) -> "TuneRecipe":
    """The recipe ``smoke`` on the tiny models."""
    from rsvlm.training.run import load_recipe
    from rsvlm.training.tune import TuneRecipe

    update = {
        "language_model": str(language_folder),
        "encoder": str(encoder_folder),
        "layers": (2, 3, 4),
    }
    return load_recipe(TuneRecipe, "smoke", "tune").model_copy(update=update)


@pytest.fixture(scope="session")
def region_recipe(encoder_folder: Path, text_folder: Path) -> "RegionRecipe":
    """The recipe ``smoke`` of the region head on the tiny models."""
    from rsvlm.training.regions import RegionRecipe
    from rsvlm.training.run import load_recipe

    update = {
        "encoder": str(encoder_folder),
        "text_encoder": str(text_folder),
        "layers": (2, 3, 4),
    }
    return load_recipe(RegionRecipe, "smoke", "regions").model_copy(update=update)


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of encoded pictures that all runs share."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def tuned(
    tune_recipe: "TuneRecipe",
    smoke_data: Path,
    features: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a finished run of ``train tune``."""
    from rsvlm.training.tune import train_tune

    out = tmp_path_factory.mktemp("tuned")
    train_tune(tune_recipe, smoke_data, out, features)
    return out


@pytest.fixture(scope="session")
def region_run(
    region_recipe: "RegionRecipe",
    smoke_data: Path,
    features: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a finished run of ``train regions``."""
    from rsvlm.training.regions import train_regions

    out = tmp_path_factory.mktemp("regions")
    train_regions(region_recipe, smoke_data, out, features)
    return out


@pytest.fixture(scope="session")
def engine(tuned: Path) -> "LocalEngine":
    """The tuned checkpoint in float32, so that sums in another order agree."""
    from rsvlm.engines.local import LocalEngine

    return LocalEngine(tuned / "checkpoint", dtype="float32")


@pytest.fixture(scope="session")
def two_encoders(
    language_folder: Path, encoder_folder: Path
) -> "RSVLMForConditionalGeneration":
    """A random model with an optical and a SAR encoder, in float32."""
    import torch

    from rsvlm.models.configuration import RSVLMConfig
    from rsvlm.models.modeling import RSVLMForConditionalGeneration

    text, vision = (
        json.loads((folder / "config.json").read_text())
        for folder in (language_folder, encoder_folder)
    )
    config = RSVLMConfig(
        text_config=text,
        optical_config=vision,
        sar_config=vision,
        image_token_id=3,
        feature_layers=(2, 4),
        tile_size=56,
        max_tiles=2,
        projector_factor=2,
        projector_width=16,
    )
    model = RSVLMForConditionalGeneration(config)
    model.eval()
    _randomise(model, 0.2)
    model.to(torch.float32)
    return model


@pytest.fixture(scope="session")
def make_view() -> Callable[..., View]:
    """Make a view of an array, which shows the whole raster by default."""

    def make(
        pixels: NDArray[np.uint8], sensor: str = "optical", window: HBB | None = None
    ) -> View:
        height, width = pixels.shape[:2]
        box = window or HBB(0, 0, width, height)
        return View(pixels, Window(box, width, height), sensor, "true-colour", "")

    return make


@pytest.fixture(scope="session")
def noise() -> Callable[..., NDArray[np.uint8]]:
    """Make a random picture of a height and a width in px."""

    def make(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make
