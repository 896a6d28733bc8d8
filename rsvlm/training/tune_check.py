"""What a tuned model gets right on held-out pictures, task by task."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.training.conversations import Picture
from rsvlm.training.tune_data import TuneData, thinned
from rsvlm.training.tune_loss import loss_of
from rsvlm.training.tune_steps import ahead, drawn, with_features
from rsvlm.training.tune_warm import autocast


def checked(found: Sequence[Picture], most: int) -> list[Picture]:
    """Return the held-out pictures that are looked at: as many of each source."""
    sources = {picture.source for picture in found}
    return thinned(found, dict.fromkeys(sources, max(most // max(len(sources), 1), 1)))


@torch.no_grad()
def check(
    model: RSVLMForConditionalGeneration, data: TuneData, tokenizer: Any
) -> dict[str, float]:
    """Return task -> share of held-out answers that greedy decoding would get right.

    Answers about pictures that the SAR encoder sees count apart, as ``"sar vqa"``.

    Args:
        model: The model.
        data: Held-out pictures, encoded.
        tokenizer: Its tokenizer.
    """
    model.eval()
    device = model.model.optical_projector.gain.device
    hits: dict[str, list[float]] = {}
    groups = list(_groups(data))
    batches = ahead(
        (
            drawn(
                data, group, tokenizer, {task: most},
                np.random.default_rng([data.recipe.seed, 13, group[0]]), train=False,
            )
            for group, task, most in groups
        ),
        lambda batch: with_features(data, batch),
    )  # fmt: skip
    for (group, task, _), batch in zip(groups, batches, strict=True):
        with autocast(device):
            _, right = loss_of(model, batch.to(device))
        name = task if data.routes[group[0]] == "optical" else f"sar {task}"
        for row in right.cpu():
            for answer in answers_of(row):
                hits.setdefault(name, []).append(float(answer.all()))
    return {task: round(sum(values) / len(values), 4) for task, values in hits.items()}


def _groups(data: TuneData) -> Iterator[tuple[list[int], str, int]]:
    """Yield pictures of one sensor and about one size, a task, and its questions."""
    size = data.recipe.batch
    for task, most in data.recipe.questions.items():
        for sensor in sorted(set(data.routes)):
            rows = [
                index
                for index, picture in enumerate(data.pictures)
                if data.routes[index] == sensor and picture.asks({task: most})
            ]
            rows.sort(key=data.tiles.__getitem__)
            for at in range(0, len(rows), size):
                yield rows[at : at + size], task, most


def answers_of(right: Tensor) -> Iterator[Tensor]:
    """Split a row of right / wrong / none into its answers."""
    inside = (right >= 0).long()
    edges = torch.diff(torch.cat([torch.zeros(1), inside, torch.zeros(1)]))
    starts, ends = (edges == 1).nonzero().flatten(), (edges == -1).nonzero().flatten()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield right[start:end]
