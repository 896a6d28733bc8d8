"""Which sample comes when: weights, temperature, caps, epochs, shards, resuming.

A :class:`Mix` says how sources share an epoch; a :class:`Sampler` yields indices of
samples by it. The order follows from the seed alone, on every machine: a rank takes every
n-th index, and a position is enough to continue.

Source:
    Temperature: sources of n samples share an epoch by n ** (1 / T), as in multilingual
    BERT and mT5, https://arxiv.org/abs/2010.11934, section 3.1.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rsvlm.errors import SettingsError, UnknownNameError


class Mix(BaseModel):
    """How sources share an epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Mapping[str, float] = Field(
        default_factory=dict, description="source -> factor of its share; 1 by default"
    )
    temperature: float = Field(
        1.0, ge=1, le=100, description="1: by size; large: all sources alike"
    )
    caps: Mapping[str, int] = Field(
        default_factory=dict, description="source -> most samples an epoch"
    )
    epochs: float = Field(1.0, gt=0, description="how many, parts of one included")
    size: int | None = Field(
        None, ge=1, description="samples an epoch; as many as there are by default"
    )
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _usable(self) -> "Mix":
        for name, weight in self.weights.items():
            if not 0 <= weight < 1e6:
                raise ValueError(f"the weight of {name!r} is {weight}; it is 0 or more")
        for name, cap in self.caps.items():
            if cap < 0:
                raise ValueError(f"the cap of {name!r} is {cap}; it is 0 or more")
        return self

    def quotas(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return source -> samples an epoch.

        What a cap takes from one source goes to the others by their shares. Together
        they are the size of an epoch, or less where every source is capped.

        Args:
            sizes: Source -> samples that it has.

        Raises:
            UnknownNameError: If a weight or a cap names no source.
            SettingsError: If no source has a share.

        >>> Mix(temperature=100).quotas({"a": 900, "b": 100})["b"] > 480
        True
        """
        for name in (*self.weights, *self.caps):
            if name not in sizes:
                raise UnknownNameError("source of a mix", name, sizes)
        shares = {
            name: self.weights.get(name, 1.0) * size ** (1 / self.temperature)
            for name, size in sizes.items()
            if size and self.caps.get(name, 1)
        }
        shares = {name: share for name, share in shares.items() if share}
        if not shares:
            raise SettingsError(
                "No source of the mix has both samples and a weight above 0. "
                "Give one a weight, or add a source."
            )
        left = self.size or sum(sizes[name] for name in shares)
        quotas = dict.fromkeys(sizes, 0)
        while shares and left:
            total = sum(shares.values())
            full = [
                name
                for name in shares
                if name in self.caps and left * shares[name] / total > self.caps[name]
            ]
            if not full:
                quotas |= _rounded(shares, left)
                break
            for name in full:
                quotas[name] = self.caps[name]
                del shares[name]
            left = max(0, left - sum(quotas[name] for name in full))
        return quotas


class Sampler:
    """Yields indices of samples, epoch after epoch.

    Every source is gone through in an order of its own, again and again; an epoch goes
    on where the last one stopped, so that samples are shown equally often.
    """

    def __init__(
        self, sources: Sequence[str], mix: Mix, rank: int = 0, ranks: int = 1
    ) -> None:
        """Count what each source has.

        Args:
            sources: Source of each sample.
            mix: How they share an epoch.
            rank: Which of several processes this is.
            ranks: How many processes share the samples.

        Raises:
            UnknownNameError: If the mix names no source.
            SettingsError: If no source has a share, or the rank is none of the ranks.
        """
        if not 0 <= rank < ranks:
            raise SettingsError(
                f"The rank is {rank} of {ranks}. Ranks count from 0 to one less."
            )
        groups: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(sources):
            groups[name].append(index)
        self.mix, self.rank, self.ranks = mix, rank, ranks
        self._indices = {
            name: np.array(group, np.int64) for name, group in sorted(groups.items())
        }
        self.quotas = mix.quotas({name: len(i) for name, i in self._indices.items()})
        #: Samples of an epoch, of all ranks together.
        self.epoch_size = sum(self.quotas.values())
        #: Samples that this rank has taken.
        self.taken = 0

    def __len__(self) -> int:
        """Samples of this rank in all epochs: the same for every rank."""
        return round(self.epoch_size * self.mix.epochs) // self.ranks

    def __iter__(self) -> Iterator[int]:
        """Yield the indices that are left, and count them."""
        epoch, order = -1, np.empty(0, np.int64)
        while self.taken < len(self):
            position = self.taken * self.ranks + self.rank
            if position // self.epoch_size != epoch:
                epoch = position // self.epoch_size
                order = self.epoch(epoch)
            # Counted before it is handed out: what is in use is not given again.
            self.taken += 1
            yield int(order[position % self.epoch_size])

    def epoch(self, number: int) -> NDArray[np.int64]:
        """Return the indices of an epoch of all ranks, shape (epoch_size,)."""
        drawn = [
            self._drawn(name, number * quota, quota)
            for name, quota in self.quotas.items()
            if quota
        ]
        together = np.concatenate(drawn)
        return together[_order(f"{self.mix.seed}/epoch/{number}", len(together))]

    def state(self) -> dict[str, int]:
        """Return what :meth:`resume` needs, to be kept with a checkpoint."""
        return {"taken": self.taken, "ranks": self.ranks, "seed": self.mix.seed,
                "epoch_size": self.epoch_size}  # fmt: skip

    def resume(self, state: Mapping[str, int]) -> None:
        """Go on where a state was taken; any rank may take the state of any other.

        Raises:
            SettingsError: If the state is of another mix, other samples or ranks.
        """
        for name, value in self.state().items():
            if name != "taken" and state.get(name) != value:
                raise SettingsError(
                    f"The state was taken with {name} {state.get(name)}, now it is "
                    f"{value}. Continue with the same data, mix and processes."
                )
        self.taken = int(state["taken"])

    def _drawn(self, name: str, start: int, count: int) -> NDArray[np.int64]:
        """Return a stretch of the endless order of a source."""
        indices = self._indices[name]
        parts = []
        while count:
            turn, offset = divmod(start, len(indices))
            order = _order(f"{self.mix.seed}/{name}/{turn}", len(indices))
            part = order[offset : offset + count]
            parts.append(indices[part])
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts)


def _rounded(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Divide a number by shares without losing any, the largest rest first."""
    whole = sum(shares.values())
    exact = {name: total * share / whole for name, share in shares.items()}
    quotas = {name: int(value) for name, value in exact.items()}
    ranked = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in ranked[: total - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


@lru_cache(maxsize=4)
def _order(seed: str, count: int) -> NDArray[np.int64]:
    """Return the numbers below ``count`` in an order that follows from the seed alone.

    The raw bits of a bit generator are the same in all versions of numpy; its methods
    for shuffling need not be.
    """
    entropy = int.from_bytes(sha256(seed.encode()).digest(), "big")
    bits = np.random.PCG64(entropy).random_raw(count)
    order: NDArray[np.int64] = np.argsort(bits, kind="stable")
    return order
