"""``rsvlm train tune``: projectors and low-rank updates of the language model.

The encoders are frozen, so their features are computed once. A short warm start gives a
new projector a direction (some image token points to the word embedding of each thing
that the picture shows); then projectors and LoRA learn answers together, several
questions a picture in one packed sequence. A picture is seen by the encoder and the
projector of its sensor.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsvlm.errors import SettingsError
from rsvlm.models.aligned_files import ALIGN_FILE, SETTINGS_FILE
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer, image_processor_of
from rsvlm.models.modeling import RSVLMForConditionalGeneration, RSVLMModel
from rsvlm.models.precision import mixed_precision
from rsvlm.samples import read_samples
from rsvlm.training.conversations import Picture, pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.images import write_train_images
from rsvlm.training.run import RunLog, input_files
from rsvlm.training.state import learning_rate, load_state, save_state
from rsvlm.training.tune_data import (
    Eye,
    TuneData,
    TuneRecipe,
    choose_pictures,
    route,
    thinned,
    tune_batch,
)
from rsvlm.training.tune_start import (
    LORA_TARGETS,
    Start,
    add_updates,
    carry_files,
    find_start,
    initial_model,
    write_tuned,
)
from rsvlm.training.tune_warm import autocast, warm_start

__all__ = ["LORA_TARGETS", "TuneRecipe", "initial_model", "train_tune"]


def train_tune(
    recipe: TuneRecipe,
    data: Path,
    out: Path,
    cache: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train projectors and LoRA; continues where an interrupted run stopped.

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
            does not fit the encoders or the checkpoint that it begins with, or if
            ``out`` holds another run.
        CheckpointError: If that checkpoint is missing or damaged.
    """
    import time

    from accelerate import Accelerator

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
    start = find_start(recipe)
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    model = initial_model(recipe, tokenizer, start)
    two = model.config.sar_config is not None
    found = {
        n: thinned(_learnable(group, recipe, two), recipe.most)
        for n, group in found.items()
    }
    _check_pictures(found["train"], recipe, two, files["train"])
    log = RunLog(out, recipe, files | start.files)
    checkpoint = out / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    carry_files(start, checkpoint)
    for path in (files["train"], files["val"]):
        write_train_images(checkpoint, read_samples(path), data)
    processor = image_processor_of(model.config)
    eyes = _eyes(model, recipe, start, cache)

    def tell(stage: str) -> Callable[[int, int], None]:
        def line(done: int, total: int) -> None:
            if done % 100 == 0 or done == total:
                progress(f"encoding {stage}: {done}/{total}")

        return line

    sets = {
        name: TuneData(
            group,
            data,
            eyes,
            processor,
            recipe,
            recipe.variants if name == "train" else 1,
            tell(name),
        )
        for name, group in found.items()
    }
    tuned = add_updates(model, recipe, start)
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    named = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    peaks = {True: recipe.projector_rate, False: recipe.lora_rate}
    groups = [
        {"params": [p for n, p in named.items() if ("projector" in n) == kind]}
        | {"peak": peak}
        for kind, peak in peaks.items()
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, recipe.lora_rate, weight_decay=0.01)
    tuned, optimizer = accelerator.prepare(tuned, optimizer)
    done = load_state(out, named, optimizer)
    first = int(done.get("step", 0))
    log.rewind("step", first)
    if not first:
        for sensor in eyes:
            part = f"{sensor}_projector"
            if part in recipe.parts and not start.has(part):
                warm_start(model, sensor, sets["train"], tokenizer, recipe, progress)
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
            write_tuned(model, tokenizer, start, checkpoint)
            save_state(out, named, optimizer, {"step": step, "losses": losses})
            tuned.train()
    log.close()
    return checkpoint


def _learnable(group: list[Picture], recipe: TuneRecipe, two: bool) -> list[Picture]:
    """Return the pictures that something learns from; LoRA does from all."""
    if "lora" in recipe.parts:
        return group
    return [p for p in group if f"{route(p, two)}_projector" in recipe.parts]


def _check_pictures(
    group: list[Picture], recipe: TuneRecipe, two: bool, file: Path
) -> None:
    seen = {f"{route(picture, two)}_projector" for picture in group}
    for part in recipe.parts:
        if part != "lora" and part not in seen:
            raise SettingsError(
                f"{file} holds no picture that {part!r} could learn from. Leave it out "
                "of 'parts', or build data with pictures of that sensor."
            )


def _eyes(
    model: RSVLMForConditionalGeneration, recipe: TuneRecipe, start: Start, cache: Path
) -> dict[str, Eye]:
    """Return the encoders; each keeps its features apart from those of any other."""
    sizes = f"{recipe.layers} {recipe.tile_size} {recipe.max_tiles} {recipe.seed}"
    eyes = {}
    for sensor in ("optical", "sar"):
        name = (model.config.bases or {}).get(f"{sensor}_encoder")
        if name is None:
            continue
        if start.aligned is not None and sensor in start.learned:
            name += f" {sensor} {_digest(start.aligned)}"
        store = FeatureCache(cache, f"tune 2 {name} {sizes}")
        encoder = model.model.get_submodule(f"{sensor}_encoder")
        eyes[sensor] = Eye(encoder, store)
    return eyes


def _digest(aligned: Path) -> str:
    """Return what tells one version of aligned encoders from another."""
    whole = sha256()
    for name in (SETTINGS_FILE, ALIGN_FILE):
        whole.update((aligned / name).read_bytes())
    return whole.hexdigest()


def project(inner: RSVLMModel, features: Tensor, sensor_ids: Tensor | None) -> Tensor:
    """Project the features of tiles, each by the projector of its sensor.

    Args:
        inner: The model.
        features: Shape (tiles, N, D_vision).
        sensor_ids: 0 optical, 1 SAR, shape (tiles,); None is optical.

    Returns:
        Image tokens, shape (tiles, N', D).
    """
    optical = inner.optical_projector
    features = features.to(optical.gain.device)
    sar = torch.zeros(len(features)) if sensor_ids is None else sensor_ids
    groups = [(optical, (sar == 0).nonzero().flatten())]
    if sar.any():
        groups.append((inner.sar_projector, sar.nonzero().flatten()))
    tokens = [p(features[rows].to(p.gain.dtype)) for p, rows in groups if len(rows)]
    order = torch.cat([rows for _, rows in groups]).argsort()
    return torch.cat(tokens)[order.to(features.device)]


def _loss(
    model: RSVLMForConditionalGeneration, batch: dict[str, Tensor], features: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted loss, and which answer tokens were predicted right.

    The second value has shape (B, T - 1): 1 right, 0 wrong, -1 no answer token.
    """
    inner = model.model
    device = inner.optical_projector.gain.device
    batch = {name: value.to(device) for name, value in batch.items()}
    tokens = project(inner, features, batch.get("sensor_ids"))  # (tiles, N, D)
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
    """Return task -> share of held-out answers that greedy decoding would get right.

    Answers about pictures that the SAR encoder sees count apart, as ``"sar vqa"``.
    """
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
            with autocast(device):
                _, right = _loss(model, batch, features)
            name = task if data.routes[index] == "optical" else f"sar {task}"
            for answer in _answers(right[0]):
                hits.setdefault(name, []).append(float(answer.all()))
    return {task: round(sum(values) / len(values), 4) for task, values in hits.items()}


def _answers(right: Tensor) -> Iterator[Tensor]:
    """Split a row of right / wrong / none into its answers."""
    inside = (right >= 0).long()
    edges = torch.diff(torch.cat([torch.zeros(1), inside.cpu(), torch.zeros(1)]))
    starts, ends = (edges == 1).nonzero().flatten(), (edges == -1).nonzero().flatten()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield right[start:end]
