"""Referring to several objects: all boxes that one expression means.

Predictions and references of a sample are matched one to one, greedily by falling IoU
(polygon IoU for turned boxes). Micro precision, recall and F1 pool the counts of all
samples; ``perfect`` asks for F1 = 1 sample by sample, and a sample without target is
right when nothing is predicted.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.overlaps import Floats, Indices
from rsvlm.eval.metrics.pool import Pool, candidates, chosen, ranked


class Counts(NamedTuple):
    """Regions of each sample, shape (N,) each."""

    right: Floats
    predicted: Floats
    references: Floats

    def take(self, rows: Indices) -> "Counts":
        """Return the counts of some samples, by index."""
        return Counts(*(column[rows] for column in self))

    @property
    def perfect(self) -> Floats:
        """1 where F1 is 1 or both sides are empty, shape (N,)."""
        whole = (self.right == self.predicted) & (self.right == self.references)
        return np.asarray(whole, dtype=float)

    @property
    def f1(self) -> Floats:
        """F1 of each sample, 1 where both sides are empty, shape (N,)."""
        return _share(2 * self.right, self.predicted + self.references, empty=1.0)

    @property
    def precision(self) -> Floats:
        """Precision of each sample; 1 where both sides are empty, 0 without boxes."""
        nothing = np.where(self.references == 0, 1.0, 0.0)
        return _share(self.right, self.predicted, empty=nothing)


class Micro(NamedTuple):
    """Scores of the pooled counts, in [0, 1]; 0 where nothing is counted."""

    precision: float
    recall: float
    f1: float


def one_to_one(
    predictions: Pool,
    references: Pool,
    samples: int,
    threshold: float = 0.5,
    *,
    strict: bool = False,
    generalised: bool = False,
) -> Counts:
    """Match the regions of each sample one to one, by falling IoU.

    Args:
        predictions: Predicted regions; ``image`` is the index of the sample.
        references: True regions, likewise.
        samples: Number of samples, N.
        threshold: Smallest IoU of a match, in (0, 1].
        strict: A match must exceed the threshold.
        generalised: Compare generalised IoU of polygons, as RSCoVLM's scorer does.

    Raises:
        SettingsError: If the threshold is not in (0, 1].
    """
    pairs = candidates(
        predictions, references, threshold, strict=strict, generalised=generalised
    )
    pairs = ranked(pairs, predictions, references, "free")
    found = chosen(pairs, len(predictions))
    return counts_of(predictions, references, samples, found)


def any_reference(
    predictions: Pool,
    references: Pool,
    samples: int,
    threshold: float = 0.5,
    *,
    strict: bool = False,
) -> Counts:
    """Count a prediction as right when any reference is near, however often it is used.

    EarthDial's rule, for precision only: ten copies of one right box score 1.

    Args:
        predictions: Predicted regions; ``image`` is the index of the sample.
        references: True regions, likewise.
        samples: Number of samples, N.
        threshold: Smallest IoU of a match, in (0, 1].
        strict: A match must exceed the threshold.

    Raises:
        SettingsError: If the threshold is not in (0, 1].
    """
    pairs = candidates(predictions, references, threshold, strict=strict)
    found = np.zeros(len(predictions), dtype=bool)
    found[pairs.prediction] = True
    return counts_of(predictions, references, samples, found)


def micro(counts: Counts) -> Micro:
    """Return precision, recall and F1 of the summed counts."""
    right, predicted, references = (float(column.sum()) for column in counts)
    return Micro(
        right / predicted if predicted else 0.0,
        right / references if references else 0.0,
        2 * right / (predicted + references) if predicted + references else 0.0,
    )


def counts_of(
    predictions: Pool, references: Pool, samples: int, found: NDArray[np.bool_]
) -> Counts:
    """Return the regions of each sample, counted.

    Args:
        predictions: Predicted regions; ``image`` is the index of the sample.
        references: True regions, likewise.
        samples: Number of samples, N.
        found: Whether each prediction is right, shape (P,).
    """
    return Counts(
        np.bincount(predictions.image[found], minlength=samples).astype(float),
        np.bincount(predictions.image, minlength=samples).astype(float),
        np.bincount(references.image, minlength=samples).astype(float),
    )


def _share(part: Floats, whole: Floats, empty: Floats | float) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), empty)
