"""``rsvlm train tune``: projectors and low-rank updates of the language model.

The encoders are frozen, so their features are computed once. A short warm start gives a
new projector a direction (some image token points to the word embedding of each thing
that the picture shows); then projectors and LoRA learn answers together, several
questions a picture in one packed sequence. A picture is seen by the encoder and the
projector of its sensor.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rsvlm.errors import SettingsError
from rsvlm.models.aligned_files import ALIGN_FILE, SETTINGS_FILE
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer, image_processor_of
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.precision import mixed_precision
from rsvlm.training.conversations import Picture, pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.images import write_train_images
from rsvlm.training.loader import Waited
from rsvlm.training.mix import Order
from rsvlm.training.reading import file_names, find_files, read_split
from rsvlm.training.run import RunLog
from rsvlm.training.state import learning_rate, load_state, save_state
from rsvlm.training.tune_check import check, checked
from rsvlm.training.tune_data import Eye, TuneData, route
from rsvlm.training.tune_encode import encode_all
from rsvlm.training.tune_loss import batch_on, loss_of
from rsvlm.training.tune_recipe import TuneRecipe
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
    from accelerate import Accelerator
    from accelerate.utils import broadcast

    files = find_files(data, {"train": recipe.train, "val": recipe.val})
    samples = {name: read_split(data, group) for name, group in files.items()}
    found = {
        # A picture without a question would only take room in a batch.
        name: [p for p in pictures(group) if p.asks(recipe.questions)]
        for name, group in samples.items()
    }
    if not found["train"]:
        raise SettingsError(
            f"{', '.join(recipe.train)} holds no sample of the tasks under 'questions'."
            " Build the data with rsvlm data build."
        )
    torch.manual_seed(recipe.seed)
    start = find_start(recipe)
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    model = initial_model(recipe, tokenizer, start)
    two = model.config.sar_config is not None
    found = {n: _learnable(group, recipe, two) for n, group in found.items()}
    _check_pictures(found["train"], recipe, two)
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    main = accelerator.is_main_process
    rank, world = accelerator.process_index, accelerator.num_processes
    order = Order([p.source for p in found["train"]], recipe.mix, recipe.seed)
    windows = recipe.windows(order.epoch_size, (rank, world))
    checkpoint = out / "checkpoint"
    log = RunLog(out, recipe, file_names(files) | start.files) if main else None
    if main:
        checkpoint.mkdir(exist_ok=True)
        carry_files(start, checkpoint)
        write_train_images(checkpoint, chain(*samples.values()), data)
    del samples
    accelerator.wait_for_everyone()
    model.to(accelerator.device)
    # What is never shown in training is not asked for afterwards.
    asked = [p for p in found["val"] if order.quotas.get(p.source, 1)]
    found["val"] = checked(asked, recipe.check_pictures)
    processor = image_processor_of(model.config)
    eyes = _eyes(model, recipe, start, cache)
    sets = {
        name: TuneData(group, data, eyes, processor, recipe, name == "train")
        for name, group in found.items()
    }
    shown = {"train": sorted({*order.at(range(windows.samples))}),
             "val": list(range(len(found["val"])))}  # fmt: skip
    for name, indices in shown.items():
        encode_all(sets[name], indices[rank::world], _teller(name, progress))
    accelerator.wait_for_everyone()
    tuned = add_updates(model, recipe, start).to(accelerator.device)
    learns = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    optimizer = _optimizer(recipe, learns)
    done = load_state(out, learns, optimizer)
    first = int(done.get("step", 0))
    if done.get("processes", world) != world:
        raise SettingsError(
            f"{out} holds a run of {done['processes']} processes, now there are {world}. "
            "Start as many, or name another folder with --out."
        )
    if log:
        log.rewind("step", first)
    if not first:
        for sensor in eyes:
            part = f"{sensor}_projector"
            if part in recipe.parts and not start.has(part):
                warm_start(
                    model, sensor, sets["train"], shown["train"], tokenizer, recipe,
                    progress,
                )  # fmt: skip
    for parameter in learns.values():
        broadcast(parameter.data)
    tuned.train()
    started, tokens, images = time.time(), np.zeros(2, int), 0
    losses: list[torch.Tensor | float] = done.get("losses", [])
    steps, rate = windows.steps, partial(learning_rate, warmup=windows.steps // 20 + 1)
    data_ahead = Waited(
        steps_ahead(sets["train"], tokenizer, order, windows, first + 1)
    )
    for step, batch in enumerate(data_ahead, start=first + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps, group["peak"])
        with accelerator.autocast():
            there = batch_on(sets["train"], batch, accelerator.device)
            loss, _ = loss_of(model, there)
        accelerator.backward(loss)
        _share_gradients(accelerator, learns.values())
        torch.nn.utils.clip_grad_norm_(list(learns.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        filled = batch.drawn.inputs["segments"] >= 0
        tokens += filled.sum(), filled.size
        images += len(batch.parts) * world
        # Read later: reading waits for the GPU, which could be given the next step.
        losses.append(loss.detach())
        if log and (step % 10 == 0 or step == steps):
            mean = sum(map(float, losses)) / len(losses)
            spent = time.time() - started
            log.add(
                step=step, loss=round(mean, 4),
                tokens_per_s=round(world * tokens[0] / spent),
                images_per_s=round(images / spent, 2), wait_share=data_ahead.share,
                padding=round(1 - tokens[0] / tokens[1], 4),
            )  # fmt: skip
            progress(
                f"step {step}/{steps}: loss {mean:.3f}, "
                f"{world * tokens[0] / spent:.0f} tokens/s, "
                f"{images / spent:.1f} images/s, waited for data "
                f"{100 * data_ahead.share:.1f} %"
            )
            losses = []
        if log and (step % recipe.check_every == 0 or step == steps):
            right = check(model, sets["val"], tokenizer)
            log.add(step=step, held_out=right)
            progress(
                f"step {step}: held out, whole answers right: "
                + ", ".join(f"{task} {share:.3f}" for task, share in right.items())
            )
            # The state comes last: a run that continues has what it says was written.
            write_tuned(model, tokenizer, start, checkpoint)
            state = {"step": step, "losses": [float(loss) for loss in losses],
                     "processes": world}  # fmt: skip
            save_state(out, learns, optimizer, state)
            tuned.train()
    if log:
        log.close()
    return checkpoint


def _optimizer(
    recipe: TuneRecipe, learns: Mapping[str, nn.Parameter]
) -> torch.optim.AdamW:
    """Return AdamW with a peak rate for projectors and one for LoRA."""
    peaks = {True: recipe.projector_rate, False: recipe.lora_rate}
    groups = [
        {"params": [p for n, p in learns.items() if ("projector" in n) == kind]}
        | {"peak": peak}
        for kind, peak in peaks.items()
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, recipe.lora_rate, weight_decay=0.01)


def _share_gradients(accelerator: Any, parameters: Iterable[nn.Parameter]) -> None:
    """Take the mean gradients of all processes."""
    if accelerator.num_processes > 1:
        for parameter in parameters:
            own = parameter.grad
            # A process may have met no picture of a sensor; the others wait for it.
            own = torch.zeros_like(parameter) if own is None else own
            parameter.grad = accelerator.reduce(own, "mean")


def _teller(name: str, progress: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return what tells now and then how many pictures are encoded."""

    def line(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            progress(f"encoding {name}: {done}/{total}")

    return line


def _learnable(group: list[Picture], recipe: TuneRecipe, two: bool) -> list[Picture]:
    """Return the pictures that something learns from; LoRA does from all."""
    if "lora" in recipe.parts:
        return group
    return [p for p in group if f"{route(p, two)}_projector" in recipe.parts]


def _check_pictures(group: Sequence[Picture], recipe: TuneRecipe, two: bool) -> None:
    seen = {f"{route(picture, two)}_projector" for picture in group}
    for part in recipe.parts:
        if part != "lora" and part not in seen:
            raise SettingsError(
                f"{', '.join(recipe.train)} holds no picture that {part!r} could learn "
                "from. Leave it out of 'parts', or build data with pictures of that "
                "sensor."
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
