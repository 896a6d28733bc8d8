"""``rsvlm train align``: optical, SAR and text encoders into one space.

Text is the bridge: optical-text and SAR-text batches, which need not show the same
place, are learned in the same step; where there are pairs of one place, a third term
draws the two pictures together. Equal texts in a batch are no negatives.

Source:
    CLOSP and its location term GeoCLOSP; see :mod:`rsvlm.training.align_loss`.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsvlm.errors import SettingsError
from rsvlm.models.aligned import ALIGN_FILE, AlignedEncoder, save_aligned
from rsvlm.models.checkpoint import SHIPPED, load_tensors
from rsvlm.models.precision import mixed_precision
from rsvlm.training.align_check import check
from rsvlm.training.align_data import SENSORS, AlignRecipe, Sets
from rsvlm.training.align_loss import Gather, MaskedClipLoss, cached_backward
from rsvlm.training.align_model import AlignModel
from rsvlm.training.align_steps import Steps
from rsvlm.training.covers import covered, fit_covers
from rsvlm.training.images import write_train_images
from rsvlm.training.loader import Waited
from rsvlm.training.reading import file_names, find_files, read_split
from rsvlm.training.run import RunLog
from rsvlm.training.state import learning_rate, load_state, save_state

__all__ = ["AlignRecipe", "train_align"]


def train_align(
    recipe: AlignRecipe,
    data: Path,
    out: Path,
    cache: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train aligned encoders; continues where an interrupted run stopped.

    Args:
        recipe: Settings.
        data: Folder with the samples and their pictures.
        out: Folder of the run; ``checkpoint/`` in it is the result.
        cache: Folder for what frozen trunks say of a picture.
        progress: Called with one line at a time.

    Returns:
        The checkpoint folder.

    Raises:
        SettingsError: If a term has nothing to learn from, the recipe does not fit the
            encoders, or ``out`` holds another run.
        AssetError: If a trunk cannot be fetched.
    """
    from accelerate import Accelerator

    files = find_files(data, {"train": recipe.train, "val": recipe.val})
    samples = {name: read_split(data, group) for name, group in files.items()}
    sets = {name: Sets(group) for name, group in samples.items()}
    _check_terms(recipe, sets["train"])
    torch.manual_seed(recipe.seed)
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    model = AlignModel(recipe, data, cache).to(accelerator.device)
    main = accelerator.is_main_process
    log = RunLog(out, recipe, file_names(files)) if main else None
    if main:
        (out / "checkpoint").mkdir(exist_ok=True)
        write_train_images(out / "checkpoint", chain(*samples.values()), data)
    del samples
    accelerator.wait_for_everyone()
    if recipe.start:
        model.begin_with(SHIPPED.get(recipe.start, Path(recipe.start)))
    named = model.trained()
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [p for n, p in named.items() if ("_encoder" in n) == deep],
                "peak": recipe.encoder_rate if deep else recipe.head_rate,
            }
            for deep in (False, True)
        ],
        recipe.head_rate,
        weight_decay=0.05,
    )
    done = load_state(out, named, optimizer)
    first = int(done.get("step", 0))
    if log:
        log.rewind("step", first)
    target = out / "checkpoint"
    settings = model.settings(sets["train"].gsd_m, sets["train"].window_m(recipe))
    loss_of = _Loss(recipe, model)
    gather = _gatherer(accelerator)
    started, shown = time.time(), 0
    losses: list[float] = done.get("losses", [])
    rank, world = accelerator.process_index, accelerator.num_processes
    drawn = Steps(recipe, sets["train"], data, model.patches, (rank, world))
    steps = Waited(drawn.ahead(first + 1, recipe.steps))
    for step, one in enumerate(steps, start=first + 1):
        for group in optimizer.param_groups:
            warmup = recipe.steps // 20 + 1
            group["lr"] = learning_rate(step, recipe.steps, group["peak"], warmup)
        shown += one.shown
        with accelerator.autocast():
            loss = cached_backward(
                {name: model.chunks(one, name) for name in one.streams},
                partial(loss_of, keys=one.keys),
                gather,
                keep=recipe.micro_batch == 0,
            )
        for name, parameter in named.items():
            if parameter.grad is not None and world > 1:
                # Every process has the whole loss: only what lies before the vectors
                # is spread over them.
                how = "mean" if name.startswith("log_scale") else "sum"
                parameter.grad = accelerator.reduce(parameter.grad, how)
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        model.clamp_scales()
        losses.append(float(loss))
        if log and (step % 10 == 0 or step == recipe.steps):
            spent, mean = time.time() - started, sum(losses) / len(losses)
            scale = round(float(model.log_scale.detach().exp()), 2)
            log.add(step=step, loss=round(mean, 4), scale=scale,
                    images_per_s=round(shown / spent, 2),
                    wait_share=steps.share)  # fmt: skip
            progress(
                f"step {step}/{recipe.steps}: loss {mean:.3f}, scale {scale}, "
                f"{shown / spent:.1f} images/s, "
                f"waited for data {100 * steps.share:.1f} %"
            )
            losses = []
        if log and (step % recipe.check_every == 0 or step == recipe.steps):
            save_aligned(settings, model.state(), target)
            encoder = AlignedEncoder.load(target).to(accelerator.device)
            found = check(encoder, sets["val"], recipe, data)
            log.add(step=step, held_out=found)
            progress(
                f"step {step}: held out: "
                + ", ".join(f"{name} {value:.3f}" for name, value in found.items())
            )
            save_state(out, named, optimizer, {"step": step, "losses": losses})
    if log:
        _add_covers(recipe, sets, data, target, log, progress)
        log.close()
    return target


def _add_covers(
    recipe: AlignRecipe,
    sets: dict[str, Sets],
    data: Path,
    target: Path,
    log: RunLog,
    progress: Callable[[str], None],
) -> None:
    """Fit the dense heads to finished encoders, where the recipe names classes."""
    pictures = {
        name: covered(part.masked, recipe.covers) for name, part in sets.items()
    }
    if not recipe.covers:
        return
    if not pictures["train"]:
        raise SettingsError(
            f"{', '.join(recipe.train)} holds no mask of {', '.join(recipe.covers)}. "
            "Leave out 'covers', or build other data."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = AlignedEncoder.load(target).to(device)
    dense, found = fit_covers(
        encoder, pictures["train"], pictures["val"], recipe, data, progress
    )
    settings = encoder.settings.model_copy(update={"covers": recipe.covers})
    save_aligned(settings, load_tensors(target / ALIGN_FILE) | dense, target)
    log.add(held_out_covers=found)


def _check_terms(recipe: AlignRecipe, train: Sets) -> None:
    needs = {
        "optical_text": len(train.captioned["optical"]),
        "sar_text": len(train.captioned["sar"]),
        "paired": len(train.pairs),
        "location": sum(pair.lonlat is not None for pair in train.pairs),
    }
    what = {
        "optical_text": "optical pictures with captions",
        "sar_text": "SAR pictures with captions",
        "paired": "pairs of an optical and a SAR picture",
        "location": "pairs whose place is known",
    }
    for term, weight in recipe.terms.items():
        if weight and needs[term] < 2:
            raise SettingsError(
                f"The term {term!r} needs {what[term]}, and "
                f"{', '.join(recipe.train)} holds {needs[term]}. Leave it out of "
                "'terms', or build other data."
            )
    for sensor in SENSORS:
        if recipe.terms.get("sar_text" if sensor == "sar" else "optical_text"):
            train.drawn(sensor, recipe, 1)  # a mix that leaves none is told at once


class _Loss:
    """Sum of the terms that a recipe switches on."""

    def __init__(self, recipe: AlignRecipe, model: AlignModel) -> None:
        self.weights = {k: w for k, w in recipe.terms.items() if w}
        self.model, self.one = model, MaskedClipLoss()

    def __call__(self, vectors: dict[str, Tensor], keys: dict[str, Tensor]) -> Tensor:
        pairs = {
            "optical_text": [("optical", "optical_text", "optical")],
            "sar_text": [("sar", "sar_text", "sar")],
            "paired": [("pair_optical", "pair_sar", "pair")],
            "location": [(f"pair_{sensor}", "place", "pair") for sensor in SENSORS],
        }
        text, pair = self.model.log_scale.exp(), self.model.log_scale_pair.exp()
        total = torch.zeros((), device=text.device)
        # Products of unit vectors times a scale of up to 100 need more than bfloat16.
        with torch.autocast(text.device.type, enabled=False):
            for term, weight in self.weights.items():
                scale = text if term.endswith("text") else pair
                for first, second, key in pairs[term]:
                    one, two = vectors[first].float(), vectors[second].float()
                    loss = self.one(one, two, scale, keys[key].to(text.device))
                    total = total + weight * loss / len(pairs[term])
        return total


def _gatherer(accelerator: Any) -> Gather | None:
    if accelerator.num_processes == 1:
        return None

    def gather(own: Tensor) -> tuple[Tensor, slice]:
        # Parts differ by one at most; padding would become negatives.
        counts = accelerator.gather(torch.tensor([len(own)], device=own.device))
        padded = accelerator.pad_across_processes(own)
        size = padded.shape[0]
        every = accelerator.gather(padded)
        rows = [every[i * size : i * size + int(n)] for i, n in enumerate(counts)]
        start = sum(map(len, rows[: accelerator.process_index]))
        return torch.cat(rows), slice(start, start + len(own))

    return gather
