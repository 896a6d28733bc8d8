"""The loss of ``rsvlm train tune`` over packed questions."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rsvlm.models.modeling import RSVLMForConditionalGeneration, RSVLMModel
from rsvlm.training.packing import attention
from rsvlm.training.tune_data import TuneData
from rsvlm.training.tune_encode import seen
from rsvlm.training.tune_steps import Read


class Batch(NamedTuple):
    """What a step learns from, on its device.

    Attributes:
        inputs: Packed questions, see :class:`~rsvlm.training.tune_steps.Drawn`.
        features: Patch features of all tiles, shape (tiles, N, D).
    """

    inputs: Mapping[str, Tensor]
    features: Tensor


def batch_on(data: TuneData, batch: Read, device: torch.device) -> Batch:
    """Return a batch on a device, its pictures encoded.

    The sensors stay where they are, as they only sort tiles.
    """
    inputs = {
        name: torch.from_numpy(value) for name, value in batch.drawn.inputs.items()
    }
    moved = {
        name: value if name == "sensor_ids" else value.to(device, non_blocking=True)
        for name, value in inputs.items()
    }
    return Batch(moved, seen(data, batch.drawn.looks, batch.parts, device))


def project(inner: RSVLMModel, features: Tensor, sensor_ids: Tensor | None) -> Tensor:
    """Project the features of tiles, each by the projector of its sensor.

    Args:
        inner: The model.
        features: Shape (tiles, N, D_vision).
        sensor_ids: 0 optical, 1 SAR, shape (tiles,), on the CPU; None is optical.

    Returns:
        Image tokens, shape (tiles, N', D).
    """
    optical = inner.optical_projector
    features = features.to(optical.gain.device)
    sar = torch.zeros(len(features)) if sensor_ids is None else sensor_ids
    groups = [(optical, (sar == 0).nonzero().flatten())]
    if sar.any():
        groups.append((inner.sar_projector, sar.nonzero().flatten()))
    tokens = [
        p(features[rows.to(features.device)].to(p.gain.dtype))
        for p, rows in groups
        if len(rows)
    ]
    order = torch.cat([rows for _, rows in groups]).argsort()
    return torch.cat(tokens)[order.to(features.device)]


def loss_of(
    model: RSVLMForConditionalGeneration, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Return the weighted loss, and which answer tokens were predicted right.

    Nothing here waits for a GPU: where images and answers stand comes with the batch.

    Args:
        model: The model.
        batch: On its device.

    Returns:
        The loss; and shape (B, T): 1 right, 0 wrong, -1 no answer token.
    """
    inner, inputs = model.model, batch.inputs
    ids, answers = inputs["input_ids"], inputs["answers"]
    tokens = project(inner, batch.features, inputs["sensor_ids"])  # (tiles, N, D)
    words = inner.get_input_embeddings()(ids)  # (B, T, D)
    spliced = words.flatten(0, 1).index_copy(
        0, inputs["images"], tokens.flatten(0, 1).to(words.dtype)
    )
    hidden = inner.language_model(
        inputs_embeds=spliced.view_as(words),
        attention_mask=attention(inputs["segments"]),
        position_ids=inputs["position_ids"],
        use_cache=False,
    ).last_hidden_state
    # A token is predicted by the one before it; no row begins with an answer.
    logits = model.lm_head(hidden.flatten(0, 1)[answers - 1]).float()  # (answers, V)
    truth, weight = ids.flatten()[answers], inputs["weight"].flatten()[answers]
    loss = nn.functional.cross_entropy(logits, truth, reduction="none")
    right = torch.full((ids.numel(),), -1, device=ids.device)
    right[answers] = (logits.argmax(-1) == truth).long()
    return (loss * weight).sum() / weight.sum(), right.view_as(ids)
