"""Batches ahead of the step that needs them: windows, buckets, background work.

A run goes through the positions of an endless order of samples, see
:class:`rsvlm.training.mix.Order`, in windows of some steps. Within a window, samples of
about the same number of tokens come together, so that little of a batch is padding. What
a step holds follows from the seed and its number alone: a run that was stopped goes on
as if it had not been, and several processes share a window without talking.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from torch.utils.data import DataLoader, Dataset

from rsvlm.errors import SettingsError
from rsvlm.training.run import loader_workers

#: Steps of a window: enough that each finds samples of its own length.
WINDOW = 32
#: Results that wait for the step that needs them, beside those in work.
AHEAD = 3

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Windows:
    """The windows of a run, and what one of several processes takes of each."""

    def __init__(
        self, samples: int, steps: int, process: tuple[int, int] = (0, 1)
    ) -> None:
        """Divide samples into steps, and steps into windows.

        Args:
            samples: Samples of the whole run, of all processes.
            steps: Steps of the run.
            process: Rank of this process, and how many there are.

        Raises:
            SettingsError: If a step has no sample for some process.
        """
        self.samples, self.steps, self.process = samples, steps, process
        if samples < steps * process[1]:
            raise SettingsError(
                f"{samples} samples in {steps} steps leave some of {process[1]} "
                "processes without any. Raise 'batch', or start fewer processes."
            )

    def steps_of(self, window: int) -> range:
        """Return the steps of a window, which count from 1."""
        first = window * WINDOW
        return range(first + 1, min(first + WINDOW, self.steps) + 1)

    def positions(self, window: int) -> range:
        """Return the positions that this process takes: every n-th of the window."""
        steps = self.steps_of(window)
        first, last = (
            step * self.samples // self.steps for step in (steps[0] - 1, steps[-1])
        )
        rank, ranks = self.process
        return range(first + rank, last, ranks)

    def from_step(self, step: int) -> range:
        """Return the windows that hold a step and those after it."""
        return range((step - 1) // WINDOW, -(-self.steps // WINDOW))

    def batches(self, window: int, tokens: Sequence[int], seed: int) -> list[list[int]]:
        """Return the batches of a window: rows of alike length, in random order.

        All processes meet long batches in the same step.

        Args:
            window: Which window.
            tokens: Tokens of each sample that this process takes.
            seed: Seed of the run.
        """
        count = len(self.steps_of(window))
        rows = np.argsort(tokens, kind="stable")
        parts = np.array_split(rows, count)
        order = np.random.default_rng([seed, 11, window]).permutation(count)
        return [parts[i].tolist() for i in order]


def loaded(
    items: "Dataset[T_co]", indices: Sequence[int], workers: int | None = None
) -> "Iterable[T_co]":
    """Return items in order, made ahead: by processes where a GPU trains, else a thread.

    Items should be arrays: tensors of many processes would fill the shared memory of a
    container.

    Args:
        items: What can be loaded.
        indices: Which items.
        workers: Number of processes; as many as suit the machine by default.
    """
    workers = loader_workers() if workers is None else workers
    if not workers:
        return ahead(indices, items.__getitem__, threads=1)
    return DataLoader(
        items, sampler=indices, batch_size=None, num_workers=workers,
        prefetch_factor=AHEAD, collate_fn=_same,
    )  # fmt: skip


def _same(item: Any) -> Any:
    return item


def ahead(items: Iterable[T], work: Callable[[T], R], threads: int = 2) -> Iterator[R]:
    """Yield what work makes of items, in their order, done by threads ahead of it."""
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > AHEAD + threads - 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class Waited(Iterator[T]):
    """Passes items on, and measures how long their taker waits for them."""

    def __init__(self, items: Iterable[T]) -> None:
        """Take items from an iterable."""
        self._items = iter(items)
        self._started = time.perf_counter()
        self._seconds = 0.0

    def __next__(self) -> T:
        """Return the next item."""
        asked = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self._seconds += time.perf_counter() - asked

    @property
    def share(self) -> float:
        """Time waited for data, as a share of all time since the start."""
        spent = time.perf_counter() - self._started
        return round(self._seconds / max(spent, 1e-9), 4)
