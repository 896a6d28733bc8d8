"""Shards of a run: every n-th sample, and the merging of runs by id.

Sample number k goes to shard ``k mod n``, so that shards are of equal length whatever
the order of the file. The shards of a run, merged, equal the run in one piece.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rsvlm.errors import SettingsError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Shard:
    """Every ``count``-th sample from number ``index`` on."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``i/n``, counted from 0.

        Raises:
            SettingsError: If it is nothing of that kind.

        >>> Shard.parse("1/3")
        Shard(index=1, count=3)
        """
        first, slash, second = text.partition("/")
        if slash and first.strip().isdecimal() and second.strip().isdecimal():
            index, count = int(first), int(second)
            if index < count:
                return cls(index, count)
        raise SettingsError(
            f"The shard {text!r} is not i/n with i from 0 to n - 1. "
            "The first of three is 0/3."
        )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def is_whole(self) -> bool:
        """Whether it holds all samples."""
        return self.count == 1

    def take(self, items: Sequence[_T]) -> list[_T]:
        """Return the items of this shard, in their order."""
        return list(items[self.index :: self.count])


def interleave(parts: Sequence[tuple[Shard, Sequence[_T]]]) -> list[_T]:
    """Return the items of several runs in one order.

    Shards of one count come back in the order of the unsharded run; other runs follow
    one another.

    >>> interleave([(Shard(1, 2), ["b", "d"]), (Shard(0, 2), ["a", "c", "e"])])
    ['a', 'b', 'c', 'd', 'e']
    """
    shards = {shard for shard, _ in parts}
    if len({shard.count for shard in shards}) == 1 and len(shards) == len(parts):
        placed = [
            (number * shard.count + shard.index, item)
            for shard, items in parts
            for number, item in enumerate(items)
        ]
        return [item for _, item in sorted(placed, key=lambda pair: pair[0])]
    return list(itertools.chain.from_iterable(items for _, items in parts))


def merge_by_id(parts: Mapping[str, Mapping[str, _T]]) -> dict[str, _T]:
    """Return the union of several runs' records.

    Args:
        parts: Name of a run -> id -> record.

    Raises:
        SettingsError: If two runs hold the same id; names it and both runs.
    """
    merged: dict[str, _T] = {}
    owner: dict[str, str] = {}
    for name, records in parts.items():
        for id, record in records.items():
            if id in merged:
                raise SettingsError(
                    f"The sample {id!r} is in {owner[id]!r} and in {name!r}. "
                    "Merge runs that share no sample, such as the shards of one run."
                )
            merged[id], owner[id] = record, name
    return merged
