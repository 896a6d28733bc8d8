"""Encoding on the workers of a Ray cluster; to an archive it is one embedder.

Every worker loads the encoders once. Pictures are 8-bit tiles of some 85 KB, so that a
link of 1 Gbit/s feeds more than a thousand a second.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from rsvlm.embedding import Vectors
from rsvlm.errors import MissingExtraError
from rsvlm.render import View
from rsvlm.retrieval.archive_build import TileEmbedder


class RayEmbedder:
    """Encoders on several workers; a ``TileEmbedder``.

    .. versionadded:: 0.2
    """

    def __init__(
        self, load: Callable[[], TileEmbedder], workers: int, gpus: float = 0
    ) -> None:
        """Start the workers on the cluster that Ray is connected to.

        Args:
            load: Loads the encoders; it runs on every worker.
            workers: Number of them.
            gpus: Share of a GPU that each takes.

        Raises:
            MissingExtraError: If Ray is not installed.
        """
        try:
            import ray
        except ImportError:
            raise MissingExtraError("ray", "ray") from None
        self._ray = ray
        actor = ray.remote(num_gpus=gpus)(_Worker)
        self._workers = [actor.remote(load) for _ in range(workers)]
        about = ray.get(self._workers[0].about.remote())
        self.name: str = about["name"]
        self.revision: str = about["revision"]
        self.width: int = about["width"]
        self.scale: float = about["scale"]
        self.sensors: frozenset[str] = about["sensors"]
        self.side: int = about["side"]
        self.window_m: float | None = about["window_m"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            self._ray.kill(worker)

    def encode_image(self, views: Sequence[View]) -> Vectors:
        """Return unit vectors of pictures, shape (B, D), each by its sensor."""
        parts = np.array_split(np.arange(len(views)), len(self._workers))
        waiting = [
            worker.encode_image.remote([views[i] for i in part])
            for worker, part in zip(self._workers, parts, strict=True)
            if len(part)
        ]
        if not waiting:
            return np.zeros((0, self.width), np.float32)
        return np.concatenate(self._ray.get(waiting))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts, shape (B, D)."""
        vectors: Vectors = self._ray.get(
            self._workers[0].encode_text.remote(list(texts))
        )
        return vectors


class _Worker:
    """What runs on a worker."""

    def __init__(self, load: Callable[[], TileEmbedder]) -> None:
        self.embedder = load()

    def about(self) -> dict[str, Any]:
        names = ("name", "revision", "width", "scale", "sensors", "side", "window_m")
        return {name: getattr(self.embedder, name) for name in names}

    def encode_image(self, views: Sequence[View]) -> Vectors:
        return self.embedder.encode_image(views)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self.embedder.encode_text(texts)
