"""Memory and time of the recipes ``base``, counted from shapes: what docs/base.md says.

Run: ``python benchmarks/base_arithmetic.py [--tflops 25] [--measure]``. Nothing is
trained and no weights are needed. ``--measure`` checks the two numbers that come from no
config, what a layer keeps for the backward pass a token: it runs one layer more and one
layer less of the true widths and counts the bytes that autograd holds (half a minute).
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rsvlm.training.align import AlignRecipe
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.run import load_recipe
from rsvlm.training.tune_recipe import TuneRecipe

GB = 1e9
#: What the data "aligned" ask of a picture with these recipes: mean and most over 1,500
#: draws (tokenizer of "tiny"): tiles, tokens of questions and answers, of answers alone.
MEAN, MOST = (1.51, 207, 52), (5, 557, 322)
#: Pictures of the data "aligned": training pictures of "tune", views of "regions".
PICTURES, VIEWS = 6599, 830


@dataclass(frozen=True)
class Language:
    """Shape of a language model."""

    name: str
    hidden: int
    inner: int
    layers: int
    heads: int
    kept_heads: int  # of keys and values
    norms: bool = False  # of queries and keys
    width: int = 128  # of a head
    words: int = 151936

    @property
    def layer(self) -> int:
        """Weights of the linear layers of one layer."""
        attention = 2 * self.hidden * self.width * (self.heads + self.kept_heads)
        return attention + 3 * self.hidden * self.inner

    @property
    def weights(self) -> int:
        """All weights; the output layer shares the word embeddings."""
        return self.layers * self.layer + self.words * self.hidden

    def lora(self, rank: int) -> int:
        """Weights of low-rank updates of all linear layers."""
        queries, keys = self.heads * self.width, self.kept_heads * self.width
        sides = 2 * (self.hidden + queries) + 2 * (self.hidden + keys)
        return self.layers * rank * (sides + 3 * (self.hidden + self.inner))

    @property
    def kept(self) -> int:
        """Bytes that a layer keeps for the backward pass, a token."""
        attention = 8 * self.heads * self.width
        norms = 4 * (self.heads + self.kept_heads) * self.width if self.norms else 0
        return 8 * self.inner + 20 * self.hidden + attention + norms

    @property
    def cache(self) -> int:
        """Bytes of keys and values, a token."""
        return self.layers * 2 * self.kept_heads * self.width * 2


MODELS = (
    Language("Qwen2.5-1.5B", 1536, 8960, 28, 12, 2),
    Language("Qwen3-1.7B", 2048, 6144, 28, 16, 8, norms=True),
    Language("Qwen3-4B", 2560, 9728, 36, 32, 8, norms=True),
)
#: ViT-L-14: width, blocks, weights, bytes that a block keeps for the backward pass, a token.
SIDE, BLOCKS, VIT, KEPT = 1024, 24, 303_179_776, 51_472
#: What the region head keeps for the backward pass, a patch (fp32).
HEAD_KEPT = 58_200


def vit_flops(tokens: int, blocks: int = BLOCKS) -> float:
    """Return the operations of a forward pass over one picture."""
    linear = 2 * 12 * SIDE**2 * tokens
    return blocks * (linear + 4 * tokens**2 * SIDE)


def language_flops(model: Language, tokens: float, passes: int = 4) -> float:
    """Return the operations of a training step, one sequence.

    Weights are frozen, so that the backward pass costs as much as the forward pass: 4 a
    weight and token, and 6 where activations are computed again.
    """
    linear = passes * model.layers * model.layer * tokens
    return linear + passes * 2 * tokens**2 * model.width * model.heads * model.layers


def tune_memory(
    model: Language, recipe: TuneRecipe, batch: int, again: bool
) -> Iterator[tuple[str, float]]:
    """Yield what a step of ``tune`` holds, for the longest pictures."""
    patches = (recipe.tile_size // 14) ** 2
    tiles, text, answers = MOST
    tokens = batch * (tiles * patches // recipe.factor**2 + text)
    learns = model.lora(recipe.rank) + 2 * projector(model, recipe)
    yield "language model, bf16", 2 * model.weights
    yield "two encoders, bf16", 2 * 2 * VIT
    yield "LoRA and projectors, gradients, moments, fp32", 16 * learns
    if again:
        kept = model.layers * 2 * model.hidden + model.kept
    else:
        kept = model.layers * model.kept
    yield f"activations of {tokens} tokens", tokens * kept
    yield (
        f"logits of {batch * answers} answer tokens",
        14 * batch * answers * model.words,
    )
    # All hidden states, and the chosen ones normalised, joined, in fp32 and in bf16.
    states = (BLOCKS + 1) * SIDE * 2 + len(recipe.layers) * SIDE * 8
    yield f"encoder on {batch * tiles} tiles", batch * tiles * (patches + 1) * states


def encoder_memory() -> Iterator[tuple[str, float]]:
    """Yield what a step of ``align`` and of ``regions`` holds."""
    align = load_recipe(AlignRecipe, "base", "align")
    regions = load_recipe(RegionRecipe, "base", "regions")
    # Trunks that learn are held in fp32, and for products once more in bf16.
    deep = BLOCKS - align.first_block
    tokens = align.micro_batch * ((align.size // 14) ** 2 + 1)
    yield "align", 2 * 4 * VIT + 2 * VIT + tokens * deep * KEPT
    deep = BLOCKS - regions.first_block
    cells = regions.batch * ((regions.long_side // 14) ** 2 + 1)
    yield "regions", 4 * VIT + 2 * VIT + cells * (deep * KEPT + HEAD_KEPT)


def projector(model: Language, recipe: TuneRecipe) -> int:
    """Return the weights of a projector."""
    narrow, folded = 256, 256 * recipe.factor**2
    wide = 2 * model.hidden
    return SIDE * len(recipe.layers) * narrow + folded * wide + wide * model.hidden


def stages(tflops: float) -> Iterator[tuple[str, float, float]]:
    """Yield stage, 1e15 operations and hours of each recipe."""
    align = load_recipe(AlignRecipe, "base", "align")
    tune = load_recipe(TuneRecipe, "base", "tune")
    regions = load_recipe(RegionRecipe, "base", "regions")
    side = align.size // 14
    one = vit_flops(side**2 + 1)
    # A sensor shows the pictures of its texts and of the pairs. All pass twice, as the
    # gradient cache wants; those that learn also backwards.
    deep = 1 - align.first_block / BLOCKS
    work = {"align": align.steps * 2 * align.batch * one * (2 + 2 + deep)}
    patches = (tune.tile_size // 14) ** 2
    tiles, text, answers = MEAN
    tokens = tiles * patches / tune.factor**2 + text
    model = MODELS[0]
    picture = (
        tiles * vit_flops(patches + 1)
        + language_flops(model, tokens)
        + answers * 4 * model.hidden * model.words
    )
    work["tune"] = (tune.epochs or 0) * PICTURES * picture
    cells = (regions.long_side // 14) ** 2 + 1
    deep = 1 - regions.first_block / BLOCKS
    work["regions"] = regions.epochs * VIEWS * vit_flops(cells) * (1 + deep)
    print(f"\ntune: {tokens:.0f} tokens and {picture / 1e12:.2f} TFLOP a picture; at "
          f"{tflops:g} TFLOP/s {tflops * 1e12 / picture * tokens:.0f} tokens/s")  # fmt: skip
    for stage, operations in work.items():
        yield stage, operations / 1e15, operations / (tflops * 1e12) / 3600


def held(run: Callable[[], object]) -> int:
    """Return the bytes that are kept for the backward pass, weights apart."""
    import torch

    seen, alive = dict[int, int](), list[object]()

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if not isinstance(value, torch.nn.Parameter):
            seen[storage.data_ptr()] = storage.nbytes()
            alive.append(value)  # else another would come to lie at its address
        return value

    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value),
    ):
        run()
    return sum(seen.values())


def measure(model: Language, rank: int, tokens: int = 256) -> float:
    """Return the bytes that a layer keeps for each token more."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from transformers import Qwen2Config, Qwen2Model

    from rsvlm.training.packing import attention
    from rsvlm.training.tune_start import LORA_TARGETS

    def build(count: int, layers: int) -> Callable[[], object]:
        config = Qwen2Config(
            vocab_size=8, hidden_size=model.hidden, intermediate_size=model.inner,
            num_hidden_layers=layers, num_attention_heads=model.heads,
            num_key_value_heads=model.kept_heads,
        )  # fmt: skip
        network = torch.nn.ModuleDict({"language_model": Qwen2Model(config).bfloat16()})
        network.requires_grad_(False)
        targets = LORA_TARGETS.removeprefix(r".*")
        inject_adapter_in_model(LoraConfig(r=rank, target_modules=targets), network)
        for name, weight in network.named_parameters():
            if "lora_" in name:
                weight.data = weight.data.float()
                weight.requires_grad_(True)
        given = torch.randn(1, count, model.hidden).bfloat16().requires_grad_()
        mask = attention(torch.zeros(1, count, dtype=torch.long))
        return lambda: network["language_model"](
            inputs_embeds=given, attention_mask=mask, use_cache=False
        )

    # One layer more, and of that the part that grows with the tokens.
    large, small = (
        held(build(count, 2)) - held(build(count, 1)) for count in (2 * tokens, tokens)
    )
    return (large - small) / tokens


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflops", type=float, default=25, help="that a GPU reaches")
    parser.add_argument("--measure", action="store_true", help="count a layer, too")
    given = parser.parse_args()
    tune = load_recipe(TuneRecipe, "base", "tune")
    print("model          weights  layer/token  LoRA    KV/token")
    for model in MODELS:
        print(
            f"{model.name:14} {model.weights / GB:5.2f} G  {model.kept / 1e3:7.1f} kB"
            f"  {model.lora(tune.rank) / 1e6:5.1f} M  {model.cache / 1e3:6.1f} kB"
        )
    for model in MODELS:
        for batch, again in ((tune.batch, False), (12, True)):
            print(f"\ntune, {model.name}, {batch} pictures a step"
                  + (", layers computed again:" if again else ":"))  # fmt: skip
            rows = list(tune_memory(model, tune, batch, again))
            for what, size in [*rows, ("sum", sum(size for _, size in rows))]:
                print(f"  {what:46} {size / GB:6.2f} GB")
    for stage, size in encoder_memory():
        print(f"\n{stage}: {size / GB:.1f} GB")
    for stage, work, hours in stages(given.tflops):
        print(f"{stage:8} {work:7.1f} PFLOP  {hours:5.2f} h")
    if given.measure:
        found = measure(MODELS[0], tune.rank)
        print(
            f"\nmeasured, {MODELS[0].name}: a layer keeps {found / 1e3:.1f} kB a token"
        )


if __name__ == "__main__":
    main()
