"""What a tuned model gets right on held-out pictures, task by task."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.training.conversations import Picture
from rsvlm.training.loader import ahead
from rsvlm.training.tune_data import Look, TuneData
from rsvlm.training.tune_loss import batch_on, loss_of
from rsvlm.training.tune_steps import Drawn, drawn, packed_look, read
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
    groups = list(_groups(data, tokenizer))
    batches = ahead([batch for _, batch in groups], lambda batch: read(data, batch))
    for (name, _), batch in zip(groups, batches, strict=True):
        with autocast(device):
            _, right = loss_of(model, batch_on(data, batch, device))
        for row in right.cpu():
            for answer in answers_of(row):
                hits.setdefault(name, []).append(float(answer.all()))
    return {task: round(sum(values) / len(values), 4) for task, values in hits.items()}


def _groups(data: TuneData, tokenizer: Any) -> Iterator[tuple[str, Drawn]]:
    """Yield batches of one task, sensor and about one length, and what they count as."""
    size = data.recipe.batch
    for task, most in data.recipe.questions.items():
        for sensor in sorted(set(data.routes)):
            found = []
            for index, picture in enumerate(data.pictures):
                if data.routes[index] == sensor and picture.asks({task: most}):
                    rng = np.random.default_rng([data.recipe.seed, 13, index])
                    look = Look(index, 0)
                    found.append((
                        packed_look(data, look, tokenizer, {task: most}, rng, True),
                        look,
                    ))  # fmt: skip
            found.sort(key=lambda one: len(one[0].input_ids))
            name = task if sensor == "optical" else f"sar {task}"
            for at in range(0, len(found), size):
                yield name, drawn(data, found[at : at + size], tokenizer)


def thinned(found: Sequence[Picture], most: Mapping[str, int]) -> list[Picture]:
    """Return pictures with no more of a source than wanted, evenly chosen."""
    kept = set()
    for source in {picture.source for picture in found}:
        rows = [i for i, picture in enumerate(found) if picture.source == source]
        count = min(most.get(source, len(rows)), len(rows))
        kept |= {rows[i * len(rows) // count] for i in range(count)}
    return [picture for i, picture in enumerate(found) if i in kept]


def answers_of(right: Tensor) -> Iterator[Tensor]:
    """Split a row of right / wrong / none into its answers."""
    inside = (right >= 0).long()
    edges = torch.diff(torch.cat([torch.zeros(1), inside, torch.zeros(1)]))
    starts, ends = (edges == 1).nonzero().flatten(), (edges == -1).nonzero().flatten()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield right[start:end]
