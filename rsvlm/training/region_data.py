"""What ``rsvlm train regions`` learns from: features of pictures, and their targets."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from rsvlm.labels import OBJECTS
from rsvlm.models.encoder import patch_size
from rsvlm.models.features import colours_of, feature_grid, normalised
from rsvlm.models.region_head import CENTRE_FACTOR, MASK_FACTOR
from rsvlm.samples import Sample
from rsvlm.training.augment import (
    Item,
    items_of,
    load_picture,
    move,
    recolour,
    resize,
)
from rsvlm.training.features import FeatureCache, picture_hash
from rsvlm.training.run import Recipe
from rsvlm.training.targets import region_targets

#: Scene classes whose pictures show none of the objects, and the objects that this is
#: not sure of: nobody labelled them there.
EMPTY_SCENES = ("forest", "grassland", "farmland")
UNSURE = ("vehicle", "bridge")


class RegionRecipe(Recipe):
    """Settings of ``rsvlm train regions``."""

    train: str = Field("train.jsonl", description="samples, in the data folder")
    val: str = Field("val.jsonl", description="samples that choose the epoch")
    encoder: str = Field("dinov2-s", description="asset of the frozen encoder")
    text_encoder: str = Field("all-minilm-l6-v2", description="asset")
    layers: tuple[int, ...] = (6, 9, 12)
    long_side: int = Field(672, description="px of a view's longer side")
    variants: int = Field(4, ge=1, description="random variants of each picture")
    epochs: int = Field(24, ge=1)
    batch: int = Field(8, ge=1)
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    width: int = 192
    embedding: int = 96
    strangers: int = Field(
        4, ge=0, le=27, description="unknown things asked for at a step"
    )
    empty: int = Field(0, ge=0, description="pictures of scenes without objects")
    seed: int = 0


class RegionData:
    """Encoded variants of pictures, with their targets.

    Features are kept on disk; targets cost little and are drawn for each batch.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        folder: Path,
        recipe: RegionRecipe,
        cache: FeatureCache,
        encoder: nn.Module,
        variants: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Encode what is not in the cache yet; variant 0 is the picture itself."""
        self.samples, self.recipe, self.cache = samples, recipe, cache
        self.variants, self.patch = variants, patch_size(encoder)
        self._hashes = [picture_hash(s.images[0], folder) for s in samples]
        self._items: dict[tuple[int, int], list[Item]] = {}
        todo = [(i, v) for v in range(variants) for i in range(len(samples))]
        for done, (index, variant) in enumerate(todo):
            key = self._key(index, variant)
            if key not in cache:
                cache.put(key, self._encode(index, variant, folder, encoder))
            ref = samples[index].images[0]
            blank = np.zeros((ref.height, ref.width, 3), np.uint8)
            _, self._items[index, variant] = self._shown(index, variant, blank)
            progress(done + 1, len(todo))

    def _key(self, index: int, variant: int) -> str:
        return f"{self._hashes[index]}/{variant}"

    def _shown(
        self, index: int, variant: int, picture: NDArray[np.uint8], colour: bool = False
    ) -> tuple[NDArray[np.uint8], list[Item]]:
        """Return a variant of a picture and its objects, in view px."""
        items = items_of(self.samples[index].targets)
        if variant:
            name = int(self._hashes[index][:8], 16)
            rng = np.random.default_rng([self.recipe.seed, variant, name])
            picture, items = move(picture, items, rng)
            picture = recolour(picture, rng) if colour else picture
        return resize(picture, items, self.recipe.long_side)

    def _encode(
        self, index: int, variant: int, folder: Path, encoder: nn.Module
    ) -> dict[str, Tensor]:
        picture = load_picture(folder / self.samples[index].images[0].path)
        picture, _ = self._shown(index, variant, picture, colour=True)
        family = str(encoder.config.model_type)  # type: ignore[union-attr]
        pixels = normalised(picture, family, self.patch)
        features = feature_grid(encoder, pixels, self.recipe.layers)[0]  # (D, h, w)
        h, w = features.shape[1:]
        colours = colours_of(picture, h, w, self.patch)
        return {"features": features, "colours": colours.mul(255).to(torch.uint8)}

    def entry(self, index: int, variant: int) -> dict[str, Tensor]:
        """Return features, colours and targets of a picture's variant."""
        kept = self.cache.get(self._key(index, variant))
        h, w = kept["features"].shape[1:]
        targets = region_targets(
            self._items[index, variant],
            list(OBJECTS),
            (CENTRE_FACTOR * h, CENTRE_FACTOR * w),
            self.patch / CENTRE_FACTOR,
            (MASK_FACTOR * h, MASK_FACTOR * w),
        )
        empty = self.samples[index].task != "detect"
        judged = [float(not (empty and name in UNSURE)) for name in OBJECTS]
        return {
            "judged": torch.tensor(judged),
            "features": kept["features"],
            "colours": kept["colours"],
            "heat": targets.heat,
            "size": targets.size,
            "offset": targets.offset,
            "weight": targets.weight,
            "mask": targets.mask,
        }

    def batch(
        self,
        indices: Sequence[int],
        variant: Sequence[int],
        rng: np.random.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Return a batch, filled up to its largest grid; ``inside`` marks the rest.

        With ``rng`` every entry is turned: near enough to encoding it turned.
        """
        entries = [self.entry(i, v) for i, v in zip(indices, variant, strict=True)]
        judged = torch.stack([entry.pop("judged") for entry in entries])  # (B, K)
        if rng is not None:
            entries = [turn_entry(entry, *rng.integers(0, 2, 3)) for entry in entries]
        rows = max(e["features"].shape[1] for e in entries)
        columns = max(e["features"].shape[2] for e in entries)
        out: dict[str, Tensor] = {}
        for name in entries[0]:
            parts = []
            for entry in entries:
                value = entry[name]
                factor = value.shape[-1] // entry["features"].shape[-1]
                right = columns * factor - value.shape[-1]
                bottom = rows * factor - value.shape[-2]
                parts.append(nn.functional.pad(value, (0, right, 0, bottom)))
            out[name] = torch.stack(parts)
        out["judged"] = judged
        f = CENTRE_FACTOR
        out["inside"] = torch.zeros(len(entries), f * rows, f * columns)
        for row, entry in enumerate(entries):
            h, w = entry["features"].shape[1:]
            out["inside"][row, : f * h, : f * w] = 1
        return out


def turn_entry(
    entry: dict[str, Tensor], mirror: int, flip: int, swap: int
) -> dict[str, Tensor]:
    """Mirror left-right, flip top-bottom and swap the axes of an encoded picture.

    Offsets are measured from a cell's corner, so a mirrored one is 1 minus itself.
    """
    out = dict(entry)
    for axis, wanted in ((-1, mirror), (-2, flip)):
        if wanted:
            out = {name: value.flip(axis) for name, value in out.items()}
            offset = out["offset"].clone()
            channel = 0 if axis == -1 else 1
            offset[channel] = 1 - offset[channel]
            out["offset"] = offset
    if swap:
        out = {name: value.transpose(-1, -2) for name, value in out.items()}
        for name in ("size", "offset"):
            out[name] = out[name].flip(0)
    return out
