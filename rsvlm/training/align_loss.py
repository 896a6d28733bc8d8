"""Contrastive loss over texts that may repeat, and gradients of batches beyond memory.

Source:
    The loss: CLIP, https://arxiv.org/abs/2103.00020, as open_clip has it.
    Optical-text and SAR-text terms in one step, unpaired: CLOSP.
    Gradient caching: https://arxiv.org/abs/2101.06983.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from open_clip.loss import ClipLoss
from torch import Tensor


def soft_targets(rows: Tensor, columns: Tensor) -> Tensor:
    """Return which columns mean the same as each row.

    Args:
        rows: Number of what each row shows; equal numbers mean the same, shape (B,).
        columns: The same of the columns, shape (C,).

    Returns:
        Shares that sum to 1 in each row, even over its equals, shape (B, C).
    """
    same = (rows[:, None] == columns[None, :]).float()
    shares: Tensor = same / same.sum(1, keepdim=True)
    return shares


class MaskedClipLoss(ClipLoss):  # type: ignore[misc]  # untyped base
    """open_clip's loss in which equal texts are no negatives of each other.

    Captions of scenes repeat; the plain loss would push a picture away from the very
    words that describe it. Where no two keys are equal, this is the plain loss.
    """

    def forward(
        self, first: Tensor, second: Tensor, scale: Tensor, keys: Tensor
    ) -> Tensor:
        """Return the symmetric loss.

        Args:
            first: Unit vectors, shape (B, D).
            second: Unit vectors of their partners, shape (B, D).
            scale: Factor on inner products.
            keys: Number of the text, or the place, of each pair, shape (B,).

        Returns:
            Mean cross-entropy to targets that are even over equal keys.
        """
        targets = soft_targets(keys, keys)
        logits = self.get_logits(first, second, scale)
        losses = [
            -(targets * rows.float().log_softmax(1)).sum(1).mean() for rows in logits
        ]
        return torch.stack(losses).mean()


#: Gives the vectors of a part of a batch, shape (b, D).
Chunk = Callable[[], Tensor]
#: Puts the vectors of all processes together; also tells which rows are our own.
Gather = Callable[[Tensor], tuple[Tensor, slice]]


def cached_backward(
    streams: Mapping[str, Sequence[Chunk]],
    loss_of: Callable[[dict[str, Tensor]], Tensor],
    gather: Gather | None = None,
    keep: bool = False,
) -> Tensor:
    """Add the gradients of a loss over all vectors, holding one chunk's graph at a time.

    Every chunk is computed twice: first without a graph, for the loss and its gradient
    at the vectors, then with one, to carry that gradient on to the weights. Both must
    give the same, so a chunk draws nothing random. Where memory holds all graphs they
    can be kept instead, which saves the second time.

    Args:
        streams: Name of a kind of input -> its chunks.
        loss_of: Loss of the vectors of the whole batch, one tensor (B, D) a stream.
        gather: None where there is one process.
        keep: Keep the graphs of all chunks.

    Returns:
        The loss, detached.
    """
    leaves: dict[str, Tensor] = {}
    wholes: dict[str, Tensor] = {}
    graphs: dict[str, list[Tensor]] = {}
    for name, chunks in streams.items():
        with torch.set_grad_enabled(keep):
            parts = [chunk() for chunk in chunks]
        own = torch.cat(parts).detach()
        graphs[name] = parts if keep else []
        everything, rows = gather(own) if gather else (own, slice(0, len(own)))
        leaf = leaves[name] = everything[rows].clone().requires_grad_()
        wholes[name] = torch.cat(
            [everything[: rows.start], leaf, everything[rows.stop :]]
        )
    loss = loss_of(wholes)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, chunks in streams.items():
        grads, start = leaves[name].grad, 0
        if grads is None:  # no term uses it
            continue
        for number, chunk in enumerate(chunks):
            vectors = graphs[name][number] if keep else chunk()
            if not vectors.requires_grad:  # a frozen part
                break
            grad = grads[start : start + len(vectors)]
            vectors.backward(grad)  # type: ignore[no-untyped-call]
            start += len(vectors)
    return loss.detach()
