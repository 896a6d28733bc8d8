"""``rsvlm train regions``: the region head on features of the frozen encoder.

Each picture is encoded in several random variants, once; the head then learns from
one of them at a time. A description is one of many wordings of a label, and each step
also asks for things that no label names, which must not be found.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsvlm.errors import SettingsError
from rsvlm.labels import FORMS, OBJECTS
from rsvlm.models.checkpoint import find_checkpoint, save_tensors
from rsvlm.models.encoder import check_layers, feature_width, frozen_encoder
from rsvlm.models.finder import (
    HEAD_FILE,
    FinderSettings,
    RegionFinder,
    load_weights,
    save_settings,
)
from rsvlm.models.precision import mixed_precision
from rsvlm.models.region_head import RegionHead, RegionMaps
from rsvlm.models.text_encoder import TextEncoder
from rsvlm.samples import Sample, read_samples
from rsvlm.training.calibrate import fit, judge
from rsvlm.training.features import FeatureCache
from rsvlm.training.images import write_train_images
from rsvlm.training.mosaic import ABSENT, Entry, Labelled, mosaics
from rsvlm.training.region_data import RegionData, RegionRecipe
from rsvlm.training.run import RunLog, input_files
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


def region_loss(
    maps: RegionMaps, batch: dict[str, Tensor], asked: int
) -> dict[str, Tensor]:
    """Return the terms of the loss.

    Args:
        maps: Output for ``asked`` labels followed by strangers.
        batch: Targets from :meth:`RegionData.batch`.
        asked: Number of labels K; the remaining queries have no objects.

    Returns:
        ``heat`` (penalty-reduced focal loss), ``size`` and ``offset`` (smooth L1),
        ``mask`` (cross-entropy and Dice on labels that occur).

    Source:
        Focal loss of centres: CenterNet, https://arxiv.org/abs/1904.07850.
    """
    heat = batch["heat"].float()
    missing = maps.heat.shape[1] - asked
    heat = nn.functional.pad(heat, (0, 0, 0, 0, 0, missing))
    logits = maps.heat.float()
    inside = batch["inside"][:, None]
    probability = logits.sigmoid()
    positive = (heat >= 0.999).float()
    loss = -(
        positive * (1 - probability) ** 2 * nn.functional.logsigmoid(logits)
        + (1 - positive)
        * (1 - heat) ** 4
        * probability**2
        * nn.functional.logsigmoid(-logits)
    )
    objects = positive.sum().clamp(min=1)
    weight = batch["weight"].float()[:, None]
    total = weight.sum().clamp(min=1)
    # Strangers are judged everywhere: what no label names must not be found.
    judged = nn.functional.pad(batch["judged"], (0, 0, 0, 0, 0, missing), value=1.0)
    loss = loss * judged
    terms = {"heat": (loss * inside).sum() / objects}
    for name, value in (("size", maps.size), ("offset", maps.offset)):
        error = nn.functional.smooth_l1_loss(
            value.float(), batch[name].float(), reduction="none", beta=0.1
        )
        terms[name] = (error * weight).sum() / total
    truth = batch["mask"].float()
    mask = maps.mask[:, :asked].float()
    present = truth.flatten(2).any(-1)  # (B, K)
    cover = nn.functional.interpolate(inside * batch["judged"], size=mask.shape[-2:])
    cross = nn.functional.binary_cross_entropy_with_logits(
        mask, truth, reduction="none"
    )
    cross = (cross * cover).mean((2, 3))
    soft = mask.sigmoid() * cover
    dice = 1 - (2 * (soft * truth).sum((2, 3)) + 1) / (
        soft.sum((2, 3)) + truth.sum((2, 3)) + 1
    )
    # A batch may show no labelled object at all.
    shown = ((cross + dice) * present).sum() / present.sum().clamp(min=1)
    terms["mask"] = shown + 0.3 * cross.mean()
    return terms


#: Weight of each term of the loss.
WEIGHTS = {"heat": 1.0, "size": 2.0, "offset": 0.5, "mask": 1.0}


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

    files = input_files(data, {"train": recipe.train, "val": recipe.val})
    begin = find_checkpoint(recipe.start) / HEAD_FILE if recipe.start else None
    sets = {name: list(_detect_samples(path)) for name, path in files.items()}
    if not sets["train"]:
        raise SettingsError(
            f"{files['train']} holds no sample of task 'detect'. "
            "Build the data with rsvlm data build."
        )
    full = [Labelled.of(sample) for sample in sets["train"]]
    scenes = _scenes(files["train"])
    rng = np.random.default_rng([recipe.seed, 17])
    chosen = rng.permutation(len(scenes))[: recipe.empty]
    entries = [Entry((cell,)) for cell in [*full, *(scenes[i] for i in chosen)]]
    entries += mosaics(full, scenes, recipe.mosaics, recipe.seed)
    encoder = frozen_encoder(recipe.encoder)
    check_layers(encoder.config, recipe.layers)
    log = RunLog(out, recipe, files | ({"start": begin} if begin else {}))
    for path in (files["train"], files["val"]):
        write_train_images(out, read_samples(path), data)
    torch.manual_seed(recipe.seed)
    store = FeatureCache(
        cache,
        f"regions 2 {recipe.encoder} {recipe.layers} {recipe.long_side} {recipe.seed}",
    )

    def tell(stage: str) -> Callable[[int, int], None]:
        def line(done: int, total: int) -> None:
            if done % 50 == 0 or done == total:
                progress(f"encoding {stage}: {done}/{total}")

        return line

    train = RegionData(
        entries, data, recipe, store, encoder, recipe.variants, tell("train")
    )
    held_out = [Entry((Labelled.of(sample),)) for sample in sets["val"]]
    val = RegionData(held_out, data, recipe, store, encoder, 1, tell("val"))
    text = TextEncoder.of(recipe.text_encoder)
    accelerator = Accelerator(
        mixed_precision=mixed_precision(), cpu=not torch.cuda.is_available()
    )
    width = feature_width(encoder, recipe.layers)
    head = RegionHead(width, text.width, recipe.width, recipe.embedding)
    if begin:
        load_weights(head, begin)
    optimizer = torch.optim.AdamW(
        head.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    per_epoch = -(-len(train.entries) // recipe.batch)
    steps = per_epoch * recipe.epochs
    head, optimizer = accelerator.prepare(head, optimizer)
    plain = accelerator.unwrap_model(head)
    named = dict(plain.named_parameters())
    done = load_state(out, named, optimizer)
    first, best = done.get("epoch", 0), done.get("best", float("inf"))
    log.rewind("epoch", first)
    phrases = wordings()
    labels = list(OBJECTS)
    # All at once: a vector depends in its last digit on the texts beside it, and a run
    # that is continued would meet them in other company.
    text.encode([*(w for words in phrases.values() for w in words), *STRANGERS])
    for epoch in range(first, recipe.epochs):
        rng = np.random.default_rng([recipe.seed, epoch])
        head.train()
        sums: dict[str, float] = {}
        for number, indices in enumerate(
            _batches(len(train.entries), recipe.batch, rng)
        ):
            step = epoch * per_epoch + number + 1
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(
                    step, steps, recipe.learning_rate, steps // 10 + 1
                )
            variants = rng.integers(0, recipe.variants, len(indices))
            batch = train.batch(indices, variants.tolist(), rng)
            asked = [str(rng.choice(phrases[label])) for label in labels]
            asked += [str(w) for w in rng.choice(STRANGERS, recipe.strangers, False)]
            terms = _forward(head, accelerator, batch, text.encode(asked), len(labels))
            loss = sum(WEIGHTS[name] * term for name, term in terms.items())
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.detach()) / per_epoch
        head.eval()
        held = 0.0
        with torch.no_grad():
            for index in range(len(val.entries)):
                batch = val.batch([index], [0])
                terms = _forward(
                    head, accelerator, batch, text.encode(labels), len(labels)
                )
                held += sum(WEIGHTS[n] * float(t) for n, t in terms.items()) / len(
                    val.entries
                )
        log.add(
            epoch=epoch + 1,
            val_loss=round(held, 4),
            **{n: round(v, 4) for n, v in sums.items()},
        )
        progress(
            f"epoch {epoch + 1}/{recipe.epochs}: "
            + " ".join(f"{n} {v:.3f}" for n, v in sums.items())
            + f", held out {held:.3f}"
        )
        if held < best or not val.entries:
            best = held
            save_tensors(
                {k: v.to(torch.bfloat16) for k, v in plain.state_dict().items()},
                out / HEAD_FILE,
            )
        save_state(out, named, optimizer, {"epoch": epoch + 1, "best": best})
    settings = FinderSettings(
        encoder=recipe.encoder,
        text_encoder=recipe.text_encoder,
        layers=recipe.layers,
        long_side=recipe.long_side,
        width=recipe.width,
        embedding=recipe.embedding,
        labels=tuple(labels),
    )
    save_settings(settings, out)
    if sets["val"]:
        finder = RegionFinder.load(out, encoder)
        judged = judge(finder, sets["val"], data, progress)
        settings = fit(settings, judged)
        save_settings(settings, out)
        log.add(calibration=settings.model_dump(mode="json"))
    log.close()
    return out / HEAD_FILE


def _forward(
    head: nn.Module,
    accelerator: Any,
    batch: dict[str, Tensor],
    queries: Tensor,
    asked: int,
) -> dict[str, Tensor]:
    device = accelerator.device
    batch = {name: value.to(device) for name, value in batch.items()}
    count = len(batch["features"])
    with accelerator.autocast():
        maps = head(
            batch["features"].float(),
            batch["colours"].float() / 255,
            queries.to(device)[None].expand(count, -1, -1),
        )
    return region_loss(maps, batch, asked)


def _detect_samples(path: Path) -> Iterator[Sample]:
    yield from (s for s in read_samples(path) if s.task == "detect")


def _scenes(path: Path) -> list[Labelled]:
    """Return the pictures of scenes that surely show none of some objects.

    VHR-10 has no picture without objects; without such pictures a head finds airplanes
    in fields.
    """
    found = {
        sample.images[0].path: sample
        for sample in read_samples(path)
        if sample.task == "classify" and sample.answers[0] in ABSENT
    }
    return [Labelled.of(found[name]) for name in sorted(found)]


def _batches(count: int, size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    order = rng.permutation(count).tolist()
    for start in range(0, count, size):
        yield order[start : start + size]
