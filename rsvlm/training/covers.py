"""Dense heads of aligned encoders: which class covers the ground at each patch.

The last part of ``rsvlm train align``. The encoders are done by then, so that windows
are encoded once; a linear layer a sensor then learns to give each patch a vector near
the text of its class. Labels are masks of records of task ``segment``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.models.align_head import DenseHead
from rsvlm.models.aligned import COVER_SCALE, AlignedEncoder
from rsvlm.models.encoder import feature_width
from rsvlm.samples import ImageRef, Sample
from rsvlm.training.align_data import SENSORS, AlignRecipe, Shot

#: Patches a step, and steps.
BATCH, STEPS = 4096, 400
#: Index of a pixel whose class is not known.
UNKNOWN = -1


@dataclass(frozen=True)
class Covered:
    """A picture and the class of each of its pixels, index into the labels."""

    ref: ImageRef
    classes: NDArray[np.int8]  # (H, W)


def covered(samples: Iterable[Sample], labels: Sequence[str]) -> list[Covered]:
    """Return pictures with the masks of their classes put together.

    Args:
        samples: Records; those of task ``segment`` with a mask and a label count.
        labels: Classes, in the order of the indices.
    """
    from pycocotools import mask

    found: dict[str, Covered] = {}
    for sample in samples:
        label, rle = sample.meta.get("label"), sample.mask
        if sample.task != "segment" or rle is None or label not in labels:
            continue
        ref = sample.images[0]
        if ref.path not in found:
            empty = np.full(rle.size, UNKNOWN, np.int8)
            found[ref.path] = Covered(ref, empty)
        inside = mask.decode({"size": list(rle.size), "counts": rle.counts})
        found[ref.path].classes[inside.astype(bool)] = labels.index(label)
    return list(found.values())


def fit_covers(
    encoder: AlignedEncoder,
    train: Sequence[Covered],
    val: Sequence[Covered],
    recipe: AlignRecipe,
    folder: Path,
    progress: Callable[[str], None],
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Learn the dense head of every sensor.

    Args:
        encoder: Aligned encoders, frozen.
        train: Pictures with classes.
        val: Held-out ones.
        recipe: Settings; its ``covers`` are the classes.
        folder: Folder of the pictures.
        progress: Called with one line at a time.

    Returns:
        Weights by the names of ``align.safetensors``, and ``<sensor>_cover`` -> mean
        over the classes of the share of held-out patches that are right.
    """
    state: dict[str, Tensor] = {}
    found: dict[str, float] = {}
    texts = encoder.text.encode(recipe.covers)  # (K, D)
    for sensor in SENSORS:
        parts = {
            name: _patches(encoder, pictures, sensor, recipe, folder)
            for name, pictures in (("train", train), ("val", val))
        }
        features, classes = parts["train"]
        if sensor not in encoder.sensors or not len(features):
            continue
        width = feature_width(encoder.encoders[sensor], recipe.layers)
        torch.manual_seed(recipe.seed)
        head = DenseHead(width, encoder.width)
        _learn(head, features, classes, texts, recipe.seed)
        state |= {f"{sensor}_dense.{k}": v for k, v in head.state_dict().items()}
        features, classes = parts["val"]
        if len(features):
            with torch.no_grad():
                best = (head(features.float()) @ texts.T).argmax(-1)
            rights = [
                float((best[classes == k] == k).float().mean())
                for k in sorted(set(classes.tolist()))
            ]
            found[f"{sensor}_cover"] = round(float(np.mean(rights)), 4)
            progress(f"{sensor} cover: {_shares(best, classes, recipe.covers)}")
    return state, found


def _shares(best: Tensor, classes: Tensor, names: Sequence[str]) -> str:
    return ", ".join(
        f"{name} {float((best[classes == k] == k).float().mean()):.3f}"
        for k, name in enumerate(names)
        if bool((classes == k).any())
    )


def _patches(
    encoder: AlignedEncoder,
    pictures: Sequence[Covered],
    sensor: str,
    recipe: AlignRecipe,
    folder: Path,
) -> tuple[Tensor, Tensor]:
    """Return features (P, D_v) in bfloat16 and classes (P,) of all known patches."""
    features, classes = [torch.empty(0)], [torch.empty(0, dtype=torch.long)]
    for picture in pictures:
        if picture.ref.sensor != sensor:
            continue
        height, width = picture.classes.shape
        w, h = min(recipe.pair_window, width), min(recipe.pair_window, height)
        for y in range(0, height - h + 1, h):
            for x in range(0, width - w + 1, w):
                shot = Shot(picture.ref, (x, y, x + w, y + h))
                patches = encoder.patch_features(shot.pixels(folder), sensor)
                side = round(len(patches) ** 0.5)
                # The class at the centre of a patch stands for it.
                rows = y + ((np.arange(side) + 0.5) * h / side).astype(int)
                columns = x + ((np.arange(side) + 0.5) * w / side).astype(int)
                truth = picture.classes[np.ix_(rows, columns)].reshape(-1)
                known = torch.from_numpy(truth != UNKNOWN)
                features.append(patches.to(torch.bfloat16)[known])
                classes.append(torch.from_numpy(truth).long()[known])
    if len(features) == 1:
        return features[0], classes[0]
    return torch.cat(features[1:]), torch.cat(classes[1:])


def _learn(
    head: DenseHead, features: Tensor, classes: Tensor, texts: Tensor, seed: int
) -> None:
    counts = torch.bincount(classes, minlength=len(texts)).float()
    # The root keeps a rare class from being seen everywhere.
    weight = torch.where(counts > 0, (counts.sum() / counts.clamp(min=1)).sqrt(), 0.0)
    optimizer = torch.optim.AdamW(head.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        rows = torch.randint(len(features), (BATCH,), generator=generator)
        scores = COVER_SCALE * head(features[rows].float()) @ texts.T
        loss = nn.functional.cross_entropy(scores, classes[rows], weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
