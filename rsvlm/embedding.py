"""One space for pictures of every sensor and for texts.

An :class:`Embedder` gives unit vectors whose inner product says how well two things fit;
search, zero-shot classification and the choice of tiles need nothing else. Prompts come
in ensembles: the mean vector of several wordings of a class is steadier than one.

Source:
    Prompt ensembles: CLIP, https://arxiv.org/abs/2103.00020, section 3.1.4.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsvlm.render import View

Vectors = NDArray[np.float32]

#: Sensor -> wordings of a class; ``{}`` is the class.
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "optical": (
        "a satellite image of {}",
        "an aerial image of {}",
        "a satellite photo of {}",
        "an overhead view of {}",
        "{} seen from above",
        "{}",
    ),
    "sar": (
        "a radar image of {}",
        "a SAR image of {}",
        "{} in a radar image",
        "{} seen by radar",
        "{}",
    ),
}


class Embedder(Protocol):
    """Pictures and texts to unit vectors of one space."""

    @property
    def name(self) -> str:
        """Name of the encoders."""
        ...

    @property
    def revision(self) -> str:
        """What tells one version of the encoders from another."""
        ...

    @property
    def width(self) -> int:
        """Length D of a vector."""
        ...

    @property
    def scale(self) -> float:
        """Factor on inner products before a softmax (inverse temperature)."""
        ...

    @property
    def sensors(self) -> frozenset[str]:
        """Sensors that it was trained on."""
        ...

    def encode_image(self, views: Sequence[View]) -> Vectors:
        """Return unit vectors of pictures, shape (B, D), each by its sensor."""
        ...

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts, shape (B, D)."""
        ...


def class_vectors(
    embedder: Embedder, classes: Sequence[str], sensor: str = "optical"
) -> Vectors:
    """Return one unit vector a class, the mean over the wordings of its sensor.

    Args:
        embedder: The encoders.
        classes: C names, such as ``"river or lake"``.
        sensor: A key of :data:`TEMPLATES`; others are worded as optical ones.

    Returns:
        Shape (C, D).
    """
    templates = TEMPLATES.get(sensor, TEMPLATES["optical"])
    texts = [template.format(name) for name in classes for template in templates]
    vectors = embedder.encode_text(texts).reshape(len(classes), len(templates), -1)
    return unit(vectors.mean(axis=1))


def zero_shot(
    embedder: Embedder, views: Sequence[View], classes: Sequence[str]
) -> Vectors:
    """Return the probability of each class for each picture, shape (B, C)."""
    if not views:
        return np.zeros((0, len(classes)), np.float32)
    pictures = embedder.encode_image(views)
    scores = np.empty((len(views), len(classes)), np.float32)
    for sensor in {view.sensor for view in views}:
        rows = [i for i, view in enumerate(views) if view.sensor == sensor]
        names = class_vectors(embedder, classes, sensor)
        scores[rows] = embedder.scale * pictures[rows] @ names.T
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True), np.float32)


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Return vectors scaled to length 1, shape (..., D); a zero vector stays."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)
