"""``rsvlm train tune``: projector and low-rank updates of the language model.

The encoder is frozen, so its features are computed once. A short warm start gives the
projector a direction (some image token points to the word embedding of each thing
that the picture shows); then projector and LoRA learn answers together, several
questions a picture in one packed sequence.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsvlm.errors import SettingsError
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import (
    assemble,
    base_state,
    base_tokenizer,
    image_processor_of,
    write_checkpoint,
)
from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.encoder import check_layers
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.projector import Projector
from rsvlm.samples import read_samples
from rsvlm.training.conversations import pictures, words_of
from rsvlm.training.features import FeatureCache
from rsvlm.training.images import write_train_images
from rsvlm.training.run import RunLog, input_files
from rsvlm.training.state import learning_rate, load_state, save_state
from rsvlm.training.tune_data import (
    TuneData,
    TuneRecipe,
    choose_pictures,
    tune_batch,
)

__all__ = ["TuneRecipe", "train_tune"]

#: Layers of the language model that get low-rank updates.
LORA_TARGETS = (
    r".*language_model\.layers\.\d+\."
    r"(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
)


def initial_model(recipe: TuneRecipe, tokenizer: Any) -> RSVLMForConditionalGeneration:
    """Return base weights with a fresh projector, ready for training.

    Raises:
        SettingsError: If tiles or layers do not fit the encoder.
    """
    from transformers import AutoConfig

    bases = {"language_model": recipe.language_model, "optical_encoder": recipe.encoder}
    parts = {
        name: AutoConfig.from_pretrained(base_folder(asset)).to_dict()
        for name, asset in bases.items()
    }
    for part in parts.values():  # a path of this machine is nobody's business
        part.pop("_name_or_path", None)
    config = RSVLMConfig(
        text_config=parts["language_model"],
        optical_config=parts["optical_encoder"],
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        feature_layers=recipe.layers,
        tile_size=recipe.tile_size,
        max_tiles=recipe.max_tiles,
        projector_factor=recipe.factor,
        bases=bases,
        lora={"rank": recipe.rank, "alpha": recipe.alpha},
        trained_gsd_m=recipe.trained_gsd_m,
    )
    check_layers(config.optical_config, recipe.layers)
    multiple = config.optical_config.patch_size * recipe.factor
    if recipe.tile_size % multiple:
        raise SettingsError(
            f"A tile of {recipe.tile_size} px is no multiple of {multiple} px, patch "
            "size x factor. Change 'tile_size'."
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
    if not words:
        return
    table = model.get_input_embeddings().weight.detach().float()
    device = table.device
    ids = [
        tokenizer(" " + word, add_special_tokens=False)["input_ids"] for word in words
    ]
    targets = torch.stack([table[torch.tensor(i)].mean(0) for i in ids])
    targets = nn.functional.normalize(targets - table.mean(0), dim=-1)
    truth = torch.tensor([[float(word in s) for word in words] for s in shown])
    usable = truth.any(1).nonzero().flatten().numpy()
    truth = truth.to(device)
    projector = model.model.optical_projector
    scale = nn.Parameter(torch.tensor(20.0, device=device))
    bias = nn.Parameter(torch.full((len(words),), -6.0, device=device))
    parameters = [*projector.parameters(), scale, bias]
    optimizer = torch.optim.AdamW(parameters, recipe.warm_rate, weight_decay=0.01)
    rng = np.random.default_rng(recipe.seed)
    for step in range(recipe.warm_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.warm_steps, recipe.warm_rate, 20)
        chosen = rng.choice(usable, recipe.warm_batch)
        features = torch.cat([data.features(int(i), 0, overview=True) for i in chosen])
        with torch.autocast(device.type, torch.bfloat16):
            tokens = projector(features.to(device))  # (B, N, D)
        unit = nn.functional.normalize(tokens.float() - table.mean(0), dim=-1)
        logits = scale * torch.logsumexp(8 * unit @ targets.T, 1) / 8 + bias
        loss = nn.functional.binary_cross_entropy_with_logits(logits, truth[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
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
        SettingsError: If the data hold no question that the recipe asks, if the recipe
            does not fit the encoder, or if ``out`` holds another run.
    """
    import time

    from accelerate import Accelerator
    from peft import LoraConfig, get_peft_model

    files = input_files(data, {"train": recipe.train, "val": recipe.val})
    found = {
        # A picture without a question would only take room in a batch.
        name: [p for p in pictures(read_samples(path)) if p.asks(recipe.questions)]
        for name, path in files.items()
    }
    if not found["train"]:
        raise SettingsError(
            f"{files['train']} holds no sample of the tasks under 'questions'. "
            "Build the data with rsvlm data build."
        )
    torch.manual_seed(recipe.seed)
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    model = initial_model(recipe, tokenizer)
    log = RunLog(out, recipe, files)
    (out / "checkpoint").mkdir(exist_ok=True)
    for path in (files["train"], files["val"]):
        write_train_images(out / "checkpoint", read_samples(path), data)
    processor = image_processor_of(model.config)
    store = FeatureCache(
        cache,
        f"tune 2 {recipe.encoder} {recipe.layers} {recipe.tile_size} "
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
        )
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
    log.rewind("step", first)
    if not first:
        _warm_start(model, sets["train"], tokenizer, recipe, progress)
    tuned.train()
    started, tokens, images = time.time(), 0, 0
    losses: list[float] = done.get("losses", [])
    for step in range(first + 1, recipe.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(
                step, recipe.steps, group["peak"], recipe.steps // 20 + 1
            )
        rng = np.random.default_rng([recipe.seed, 7, step])
        chosen = choose_pictures(sets["train"], recipe, step)
        batch, features = tune_batch(sets["train"], chosen, tokenizer, recipe, rng)
        with accelerator.autocast():
            loss, _ = _loss(model, batch, features)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += batch["input_ids"].numel()
        images += len(chosen)
        losses.append(loss.item())
        if step % 10 == 0 or step == recipe.steps:
            spent, mean = time.time() - started, sum(losses) / len(losses)
            log.add(
                step=step, loss=round(mean, 4), tokens_per_s=round(tokens / spent),
                images_per_s=round(images / spent, 2),
            )  # fmt: skip
            progress(
                f"step {step}/{recipe.steps}: loss {mean:.3f}, "
                f"{tokens / spent:.0f} tokens/s, {images / spent:.1f} images/s"
            )
            losses = []
        if step % recipe.check_every == 0 or step == recipe.steps:
            right = _check(model, sets["val"], tokenizer, recipe)
            log.add(step=step, held_out=right)
            progress(
                f"step {step}: held out, whole answers right: "
                + ", ".join(f"{task} {share:.3f}" for task, share in right.items())
            )
            # The state comes last: a run that continues has what it says was written.
            write_checkpoint(model, tokenizer, out / "checkpoint")
            save_state(out, named, optimizer, {"step": step, "losses": losses})
            tuned.train()
    log.close()
    return out / "checkpoint"


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
            batch, features = tune_batch(
                data, [index], tokenizer, one, rng, train=False
            )
            if not (batch["weight"] > 0).any():
                continue
            device = model.model.optical_projector.gain.device
            with torch.autocast(device.type, torch.bfloat16):
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
