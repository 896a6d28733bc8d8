"""``rsvlm train tune``: projectors and low-rank updates of the language model.

The encoders are frozen, so their features are computed once. A short warm start gives a
new projector a direction (some image token points to the word embedding of each thing
that the picture shows); then projectors and LoRA learn answers together, several
questions a picture in one packed sequence. A picture is seen by the encoder and the
projector of its sensor.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import torch

from rsvlm.errors import SettingsError
from rsvlm.models.aligned_files import ALIGN_FILE, SETTINGS_FILE
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer, image_processor_of
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.precision import mixed_precision
from rsvlm.samples import read_samples
from rsvlm.training.conversations import Picture, pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.images import write_train_images
from rsvlm.training.run import RunLog, input_files
from rsvlm.training.state import learning_rate, load_state, save_state
from rsvlm.training.tune_check import check, checked
from rsvlm.training.tune_data import Eye, TuneData, TuneRecipe, route, thinned
from rsvlm.training.tune_encode import encode_all
from rsvlm.training.tune_loss import loss_of
from rsvlm.training.tune_start import (
    LORA_TARGETS,
    Start,
    add_updates,
    carry_files,
    find_start,
    initial_model,
    write_tuned,
)
from rsvlm.training.tune_steps import steps_ahead
from rsvlm.training.tune_warm import warm_start

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
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    model.to(accelerator.device)
    found["val"] = checked(found["val"], recipe.check_pictures)
    processor = image_processor_of(model.config)
    eyes = _eyes(model, recipe, start, cache)
    sets = {
        name: TuneData(group, data, eyes, processor, recipe, name == "train")
        for name, group in found.items()
    }
    for name, one in sets.items():
        encode_all(one, _teller(name, progress))
    tuned = add_updates(model, recipe, start)
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
    losses: list[torch.Tensor | float] = done.get("losses", [])
    for step, batch in steps_ahead(sets["train"], tokenizer, first + 1, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(
                step, recipe.steps, group["peak"], recipe.steps // 20 + 1
            )
        with accelerator.autocast():
            loss, _ = loss_of(model, batch.to(accelerator.device))
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += batch.inputs["input_ids"].numel()
        images += batch.pictures
        # Read later: reading waits for the GPU, which could be given the next step.
        losses.append(loss.detach())
        if step % 10 == 0 or step == recipe.steps:
            mean = sum(map(float, losses)) / len(losses)
            spent = time.time() - started
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
            right = check(model, sets["val"], tokenizer)
            log.add(step=step, held_out=right)
            progress(
                f"step {step}: held out, whole answers right: "
                + ", ".join(f"{task} {share:.3f}" for task, share in right.items())
            )
            # The state comes last: a run that continues has what it says was written.
            write_tuned(model, tokenizer, start, checkpoint)
            kept = [float(loss) for loss in losses]
            save_state(out, named, optimizer, {"step": step, "losses": kept})
            tuned.train()
    log.close()
    return checkpoint


def _teller(name: str, progress: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return what tells now and then how many pictures are encoded."""

    def line(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            progress(f"encoding {name}: {done}/{total}")

    return line


def _learnable(
    group: Sequence[Picture], recipe: TuneRecipe, two: bool
) -> Sequence[Picture]:
    """Return the pictures that something learns from; LoRA does from all."""
    if "lora" in recipe.parts:
        return group
    return [p for p in group if f"{route(p, two)}_projector" in recipe.parts]


def _check_pictures(
    group: Sequence[Picture], recipe: TuneRecipe, two: bool, file: Path
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
