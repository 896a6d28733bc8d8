"""Batches for tests: of chosen pictures, and of the steps of a run."""

from collections.abc import Sequence

import numpy as np

from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer
from rsvlm.training.loader import Windows
from rsvlm.training.mix import Order
from rsvlm.training.tune_data import TuneData
from rsvlm.training.tune_steps import Read, drawn, packed_look, read, steps_ahead


def batch_of(data: TuneData, indices: Sequence[int], seed: int = 0) -> Read:
    """Return a batch of some pictures, looked at and asked about at random."""
    tokenizer = base_tokenizer(base_folder(data.recipe.language_model))
    rng, found = np.random.default_rng(seed), []
    for index in indices:
        look = data.look(index, rng)
        questions = data.recipe.questions
        found.append((packed_look(data, look, tokenizer, questions, rng), look))
    return read(data, drawn(data, found, tokenizer))


def steps_of(data: TuneData, steps: int, first: int = 1, ranks: int = 1) -> list[Read]:
    """Return the batches of a run from a step on, those of all ranks together."""
    tokenizer = base_tokenizer(base_folder(data.recipe.language_model))
    order = Order([p.source for p in data.pictures], data.recipe.mix, data.recipe.seed)
    found = []
    for rank in range(ranks):
        windows = Windows(steps * data.recipe.batch, steps, (rank, ranks))
        found += list(steps_ahead(data, tokenizer, order, windows, first))
    return found
