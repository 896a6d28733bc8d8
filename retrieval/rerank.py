"""The second stage: a cross-encoder that reads question and passage together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rsvlm.errors import CheckpointError
from rsvlm.retrieval.passages import Hit


class Reranker(Protocol):
    """Scores hits again; it reads fewer passages than the first stage, but better."""

    def rerank(self, question: str, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits with new scores, 0 to 1, best first."""
        ...


@dataclass(frozen=True)
class CrossEncoder:
    """A sequence classifier of Transformers with one output, such as ms-marco-MiniLM.

    Attributes:
        model: The classifier.
        tokenizer: Its tokenizer.
        share: Weight of its score beside that of the first stage, 0 to 1; the place of
            a passage is in the first stage only.

    .. versionadded:: 0.1
    """

    model: Any
    tokenizer: Any
    share: float = 0.6

    @classmethod
    def load(cls, folder: str | Path, share: float = 0.6) -> "CrossEncoder":
        """Load a folder of Transformers; nothing is fetched.

        Raises:
            CheckpointError: If it holds no classifier with one output.
        """
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{str(folder)!r} holds no cross-encoder "
                f"({' '.join(str(error).split())[:120]}). Give a folder of Transformers."
            ) from None
        if model.config.num_labels != 1:
            raise CheckpointError(
                f"{str(folder)!r} has {model.config.num_labels} outputs, a cross-encoder "
                "has one. Give a re-ranking model."
            )
        return cls(model.eval(), tokenizer, share)

    def rerank(self, question: str, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits with new scores, 0 to 1, best first."""
        import torch

        if not hits:
            return []
        texts = [f"{hit.passage.title}. {hit.passage.text}" for hit in hits]
        batch = self.tokenizer(
            [question] * len(texts), texts, padding=True, truncation="only_second",
            return_tensors="pt",
        )  # fmt: skip
        with torch.no_grad():
            logits = self.model(**batch).logits[:, 0].float().tolist()
        scored = [
            replace(
                hit,
                score=self.share / (1 + math.exp(-max(logit, -60.0)))
                + (1 - self.share) * hit.score,
            )
            for hit, logit in zip(hits, logits, strict=True)
        ]
        return sorted(scored, key=lambda hit: (-hit.score, hit.id))
