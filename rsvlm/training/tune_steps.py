"""The batches of ``rsvlm train tune``: questions drawn and packed, pictures read.

Processes or a thread draw the questions of a window of steps, and threads read kept
features or decode pictures, both ahead of the step; see :mod:`rsvlm.training.loader`.
What a sample shows and asks follows from its position in the order of the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rsvlm.models.configuration import SENSOR_IDS
from rsvlm.training.conversations import draw_turns
from rsvlm.training.loader import Windows, ahead, loaded
from rsvlm.training.mix import Order
from rsvlm.training.packing import Packed, collate, pack
from rsvlm.training.run import loader_workers
from rsvlm.training.tune_data import Look, Tiles, TuneData

#: Arrays of a batch by name: they come through a pipe from the process that drew them.
Inputs = Mapping[str, NDArray[Any]]


class Drawn(NamedTuple):
    """The questions of a batch, and how its pictures are shown.

    Attributes:
        inputs: What :func:`~rsvlm.training.packing.collate` returns;
            ``sensor_ids``, the encoder of each tile, shape (tiles,); and ``images``
            and ``answers``: where in the B * T tokens image tokens go, and which are
            predicted. They are found on the CPU: a GPU would have to be waited for.
        looks: A look at each picture.
    """

    inputs: Inputs
    looks: Sequence[Look]


class Read(NamedTuple):
    """A drawn batch with what its pictures are seen from.

    Attributes:
        drawn: The batch.
        parts: Kept features of a picture, shape (tiles, N, D), or tiles to encode.
    """

    drawn: Drawn
    parts: Sequence[Tensor | Tiles]


class Drawer(Dataset[list[Drawn]]):
    """The batches of every window of a run, without the pictures."""

    def __init__(
        self, data: TuneData, tokenizer: Any, order: Order, windows: Windows
    ) -> None:
        """Draw pictures by their order."""
        self._data, self._tokenizer = data, tokenizer
        self._order, self._windows = order, windows

    def __getitem__(self, window: int) -> list[Drawn]:
        """Return the batches of a window, in the order of its steps."""
        data, positions = self._data, self._windows.positions(window)
        found = []
        indices = self._order.at(positions)
        for position, index in zip(positions, indices, strict=True):
            rng = np.random.default_rng([data.recipe.seed, 7, position])
            look = data.look(index, rng)
            questions = data.recipe.questions
            packed = packed_look(data, look, self._tokenizer, questions, rng)
            found.append((packed, look))
        tokens = [len(packed.input_ids) for packed, _ in found]
        batches = self._windows.batches(window, tokens, data.recipe.seed)
        return [
            drawn(data, [found[i] for i in rows], self._tokenizer) for rows in batches
        ]


def packed_look(
    data: TuneData,
    look: Look,
    tokenizer: Any,
    questions: Mapping[str, int],
    rng: np.random.Generator,
    plain: bool = False,
) -> Packed:
    """Return questions about a picture as it is shown, in one sequence.

    Args:
        data: What there is to learn from.
        look: How a picture is shown.
        tokenizer: Tokenizer with the token ``<image>``.
        questions: Task -> most questions.
        rng: Source of randomness.
        plain: Whether questions stay as they are written.
    """
    picture, shown = data.pictures[look.index], data.items(look.index, look.variant)
    turns = draw_turns(picture, shown, questions, rng, plain)
    return pack(tokenizer, data.rows(look) * data.processor.tokens_per_tile, turns)


def drawn(
    data: TuneData, found: Sequence[tuple[Packed, Look]], tokenizer: Any
) -> Drawn:
    """Return packed questions as a batch."""
    batch = collate([packed for packed, _ in found], tokenizer.pad_token_id)
    looks = [look for _, look in found]
    sensors = [[SENSOR_IDS[data.routes[o.index]]] * data.rows(o) for o in looks]
    image = tokenizer.convert_tokens_to_ids("<image>")
    batch = located(batch, image) | {"sensor_ids": torch.tensor(list(chain(*sensors)))}
    return Drawn({name: value.numpy() for name, value in batch.items()}, looks)


def located(batch: dict[str, Tensor], image: int) -> dict[str, Tensor]:
    """Add the places of images and answers in the B * T tokens."""
    images = (batch["input_ids"] == image).flatten().nonzero().flatten()
    answers = (batch["weight"] > 0).flatten().nonzero().flatten()
    return batch | {"images": images, "answers": answers}


def read(data: TuneData, batch: Drawn) -> Read:
    """Return a drawn batch with what its pictures are seen from."""
    parts = [data.part(look) for look in batch.looks]
    if torch.cuda.is_available():
        parts = [p.pin_memory() if isinstance(p, Tensor) else p for p in parts]
    return Read(batch, parts)


def steps_ahead(
    data: TuneData, tokenizer: Any, order: Order, windows: Windows, first: int = 1
) -> Iterator[Read]:
    """Yield the batches of all steps from ``first`` on."""
    every = windows.from_step(first)
    batches = chain.from_iterable(
        loaded(Drawer(data, tokenizer, order, windows), every)
    )
    done = first - windows.steps_of(every[0])[0] if every else 0
    threads = max(2, loader_workers())
    yield from ahead(
        islice(batches, done, None), lambda batch: read(data, batch), threads
    )
