"""Opens a knowledge base with the text encoder that it was built with."""

from pathlib import Path

from rsvlm.embedding import Embedder
from rsvlm.retrieval.encoders import SentenceEncoder
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.rerank import Reranker
from rsvlm.retrieval.retriever import KnowledgeRetriever, Settings

DEFAULT_ENCODER = "all-minilm-l6-v2"


def open_retriever(
    folder: str | Path,
    settings: Settings | None = None,
    reranker: Reranker | None = None,
    embedder: Embedder | None = None,
) -> KnowledgeRetriever:
    """Return the retriever of a folder.

    Args:
        folder: Folder of ``rsvlm knowledge build``.
        settings: Limits and weights.
        reranker: Second stage.
        embedder: Encoders of pictures, where the base has pictures of them.

    Raises:
        KnowledgeError: If there is no base, or it is damaged or of another version.
    """
    base = KnowledgeBase.open(folder)
    return KnowledgeRetriever(base, _encoder(base), settings, reranker, embedder)


def encoder_of(folder: str | Path) -> SentenceEncoder:
    """Return the text encoder that a base was built with."""
    with KnowledgeBase.open(folder) as base:
        return _encoder(base)


def _encoder(base: KnowledgeBase) -> SentenceEncoder:
    return SentenceEncoder(base.meta.get("encoder", DEFAULT_ENCODER))
