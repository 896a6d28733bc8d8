"""Cuts and confidences from scores of held-out pictures."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.geometry import Region
from rsvlm.models.finder import FinderSettings, RegionFinder
from rsvlm.models.region_head import Found
from rsvlm.samples import Sample, read_samples
from rsvlm.training.calibrate import (
    FLAT,
    LEAST_SLOPE,
    Judged,
    _granted,
    fit,
    judge,
    mean_precision,
)

Floats = NDArray[np.float64]
STEPS = np.linspace(0.02, 0.98, 97)
SETTINGS = FinderSettings(
    encoder="e", layers=(1,), long_side=96, width=8, embedding=8, labels=("ship",)
)


def sigmoid(x: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x))))


def of_one_label(scores: Floats, right: Floats, objects: Floats) -> Judged:
    """Pictures with one candidate each, and their numbers of objects."""
    pairs = np.arange(len(scores))
    return Judged(scores, right, pairs, objects.astype(np.int64)[:, None])


def drawn(slope: float, intercept: float, count: int = 20000) -> Judged:
    """Candidates that are right with probability sigmoid(slope * logit + intercept)."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, count)
    right = (rng.random(count) < sigmoid(slope * logits + intercept)).astype(float)
    scores = sigmoid(logits)
    return of_one_label(scores, right, right)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (2.0, -1.5), (0.5, 1.0)])
def test_the_curve_is_found(slope: float, intercept: float) -> None:
    fitted = fit(SETTINGS, drawn(slope, intercept))
    assert fitted.slope == pytest.approx(slope, abs=0.1)
    assert fitted.intercept == pytest.approx(intercept, abs=0.1)
    # Confidences are probabilities now: half of what has 0.5 is right.
    assert fitted.cuts["presence"] == pytest.approx(
        drawn(slope, intercept).present.mean(), abs=0.15
    )
    assert fitted.cuts["anything"] >= fitted.cuts["locate"]


def test_cuts_separate_what_can_be_separated() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1] * 10)
    right = np.array([1.0, 1, 1, 0, 0, 0] * 10)
    fitted = fit(SETTINGS, of_one_label(scores, right, right))
    curve = sigmoid(
        fitted.slope * np.log(scores / (1 - scores)) + fitted.intercept
    )  # fmt: skip
    for cut in fitted.cuts.values():
        assert ((curve >= cut) == (right > 0)).all()


def test_unasked_objects_are_mentioned_with_more_care() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(4000)
    right = (rng.random(4000) < scores).astype(float)
    fitted = fit(SETTINGS, of_one_label(scores, right, right))
    assert fitted.cuts["anything"] > fitted.cuts["locate"] + 0.1


@pytest.mark.parametrize("present", [0.0, 1.0])
def test_nothing_to_compare_with(present: float) -> None:
    scores = np.array([0.9, 0.6, 0.2])
    judged = of_one_label(scores, np.array([1.0, 1, 0]), np.full(3, present))
    fitted = fit(SETTINGS, judged)
    assert fitted.cuts["presence"] == fitted.cuts["locate"]


def test_no_candidates_at_all() -> None:
    empty = np.array([])
    fitted = fit(SETTINGS, of_one_label(empty, empty, np.ones(3)))
    assert (fitted.slope, fitted.intercept) == (1.0, 0.0)
    assert fitted.cuts["locate"] == pytest.approx(0.9, abs=0.01)  # the strictest


def test_a_better_score_never_means_less() -> None:
    scores = np.linspace(0.05, 0.95, 50)
    right = (scores < 0.4).astype(float)  # the wrong way round
    fitted = fit(SETTINGS, of_one_label(scores, right, right))
    assert fitted.slope == LEAST_SLOPE
    assert 0 < fitted.cuts["locate"] < 1
    never = fit(SETTINGS, of_one_label(scores, np.zeros(50), right))
    assert never.cuts["locate"] == never.cuts["anything"] < 0.1


def test_a_label_of_false_alarms_is_worth_less() -> None:
    # The same scores: of label 0 nearly all are right, of label 1 a few, of 2 unknown.
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.2, 0.8, 600)
    kinds = np.repeat([0, 1], 300)
    right = (rng.random(600) < np.where(kinds == 0, 0.9, 0.2)).astype(float)
    objects = np.zeros((300, 3), np.int64)
    objects[:, 0], objects[:, 1] = right[:300], right[300:]
    pairs = 3 * np.tile(np.arange(300), 2) + kinds
    settings = SETTINGS.model_copy(update={"labels": ("ship", "tank", "pier")})
    judged = Judged(scores, right, pairs, objects)
    assert (judged.kinds == kinds).all()
    fitted = fit(settings, judged)
    assert set(fitted.offsets) == {"ship", "tank", "pier"}
    assert fitted.offsets["ship"] > 1 > fitted.offsets["pier"] > -1 > fitted.offsets["tank"]  # fmt: skip
    logit = np.log(scores / (1 - scores))
    offsets = np.array([fitted.offsets["ship"], fitted.offsets["tank"]])[kinds]
    sure = sigmoid(fitted.slope * logit + fitted.intercept + offsets)
    for kind in (0, 1):
        own = kinds == kind
        assert sure[own].mean() == pytest.approx(right[own].mean(), abs=0.03)


def test_what_is_taken_for_granted_is_shown_where_that_is_mostly_right() -> None:
    """No cut shows what is there, and nothing elsewhere, much better than this one."""
    rng = np.random.default_rng(2)
    best = np.concatenate([rng.uniform(0.02, 0.6, 500), rng.uniform(0.1, 0.98, 500)])
    present = np.repeat([0.0, 1.0], 500)
    fitted = fit(SETTINGS, of_one_label(best, present, present))
    logit = np.log(best / (1 - best))
    sure = sigmoid(fitted.slope * logit + fitted.intercept)
    # Weak candidates are objects as rarely as in empty pictures.
    values = [(sure[500:] >= s).mean() - (sure[:500] >= s).mean() for s in STEPS]
    named = fitted.cut("named")
    value = (sure[500:] >= named).mean() - (sure[:500] >= named).mean()
    assert value >= max(values) - 2 * FLAT
    assert all(
        v < max(values) - FLAT
        for v, s in zip(values, STEPS, strict=True)
        if s < named - 0.02
    )
    assert fitted.cuts["named"] <= fitted.cuts["presence"]


@pytest.mark.parametrize("absent", [0.1, 0.3])
def test_what_is_taken_for_granted_is_surer(absent: float) -> None:
    """The only object of a picture, by chances that the fit should find again."""
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.05, 0.95, (20000, 2))  # two candidates a picture
    odds = (scores / (1 - scores)).max(1)
    hit = rng.random(20000) < odds / (odds + scores.min(1) + absent)
    right = np.zeros((20000, 2))
    right[np.arange(20000), scores.argmax(1)] = hit
    pairs = np.repeat(np.arange(20000), 2)
    judged = Judged(scores.ravel(), right.ravel(), pairs, np.ones((20000, 1), np.int64))
    assert _granted(judged, scores.ravel()) == pytest.approx(absent, rel=0.15)
    fitted = fit(SETTINGS, judged).granted
    assert 0 < fitted <= 1


def test_few_pictures_do_not_tell_what_can_be_granted() -> None:
    scores = np.full(5, 0.9)
    assert _granted(of_one_label(scores, np.ones(5), np.ones(5)), scores) == 1.0


class Guesses:
    """A finder that says the same of every picture."""

    def __init__(self, boxes: list[Found]) -> None:
        self.settings, self.boxes = SETTINGS, boxes

    def maps(
        self, pixels: NDArray[np.uint8], descriptions: tuple[str, ...]
    ) -> tuple[list[list[Found]], list[None]]:
        assert pixels.shape == (96, 96, 3)
        return [self.boxes for _ in descriptions], [None for _ in descriptions]

    def tight(
        self, pixels: object, regions: list[Region], coarse: list[None]
    ) -> list[tuple[Region, None]]:
        assert len(regions) == len(coarse)
        return [(region, None) for region in regions]


def test_candidates_are_judged_once_each(smoke_data: Path) -> None:
    sample: Sample = next(
        s
        for s in read_samples(smoke_data / "val.jsonl")
        if s.task == "detect" and len(s.targets) > 1
    )
    x0, y0, x1, y1 = sample.targets[0].hbb
    targets = [t.model_copy(update={"label": "ship"}) for t in sample.targets[:2]]
    sample = sample.model_copy(update={"targets": tuple(targets)})
    boxes = [
        Found((x0, y0, x1, y1), 0.9),
        Found((x0 + 1, y0, x1 + 1, y1), 0.8),  # the same object again: no candidate
        Found((x0, y0, x0 + (x1 - x0) * 0.3, y1), 0.3),  # a part of it: wrong
    ]
    finder: RegionFinder = Guesses(boxes)  # type: ignore[assignment]
    lines: list[str] = []
    judged = judge(finder, [sample], smoke_data, lines.append)
    assert judged.scores.tolist() == [0.9, 0.3]
    assert judged.right.tolist() == [1, 0]
    assert (judged.objects.tolist(), judged.present.tolist()) == ([[2]], [True])
    assert judged.best(judged.scores).tolist() == [0.9]
    assert judged.kinds.tolist() == [0, 0]
    assert lines == ["calibrating: 1/1"]


def test_precision_is_that_of_the_ranked_candidates() -> None:
    # Of label 0: right, wrong, right of 2 objects: 1/2 * 1 + 1/2 * 2/3. Label 1 has no
    # object. Of label 2: right alone, of 4 objects.
    judged = Judged(
        np.array([0.5, 0.9, 0.8, 0.99, 0.3]), np.array([1.0, 1, 0, 0, 1]),
        np.array([0, 0, 0, 1, 2]), np.array([[2, 0, 4]]),
    )  # fmt: skip
    assert mean_precision(judged) == pytest.approx((5 / 6 + 1 / 4) / 2)
    empty = np.array([])
    none = Judged(empty, empty, np.array([], np.int64), np.zeros((0, 3), np.int64))
    assert mean_precision(none) == 0.0
