"""What turns texts of a knowledge base into vectors, and how many tokens it reads."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rsvlm.embedding import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from rsvlm.models.text_encoder import TextEncoder


class Encoder(Protocol):
    """Texts to unit vectors; see :class:`SentenceEncoder`."""

    @property
    def name(self) -> str:
        """What tells its vectors from those of another encoder."""
        ...

    @property
    def width(self) -> int:
        """Length D of a vector."""
        ...

    @property
    def limit(self) -> int:
        """Most tokens of a text that it reads, special tokens included."""
        ...

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, special tokens included."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (len(texts), D), float32."""
        ...


class SentenceEncoder:
    """The sentence encoder that rsvlm shares, all-MiniLM-L6-v2 by default.

    .. versionadded:: 0.1
    """

    def __init__(self, asset: str | Path = "all-minilm-l6-v2") -> None:
        """Name an asset, or a Transformers folder; it is loaded when it is needed."""
        self.asset = str(asset)

    @cached_property
    def _encoder(self) -> "TextEncoder":
        from rsvlm.models.text_encoder import TextEncoder

        return TextEncoder.of(self.asset)

    @cached_property
    def _counter(self) -> "Tokenizer":
        """A tokenizer that counts: the encoder's own cuts before it counts."""
        from tokenizers import Tokenizer

        found = Tokenizer.from_str(self._encoder.tokenizer.to_str())
        found.no_truncation()
        found.no_padding()
        return found

    @property
    def name(self) -> str:
        """What tells its vectors from those of another encoder."""
        return self.asset

    @property
    def width(self) -> int:
        """Length D of a vector."""
        return self._encoder.width

    @property
    def limit(self) -> int:
        """Most tokens of a text that it reads, special tokens included."""
        truncation = self._encoder.tokenizer.truncation
        assert truncation is not None  # TextEncoder sets it
        return int(truncation["max_length"])

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, special tokens included.

        Raises:
            CheckpointError: If the folder holds no such encoder.
            AssetError: If the asset cannot be fetched.
        """
        return len(self._counter.encode(text).ids)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (len(texts), D), float32."""
        return np.asarray(self._encoder.encode(list(texts)).numpy(), np.float32)
