"""Kept features of pictures, from which ``learn = "head"`` learns."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from rsvlm.models.encoder import patch_size
from rsvlm.models.features import colours_of, feature_grid, normalised
from rsvlm.models.region_head import CENTRE_FACTOR
from rsvlm.training.features import FeatureCache
from rsvlm.training.mosaic import Entry, Shown
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.region_steps import Draw, entry_targets


class RegionData:
    """Encoded variants of entries, with their targets.

    Features are kept on disk; targets cost little and are drawn for each batch.
    """

    workers = 0  # there is little to prepare

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
        return {
            "features": features.cpu(),
            "colours": colours.mul(255).to(torch.uint8),
        }

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def entry(self, index: int, variant: int) -> dict[str, Tensor]:
        """Return features, colours and targets of an entry's variant."""
        kept = self.cache.get(self._key(index, variant))
        rows, columns = kept["features"].shape[1:]
        shown = self._shown[index, variant]
        return kept | entry_targets(shown, self.patch, rows, columns)

    def batch(self, draw: Draw) -> dict[str, Tensor]:
        """Return a variant of each entry of a step, turned.

        Turning what was encoded is near enough to encoding it turned.
        """
        rng = draw.rng(self.recipe.seed, 1)
        entries = []
        for index in draw.indices:
            variant = int(rng.integers(self.variants))
            entry = self.entry(index, variant)
            entries.append(turn_entry(entry, *rng.integers(0, 2, 3)))
        return _filled(entries)

    def plain(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return entries as they are."""
        return _filled([self.entry(index, 0) for index in indices])


def _filled(entries: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack entries, filled up to the largest grid; ``inside`` marks the rest."""
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
