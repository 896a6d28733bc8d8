"""The warm start of a new projector: image tokens get the direction of words."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.models.precision import fast_dtype
from rsvlm.training.conversations import words_of
from rsvlm.training.loader import ahead
from rsvlm.training.state import learning_rate
from rsvlm.training.tune_data import Look, Tiles, TuneData
from rsvlm.training.tune_encode import seen
from rsvlm.training.tune_recipe import TuneRecipe


def autocast(device: torch.device) -> torch.autocast:
    """Multiply in bfloat16 where that is fast."""
    enabled = fast_dtype() is torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def warm_start(
    model: RSVLMForConditionalGeneration,
    sensor: str,
    data: TuneData,
    indices: Sequence[int],
    tokenizer: Any,
    recipe: TuneRecipe,
    progress: Callable[[str], None],
) -> None:
    """Let some image token of a picture point to each word that the picture shows.

    Args:
        model: The model.
        sensor: Whose projector learns, from the pictures that it sees.
        data: What there is to learn from.
        indices: Which of its pictures.
        tokenizer: Its tokenizer.
        recipe: Settings.
        progress: Called with one line at a time.
    """
    shown = [
        words_of(data.pictures[i]) if data.routes[i] == sensor else set[str]()
        for i in indices
    ]
    words = sorted(set().union(*shown))
    if not words:
        return
    table = model.get_input_embeddings().weight.detach().float()
    device = table.device
    ids = [
        tokenizer(" " + word, add_special_tokens=False)["input_ids"] for word in words
    ]
    targets = torch.stack([table[torch.tensor(i)].mean(0) for i in ids])
    targets = nn.functional.normalize(targets - table.mean(0), dim=-1)
    truth = torch.tensor([[float(word in s) for word in words] for s in shown])
    usable = truth.any(1).nonzero().flatten().numpy()
    truth = truth.to(device)
    projector = model.model.get_submodule(f"{sensor}_projector")
    kind = next(projector.parameters()).dtype
    scale = nn.Parameter(torch.tensor(20.0, device=device))
    bias = nn.Parameter(torch.full((len(words),), -6.0, device=device))
    parameters = [*projector.parameters(), scale, bias]
    optimizer = torch.optim.AdamW(parameters, recipe.warm_rate, weight_decay=0.01)
    rng = np.random.default_rng(recipe.seed)

    def read(
        rows: NDArray[np.int_],
    ) -> tuple[Sequence[Look], Sequence[Tensor | Tiles]]:
        looks = [Look(indices[row], 0, overview=True) for row in rows]
        return looks, [data.part(look) for look in looks]

    every = [rng.choice(usable, recipe.warm_batch) for _ in range(recipe.warm_steps)]
    for step, (looks, parts) in enumerate(ahead(every, read)):
        features = seen(data, looks, parts, device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.warm_steps, recipe.warm_rate, 20)
        with autocast(device):
            tokens = projector(features.to(kind))  # (B, N, D)
        unit = nn.functional.normalize(tokens.float() - table.mean(0), dim=-1)
        logits = scale * torch.logsumexp(8 * unit @ targets.T, 1) / 8 + bias
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, truth[every[step]]
        )
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step + 1 == recipe.warm_steps:
            name = "warm start" if sensor == "optical" else f"warm start of {sensor}"
            progress(f"{name} {step + 1}/{recipe.warm_steps}: loss {loss.item():.3f}")
