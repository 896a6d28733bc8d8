"""The loss of the region head: centres, sizes, masks."""

import torch
from torch import Tensor, nn

from rsvlm.models.region_head import RegionMaps

#: Weight of each term of the loss.
WEIGHTS = {"heat": 1.0, "size": 2.0, "offset": 0.5, "mask": 1.0}


def summed(terms: dict[str, Tensor]) -> Tensor:
    """Return the weighted sum of the terms."""
    return torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()


def region_loss(
    maps: RegionMaps, batch: dict[str, Tensor], asked: int
) -> dict[str, Tensor]:
    """Return the terms of the loss.

    Args:
        maps: Output for ``asked`` labels followed by strangers.
        batch: Targets, see :class:`~rsvlm.training.region_steps.RegionSource`.
        asked: Number of labels K; the remaining queries have no objects.

    Returns:
        ``heat`` (penalty-reduced focal loss), ``size`` and ``offset`` (smooth L1),
        ``mask`` (cross-entropy and Dice on labels that occur, but where an object has
        a box alone).

    Source:
        Focal loss of centres: CenterNet, https://arxiv.org/abs/1904.07850.
    """
    heat = batch["heat"].float()
    missing = maps.heat.shape[1] - asked
    heat = nn.functional.pad(heat, (0, 0, 0, 0, 0, missing))
    logits = maps.heat.float()
    inside = batch["inside"].float()[:, None]
    known = batch["judged"].float()
    probability = logits.sigmoid()
    positive = (heat >= 0.999).float()
    loss = -(
        positive * (1 - probability) ** 2 * nn.functional.logsigmoid(logits)
        + (1 - positive)
        * (1 - heat) ** 4
        * probability**2
        * nn.functional.logsigmoid(-logits)
    )
    objects = positive.sum().clamp(min=1)
    weight = batch["weight"].float()[:, None]
    total = weight.sum().clamp(min=1)
    # Strangers are judged everywhere: what no label names must not be found.
    judged = nn.functional.pad(known, (0, 0, 0, 0, 0, missing), value=1.0)
    loss = loss * judged
    terms = {"heat": (loss * inside).sum() / objects}
    for name, value in (("size", maps.size), ("offset", maps.offset)):
        error = nn.functional.smooth_l1_loss(
            value.float(), batch[name].float(), reduction="none", beta=0.1
        )
        terms[name] = (error * weight).sum() / total
    truth = batch["mask"].float()
    mask = maps.mask[:, :asked].float()
    present = truth.flatten(2).any(-1)  # (B, K)
    cover = nn.functional.interpolate(inside * known, size=mask.shape[-2:])
    cover = cover * batch["outlined"].float()
    cross = nn.functional.binary_cross_entropy_with_logits(
        mask, truth, reduction="none"
    )
    cross = (cross * cover).mean((2, 3))
    soft = mask.sigmoid() * cover
    dice = 1 - (2 * (soft * truth).sum((2, 3)) + 1) / (
        soft.sum((2, 3)) + truth.sum((2, 3)) + 1
    )
    # A batch may show no labelled object at all.
    shown = ((cross + dice) * present).sum() / present.sum().clamp(min=1)
    terms["mask"] = shown + 0.3 * cross.mean()
    return terms
