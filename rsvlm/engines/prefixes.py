"""What a language model has read of pictures, kept for the next question about them.

A prompt is always read in two parts, up to the end of its last picture and the rest,
whether or not the first part is kept: so an answer never depends on what was asked
before, not in its last digit.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache

#: Beginnings that are kept; one of 200 tokens takes some 9 MB in "tiny".
KEPT = 4

Layers = list[tuple[Tensor, Tensor]]


class Prefixes:
    """Keys and values of the beginnings of prompts, the latest ones."""

    def __init__(self, config: Any) -> None:
        """Take the configuration of the language model."""
        self._config = config
        self._kept: OrderedDict[Hashable, Layers] = OrderedDict()

    def begin(
        self, key: Hashable, read: Callable[[DynamicCache], object]
    ) -> DynamicCache:
        """Return a cache that holds the beginning of a prompt.

        Args:
            key: What tells one beginning from all others.
            read: Reads it into an empty cache, if it is not kept.
        """
        cache = DynamicCache(config=self._config)
        found = self._kept.pop(key, None)
        if found is None:
            read(cache)
            found = [(layer.keys, layer.values) for layer in cache.layers]
        else:
            for index, (keys, values) in enumerate(found):
                cache.update(keys, values, index)
        # Reading on makes new tensors, so that these stay as they are.
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return cache
