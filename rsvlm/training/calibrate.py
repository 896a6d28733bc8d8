"""Where the region head's scores cut, and what they are worth: fitted on held-out data.

A score is no probability. On pictures that the head was not trained on, a logistic
curve is fitted to "is this candidate an object?", and the cuts are put where counting
(F1) and saying yes or no (balanced accuracy) work best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB, Region, iou, nms
from rsvlm.models.finder import OVERLAP, FinderSettings, RegionFinder
from rsvlm.samples import Sample
from rsvlm.training.augment import load_picture, resize

Floats = NDArray[np.float64]

#: Precision wanted of objects that are mentioned unasked.
PRECISION = 0.8
#: Least slope of the calibration curve.
LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class Judged:
    """Candidates of held-out pictures.

    Attributes:
        scores: Raw score of every candidate, shape (N,).
        right: Whether it is an object, shape (N,).
        kinds: Index of the label that it was found for, shape (N,).
        totals: Number of objects of each label in all pictures, shape (K,).
        best: Best score of each (picture, label), shape (M,).
        present: Whether the picture has that label, shape (M,).
    """

    scores: Floats
    right: Floats
    kinds: NDArray[np.int64]
    totals: NDArray[np.int64]
    best: Floats
    present: Floats

    @property
    def objects(self) -> int:
        """Number of objects in all pictures."""
        return int(self.totals.sum())


def judge(
    finder: RegionFinder,
    samples: Sequence[Sample],
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Judged:
    """Compare the candidates of pictures with their labels."""
    scores: list[float] = []
    right: list[float] = []
    best: list[float] = []
    present: list[float] = []
    kinds: list[int] = []
    totals = np.zeros(len(finder.settings.labels), np.int64)
    for number, sample in enumerate(samples, start=1):
        picture = load_picture(folder / sample.images[0].path)
        seen, _ = resize(picture, [], finder.settings.long_side)
        scale = seen.shape[1] / picture.shape[1], seen.shape[0] / picture.shape[0]
        found, _ = finder.maps(seen, finder.settings.labels)
        for kind, label in enumerate(finder.settings.labels):
            truth = [
                HBB(*target.hbb).scale(*scale)
                for target in sample.targets
                if target.label == label
            ]
            totals[kind] += len(truth)
            boxes = [
                Region(HBB(x0, y0, max(x1, x0), max(y1, y0)), label, item.score)
                for item in found[kind]
                for x0, y0, x1, y1 in [item.box]
            ]
            kept = nms(boxes, OVERLAP)
            best.append(max((region.confidence for region in kept), default=0.0))
            present.append(float(bool(truth)))
            free = list(truth)
            for region in kept:
                match = max(free, key=lambda box: iou(box, region.shape), default=None)
                hit = match is not None and iou(match, region.shape) >= 0.5
                if hit and match is not None:
                    free.remove(match)
                scores.append(region.confidence)
                right.append(float(hit))
                kinds.append(kind)
        if number % 10 == 0 or number == len(samples):
            progress(f"calibrating: {number}/{len(samples)}")
    return Judged(
        np.array(scores), np.array(right), np.array(kinds, np.int64), totals,
        np.array(best), np.array(present),
    )  # fmt: skip


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
    """Return settings with slope, intercept and cuts fitted."""
    slope, intercept = _logistic(_logit(judged.scores), judged.right)

    def confidence(score: float) -> float:
        value = slope * float(_logit(np.array([score]))[0]) + intercept
        # Rounded down: what lies on the cut is taken.
        return float(np.floor(1e4 / (1 + np.exp(-value))) / 1e4)

    steps = np.linspace(0.05, 0.9, 86)
    taken = [judged.scores >= step for step in steps]
    hits = np.array([judged.right[mask].sum() for mask in taken])
    number = np.array([max(mask.sum(), 1) for mask in taken])
    f1 = 2 * hits / (number + judged.objects)
    precise = hits / number >= PRECISION
    sure = steps[np.argmax(precise)] if precise.any() else steps[-1]
    # A head that is never right draws as little as possible.
    presence = locate = float(steps[int(np.argmax(f1)) if hits.any() else -1])
    yes = judged.present > 0
    if yes.any() and not yes.all():  # else there is nothing to weigh
        balanced = [
            ((judged.best[yes] >= s).mean() + (judged.best[~yes] < s).mean()) / 2
            for s in steps
        ]
        presence = float(steps[int(np.argmax(balanced))])
    cuts = {
        "locate": confidence(locate),
        "presence": confidence(presence),
        "anything": confidence(max(float(sure), locate)),
    }
    update = {"slope": slope, "intercept": intercept, "cuts": cuts}
    return FinderSettings.model_validate(settings.model_dump() | update)


def _logit(scores: Floats) -> Floats:
    clipped = scores.clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _logistic(x: Floats, y: Floats) -> tuple[float, float]:
    """Fit y ~ sigmoid(a x + b) by Newton's method, with a weak prior on a = 1, b = 0.

    A better score must not mean less confidence, whatever a few noisy pictures say:
    a is at least ``LEAST_SLOPE``.
    """
    design = np.stack([x, np.ones_like(x)], 1)
    weights = _newton(design, y, np.array([1.0, 0.0]), slice(0, 2))
    if weights[0] < LEAST_SLOPE:
        weights = _newton(design, y, np.array([LEAST_SLOPE, 0.0]), slice(1, 2))
    return float(round(weights[0], 5)), float(round(weights[1], 5))


def _newton(design: Floats, y: Floats, start: Floats, free: slice) -> Floats:
    """Return the weights of the fit; only the ``free`` ones leave ``start``."""
    prior = 1e-2
    weights = start.copy()

    def loss(values: Floats) -> float:
        z = design @ values
        fit = np.logaddexp(0, z).sum() - y @ z
        return float(fit + prior / 2 * ((values - start) ** 2).sum())

    for _ in range(50):
        p = 1 / (1 + np.exp(-(design @ weights).clip(-30, 30)))
        gradient = design.T @ (p - y) + prior * (weights - start)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + prior * np.eye(2)
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature[free, free], gradient[free])
        while np.abs(step).max() > 1e-9 and loss(weights - step) > loss(weights):
            step /= 2  # too far: where the curve is flat, Newton overshoots
        weights = weights - step
    return weights
