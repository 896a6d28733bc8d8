"""Moving average of weights: what a short run keeps instead of its last step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Exponential moving average of parameters.

    Source:
        Weight averaging, https://arxiv.org/abs/1903.05779 (appendix on moving averages).
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        """Start at the present weights.

        Args:
            parameters: What is averaged, by name.
            decay: Share of the mean that a step keeps; smaller in the first steps.
        """
        self._own: list[torch.Tensor] = list(parameters.values())
        self.decay = decay
        #: The means, by the names of the parameters.
        self.mean = {
            name: nn.Parameter(value.detach().clone(), requires_grad=False)
            for name, value in parameters.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after a step, counted from 1, into the mean."""
        share = 1 - min(self.decay, step / (10 + step))
        means: list[torch.Tensor] = list(self.mean.values())
        torch._foreach_lerp_(means, self._own, share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the means in the place of the weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for mean, own in zip(self.mean.values(), self._own, strict=True):
            mean.data, own.data = own.data, mean.data
