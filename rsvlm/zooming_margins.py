"""How well a phrase fits tiles, on a scale that does not depend on their number.

A softmax over tiles gives the best of 400 equal tiles 1/400 and the best of nine 1/9:
a threshold on it decides by the size of the image. A margin compares every tile with a
fixed set of other phrases instead: how many standard deviations better than those does
the wanted phrase fit it?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsvlm.embedding import Embedder, Vectors, class_vectors

#: What else may be seen from above: the phrases that a wanted one has to beat.
BACKGROUND = (
    "open water", "a river", "a lake", "a beach", "a forest", "trees", "grassland",
    "farmland", "bare soil", "rock", "sand", "snow", "a wetland", "clouds", "shadow",
    "houses", "a residential area", "apartment blocks", "an industrial area",
    "a warehouse", "a parking lot", "a road", "a highway", "a railway", "a bridge",
    "a harbor", "a ship", "an airport", "a runway", "an airplane", "vehicles",
    "storage tanks", "a sports field", "a tennis court", "a stadium", "a park",
    "a school", "a swimming pool", "a quarry", "a construction site", "solar panels",
    "a greenhouse", "a golf course", "a power line", "a dam", "a pond", "a mountain",
    "a desert",
)  # fmt: skip
#: A background phrase nearer to the wanted one than this is another word for it.
SAME = 0.8
#: Least standard deviation: where all phrases fit alike, nothing stands out.
LEAST_SPREAD = 0.01

Scores = NDArray[np.float32]


class Probe(Protocol):
    """What tiles are compared with."""

    def margins(self, tiles: Vectors) -> Scores:
        """Return by how many standard deviations tiles fit better than others.

        The margin of a tile depends on nothing but the tile and the probe.

        Args:
            tiles: Unit vectors, shape (N, D).

        Returns:
            Shape (N,).
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextProbe:
    """A phrase against other phrases.

    Attributes:
        wanted: Unit vector of the phrase, shape (D,).
        background: Unit vectors of the phrases to be beaten, shape (B, D).
    """

    wanted: Vectors
    background: Vectors

    def margins(self, tiles: Vectors) -> Scores:
        """Return the margin of each tile over the other phrases, shape (N,)."""
        others = tiles @ self.background.T  # (N, B)
        spread = np.maximum(others.std(axis=1), LEAST_SPREAD)
        fits = tiles @ self.wanted - others.mean(axis=1)
        return np.asarray(fits / spread, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PictureProbe:
    """Labelled pictures of a thing against pictures without it.

    Attributes:
        direction: What sets the ones apart from the others, shape (D,).
        centre: Mean of its product with the others.
        spread: Standard deviation of that.
    """

    direction: Vectors
    centre: float
    spread: float

    def margins(self, tiles: Vectors) -> Scores:
        """Return the margin of each tile over the other pictures, shape (N,)."""
        fits = tiles @ self.direction - self.centre
        return np.asarray(fits / self.spread, np.float32)


def text_probe(
    embedder: Embedder,
    phrase: str,
    sensor: str = "optical",
    background: Vectors | None = None,
) -> TextProbe:
    """Return the probe of a phrase, the mean of several wordings.

    Args:
        embedder: The encoders.
        phrase: Such as ``"storage tank"``.
        sensor: Decides the wordings.
        background: Vectors of :data:`BACKGROUND` for that sensor, where they are known:
            they are hundreds of texts.
    """
    if background is None:
        background = class_vectors(embedder, BACKGROUND, sensor)
    wanted = class_vectors(embedder, [phrase], sensor)[0]
    other = background @ wanted < SAME
    # A phrase that is near to everything has nothing to beat but everything.
    return TextProbe(wanted, background[other] if other.sum() >= 8 else background)


def picture_probe(
    shown: Vectors, others: Vectors, shrinkage: float = 0.1
) -> PictureProbe:
    """Return the probe of labelled pictures: the best linear one for equal spreads.

    Args:
        shown: Unit vectors of pictures of the thing, shape (K, D).
        others: Unit vectors of pictures without it, shape (B, D), B at least 2.
        shrinkage: Share of the mean variance added to every direction: pictures are
            fewer than directions.

    Source:
        Fisher's linear discriminant, shrunk towards the difference of the means.
    """
    middle = others.mean(0)
    centred = np.concatenate([shown - shown.mean(0), others - middle]).astype(float)
    spread = centred.T @ centred / len(centred)
    variance = np.trace(spread) / len(spread)
    spread += shrinkage * max(variance, 1e-9) * np.eye(len(spread))
    direction = np.linalg.solve(spread, (shown.mean(0) - middle).astype(float))
    direction /= max(np.linalg.norm(direction), 1e-12)
    values = others @ direction
    return PictureProbe(
        np.asarray(direction, np.float32),
        float(values.mean()),
        float(max(values.std(), 1e-6)),
    )


def threshold_for(
    best: Sequence[float], is_right: Sequence[bool], precision: float = 0.8
) -> float:
    """Return the least margin above which a share of the answers is right.

    Args:
        best: Margin of the best tile, one a held-out question.
        is_right: Whether that tile showed what was asked for.
        precision: Wanted share.

    Returns:
        The threshold; infinite where no threshold reaches the share.

    >>> threshold_for([3.0, 2.0, 1.0], [True, True, False])
    2.0
    """
    order = np.argsort(-np.asarray(best, float), kind="stable")
    right = np.cumsum(np.asarray(is_right, float)[order])
    shares = right / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(shares >= precision)
    return float(np.asarray(best)[order[enough[-1]]]) if len(enough) else float("inf")
