"""Where the region head's scores cut, and what they are worth: fitted on held-out data.

A score is no probability. On pictures that the head was not trained on, a logistic
curve is fitted to "is this candidate an object?", one slope for all labels and an offset
for each, and the cuts of the confidence are put where counting (F1) and saying yes or no
(balanced accuracy) work best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB, iou
from rsvlm.models.finder import FinderSettings, RegionFinder
from rsvlm.models.region_head import distinct
from rsvlm.samples import Sample
from rsvlm.training.augment import load_picture, resize

Floats = NDArray[np.float64]

#: Precision wanted of objects that are mentioned unasked.
PRECISION = 0.8
#: Cuts by rates of yes and no are as good as the best one up to this loss.
FLAT = 0.01
#: How far the offset of a label may be expected to lie from 0; by cross-validation.
SPREAD = 0.6
#: Pictures with one object of a label from which the odds of ``granted`` are fitted.
FEWEST = 10
#: Least slope of the calibration curve.
LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class Judged:
    """Candidates of held-out pictures.

    Attributes:
        scores: Raw score of every candidate, shape (N,).
        right: Whether it is an object, shape (N,).
        pairs: Picture and label that it was found for, as an index into the flattened
            ``objects``, shape (N,).
        objects: Number of objects of each label in each picture, shape (P, K).
    """

    scores: Floats
    right: Floats
    pairs: NDArray[np.int64]
    objects: NDArray[np.int64]

    @property
    def kinds(self) -> NDArray[np.int64]:
        """Index of the label that each candidate was found for, shape (N,)."""
        return np.asarray(self.pairs % self.objects.shape[1], np.int64)

    @property
    def totals(self) -> NDArray[np.int64]:
        """Number of objects of each label in all pictures, shape (K,)."""
        found: NDArray[np.int64] = self.objects.sum(0)
        return found

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether a picture has a label, of each pair, shape (P * K,)."""
        return self.objects.ravel() > 0

    def best(self, values: Floats) -> Floats:
        """Return the greatest value of the candidates of each pair, 0 without any."""
        found = np.zeros(self.objects.size)
        np.maximum.at(found, self.pairs, values)
        return found


def judge(
    finder: RegionFinder,
    samples: Sequence[Sample],
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Judged:
    """Compare the candidates of pictures with their labels."""
    scores: list[float] = []
    right: list[float] = []
    pairs: list[int] = []
    labels = finder.settings.labels
    objects = np.zeros((len(samples), len(labels)), np.int64)
    for number, sample in enumerate(samples, start=1):
        picture = load_picture(folder / sample.images[0].path)
        seen, _ = resize(picture, [], finder.settings.long_side)
        scale = seen.shape[1] / picture.shape[1], seen.shape[0] / picture.shape[0]
        found, masks = finder.maps(seen, labels)
        height, width = seen.shape[:2]
        for kind, label in enumerate(labels):
            truth = [
                HBB(*target.hbb).scale(*scale)
                for target in sample.targets
                if target.label == label
            ]
            objects[number - 1, kind] = len(truth)
            boxes = distinct(found[kind], label, width, height)
            free = list(truth)
            for region, _ in finder.tight(seen, boxes, [masks[kind]] * len(boxes)):
                match = max(free, key=lambda box: iou(box, region.shape), default=None)
                hit = match is not None and iou(match, region.shape) >= 0.5
                if hit and match is not None:
                    free.remove(match)
                scores.append(region.confidence)
                right.append(float(hit))
                pairs.append((number - 1) * len(labels) + kind)
        if number % 10 == 0 or number == len(samples):
            progress(f"calibrating: {number}/{len(samples)}")
    return Judged(np.array(scores), np.array(right), np.array(pairs, np.int64), objects)


def mean_precision(judged: Judged) -> float:
    """Return the mean over labels of the average precision at IoU 0.5.

    Labels without an object do not count; the area is that under the whole curve of
    falling precision.
    """
    found = []
    for kind in np.flatnonzero(judged.totals):
        own = judged.kinds == kind
        right = judged.right[own][np.argsort(-judged.scores[own], kind="stable")]
        hits = right.cumsum()
        precise = hits / np.arange(1, len(right) + 1)
        envelope = np.maximum.accumulate(precise[::-1])[::-1]
        found.append(float((envelope * right).sum() / judged.totals[kind]))
    return float(np.mean(found)) if found else 0.0


def fit(settings: FinderSettings, judged: Judged) -> FinderSettings:
    """Return settings with slope, intercept, offsets of labels and cuts fitted."""
    labels = len(judged.totals)
    curve = _curve(_logit(judged.scores), judged.right, judged.kinds, labels)
    sure = _confidence(curve, judged.scores, judged.kinds)
    best, hit = judged.best(sure), _hits(judged, sure)
    steps = np.linspace(0.02, 0.98, 97)
    taken = [sure >= step for step in steps]
    hits = np.array([judged.right[mask].sum() for mask in taken])
    number = np.array([max(mask.sum(), 1) for mask in taken])
    f1 = 2 * hits / (number + judged.objects.sum())
    # Of probabilities the best cut for F1 is half of the best F1: steadier than the
    # step that few pictures favour. A head that is never right draws little.
    strictest = float(_confidence(curve[:2], np.array([0.9]), np.zeros(1, int))[0])
    locate = float(f1.max()) / 2 if hits.any() else strictest
    presence = named = locate
    yes = judged.present
    if yes.any() and not yes.all():  # else there is nothing to weigh
        alarms = np.array([(best[~yes] >= s).mean() for s in steps])
        right = np.array([(best[yes] >= s).mean() for s in steps]) + 1 - alarms
        # Between cuts that are equally good but for a picture or two lies the middle.
        presence = float(steps[right >= right.max() - FLAT].mean())
        shown = np.array([((best >= s) & hit)[yes].mean() for s in steps]) - alarms
        named = min(float(steps[np.argmax(shown >= shown.max() - FLAT)]), presence)
    precise = (hits / number >= PRECISION) & (steps >= locate)
    unasked = float(steps[np.argmax(precise)]) if precise.any() else strictest
    cuts = {
        "locate": locate,
        "presence": presence,
        "anything": max(unasked, locate),
        "named": named,
    }
    offsets = np.round(curve[2:], 3).tolist() if labels > 1 else []
    update = {
        "slope": float(curve[0]),
        "intercept": float(curve[1]),
        "offsets": dict(zip(settings.labels, offsets, strict=False)),
        "granted": _granted(judged, sure),
        # Rounded down: what lies on the cut is taken.
        "cuts": {name: float(np.floor(1e4 * cut) / 1e4) for name, cut in cuts.items()},
    }
    return FinderSettings.model_validate(settings.model_dump() | update)


def _granted(judged: Judged, sure: Floats) -> float:
    """Return the odds that the one object a question takes for granted is not found.

    Of all pictures with one object of a label, :func:`rsvlm.doubts.sure_of_granted` fits
    best with it; 1 where there are few.
    """
    pairs = np.arange(judged.objects.size)
    best = judged.best(sure)
    rest = np.zeros(len(best))
    np.add.at(rest, judged.pairs, sure)
    rest -= best
    hit = _hits(judged, sure)
    one = pairs[(judged.objects.ravel() == 1) & (best > 0)]
    if len(one) < FEWEST:
        return 1.0
    odds = best[one] / (1 - best[one]).clip(1e-6)
    # Fewer misses than one of them cannot be told.
    steps = np.geomspace(max(1 / len(one), 0.01), 1, 61)
    chances = odds / (odds + rest[one] + steps[:, None])
    fits = np.where(hit[one], np.log(chances), np.log1p(-chances)).sum(1)
    return round(float(steps[np.argmax(fits)]), 3)


def _hits(judged: Judged, sure: Floats) -> NDArray[np.bool_]:
    """Return whether the best candidate of each pair is an object."""
    best = judged.best(sure)[judged.pairs]
    return judged.best(np.where(sure >= best, judged.right, 0.0)) > 0


def _logit(scores: Floats) -> Floats:
    clipped = scores.clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _confidence(curve: Floats, scores: Floats, kinds: NDArray[np.int64]) -> Floats:
    """Return the probability that a candidate of each score and label is an object."""
    value = curve[0] * _logit(scores) + curve[1]
    if len(curve) > 2:
        value = value + curve[2:][kinds]
    return np.asarray(1 / (1 + np.exp(-value)))


def _curve(x: Floats, y: Floats, kinds: NDArray[np.int64], labels: int) -> Floats:
    """Fit y ~ sigmoid(a x + b + c of the label) by Newton's method.

    Weak priors hold a near 1 and b near 0, a stronger one each c near 0: a label of few
    objects follows all. A better score must not mean less confidence, whatever a few
    noisy pictures say: a is at least ``LEAST_SLOPE``.

    Returns:
        a, b and, of several labels, each c.
    """
    known = np.eye(labels)[kinds] if labels > 1 else np.zeros((len(x), 0))
    design = np.hstack([x[:, None], np.ones((len(x), 1)), known])
    prior = np.full(design.shape[1], 1 / SPREAD**2)
    prior[:2] = 1e-2
    start = np.zeros(design.shape[1])
    start[0] = 1.0
    weights = _newton(design, y, start, prior, slice(0, None))
    if weights[0] < LEAST_SLOPE:
        start[0] = LEAST_SLOPE
        weights = _newton(design, y, start, prior, slice(1, None))
    return np.round(weights, 5)


def _newton(
    design: Floats, y: Floats, start: Floats, prior: Floats, free: slice
) -> Floats:
    """Return the weights of the fit; only the ``free`` ones leave ``start``."""
    weights = start.copy()

    def loss(values: Floats) -> float:
        z = design @ values
        fit = np.logaddexp(0, z).sum() - y @ z
        return float(fit + (prior * (values - start) ** 2).sum() / 2)

    for _ in range(50):
        p = 1 / (1 + np.exp(-(design @ weights).clip(-30, 30)))
        gradient = design.T @ (p - y) + prior * (weights - start)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.diag(prior)
        step = np.zeros(len(weights))
        step[free] = np.linalg.solve(curvature[free, free], gradient[free])
        while np.abs(step).max() > 1e-9 and loss(weights - step) > loss(weights):
            step /= 2  # too far: where the curve is flat, Newton overshoots
        weights = weights - step
    return weights
