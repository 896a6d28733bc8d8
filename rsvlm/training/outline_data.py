"""Boxes of objects with the outlines in them: what ``rsvlm train outlines`` learns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from rsvlm.geometry import HBB
from rsvlm.models.outline_head import MARGIN, SIDE, frame_of
from rsvlm.models.outlines import cells_in
from rsvlm.training.augment import Item, on_ground
from rsvlm.training.mosaic import Entry, Shown
from rsvlm.training.outline_recipe import OutlineRecipe
from rsvlm.training.region_steps import Draw
from rsvlm.training.run import loader_workers
from rsvlm.training.targets import outline_of

Arrays = dict[str, NDArray[Any]]

#: How far the edges of a drawn box lie from those of the object, relative to its size
#: (standard deviation): about as far as those that a region head finds.
SLACK = 0.08
#: Share of objects of which a coarse mask is known before.
COARSE = 0.4


class OutlineViews:
    """Square views of pictures, with some of the objects in each."""

    def __init__(
        self, entries: Sequence[Entry], folder: Path, recipe: OutlineRecipe,
        long_side: int, patch: int,
    ) -> None:  # fmt: skip
        """Prepare to show entries.

        Args:
            entries: What is shown.
            folder: Folder of the pictures.
            recipe: Settings.
            long_side: Longer side of a whole picture, px.
            patch: Side of a patch, px.
        """
        self.entries, self.recipe, self.patch = entries, recipe, patch
        self.long_side, self.workers = long_side, loader_workers()
        self._folder = folder

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def batch(self, draw: Draw) -> Arrays:
        """Return the entries of a step, varied by the number of its epoch."""
        recipe, rng = self.recipe, draw.rng(self.recipe.seed, 1)
        side = recipe.view or self.long_side
        shown = [
            self.entries[index].anew(
                draw.epoch, side, self.long_side, recipe.seed, self._folder
            )
            for index in draw.indices
        ]
        return self._views(shown, side, rng, recipe.objects)

    def plain(self, indices: Sequence[int]) -> Arrays:
        """Return all objects of entries as they are, in their own boxes."""
        shown = [
            self.entries[index].shown(0, self.long_side, self.recipe.seed, self._folder)
            for index in indices
        ]
        return self._views(shown, self.long_side, None, None)

    def _views(
        self, shown: Sequence[Shown], side: int, rng: np.random.Generator | None,
        most: int | None,
    ) -> Arrays:  # fmt: skip
        side = -(-side // self.patch) * self.patch
        pictures, frames, rows, prompts, truths = [], [], [], [], []
        for row, view in enumerate(shown):
            pictures.append(on_ground(view.picture, side, (0, 0)))
            items = [item for item in view.items if item.outlined and item.whole]
            if rng is not None:
                items = [items[i] for i in rng.permutation(len(items))[:most]]
            for item in items:
                frame, truth = framed(item, rng)
                frames.append([frame.x0, frame.y0, frame.x1, frame.y1])
                rows.append(row)
                prompts.append(prompt_of(truth, rng))
                truths.append(truth)
        cells = (-1, SIDE, SIDE)
        return {
            "picture": np.stack(pictures),
            "frames": np.array(frames, np.float32).reshape(-1, 4),
            "rows": np.array(rows, np.int64),
            "prompts": np.array(prompts, np.float16).reshape(cells),
            "truth": np.array(truths, bool).reshape(cells),
        }


def framed(
    item: Item, rng: np.random.Generator | None = None
) -> tuple[HBB, NDArray[np.bool_]]:
    """Return the frame around an object's box, and which of its cells are the object's.

    Args:
        item: The object, in px of a view.
        rng: Draws a box that is as inexact as a found one; without it, the own box.
    """
    x0, y0, x1, y1 = item.hbb
    if rng is not None:
        width, height = x1 - x0, y1 - y0
        slack = np.clip(rng.normal(0, SLACK, 4), -MARGIN, MARGIN)
        x0, y0, x1, y1 = (
            float(edge)
            for edge in (x0, y0, x1, y1) + slack * (width, height, width, height)
        )
    frame = frame_of(HBB(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    return frame, cells_in(outline_of(item), frame)


def prompt_of(
    truth: NDArray[np.bool_], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    """Return what is known of an object before: mostly nothing, or a coarse mask.

    Args:
        truth: Cells of the object, shape (SIDE, SIDE).
        rng: Draws how coarse; without it nothing is known.

    Returns:
        1 inside, -1 outside, 0 unknown.
    """
    nothing = np.zeros(truth.shape, np.float32)
    if rng is None or rng.random() >= COARSE:
        return nothing
    # Too large, too small or shifted, and without detail.
    blur = ImageFilter.GaussianBlur(float(rng.uniform(1, 6)))
    soft = np.asarray(Image.fromarray(truth.astype(np.uint8) * 255).filter(blur)) / 255
    moved = np.roll(soft, rng.integers(-4, 5, 2), (0, 1))
    return np.where(moved > rng.uniform(0.25, 0.75), 1, -1).astype(np.float32)
