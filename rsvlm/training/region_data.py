"""What ``rsvlm train regions`` learns from: features of pictures, and their targets."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from rsvlm.labels import OBJECTS
from rsvlm.models.encoder import patch_size
from rsvlm.models.features import colours_of, feature_grid, normalised
from rsvlm.models.region_head import CENTRE_FACTOR, MASK_FACTOR
from rsvlm.training.features import FeatureCache
from rsvlm.training.mosaic import Entry, Shown
from rsvlm.training.run import Recipe
from rsvlm.training.targets import region_targets


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
    mosaics: int = Field(0, ge=0, description="views of four windows")
    start: str = Field("", description="checkpoint whose head training starts from")
    seed: int = 0


class RegionData:
    """Encoded variants of entries, with their targets.

    Features are kept on disk; targets cost little and are drawn for each batch.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        folder: Path,
        recipe: RegionRecipe,
        cache: FeatureCache,
        encoder: nn.Module,
        variants: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Encode what is not in the cache yet; variant 0 is the picture itself."""
        self.entries, self.recipe, self.cache = entries, recipe, cache
        self.variants, self.patch = variants, patch_size(encoder)
        self._folder = folder
        self._keys = [entry.key(folder) for entry in entries]
        # Without their pictures: those would fill the memory.
        self._shown: dict[tuple[int, int], Shown] = {}
        todo = [(i, v) for v in range(variants) for i in range(len(entries))]
        for done, (index, variant) in enumerate(todo):
            if self._key(index, variant) not in cache:
                kept = self._encode(self._show(index, variant), encoder)
                cache.put(self._key(index, variant), kept)
            shown = self._show(index, variant, blank=True)
            self._shown[index, variant] = replace(shown, picture=shown.picture[:0])
            progress(done + 1, len(todo))

    def _key(self, index: int, variant: int) -> str:
        return f"{self._keys[index]}/{variant}"

    def _show(self, index: int, variant: int, blank: bool = False) -> Shown:
        recipe = self.recipe
        return self.entries[index].shown(
            variant, recipe.long_side, recipe.seed, self._folder, blank
        )

    def _encode(self, shown: Shown, encoder: nn.Module) -> dict[str, Tensor]:
        family = str(encoder.config.model_type)  # type: ignore[union-attr]
        pixels = normalised(shown.picture, family, self.patch)
        features = feature_grid(encoder, pixels, self.recipe.layers)[0]  # (D, h, w)
        h, w = features.shape[1:]
        colours = colours_of(shown.picture, h, w, self.patch)
        return {"features": features, "colours": colours.mul(255).to(torch.uint8)}

    def entry(self, index: int, variant: int) -> dict[str, Tensor]:
        """Return features, colours and targets of an entry's variant.

        ``judged`` is 1 where objects of a label would be labelled, shape (K, 2h, 2w).
        """
        kept = self.cache.get(self._key(index, variant))
        h, w = kept["features"].shape[1:]
        shown = self._shown[index, variant]
        targets = region_targets(
            shown.items,
            list(OBJECTS),
            (CENTRE_FACTOR * h, CENTRE_FACTOR * w),
            self.patch / CENTRE_FACTOR,
            (MASK_FACTOR * h, MASK_FACTOR * w),
        )
        judged = torch.zeros(len(OBJECTS), CENTRE_FACTOR * h, CENTRE_FACTOR * w)
        for box, labels in shown.judged:
            x0, y0, x1, y1 = (round(v * CENTRE_FACTOR / self.patch) for v in box)
            known = torch.tensor([float(name in labels) for name in OBJECTS])
            judged[:, y0 : y1 + 1, x0 : x1 + 1] = known[:, None, None]
        return {
            "judged": judged,
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
