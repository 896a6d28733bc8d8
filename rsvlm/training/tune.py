"""``rsvlm train tune``: projector and low-rank updates of the language model.

The encoder is frozen, so its features are computed once. A short warm start gives the
projector a direction (some image token points to the word embedding of each thing
that the picture shows); then projector and LoRA learn answers together, several
questions a picture in one packed sequence.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from rsvlm.errors import SettingsError
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import (
    assemble,
    base_state,
    base_tokenizer,
    image_processor_of,
    save_tensors,
)
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.encoder import encode
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.processing import RSVLMImageProcessor, RSVLMProcessor, to_tiles
from rsvlm.models.projector import Projector
from rsvlm.samples import read_samples
from rsvlm.training.augment import Item, items_of, load_picture, turn
from rsvlm.training.conversations import Picture, draw_turns, pictures, words_of
from rsvlm.training.features import FeatureCache
from rsvlm.training.packing import collate, pack
from rsvlm.training.run import Recipe, RunLog
from rsvlm.training.state import learning_rate, load_state, save_state

#: Layers of the language model that get low-rank updates.
LORA_TARGETS = (
    r".*language_model\.layers\.\d+\."
    r"(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
)


class TuneRecipe(Recipe):
    """Settings of ``rsvlm train tune``."""

    train: str = "train.jsonl"
    val: str = "val.jsonl"
    language_model: str = Field("smollm2-135m-instruct", description="asset")
    encoder: str = Field("dinov2-s", description="asset of the frozen encoder")
    layers: tuple[int, ...] = (6, 9, 12)
    tile_size: int = Field(336, description="px")
    max_tiles: int = Field(4, ge=0, description="fine tiles beside the overview")
    variants: int = Field(2, ge=1, description="turned copies of each picture")
    factor: int = Field(4, description="patches a token's side")
    rank: int = 16
    alpha: int = 32
    warm_steps: int = Field(400, ge=0)
    warm_batch: int = 48
    warm_rate: float = 1e-3
    steps: int = 1000
    batch: int = Field(8, description="pictures a step")
    lora_rate: float = 4e-4
    projector_rate: float = 4e-4
    questions: dict[str, int] = Field(
        default_factory=lambda: {
            "classify": 2,
            "vqa": 4,
            "count": 1,
            "caption": 1,
            "ground": 1,
        },
        description="task -> most questions a picture and step",
    )
    repeats: dict[str, float] = Field(
        default_factory=dict, description="source -> how often an epoch shows it"
    )
    check_every: int = Field(100, description="steps between held-out checks")
    check_pictures: int = 64
    seed: int = 0


class TuneData:
    """Encoded pictures and their questions."""

    def __init__(
        self,
        found: Sequence[Picture],
        folder: Path,
        cache: FeatureCache,
        encoder: nn.Module,
        processor: RSVLMImageProcessor,
        recipe: TuneRecipe,
        variants: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Encode what is not in the cache yet; variant 0 is not turned."""
        self.pictures, self.recipe = found, recipe
        self.cache, self.processor, self.folder = cache, processor, folder
        self._variants = variants
        todo = [(i, v) for i in range(len(found)) for v in range(self.variants(i))]
        for done, (index, variant) in enumerate(todo):
            key = self._key(index, variant)
            if key not in cache:
                tiles = self._tiles(index, variant)
                cache.put(key, {"tokens": self._encode(encoder, tiles)})
            progress(done + 1, len(todo))

    def _key(self, index: int, variant: int) -> str:
        return f"{self.pictures[index].ref.sha256}/{variant}"

    def one_tile(self, index: int) -> bool:
        """Whether a picture is one full tile: then its patches can be turned."""
        ref = self.pictures[index].ref
        return ref.width == ref.height <= self.processor.tile_size

    def variants(self, index: int) -> int:
        """Return the number of encoded copies of a picture."""
        return 1 if self.one_tile(index) else self._variants

    def turned(self, index: int, variant: int) -> tuple[int, bool]:
        """Return how a variant is turned: quarters and mirror."""
        if not variant:
            return 0, False
        name = int(str(self.pictures[index].ref.sha256)[:8], 16)
        rng = np.random.default_rng([self.recipe.seed, variant, name])
        return int(rng.integers(4)), bool(rng.integers(2))

    def items(self, index: int, variant: int) -> tuple[list[Item], tuple[int, int]]:
        """Return the objects of a variant, and its width and height."""
        picture = self.pictures[index]
        items = items_of(picture.detect.targets) if picture.detect else []
        blank = np.zeros((picture.ref.height, picture.ref.width, 3), np.uint8)
        shown, moved = turn(blank, items, *self.turned(index, variant))
        return moved, (shown.shape[1], shown.shape[0])

    def _tiles(self, index: int, variant: int) -> Tensor:
        picture = load_picture(self.folder / self.pictures[index].ref.path)
        shown, _ = turn(picture, [], *self.turned(index, variant))
        parts = to_tiles(shown, self.processor.tile_size, self.recipe.max_tiles)
        return torch.from_numpy(np.stack([self.processor.normalise(p) for p in parts]))

    @torch.no_grad()
    def _encode(self, encoder: nn.Module, tiles: Tensor) -> Tensor:
        pixels = tiles.to(next(encoder.parameters()).dtype)
        return encode(encoder, pixels, self.recipe.layers).to(torch.bfloat16)

    def features(self, index: int, variant: int, overview: bool = False) -> Tensor:
        """Return patch features, shape (tiles, N, D); only the first if ``overview``."""
        tokens = self.cache.get(self._key(index, variant))["tokens"]
        return tokens[:1] if overview else tokens


def _initial_model(recipe: TuneRecipe) -> RSVLMForConditionalGeneration:
    """Return base weights with a fresh projector, ready for training."""
    from transformers import AutoConfig

    bases = {"language_model": recipe.language_model, "optical_encoder": recipe.encoder}
    parts = {
        name: AutoConfig.from_pretrained(base_folder(asset)).to_dict()
        for name, asset in bases.items()
    }
    config = RSVLMConfig(
        text_config=parts["language_model"],
        optical_config=parts["optical_encoder"],
        feature_layers=recipe.layers,
        tile_size=recipe.tile_size,
        max_tiles=recipe.max_tiles,
        projector_factor=recipe.factor,
        bases=bases,
        lora={"rank": recipe.rank, "alpha": recipe.alpha},
    )
    width = config.optical_config.hidden_size * len(recipe.layers)
    projector = Projector(
        width, config.text_config.hidden_size, recipe.factor, config.projector_width
    )
    state = base_state(bases)
    words = state["model.language_model.embed_tokens.weight"].float()
    with torch.no_grad():
        projector.gain.copy_(words.pow(2).mean(-1).sqrt().mean())
    for name, value in projector.state_dict().items():
        state[f"model.optical_projector.{name}"] = value
    model = assemble(config, state, torch.bfloat16)
    model.requires_grad_(False)
    # Trained parts stay in float32; autocast does their products in bfloat16.
    model.model.optical_projector.to(torch.float32).requires_grad_(True)
    return model


def _warm_start(
    model: RSVLMForConditionalGeneration,
    data: TuneData,
    tokenizer: Any,
    recipe: TuneRecipe,
    progress: Callable[[str], None],
) -> None:
    """Let some image token of a picture point to each word that the picture shows."""
    shown = [words_of(picture) for picture in data.pictures]
    words = sorted(set().union(*shown))
    table = model.get_input_embeddings().weight.detach().float()
    ids = [
        tokenizer(" " + word, add_special_tokens=False)["input_ids"] for word in words
    ]
    targets = torch.stack([table[torch.tensor(i)].mean(0) for i in ids])
    targets = nn.functional.normalize(targets - table.mean(0), dim=-1)
    truth = torch.tensor([[float(word in s) for word in words] for s in shown])
    usable = truth.any(1).nonzero().flatten().numpy()
    projector = model.model.optical_projector
    scale = nn.Parameter(torch.tensor(20.0))
    bias = nn.Parameter(torch.full((len(words),), -6.0))
    parameters = [*projector.parameters(), scale, bias]
    optimizer = torch.optim.AdamW(parameters, recipe.warm_rate, weight_decay=0.01)
    rng = np.random.default_rng(recipe.seed)
    for step in range(recipe.warm_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.warm_steps, recipe.warm_rate, 20)
        chosen = rng.choice(usable, recipe.warm_batch)
        features = torch.cat([data.features(int(i), 0, overview=True) for i in chosen])
        with torch.autocast("cpu", torch.bfloat16):
            tokens = projector(features)  # (B, N, D)
        unit = nn.functional.normalize(tokens.float() - table.mean(0), dim=-1)
        logits = scale * torch.logsumexp(8 * unit @ targets.T, 1) / 8 + bias
        loss = nn.functional.binary_cross_entropy_with_logits(logits, truth[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step + 1 == recipe.warm_steps:
            progress(
                f"warm start {step + 1}/{recipe.warm_steps}: loss {loss.item():.3f}"
            )


def train_tune(
    recipe: TuneRecipe,
    data: Path,
    out: Path,
    cache: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train projector and LoRA; continues where an interrupted run stopped.

    Args:
        recipe: Settings.
        data: Folder with the samples and their pictures.
        out: Folder of the run; ``checkpoint/`` in it is the result.
        cache: Folder for encoded pictures.
        progress: Called with one line at a time.

    Returns:
        The checkpoint folder.

    Raises:
        SettingsError: If the data hold no sample.
    """
    import time

    from accelerate import Accelerator
    from peft import LoraConfig, get_peft_model

    files = {name: data / getattr(recipe, name) for name in ("train", "val")}
    found = {name: pictures(read_samples(path)) for name, path in files.items()}
    if not found["train"]:
        raise SettingsError(f"{files['train']} is empty. Run rsvlm data build first.")
    log = RunLog(out, recipe, files)
    torch.manual_seed(recipe.seed)
    model = _initial_model(recipe)
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    processor = image_processor_of(model.config)
    store = FeatureCache(
        cache,
        f"tune {recipe.encoder} {recipe.layers} {recipe.tile_size} "
        f"{recipe.max_tiles} {recipe.seed}",
    )

    def tell(stage: str) -> Callable[[int, int], None]:
        def line(done: int, total: int) -> None:
            if done % 100 == 0 or done == total:
                progress(f"encoding {stage}: {done}/{total}")

        return line

    encoder = model.model.optical_encoder
    sets = {
        name: TuneData(
            group,
            data,
            store,
            encoder,
            processor,
            recipe,
            recipe.variants if name == "train" else 1,
            tell(name),
        )  # fmt: skip
        for name, group in found.items()
    }
    lora = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, target_modules=LORA_TARGETS
    )
    tuned = get_peft_model(model, lora)
    model.model.optical_projector.requires_grad_(True)
    accelerator = Accelerator(mixed_precision="bf16", cpu=not torch.cuda.is_available())
    named = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    groups = [
        {
            "params": [p for n, p in named.items() if "projector" in n],
            "peak": recipe.projector_rate,
        },
        {
            "params": [p for n, p in named.items() if "projector" not in n],
            "peak": recipe.lora_rate,
        },
    ]
    optimizer = torch.optim.AdamW(groups, recipe.lora_rate, weight_decay=0.01)
    tuned, optimizer = accelerator.prepare(tuned, optimizer)
    done = load_state(out, named, optimizer)
    first = int(done.get("step", 0))
    if not first:
        _warm_start(model, sets["train"], tokenizer, recipe, progress)
    tuned.train()
    started, tokens, images, mean = time.time(), 0, 0, 0.0
    for step in range(first + 1, recipe.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(
                step, recipe.steps, group["peak"], recipe.steps // 20 + 1
            )
        rng = np.random.default_rng([recipe.seed, 7, step])
        chosen = _choose(sets["train"].pictures, recipe, step)
        batch, features = _batch(sets["train"], chosen, tokenizer, recipe, rng)
        with accelerator.autocast():
            loss, _ = _loss(model, batch, features)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += batch["input_ids"].numel()
        images += len(chosen)
        mean += loss.item()
        if step % 10 == 0:
            spent = time.time() - started
            log.add(
                step=step, loss=round(mean / 10, 4), tokens_per_s=round(tokens / spent),
                images_per_s=round(images / spent, 2),
            )  # fmt: skip
            progress(
                f"step {step}/{recipe.steps}: loss {mean / 10:.3f}, "
                f"{tokens / spent:.0f} tokens/s, {images / spent:.1f} images/s"
            )
            mean = 0.0
        if step % recipe.check_every == 0 or step == recipe.steps:
            right = _check(model, sets["val"], tokenizer, recipe)
            log.add(step=step, held_out=right)
            progress(
                f"step {step}: held out, whole answers right: "
                + ", ".join(f"{task} {share:.3f}" for task, share in right.items())
            )
            save_state(out, named, optimizer, {"step": step})
            write_checkpoint(model, tokenizer, out / "checkpoint")
            tuned.train()
    log.close()
    return out / "checkpoint"


def _choose(found: Sequence[Picture], recipe: TuneRecipe, step: int) -> list[int]:
    """Return the pictures of a step: each epoch shows all, some sources more often."""
    repeats = np.array([recipe.repeats.get(p.source, 1.0) for p in found])
    order: list[int] = []
    size, epoch = recipe.batch, 0
    per_epoch = max(int(repeats.sum()) // size, 1)
    epoch, within = divmod(step - 1, per_epoch)
    rng = np.random.default_rng([recipe.seed, 11, epoch])
    for index, often in enumerate(repeats):
        whole = int(often) + int(rng.random() < often - int(often))
        order += [index] * whole
    order = rng.permutation(order).tolist()
    picked = order[within * size : (within + 1) * size]
    return picked or order[:size]


def _batch(
    data: TuneData,
    chosen: Sequence[int],
    tokenizer: Any,
    recipe: TuneRecipe,
    rng: np.random.Generator,
    train: bool = True,
) -> tuple[dict[str, Tensor], Tensor]:
    items, features = [], []
    for index in chosen:
        variant = int(rng.integers(data.variants(index))) if train else 0
        overview = bool(rng.random() < 0.5) if train else False
        patches = data.features(index, variant, overview)
        if train and data.one_tile(index) and not data.pictures[index].detect:
            patches = turn_patches(patches, int(rng.integers(4)), bool(rng.integers(2)))
        objects, size = data.items(index, variant)
        turns = draw_turns(data.pictures[index], objects, size, recipe.questions, rng)
        count = len(patches) * data.processor.tokens_per_tile
        items.append(pack(tokenizer, count, turns))
        features.append(patches)
    return collate(items, tokenizer.pad_token_id), torch.cat(features)


def turn_patches(patches: Tensor, quarter: int, mirror: bool) -> Tensor:
    """Turn the patch grid of full square tiles; near enough to encoding them turned.

    Args:
        patches: Shape (tiles, N, D), N a square.
        quarter: Quarters counter-clockwise.
        mirror: Whether to mirror left-right afterwards.

    Returns:
        The same shape.
    """
    side = round(patches.shape[1] ** 0.5)
    grid = patches.unflatten(1, (side, side)).rot90(quarter, (1, 2))
    return (grid.flip(2) if mirror else grid).flatten(1, 2)


def _loss(
    model: RSVLMForConditionalGeneration, batch: dict[str, Tensor], features: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted loss, and which answer tokens were predicted right.

    The second value has shape (B, T - 1): 1 right, 0 wrong, -1 no answer token.
    """
    inner = model.model
    device = inner.optical_projector.gain.device
    batch = {name: value.to(device) for name, value in batch.items()}
    tokens = inner.optical_projector(features.to(device))  # (tiles, N, D)
    words = inner.get_input_embeddings()(batch["input_ids"])
    embeddings = inner.splice(batch["input_ids"], words, tokens)
    hidden = inner.language_model(
        inputs_embeds=embeddings,
        attention_mask=batch["attention_mask"],
        position_ids=batch["position_ids"],
        use_cache=False,
    ).last_hidden_state
    weight = batch["weight"][:, 1:]
    wanted = weight > 0
    logits = model.lm_head(hidden[:, :-1][wanted]).float()  # (answer tokens, V)
    truth = batch["input_ids"][:, 1:][wanted]
    loss = nn.functional.cross_entropy(logits, truth, reduction="none")
    right = torch.full(weight.shape, -1, device=device)
    right[wanted] = (logits.argmax(-1) == truth).long()
    return (loss * weight[wanted]).sum() / weight[wanted].sum(), right


@torch.no_grad()
def _check(
    model: RSVLMForConditionalGeneration,
    data: TuneData,
    tokenizer: Any,
    recipe: TuneRecipe,
) -> dict[str, float]:
    """Return task -> share of held-out answers that greedy decoding would get right."""
    model.eval()
    hits: dict[str, list[float]] = {}
    step = max(1, len(data.pictures) // recipe.check_pictures)
    for index in range(0, len(data.pictures), step):
        for task, most in recipe.questions.items():
            one = recipe.model_copy(update={"questions": {task: most}})
            rng = np.random.default_rng([recipe.seed, 13, index])
            batch, features = _batch(data, [index], tokenizer, one, rng, train=False)
            if not (batch["weight"] > 0).any():
                continue
            with torch.autocast("cpu", torch.bfloat16):
                _, right = _loss(model, batch, features)
            for answer in _answers(right[0]):
                hits.setdefault(task, []).append(float(answer.all()))
    return {task: round(sum(values) / len(values), 4) for task, values in hits.items()}


def _answers(right: Tensor) -> Iterator[Tensor]:
    """Split a row of right / wrong / none into its answers."""
    inside = (right >= 0).long()
    edges = torch.diff(torch.cat([torch.zeros(1), inside.cpu(), torch.zeros(1)]))
    starts, ends = (edges == 1).nonzero().flatten(), (edges == -1).nonzero().flatten()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield right[start:end]


def write_checkpoint(
    model: RSVLMForConditionalGeneration, tokenizer: Any, folder: Path
) -> None:
    """Write what was trained, with everything that is needed to load it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = name.replace(".default.", ".").replace(".base_layer.", ".")
            state[key] = parameter.to(torch.bfloat16)
    save_tensors(state, folder / "model.safetensors")
    model.config.save_pretrained(folder)
    RSVLMProcessor(image_processor_of(model.config), tokenizer).save_pretrained(folder)
