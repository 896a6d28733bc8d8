"""Which sample comes when: weights, temperature, caps, epochs.

A :class:`Mix` says how sources share an epoch; an :class:`Order` tells which sample
stands at a position of the endless sequence of epochs. It follows from the seed alone,
on every machine, so that a run that goes on needs no more than its position, and
several processes that each take their own positions meet every sample once.

Source:
    Temperature: sources of n samples share an epoch by n ** (1 / T), as in multilingual
    BERT and mT5, https://arxiv.org/abs/2010.11934, section 3.1.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
    size: int | None = Field(
        None, ge=1, description="samples an epoch; as many as there are by default"
    )

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


class Order:
    """The endless sequence of samples, epoch after epoch.

    Every source is gone through in an order of its own, again and again; an epoch goes
    on where the last one stopped, so that samples are shown equally often.
    """

    def __init__(
        self, sources: Sequence[str], mix: Mix, seed: int, known: Iterable[str] = ()
    ) -> None:
        """Count what each source has.

        Args:
            sources: Source of each sample.
            mix: How they share an epoch.
            seed: Another seed is another order.
            known: Sources that the mix may name although no sample here is theirs.

        Raises:
            UnknownNameError: If the mix names no source.
            SettingsError: If no source has a share.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(sources):
            groups[name].append(index)
        self._seed = seed
        self._indices = {
            name: np.array(group, np.int64) for name, group in sorted(groups.items())
        }
        sizes = dict.fromkeys(sorted(known), 0)
        sizes |= {name: len(group) for name, group in self._indices.items()}
        #: Source -> samples an epoch.
        self.quotas = mix.quotas(sizes)
        #: Samples an epoch.
        self.epoch_size = sum(self.quotas.values())
        self._last: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def at(self, positions: range) -> list[int]:
        """Return the samples at positions, which count from 0 and rise."""
        found = []
        for position in positions:
            epoch, within = divmod(position, self.epoch_size)
            number, order = self._last
            if number != epoch:
                order = self.epoch(epoch)
                # Set at once: several threads may ask.
                self._last = (epoch, order)
            found.append(int(order[within]))
        return found

    def epoch(self, number: int) -> NDArray[np.int64]:
        """Return the samples of an epoch, shape (epoch_size,)."""
        drawn = [
            self._drawn(name, number * quota, quota)
            for name, quota in self.quotas.items()
            if quota
        ]
        together = np.concatenate(drawn)
        return together[_order(f"{self._seed}/epoch/{number}", len(together))]

    def _drawn(self, name: str, start: int, count: int) -> NDArray[np.int64]:
        """Return a stretch of the endless order of a source."""
        indices = self._indices[name]
        parts = []
        while count:
            turn, offset = divmod(start, len(indices))
            order = _order(f"{self._seed}/{name}/{turn}", len(indices))
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
