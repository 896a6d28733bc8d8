"""The batches of ``rsvlm train tune``, made ahead of the step that needs them.

Where a GPU trains, worker processes draw and pack the questions, and threads read the
features. What a step shows follows from the seed and its number alone, so that a run
that was stopped goes on as if it had not been.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rsvlm.training.run import loader_workers
from rsvlm.training.tune_data import (
    Look,
    TuneData,
    choose_pictures,
    draw_batch,
)

#: Steps whose features are read ahead.
AHEAD = 3

T = TypeVar("T")
R = TypeVar("R")


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        inputs: Packed questions, see :func:`~rsvlm.training.tune_data.draw_batch`,
            and ``images`` and ``answers``: where in the B * T tokens image tokens go,
            and which are predicted.
        features: Patch features of all tiles, shape (tiles, N, D).
        pictures: Number of pictures B.
    """

    inputs: dict[str, Tensor]
    features: Tensor
    pictures: int

    def to(self, device: torch.device) -> "Batch":
        """Return the same on a device; the sensors stay, as they only sort tiles."""
        moved = {
            name: value if name == "sensor_ids" else value.to(device, non_blocking=True)
            for name, value in self.inputs.items()
        }
        features = self.features.to(device, non_blocking=True)
        return Batch(moved, features, self.pictures)


class Drawer(Dataset[tuple[dict[str, NDArray[Any]], list[Look]]]):
    """The questions of every step, from 1, without the features.

    They come as arrays, through a pipe: tensors of many workers would fill the shared
    memory of a container.
    """

    def __init__(self, data: TuneData, tokenizer: Any) -> None:
        """Draw from encoded pictures."""
        self._data, self._tokenizer = data, tokenizer

    def __getitem__(self, step: int) -> tuple[dict[str, NDArray[Any]], list[Look]]:
        recipe = self._data.recipe
        rng = np.random.default_rng([recipe.seed, 7, step])
        chosen = choose_pictures(self._data, step)
        batch, looks = drawn(self._data, chosen, self._tokenizer, recipe.questions, rng)
        return {name: value.numpy() for name, value in batch.items()}, looks


def drawn(
    data: TuneData,
    chosen: Sequence[int],
    tokenizer: Any,
    questions: dict[str, int],
    rng: np.random.Generator,
    train: bool = True,
) -> tuple[dict[str, Tensor], list[Look]]:
    """Return what :func:`draw_batch` does, with the places of images and answers."""
    batch, looks = draw_batch(data, chosen, tokenizer, questions, rng, train)
    return located(batch, tokenizer.convert_tokens_to_ids("<image>")), looks


def located(batch: dict[str, Tensor], image: int) -> dict[str, Tensor]:
    """Add the places of images and answers in the B * T tokens.

    They are found on the CPU: finding them on a GPU would make the CPU wait for it.
    """
    images = (batch["input_ids"] == image).flatten().nonzero().flatten()
    answers = (batch["weight"] > 0).flatten().nonzero().flatten()
    return batch | {"images": images, "answers": answers}


def with_features(
    data: TuneData,
    batch: tuple[Mapping[str, Tensor | NDArray[Any]], Sequence[Look]],
) -> Batch:
    """Return a drawn batch, of tensors or arrays, with the features that it shows."""
    drawn_inputs, looks = batch
    inputs = {name: torch.as_tensor(value) for name, value in drawn_inputs.items()}
    features = torch.cat([data.features(look) for look in looks])
    if torch.cuda.is_available():
        features = features.pin_memory()
    return Batch(inputs, features, len(looks))


def steps_ahead(
    data: TuneData, tokenizer: Any, first: int, last: int
) -> Iterator[tuple[int, Batch]]:
    """Yield the number and the batch of steps, first to last."""
    workers = loader_workers()
    steps = range(first, last + 1)
    loader = DataLoader(
        Drawer(data, tokenizer), sampler=steps, batch_size=None, num_workers=workers,
        collate_fn=same,
    )  # fmt: skip
    batches = ahead(loader, lambda batch: with_features(data, batch))
    yield from zip(steps, batches, strict=True)


def same(item: Any) -> Any:
    """Return an item of a loader as it is."""
    return item


def ahead(items: "Iterator[T] | Any", work: Callable[[T], R]) -> Iterator[R]:
    """Yield what work makes of items, in their order, done by threads ahead of it."""
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(2) as pool:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
