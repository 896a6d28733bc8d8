"""The steps of ``rsvlm train regions``: which entries, how varied, and their targets.

A step follows from the seed and its number alone, so that worker processes may prepare
the steps to come, and a run that is continued ends like any other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rsvlm.labels import OBJECTS
from rsvlm.models.region_head import CENTRE_FACTOR, MASK_FACTOR
from rsvlm.training.loader import loaded
from rsvlm.training.mix import Order
from rsvlm.training.mosaic import Shown
from rsvlm.training.targets import region_targets

#: What a step learns from, by name: arrays from workers, else tensors.
Batch = dict[str, Any]


@dataclass(frozen=True)
class Draw:
    """What one step learns from: which entries, and the numbers that vary them."""

    epoch: int
    number: int
    indices: tuple[int, ...]

    def rng(self, seed: int, use: int) -> np.random.Generator:
        """Return random numbers of this step; ``use`` tells streams of them apart."""
        return np.random.default_rng([seed, self.epoch, self.number, use])


class RegionSource(Protocol):
    """What a run learns from."""

    #: Processes that prepare steps ahead; 0: a thread.
    workers: int

    def __len__(self) -> int: ...

    def batch(self, draw: Draw) -> Batch:
        """Return varied entries."""

    def plain(self, indices: Sequence[int]) -> Batch:
        """Return entries as they are."""


class Steps(Dataset[Any]):
    """The steps of a run by their place in a list of draws."""

    def __init__(self, source: RegionSource, draws: Sequence[Draw]) -> None:
        """Prepare to load the batches of draws."""
        self.source, self.draws = source, draws

    def __getitem__(self, index: int) -> Batch:
        """Load a batch."""
        return self.source.batch(self.draws[index])

    def ahead(self) -> Iterable[Batch]:
        """Return the batches in order."""
        return loaded(self, range(len(self.draws)), self.source.workers)


def draws(order: Order, size: int, epochs: range) -> list[Draw]:
    """Return the steps of some epochs of an order in batches of ``size``."""
    found = []
    for epoch in epochs:
        entries = order.epoch(epoch).tolist()
        starts = range(0, len(entries), size)
        parts = [tuple(entries[start : start + size]) for start in starts]
        found += [Draw(epoch, number, part) for number, part in enumerate(parts)]
    return found


def entry_targets(
    shown: Shown, patch: int, rows: int, columns: int
) -> dict[str, Tensor]:
    """Return the targets of a view of ``rows`` x ``columns`` patches.

    ``judged`` is 1 where objects of a label would be labelled, shape (K, 2h, 2w).
    """
    h, w = CENTRE_FACTOR * rows, CENTRE_FACTOR * columns
    targets = region_targets(
        shown.items,
        list(OBJECTS),
        (h, w),
        patch / CENTRE_FACTOR,
        (MASK_FACTOR * rows, MASK_FACTOR * columns),
    )
    judged = torch.zeros(len(OBJECTS), h, w)
    for box, labels in shown.judged:
        x0, y0, x1, y1 = (round(v * CENTRE_FACTOR / patch) for v in box)
        known = torch.tensor([float(name in labels) for name in OBJECTS])
        judged[:, y0 : y1 + 1, x0 : x1 + 1] = known[:, None, None]
    return {"judged": judged, **vars(targets)}
