"""Average precision: worked by hand, against a plain re-telling, and by properties."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.detection import (
    Matches,
    average_precision,
    match,
    match_by_label,
    mean_average_precision,
    pooled_average_precision,
    pooled_mean_average_precision,
)
from rsvlm.geometry import HBB, OBB, Mask, Region


def at(x: float, score: float = 1.0, label: str = "ship") -> Region:
    """A 10 x 10 box at column x; two of them at x and x + 2 have IoU 8 / 12."""
    return Region(HBB(x, 0, x + 10, 10), label, score)


scored = st.builds(
    at,
    st.integers(0, 60).map(float),
    st.sampled_from([0.2, 0.5, 0.9]),
    st.sampled_from(["ship", "plane"]),
)
truths = st.builds(
    at, st.integers(0, 60).map(float), label=st.sampled_from(["ship", "plane"])
)
images = st.lists(
    st.tuples(st.lists(scored, max_size=6), st.lists(truths, max_size=4)),
    min_size=1,
    max_size=3,
).filter(lambda pairs: any(references for _, references in pairs))


def test_area_under_the_raised_curve_by_hand() -> None:
    references = [[at(0), at(100)]]
    predictions = [[at(0, 0.9), at(50, 0.8), at(100, 0.7)]]
    # right, wrong, right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1
    assert average_precision(predictions, references) == pytest.approx(
        0.5 * 1 + 0.5 * 2 / 3
    )


def test_precision_is_raised_to_the_best_further_right() -> None:
    references = [[at(0), at(100)]]
    predictions = [[at(50, 0.9), at(0, 0.8), at(100, 0.7)]]
    # wrong, right, right: precision 0, 1/2, 2/3, so both steps count 2/3
    assert average_precision(predictions, references) == pytest.approx(2 / 3)


def test_equal_scores_are_one_point() -> None:
    references = [[at(0), at(100), at(200), at(300)]]
    predictions = [[at(0), at(50), at(100)]]
    # precision 2/3, recall 2/4, in whatever order they are listed
    assert average_precision(predictions, references) == pytest.approx(2 / 3 * 2 / 4)


def test_scores_are_pooled_over_images() -> None:
    references = [[at(0)], [at(0)]]
    predictions = [[at(0, 0.2)], [at(50, 0.9)]]
    # over both images: wrong, then right: precision 1/2 at recall 1/2
    assert average_precision(predictions, references) == pytest.approx(0.25)


def test_a_reference_is_found_once() -> None:
    # The second box on the same ship is false: precision 1 at recall 1, then 1/2.
    assert average_precision([[at(0, 0.9), at(1, 0.8)]], [[at(0)]]) == 1.0
    assert average_precision([[at(0, 0.9), at(1, 0.9)]], [[at(0)]]) == 0.5


def test_the_surer_prediction_chooses_first() -> None:
    references = [at(0), at(4)]
    # at(3) overlaps at(4) by 9/11 and takes it; at(4), less sure, gets at(0): 6/14.
    assert match([at(4, 0.8), at(3, 0.9)], references).found == (False, True)
    assert match([at(4, 0.8), at(3, 0.9)], references, 0.4).found == (True, True)


def test_the_threshold_itself_is_a_match() -> None:
    half = Region(HBB(0, 0, 10, 5))  # IoU 50 / 100
    assert match([half], [Region(HBB(0, 0, 10, 10))], 0.5).found == (True,)
    assert match([half], [Region(HBB(0, 0, 10, 10))], 0.51).found == (False,)


def test_more_than_100_objects_count() -> None:
    many = [at(20.0 * i) for i in range(200)]
    assert average_precision([many], [many]) == 1.0


def test_rotated_boxes_are_compared_as_rotated() -> None:
    long = Region(OBB.from_center(50, 50, 60, 3, 0))
    turned = Region(OBB.from_center(50, 50, 60, 3, 4))
    assert average_precision([[turned]], [[long]]) == 0.0  # IoU 0.48
    assert average_precision([[turned]], [[long]], threshold=0.45) == 1.0
    # The surrounding boxes of crossed boxes are equal; the boxes are not.
    crossed = Region(OBB.from_center(0, 0, 60, 3, 45))
    other = Region(OBB.from_center(0, 0, 60, 3, -45))
    assert average_precision([[crossed]], [[other]]) == 0.0


def test_masks_are_compared_in_pixels_and_with_other_shapes_by_outline() -> None:
    def mask(x0: int, width: int) -> Mask:
        return Mask.from_array(np.ones((10, width), dtype=bool), x0, 0)

    truth = [Region(mask(0, 10)), Region(HBB(50, 0, 60, 10))]
    # IoU 8 / 10 with the mask; a box and an oriented box of IoU 1 and 6 / 10.
    found = [Region(mask(0, 8)), Region(OBB(HBB(50, 0, 56, 10).corners))]
    assert match(found, truth, 0.6).found == (True, True)
    assert match(found, truth, 0.7).found == (True, False)
    assert match(found, truth, 0.81).found == (False, False)
    assert match([Region(HBB(0, 0, 10, 10))], truth, 1.0).found == (True,)


@pytest.mark.parametrize("turned", [False, True])
def test_equal_overlaps_are_settled_by_place_not_by_order(turned: bool) -> None:
    # at(1) overlaps both ships by 9 / 11; what it takes, at(0) cannot have.
    ships = [at(0), at(2)]
    if turned:
        ships = [Region(OBB(region.shape.hbb.corners)) for region in ships]
    found = [at(1, 0.9), at(0, 0.8)]
    values = set()
    for truth in (ships, ships[::-1]):
        values.add(match(found, truth, 0.7).found)
        values.add(match(found[::-1], truth, 0.7).found[::-1])
    assert len(values) == 1


def test_mean_is_over_classes_with_references() -> None:
    references = [[at(0, label="ship"), at(100, label="plane")], []]
    predictions = [
        [at(0, 0.9, "ship"), at(100, 0.9, "ship")],
        [at(0, 0.9, "bridge")],  # no bridge anywhere: no class to average
    ]
    result = mean_average_precision(predictions, references)
    # ship: one right, one wrong with equal scores; plane: never predicted
    assert result.per_class == {"plane": 0.0, "ship": 0.5}
    assert result.mean == 0.25


def test_nothing_predicted_scores_0() -> None:
    assert average_precision([[]], [[at(0)]]) == 0.0
    assert match([], [at(0)]) == Matches((), (), 1)


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 references"):
        average_precision([[at(0)]], [[]])
    with pytest.raises(SettingsError, match="0 references"):
        mean_average_precision([[at(0)]], [[]])
    with pytest.raises(SettingsError, match="2 predictions for 1 references"):
        average_precision([[], []], [[at(0)]])
    with pytest.raises(SettingsError, match="threshold 50"):
        average_precision([[at(0)]], [[at(0)]], threshold=50)
    with pytest.raises(SettingsError, match="not a number"):
        average_precision([[at(0, float("nan"))]], [[at(0)]])


@settings(deadline=None)
@given(st.lists(st.lists(truths, max_size=6), min_size=1, max_size=4))
def test_the_truth_scores_1(references: list[list[Region]]) -> None:
    if any(references):
        assert average_precision(references, references) == 1.0
        assert mean_average_precision(references, references).mean == 1.0


@settings(deadline=None)
@given(images, st.integers(0, 2**32))
def test_order_does_not_matter(
    pairs: list[tuple[list[Region], list[Region]]], seed: int
) -> None:
    random = Random(seed)
    mixed = [
        (random.sample(given, len(given)), random.sample(true, len(true)))
        for given, true in random.sample(pairs, len(pairs))
    ]
    for threshold in (0.3, 0.5):
        value, other = (
            mean_average_precision([p for p, _ in x], [r for _, r in x], threshold)
            for x in (pairs, mixed)
        )
        assert other.per_class == pytest.approx(value.per_class)
        assert 0 <= value.mean <= 1


@settings(deadline=None)
@given(images)
def test_only_the_order_of_scores_counts(
    pairs: list[tuple[list[Region], list[Region]]],
) -> None:
    predictions = [given for given, _ in pairs]
    references = [true for _, true in pairs]
    halved = [
        [Region(r.shape, r.label, r.confidence / 2) for r in given]
        for given in predictions
    ]
    assert average_precision(halved, references) == average_precision(
        predictions, references
    )


@settings(deadline=None)
@given(images, st.integers(0, 2**32))
def test_distinct_scores_give_the_plain_step_by_step_area(
    pairs: list[tuple[list[Region], list[Region]]], seed: int
) -> None:
    random = Random(seed)
    predictions = [
        [Region(r.shape, r.label, random.random()) for r in given] for given, _ in pairs
    ]
    references = [true for _, true in pairs]
    assert average_precision(predictions, references) == pytest.approx(
        step_by_step(predictions, references)
    )


def step_by_step(
    predictions: Sequence[Sequence[Region]], references: Sequence[Sequence[Region]]
) -> float:
    """AP as told in words: one prediction after the other, best free reference."""
    total = sum(map(len, references))
    free = [list(true) for true in references]
    ranked = sorted(
        ((r, image) for image, given in enumerate(predictions) for r in given),
        key=lambda pair: -pair[0].confidence,
    )
    right, points = 0, []
    for seen, (region, image) in enumerate(ranked, start=1):
        overlaps = [region.shape.hbb.iou(other.shape.hbb) for other in free[image]]
        # Of equally good references the one that lies first.
        order = sorted(
            range(len(overlaps)),
            key=lambda i: (-overlaps[i], free[image][i].shape.hbb.x0),
        )
        if order and overlaps[order[0]] >= 0.5:
            del free[image][order[0]]
            right += 1
        points.append((right / total, right / seen))
    area = reached = 0.0
    for index, (recall, _) in enumerate(points):
        best = max(precision for _, precision in points[index:])
        area += (recall - reached) * best
        reached = recall
    return area


def test_pooled_matches_equal_the_whole() -> None:
    predictions = [[at(0, 0.9), at(30, 0.4, "plane")], [at(0, 0.5)]]
    references = [[at(1), at(30, label="plane")], [at(90)]]
    pairs = list(zip(predictions, references, strict=True))
    assert pooled_average_precision(match(p, r) for p, r in pairs) == (
        average_precision(predictions, references)
    )
    assert pooled_mean_average_precision(match_by_label(p, r) for p, r in pairs) == (
        mean_average_precision(predictions, references)
    )
