"""Pictures shown anew at every step, from which ``learn = "lora"`` learns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.models.region_head import CENTRE_FACTOR
from rsvlm.training.augment import on_ground
from rsvlm.training.mosaic import Entry, Shown
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.region_steps import Draw, entry_targets
from rsvlm.training.run import loader_workers

Arrays = dict[str, NDArray[Any]]


class RegionViews:
    """Square views of entries, with their targets."""

    def __init__(
        self, entries: Sequence[Entry], folder: Path, recipe: RegionRecipe, patch: int
    ) -> None:
        """Prepare to show entries.

        Args:
            entries: What is shown.
            folder: Folder of the pictures.
            recipe: Settings.
            patch: Side of a patch, px.
        """
        self.entries, self.recipe, self.patch = entries, recipe, patch
        self.workers = loader_workers()
        self._folder = folder

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def batch(self, draw: Draw) -> Arrays:
        """Return the entries of a step, varied by the number of its epoch."""
        recipe = self.recipe
        side = recipe.view or recipe.long_side
        cells = self._cells(side)
        views = []
        for index in draw.indices:
            shown = self.entries[index].anew(
                draw.epoch, side, recipe.long_side, recipe.seed, self._folder
            )
            views.append(self._view(shown, cells))
        return {name: np.stack([view[name] for view in views]) for name in views[0]}

    def plain(self, indices: Sequence[int]) -> Arrays:
        """Return entries as they are."""
        recipe = self.recipe
        views = []
        for index in indices:
            shown = self.entries[index].shown(
                0, recipe.long_side, recipe.seed, self._folder
            )
            views.append(self._view(shown, self._cells(recipe.long_side)))
        return {name: np.stack([view[name] for view in views]) for name in views[0]}

    def _cells(self, side: int) -> int:
        """Return the patches that cover a side in px."""
        return -(-side // self.patch)

    def _view(self, shown: Shown, cells: int) -> Arrays:
        """Return pixels and targets of a view, in small types: they go through a pipe."""
        side, (height, width) = cells * self.patch, shown.picture.shape[:2]
        targets = entry_targets(shown, self.patch, cells, cells)
        exact = ("heat", "size", "offset", "weight")
        view: Arrays = {
            name: value.numpy().astype(np.float16 if name in exact else bool)
            for name, value in targets.items()
        }
        f = CENTRE_FACTOR
        rows, columns = (f * -(-extent // self.patch) for extent in (height, width))
        inside = np.zeros((f * cells, f * cells), bool)
        inside[:rows, :columns] = True
        return view | {
            "picture": on_ground(shown.picture, side, (0, 0)),
            "inside": inside,
        }
