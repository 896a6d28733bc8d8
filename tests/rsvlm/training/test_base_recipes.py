"""The recipes ``base`` fit their parts, each other, and the card that they are for."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rsvlm.training.align import AlignRecipe
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.run import load_recipe
from rsvlm.training.tune_recipe import TuneRecipe

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "base_arithmetic.py"


@pytest.fixture(scope="module")
def arithmetic() -> ModuleType:
    spec = importlib.util.spec_from_file_location("base_arithmetic", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recipes() -> tuple[AlignRecipe, TuneRecipe, RegionRecipe]:
    return (
        load_recipe(AlignRecipe, "base", "align"),
        load_recipe(TuneRecipe, "base", "tune"),
        load_recipe(RegionRecipe, "base", "regions"),
    )


def test_they_name_one_encoder_and_sizes_that_it_takes(recipes: Any) -> None:
    align, tune, regions = recipes
    assert {*align.encoders.values(), tune.encoder, regions.encoder} == {tune.encoder}
    assert tune.encoder.startswith("ViT-L-14-quickgelu:")
    assert align.layers == tune.layers == regions.layers
    assert max(tune.layers) < 24 > max(align.first_block, regions.first_block)
    for side in (align.size, regions.long_side):
        assert side % 14 == 0
    assert tune.tile_size % (14 * tune.factor) == 0
    assert tune.aligned
    assert "sar_projector" in tune.parts


def test_they_fit_a_card_of_24_gb(arithmetic: Any, recipes: Any) -> None:
    tune = recipes[1]
    for model in arithmetic.MODELS[:2]:
        rows = arithmetic.tune_memory(model, tune, tune.batch, False)
        assert sum(size for _, size in rows) < 22e9  # its own context takes some
    assert all(size < 22e9 for _, size in arithmetic.encoder_memory())


def test_the_formulas_are_those_of_the_networks(arithmetic: Any) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    small = arithmetic.Language("small", 64, 192, 2, 2, 1, width=32, words=100)
    config = Qwen2Config(
        vocab_size=100, hidden_size=64, intermediate_size=192, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    weights = [w for w in Qwen2ForCausalLM(config).parameters() if w.dim() > 1]
    assert small.weights == sum(weight.numel() for weight in weights)
    # The mask grows with the square of the tokens, and updates keep a little.
    assert arithmetic.measure(small, 2, 32) == pytest.approx(small.kept, rel=0.15)
