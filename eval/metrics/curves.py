"""Precision and recall over falling scores, and the areas under them.

A :class:`Ranking` is computed once; areas of resampled images cost no geometry and no
sorting, because an image drawn twice is an image of weight 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.overlaps import Floats, Indices
from rsvlm.eval.metrics.pool import Pool

#: Recall at which COCO reads the curve.
RECALLS = np.linspace(0.0, 1.0, 101)

#: Area under a curve: right so far (N,), seen so far (N,), number of references.
_Area = Callable[[Floats, Floats, float], float]


@dataclass(frozen=True)
class Ranking:
    """Predictions by label and falling score, and which of them are right.

    Attributes:
        image: Image of each prediction, shape (P,).
        score: Confidence, falling within a label, shape (P,).
        found: Whether each is right at each threshold, shape (T, P).
        starts: Where each label starts, and the end, shape (L + 1,).
        reference_image: Image of each reference, shape (R,).
        reference_label: Label of each reference, shape (R,).
        judged: Whether each prediction counts at each threshold, shape (T, P); None:
            all do.
    """

    image: Indices
    score: Floats
    found: NDArray[np.bool_]
    starts: Indices
    reference_image: Indices
    reference_label: Indices
    judged: NDArray[np.bool_] | None = None

    def totals(self, weights: Floats | None = None) -> Floats:
        """Return the number of references of each label, shape (L,).

        Args:
            weights: How often each image was drawn, shape (I,); None: once.
        """
        chosen = None if weights is None else weights[self.reference_image]
        return np.bincount(
            self.reference_label, weights=chosen, minlength=len(self.starts) - 1
        ).astype(float)

    def areas(self, weights: Floats | None = None) -> Floats:
        """Return the area under the raised curve; equal scores are one point.

        Args:
            weights: How often each image was drawn, shape (I,); None: once.

        Returns:
            AP at each threshold of each label, shape (T, L); NaN without references.
        """
        return self._each(_raised_area, weights, ties=True)

    def interpolated(self, weights: Floats | None = None) -> Floats:
        """Return COCO's mean of the raised precision at 101 recalls, shape (T, L).

        Predictions of equal score are taken in the order they are ranked in, as
        pycocotools takes them: such an AP depends on the order of listing.

        Args:
            weights: How often each image was drawn, shape (I,); None: once.
        """
        return self._each(_mean_at_recalls, weights, ties=False)

    def tied(self) -> float:
        """Return the share of predictions whose score another one of the label has."""
        if not len(self.score):
            return 0.0
        label = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        same = (np.diff(self.score) == 0) & (np.diff(label) == 0)
        return float((np.append(same, False) | np.insert(same, 0, False)).mean())

    def _each(self, area: _Area, weights: Floats | None, ties: bool) -> Floats:
        totals = self.totals(weights)
        values = np.full((len(self.found), len(totals)), np.nan)
        drawn = np.ones(len(self.image)) if weights is None else weights[self.image]
        for label in np.flatnonzero(totals):
            part = slice(self.starts[label], self.starts[label + 1])
            hits = np.cumsum(self.found[:, part] * drawn[part], axis=1)  # (T, N)
            seen = np.cumsum(drawn[part])[None].repeat(len(hits), axis=0)
            if self.judged is not None:
                seen = np.cumsum(self.judged[:, part] * drawn[part], axis=1)
            if ties and hits.size:
                last = np.append(np.diff(self.score[part]) != 0, True)
                seen, hits = seen[:, last], hits[:, last]
            for row, right, so_far in zip(values, hits, seen, strict=True):
                row[label] = area(right, so_far, float(totals[label]))
        return values


def rank(
    predictions: Pool,
    references: Pool,
    found: NDArray[np.bool_],
    labels: int,
    judged: NDArray[np.bool_] | None = None,
) -> Ranking:
    """Return predictions by label and falling score; equal scores keep their order.

    Args:
        predictions: Predicted regions.
        references: True regions.
        found: Whether each prediction is right at each threshold, shape (T, P).
        labels: Number of labels.
        judged: Whether each prediction counts at each threshold, shape (T, P).
    """
    order = np.lexsort([-predictions.score, predictions.label])
    starts = np.searchsorted(predictions.label[order], np.arange(labels + 1))
    return Ranking(
        image=predictions.image[order],
        score=predictions.score[order],
        found=found[:, order],
        starts=starts,
        reference_image=references.image,
        reference_label=references.label,
        judged=None if judged is None else judged[:, order],
    )


def weights_of(indices: Sequence[int] | Indices, images: int) -> Floats:
    """Return how often each image was drawn, shape (I,)."""
    drawn = np.asarray(indices, dtype=np.intp)
    return np.bincount(drawn, minlength=images).astype(float)


def _envelope(hits: Floats, seen: Floats) -> Floats:
    """Return each precision raised to the best at any higher recall, shape (N,)."""
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return np.maximum.accumulate(precision[::-1])[::-1]


def _raised_area(hits: Floats, seen: Floats, total: float) -> float:
    return float(np.sum(np.diff(hits, prepend=0.0) * _envelope(hits, seen)) / total)


def _mean_at_recalls(hits: Floats, seen: Floats, total: float) -> float:
    envelope = np.append(_envelope(hits, seen), 0.0)  # nothing beyond the last recall
    at = np.searchsorted(hits / total, RECALLS, side="left")
    return float(envelope[at].mean())
