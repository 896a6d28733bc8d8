"""Detection by models that give no scores: order-free precision, recall, F1 and AP.

Language models list boxes without scores, and AP with all scores equal then depends on
the order of listing. Here equal scores are one point of the curve: predictions and
references of a class are matched one to one by falling IoU, and AP is precision times
recall. :func:`ordered` shows what an order-dependent scorer might have printed.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.curves import Ranking, rank
from rsvlm.eval.metrics.overlaps import Floats, Indices
from rsvlm.eval.metrics.pool import Pool, candidates, chosen, ranked

#: Seeded orders that the AP of listed predictions is averaged over.
ORDERS = 10


class ClassScores(NamedTuple):
    """Scores of each label, shape (L,); NaN where the label has no reference."""

    precision: Floats
    recall: Floats
    f1: Floats
    ap: Floats


@dataclass(frozen=True)
class Unscored:
    """Predictions and references, matched without regard to scores.

    Attributes:
        predictions: Predicted regions.
        references: True regions.
        found: Whether each prediction is right, shape (P,).
        labels: Number of labels.
    """

    predictions: Pool
    references: Pool
    found: NDArray[np.bool_]
    labels: int

    @classmethod
    def match(
        cls,
        predictions: Pool,
        references: Pool,
        labels: int,
        threshold: float = 0.5,
        strict: bool = False,
    ) -> "Unscored":
        """Match one to one by falling IoU.

        Args:
            predictions: Predicted regions; their scores are not looked at.
            references: True regions; indices of images and labels as above.
            labels: Number of labels.
            threshold: Smallest IoU of a match, in (0, 1].
            strict: A match must exceed the threshold.

        Raises:
            SettingsError: If the threshold is not in (0, 1].
        """
        equal = replace(predictions, score=np.ones(len(predictions)))
        pairs = ranked(
            candidates(equal, references, threshold, strict=strict),
            equal,
            references,
            "free",
        )
        return cls(equal, references, chosen(pairs, len(equal)), labels)

    def scores(self, weights: Floats | None = None) -> ClassScores:
        """Return the scores of each label.

        A label without predictions has precision, recall, F1 and AP 0.

        Args:
            weights: How often each image was drawn, shape (I,); None: once.
        """
        right, given, true = self._counts(weights)
        known = true > 0
        precision = np.divide(right, given, out=np.zeros_like(right), where=given > 0)
        recall = np.divide(right, true, out=np.full_like(right, np.nan), where=known)
        precision[~known] = np.nan
        f1 = np.divide(
            2 * right, given + true, out=np.full_like(right, np.nan), where=known
        )
        return ClassScores(precision, recall, f1, precision * recall)

    def with_background(self, weights: Floats | None = None) -> float:
        """Return the F1 of mean precision and mean recall over classes + background.

        The background class counts as 0 in both means, so that even perfect boxes of K
        classes reach only K / (K + 1). Boxes are matched within their class, whereas
        the confusion matrix of the source matches across classes.

        Source:
            mF1 of LMMRotate, https://arxiv.org/abs/2501.09720.
        """
        scores = self.scores(weights)
        classes = int(np.count_nonzero(~np.isnan(scores.recall))) + 1
        precision, recall = (
            float(np.nansum(part)) / classes
            for part in (scores.precision, scores.recall)
        )
        total = precision + recall
        return 2 * precision * recall / total if total else 0.0

    def micro(self, weights: Floats | None = None) -> tuple[float, float, float]:
        """Return precision, recall and F1 over all labels, also those never true."""
        right, given, true = (float(part.sum()) for part in self._counts(weights))
        return (
            right / given if given else 0.0,
            right / true if true else 0.0,
            2 * right / (given + true) if given + true else 0.0,
        )

    def _counts(self, weights: Floats | None) -> tuple[Floats, Floats, Floats]:
        """Return right, predicted and true regions of each label, shape (L,) each."""
        sides = []
        for pool in (self.predictions, self.references):
            drawn = np.ones(len(pool)) if weights is None else weights[pool.image]
            sides.append((pool.label, drawn))
        (label, drawn), (true_label, true_drawn) = sides

        def total(labels: Indices, amounts: Floats) -> Floats:
            counted = np.bincount(labels, weights=amounts, minlength=self.labels)
            return counted.astype(float)

        return (
            total(label, drawn * self.found),
            total(label, drawn),
            total(true_label, true_drawn),
        )


def ordered(
    predictions: Pool,
    references: Pool,
    labels: int,
    threshold: float = 0.5,
    strict: bool = False,
    orders: int = ORDERS,
) -> list[Ranking]:
    """Return the predictions in random orders of listing, as if these were scores.

    Their AP is what a scorer that depends on the order might print. Order ``k`` is
    drawn with seed ``k``: the same boxes in the same listing give the same orders.

    Args:
        predictions: Predicted regions; their scores are not looked at.
        references: True regions.
        labels: Number of labels.
        threshold: Smallest IoU of a match, in (0, 1].
        strict: A match must exceed the threshold.
        orders: Number of orders.

    Raises:
        SettingsError: If the threshold is not in (0, 1].
    """
    pairs = candidates(predictions, references, threshold, strict=strict)
    rankings = []
    for seed in range(orders):
        score = np.random.default_rng(seed).permutation(len(predictions)).astype(float)
        mixed = replace(predictions, score=score)
        found = chosen(ranked(pairs, mixed, references, "free"), len(mixed))
        rankings.append(rank(mixed, references, found[None], labels))
    return rankings
