"""The steps of ``rsvlm train align``, drawn and loaded ahead of the network.

Reading, turning and varying pictures costs a CPU more than a GPU needs to learn from
them, so that worker processes do it for the steps to come. A step follows from the
seed and its number alone: the workers change nothing about a run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rsvlm.models.aligned import encoded_side, squares
from rsvlm.training.align_data import AlignRecipe, Sets, Shot, Stream, draw_step
from rsvlm.training.loader import loaded


@dataclass(frozen=True)
class Squares:
    """Pictures at the sides at which they are encoded.

    Attributes:
        groups: Rows of the pictures of one side, and RGB of shape (b, S, S, 3).
    """

    groups: tuple[tuple[list[int], NDArray[np.uint8]], ...]


@dataclass(frozen=True)
class Step:
    """What one process learns from in one step.

    Attributes:
        streams: Its share of the inputs.
        keys: Numbers that tell which inputs of the whole batch mean the same.
        shown: Inputs of all processes.
        pictures: Stream -> its pictures, a part a micro-batch; streams of frozen
            encoders whose features are kept have none.
    """

    streams: dict[str, Stream]
    keys: dict[str, Tensor]
    shown: int
    pictures: dict[str, list[Squares]] = field(default_factory=dict)


class Steps(Dataset[Step]):
    """The steps of a run by their number, from 1."""

    def __init__(
        self,
        recipe: AlignRecipe,
        train: Sets,
        folder: Path,
        patches: Mapping[str, int],
        process: tuple[int, int] = (0, 1),
    ) -> None:
        """Prepare to draw steps.

        Args:
            recipe: Settings.
            train: What there is to learn from.
            folder: Folder of the pictures.
            patches: Sensor -> side of a patch, px; of those whose pixels are needed.
            process: Rank of this process, and how many there are.
        """
        self.recipe, self.train, self.folder = recipe, train, folder
        self.patches, self.process = dict(patches), process

    def __getitem__(self, index: int) -> Step:
        """Draw and load a step."""
        whole, keys = draw_step(self.recipe, self.train, index)
        shown = sum(len(stream) for stream in whole.values())
        own = {name: stream.part(*self.process) for name, stream in whole.items()}
        pictures = {
            name: [
                load_squares(part, self.folder, self._size(index, patch), patch)
                for part in micro_batches(stream.items, self.recipe.micro_batch)
            ]
            for name, stream in own.items()
            if (patch := self.patches.get(stream.kind))
        }
        return Step(own, keys, shown, pictures)

    def _size(self, index: int, patch: int) -> int:
        """Return the largest side of the pictures of a step, px."""
        recipe = self.recipe
        sizes = range(recipe.size, (recipe.smallest or recipe.size) - 1, -patch)
        rng = np.random.default_rng([recipe.seed, 19, index])
        return sizes[int(rng.integers(len(sizes)))]

    def ahead(self, first: int, last: int) -> Iterable[Step]:
        """Return the steps from ``first`` to ``last`` in order."""
        return loaded(self, range(first, last + 1))


def micro_batches(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Return items in parts of a size; 0 keeps them together."""
    size = size or len(items) or 1
    return [items[start : start + size] for start in range(0, len(items), size)]


def load_squares(shots: Sequence[Shot], folder: Path, size: int, patch: int) -> Squares:
    """Return pictures as they are shown, resized and grouped by side.

    Args:
        shots: What to show.
        folder: Folder of the pictures.
        size: Largest side, px.
        patch: Side of a patch, px.
    """
    pictures = [shot.pixels(folder) for shot in shots]
    sides = [encoded_side(p.shape[1], p.shape[0], size, patch) for p in pictures]
    groups = []
    for side in sorted(set(sides)):
        rows = [i for i, other in enumerate(sides) if other == side]
        groups.append((rows, squares([pictures[i] for i in rows], side)))
    return Squares(tuple(groups))
