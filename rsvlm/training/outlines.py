"""``rsvlm train outlines``: the outline head on a trained region head's encoder.

Encoder and region head stay as they are. Boxes come to lie around outlines, so that
confidences and cuts are fitted anew at the end.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from rsvlm.errors import SettingsError
from rsvlm.models.checkpoint import SHIPPED
from rsvlm.models.encoder import feature_width, patch_size
from rsvlm.models.features import as_seen, feature_grid
from rsvlm.models.finder import RegionFinder
from rsvlm.models.outline_head import OutlineHead
from rsvlm.models.outlines import (
    AT_ONCE,
    OUTLINE_FILE,
    load_outlines,
    save_outlines,
)
from rsvlm.models.precision import mixed_precision
from rsvlm.models.region_files import HEAD_FILE, save_settings
from rsvlm.training.average import Average
from rsvlm.training.calibrate import fit, judge, mean_precision
from rsvlm.training.calibrate_masks import fit_mask_cut
from rsvlm.training.images import write_train_images
from rsvlm.training.loader import Waited
from rsvlm.training.mix import Order
from rsvlm.training.mosaic import Entry, Labelled
from rsvlm.training.outline_data import OutlineViews
from rsvlm.training.outline_recipe import OutlineRecipe
from rsvlm.training.reading import file_names, find_files, read_split
from rsvlm.training.region_steps import Batch, Steps, draws
from rsvlm.training.run import RunLog
from rsvlm.training.state import learning_rate, load_state, save_state

__all__ = ["OutlineRecipe", "train_outlines"]


def train_outlines(
    recipe: OutlineRecipe,
    data: Path,
    out: Path,
    cache: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train the outline head; continues where an interrupted run stopped.

    Args:
        recipe: Settings.
        data: Folder with the samples and their pictures.
        out: Folder of the run; the best head becomes ``outlines.safetensors`` there,
            beside the region head that it belongs to, whose calibration is fitted anew.
        cache: Not used: every step shows pictures anew.
        progress: Called with one line at a time.

    Returns:
        The file of the best head.

    Raises:
        SettingsError: If the data hold no outline, or if ``out`` holds another run or
            the head to start from.
        CheckpointError: If the region head to start from is missing or damaged.
    """
    from accelerate import Accelerator

    files = find_files(data, {"train": recipe.train, "val": recipe.val})
    samples = {name: read_split(data, group) for name, group in files.items()}
    complete = {
        name: [sample for sample in group if sample.task == "detect"]
        for name, group in samples.items()
    }
    entries = {
        name: [
            Entry((Labelled.of(sample),))
            for sample in group
            if any(target.polygons for target in sample.targets)
        ]
        for name, group in complete.items()
    }
    if not entries["train"]:
        raise SettingsError(
            f"{', '.join(recipe.train)} holds no sample of task 'detect' with outlines. "
            "Build the data with rsvlm data build."
        )
    torch.manual_seed(recipe.seed)
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    if not recipe.start:
        raise SettingsError(
            "An outline head stands on a region head. Name its folder with "
            "--set start=RUN, where RUN is the --out of rsvlm train regions."
        )
    begin = SHIPPED.get(recipe.start, Path(recipe.start))
    if begin.resolve() == out.resolve():
        raise SettingsError(
            f"'start' and --out are both {out}. Name another folder for the run."
        )
    finder = RegionFinder.load(begin)  # what is wrong with it shows now, not at the end
    model = _Model(finder, recipe.width).to(accelerator.device)
    order = Order([e.source for e in entries["train"]], recipe.mix, recipe.seed)
    log = RunLog(out, recipe, file_names(files) | {"start": begin / HEAD_FILE})
    write_train_images(out, (s for group in samples.values() for s in group), data)
    sources = {
        name: OutlineViews(some, data, recipe, model.long_side, model.patch)
        for name, some in entries.items()
    }
    named = dict(model.outlines.named_parameters())
    optimizer = torch.optim.AdamW(
        named.values(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    average = Average(named, recipe.average)
    kept = named | {f"mean.{name}": value for name, value in average.mean.items()}
    done = load_state(out, kept, optimizer)
    first, best = done.get("epoch", 0), done.get("best_iou", 0.0)
    log.rewind("epoch", first)
    todo = draws(order, recipe.batch, range(first, recipe.epochs))
    per_epoch = -(-order.epoch_size // recipe.batch)
    steps = per_epoch * recipe.epochs
    total = 0.0
    batches = Waited(Steps(sources["train"], todo).ahead())
    for draw, batch in zip(todo, batches, strict=True):
        step = draw.epoch * per_epoch + draw.number + 1
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(
                step, steps, recipe.learning_rate, steps // 20 + 1
            )
        if len(batch["rows"]):  # windows may show no object at all
            there = _moved(batch, accelerator.device)
            with accelerator.autocast():
                logits = model(there)
            loss = outline_loss(logits.float(), there["truth"].float())
            accelerator.backward(loss)
            torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            total += float(loss.detach())
        average.update(step)
        if draw.number + 1 < per_epoch:
            continue
        found = {"loss": total / per_epoch}
        total, epoch = 0.0, draw.epoch + 1
        checked = epoch % recipe.check_every == 0 or epoch == recipe.epochs
        if checked and len(sources["val"]):
            with average.applied():
                found["val_iou"] = held_out(model, sources["val"], accelerator.device)
        log.add(
            epoch=epoch,
            **{name: round(value, 4) for name, value in found.items()},
            wait_share=batches.share,
        )
        progress(
            f"epoch {epoch}/{recipe.epochs}: "
            + " ".join(f"{name} {value:.3f}" for name, value in found.items())
        )
        if checked and found.get("val_iou", best) >= best:
            best = found.get("val_iou", best)
            with average.applied():
                save_outlines(model.outlines, out)
        save_state(out, kept, optimizer, {"epoch": epoch, "best_iou": best})
    # With the head that it belongs to, the folder is one that a finder loads.
    shutil.copyfile(begin / HEAD_FILE, out / HEAD_FILE)
    finder.settings = finder.settings.model_copy(update={"mask_cut": 0.0})
    finder.outlines = load_outlines(out, model.width)
    if complete["val"]:
        finder.to(accelerator.device)
        cut, overlap = fit_mask_cut(finder, complete["val"], data)
        progress(f"found objects: IoU {overlap:.3f} with a cut of {cut:g}")
        finder.settings = finder.settings.model_copy(update={"mask_cut": cut})
        judged = judge(finder, complete["val"], data, progress)
        finder.settings = fit(finder.settings, judged)
        fitted = finder.settings.model_dump(mode="json")
        log.add(
            val_map50=round(mean_precision(judged), 4),
            calibration=fitted | {"found_iou": round(overlap, 4)},
        )
    save_settings(finder.settings, out)
    log.close()
    return out / OUTLINE_FILE


def outline_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return cross-entropy and Dice of outlines, each of shape (N, SIDE, SIDE).

    Every object counts alike, however large.
    """
    cross = nn.functional.binary_cross_entropy_with_logits(
        logits, truth, reduction="none"
    ).mean((1, 2))
    soft = logits.sigmoid()
    shared = (soft * truth).sum((1, 2))
    dice = 1 - (2 * shared + 1) / (soft.sum((1, 2)) + truth.sum((1, 2)) + 1)
    return (cross + dice).mean()


@torch.no_grad()
def held_out(model: nn.Module, source: OutlineViews, device: torch.device) -> float:
    """Return the mean IoU of outlines in their own boxes."""
    values: list[Tensor] = []
    for index in range(len(source)):
        whole = source.plain([index])
        for start in range(0, len(whole["rows"]), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            some = {k: v if k == "picture" else v[part] for k, v in whole.items()}
            there = _moved(some, device)
            mask, truth = model(there) > 0, there["truth"]
            union = (mask | truth).sum((1, 2)).clamp(min=1)
            values.append((mask & truth).sum((1, 2)) / union)
    return float(torch.cat(values).mean())


def _moved(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value).to(device) for name, value in batch.items()}


class _Model(nn.Module):
    """A frozen encoder with an outline head that learns."""

    def __init__(self, finder: RegionFinder, width: int) -> None:
        super().__init__()
        settings = finder.settings
        self.layers, self.long_side = settings.layers, settings.long_side
        self.encoder = finder.encoder
        self.patch = patch_size(self.encoder)
        self.width = feature_width(self.encoder, self.layers)
        self.outlines = OutlineHead(self.width, width)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        family = str(cast(Any, self.encoder.config).model_type)
        rgb, pixels = as_seen(batch["picture"], family)
        features = feature_grid(self.encoder, pixels, self.layers).float()
        out: Tensor = self.outlines(
            features, rgb, batch["frames"], batch["rows"],
            batch["prompts"].float(),
        )  # fmt: skip
        return out
