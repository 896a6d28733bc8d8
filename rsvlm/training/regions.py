"""``rsvlm train regions``: the region head, alone or with updates of its encoder.

A description is one of many wordings of a label. Each step also asks for things that no
label names, which must not be found.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsvlm.errors import SettingsError
from rsvlm.labels import FORMS, OBJECTS
from rsvlm.models.finder import RegionFinder
from rsvlm.models.precision import mixed_precision
from rsvlm.models.region_files import HEAD_FILE, save_settings, save_weights
from rsvlm.samples import Sample
from rsvlm.training.average import Average
from rsvlm.training.calibrate import fit, judge, mean_precision
from rsvlm.training.calibrate_masks import fit_mask_cut
from rsvlm.training.features import FeatureCache
from rsvlm.training.images import write_train_images
from rsvlm.training.loader import Waited
from rsvlm.training.mix import Order
from rsvlm.training.mosaic import ABSENT, Entry, Labelled, mosaics
from rsvlm.training.reading import file_names, find_files, read_split
from rsvlm.training.region_data import RegionData
from rsvlm.training.region_loss import region_loss, summed
from rsvlm.training.region_model import RegionModel
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.region_steps import Batch, RegionSource, Steps, draws
from rsvlm.training.region_views import RegionViews
from rsvlm.training.run import RunLog, file_hash
from rsvlm.training.state import learning_rate, load_state, save_state

__all__ = ["RegionRecipe", "train_regions"]

#: Things that are never labelled: asking for them must find nothing.
STRANGERS = (
    "cloud", "person", "train", "giraffe", "swimming pool", "wind turbine", "volcano",
    "solar panel", "cow", "iceberg", "traffic light", "roundabout", "crane", "dog",
    "tent", "greenhouse", "cemetery", "helicopter", "submarine", "windmill", "glacier",
    "railway station", "soccer goal", "water tower", "dam", "chimney", "lighthouse",
)  # fmt: skip


def wordings() -> dict[str, list[str]]:
    """Return label -> every phrase that means it, singular and plural."""
    words: dict[str, list[str]] = {name: [] for name in OBJECTS}
    for form, name in FORMS.items():
        if name in words:
            words[name].append(form)
    return words


def train_regions(
    recipe: RegionRecipe,
    data: Path,
    out: Path,
    cache: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train the region head; continues where an interrupted run stopped.

    Args:
        recipe: Settings.
        data: Folder with the samples and their pictures.
        out: Folder of the run; the best head becomes ``regions.safetensors`` there.
        cache: Folder for encoded pictures.
        progress: Called with one line at a time.

    Returns:
        The file of the best head.

    Raises:
        SettingsError: If the data hold no sample with objects, if the recipe does not
            fit the encoder, or if ``out`` holds another run.
        CheckpointError: If the head to start from is missing or of another size.
    """
    from accelerate import Accelerator

    files = find_files(data, {"train": recipe.train, "val": recipe.val})
    samples = {name: read_split(data, group) for name, group in files.items()}
    sets = {
        name: [sample for sample in group if sample.task == "detect"]
        for name, group in samples.items()
    }
    if not sets["train"]:
        raise SettingsError(
            f"{', '.join(recipe.train)} holds no sample of task 'detect'. "
            "Build the data with rsvlm data build."
        )
    torch.manual_seed(recipe.seed)
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    model = RegionModel(recipe).to(accelerator.device)
    begin = {"start": model.begin / HEAD_FILE} if model.begin else {}
    entries = {
        "train": _entries(recipe, sets["train"], samples["train"]),
        "val": [Entry((Labelled.of(sample),)) for sample in sets["val"]],
    }
    order = Order([e.source for e in entries["train"]], recipe.mix, recipe.seed)
    log = RunLog(out, recipe, file_names(files) | begin)
    write_train_images(out, chain(*samples.values()), data)
    del samples
    settings = model.settings()
    save_settings(settings, out)
    sources = _sources(recipe, model, entries, data, cache, progress)
    named = model.trained()
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [p for n, p in named.items() if ("lora_" in n) == deep],
                "peak": recipe.encoder_rate if deep else recipe.learning_rate,
            }
            for deep in (False, True)
        ],
        recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    average = Average(named, recipe.average)
    kept = named | {f"mean.{name}": value for name, value in average.mean.items()}
    done = load_state(out, kept, optimizer)
    first, best = done.get("epoch", 0), done.get("best_loss", float("inf"))
    log.rewind("epoch", first)
    asking = _Asking(recipe, model, accelerator)
    todo = draws(order, recipe.batch, range(first, recipe.epochs))
    per_epoch = -(-order.epoch_size // recipe.batch)
    steps = per_epoch * recipe.epochs
    sums: dict[str, Tensor] = {}
    batches = Waited(Steps(sources["train"], todo).ahead())
    for draw, batch in zip(todo, batches, strict=True):
        step = draw.epoch * per_epoch + draw.number + 1
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, group["peak"], steps // 20 + 1)
        terms = asking.terms(batch, asking.varied(draw.rng(recipe.seed, 2)))
        accelerator.backward(summed(terms))
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update(step)
        for name, term in terms.items():
            sums[name] = sums.get(name, torch.zeros_like(term)) + term.detach()
        if draw.number + 1 < per_epoch:
            continue
        found = {name: float(value) / per_epoch for name, value in sums.items()}
        sums, epoch = {}, draw.epoch + 1
        held: dict[str, float] = {}
        checked = epoch % recipe.check_every == 0 or epoch == recipe.epochs
        if checked and sets["val"]:
            with average.applied():
                held = _held_out(asking, sources["val"], sets["val"], data)
        terms_of = {n: round(v, 4) for n, v in (held | found).items()}
        log.add(epoch=epoch, **terms_of, wait_share=batches.share)
        progress(
            f"epoch {epoch}/{recipe.epochs}: "
            + " ".join(f"{n} {v:.3f}" for n, v in (found | held).items())
        )
        # The loss chooses: where a label has one held-out object, that one alone decides
        # a tenth of the mean precision.
        if checked and held.get("val_loss", best) <= best:
            best = held.get("val_loss", best)
            with average.applied():
                save_weights(model.state(), out)
        save_state(out, kept, optimizer, {"epoch": epoch, "best_loss": best})
    if sets["val"]:
        finder = RegionFinder.load(out, None if settings.lora else model.encoder)
        judged = judge(finder.to(accelerator.device), sets["val"], data, progress)
        settings = fit(settings, judged)
        cut, overlap = fit_mask_cut(finder, sets["val"], data)
        settings = settings.model_copy(update={"mask_cut": cut})
        save_settings(settings, out)
        progress(f"masks: IoU {overlap:.3f} with a cut of {cut:g}")
        log.add(calibration=settings.model_dump(mode="json"))
    log.close()
    return out / HEAD_FILE


class _Asking:
    """Descriptions for a model, and the loss of what it answers."""

    def __init__(
        self, recipe: RegionRecipe, model: RegionModel, accelerator: Any
    ) -> None:
        self.recipe, self.model, self.accelerator = recipe, model, accelerator
        self.labels = list(OBJECTS)
        self.phrases = wordings()
        # All at once: a vector depends in its last digit on the texts beside it, and a
        # run that is continued would meet them in other company.
        every = [w for words in self.phrases.values() for w in words]
        model.text.encode([*every, *STRANGERS])

    def varied(self, rng: np.random.Generator) -> list[str]:
        """Return a wording of every label, and some strangers."""
        asked = [str(rng.choice(self.phrases[label])) for label in self.labels]
        return asked + [
            str(w) for w in rng.choice(STRANGERS, self.recipe.strangers, False)
        ]

    def terms(self, batch: Batch, asked: list[str]) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch."""
        device = self.accelerator.device
        there = {name: _moved(value, device) for name, value in batch.items()}
        queries = self.model.text.encode(asked).to(device)
        with self.accelerator.autocast():
            maps = self.model(there, queries)
        return region_loss(maps, there, len(self.labels))


def _moved(value: Any, device: torch.device) -> Tensor:
    """Return an array or a tensor on a device; a GPU need not be waited for."""
    tensor = torch.as_tensor(value)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@torch.no_grad()
def _held_out(
    asking: _Asking, source: RegionSource, samples: list[Sample], data: Path
) -> dict[str, float]:
    """Return the loss and the mean average precision on held-out pictures."""
    model, size = asking.model.eval(), asking.recipe.batch
    loss = 0.0
    for start in range(0, len(source), size):
        indices = range(start, min(start + size, len(source)))
        terms = asking.terms(source.plain(indices), asking.labels)
        loss += float(summed(terms)) * len(indices) / len(source)
    finder = RegionFinder(model.settings(), model.head, model.encoder, model.text)
    precision = mean_precision(judge(finder, samples, data))
    model.train()
    return {"val_loss": loss, "val_map50": precision}


def _sources(
    recipe: RegionRecipe,
    model: RegionModel,
    entries: Mapping[str, list[Entry]],
    data: Path,
    cache: Path,
    progress: Callable[[str], None],
) -> dict[str, RegionSource]:
    """Return what to learn from and what to check on."""
    if recipe.learn == "lora":
        return {
            name: RegionViews(some, data, recipe, model.patch)
            for name, some in entries.items()
        }
    before = file_hash(model.begin / HEAD_FILE) if model.begin and model.lora else ""
    store = FeatureCache(
        cache,
        f"regions 3 {recipe.encoder} {recipe.layers} {recipe.long_side} {recipe.seed}"
        + before,
    )

    def tell(stage: str) -> Callable[[int, int], None]:
        def line(done: int, total: int) -> None:
            if done % 50 == 0 or done == total:
                progress(f"encoding {stage}: {done}/{total}")

        return line

    return {
        name: RegionData(
            some, data, recipe, store, model.encoder,
            recipe.variants if name == "train" else 1, tell(name),
        )
        for name, some in entries.items()
    }  # fmt: skip


def _entries(
    recipe: RegionRecipe, full: list[Sample], samples: list[Sample]
) -> list[Entry]:
    objects = [Labelled.of(sample) for sample in full]
    scenes = _scenes(samples)
    rng = np.random.default_rng([recipe.seed, 17])
    chosen = rng.permutation(len(scenes))[: recipe.empty]
    entries = [Entry((cell,)) for cell in [*objects, *(scenes[i] for i in chosen)]]
    return entries + mosaics(objects, scenes, recipe.mosaics, recipe.seed)


def _scenes(samples: Iterable[Sample]) -> list[Labelled]:
    """Return the pictures of scenes that surely show none of some objects.

    VHR-10 has no picture without objects; without such pictures a head finds airplanes
    in fields.
    """
    found = {
        sample.images[0].path: sample
        for sample in samples
        if sample.task == "classify" and sample.answers[0] in ABSENT
    }
    return [Labelled.of(found[name]) for name in sorted(found)]
