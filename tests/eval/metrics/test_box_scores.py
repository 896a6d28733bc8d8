"""Scores of one box a sample, from records."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.region_scores import grounding, rotated_grounding
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import HBB, OBB
from rsvlm.samples import ImageRef, Sample, Target

Corners = Sequence[float]


def sample(
    name: str, hbb: Corners | None = (0, 0, 100, 100), quad: Corners = (), **extra: Any
) -> Sample:
    """A question about a 200 x 100 image with one target, or none."""
    targets: tuple[Target, ...] = ()
    if hbb is not None:
        box = (hbb[0], hbb[1], hbb[2], hbb[3])
        rings = (tuple(quad),) if quad else ()
        targets = (Target(label="ship", hbb=box, polygons=rings),)
    return Sample(
        id=name,
        images=(ImageRef(path=f"{name}.tif", width=200, height=100),),
        task="ground",
        targets=targets,
        source="made",
        licence="none",
        split="test",
        **extra,
    )


def said(name: str, *boxes: Corners, **extra: Any) -> Prediction:
    """A reply with boxes of two or four points."""
    made = tuple(
        Box(points=tuple(zip(box[::2], box[1::2], strict=True))) for box in boxes
    )
    extra = {"coord_space": "pixel", "parsed": "here", **extra}
    return Prediction(id=name, boxes=made, **extra)


#: IoU 1, 1/2, 1/3, nothing read, failed.
SAMPLES = [sample(name, type=kind) for name, kind in zip("abcde", "xxyyy", strict=True)]
REPLIES = [
    said("a", (0, 0, 100, 100)),
    said("b", (0, 0, 100, 50)),
    said("c", (50, 0, 150, 100)),
    said("d", parsed=None),
    said("e", (0, 0, 100, 100), status="error"),
]


def test_accuracy_counts_failures_as_wrong() -> None:
    scored = grounding(SAMPLES, REPLIES, "acc@0.5", group_by=("type",))
    assert scored.value == pytest.approx(2 / 5)
    assert [line.score for line in scored.rows] == [1, 1, 0, 0, 0]
    assert [line.parse_ok for line in scored.rows] == [True, True, True, False, False]
    assert scored.groups == {"type=x": 1.0, "type=y": 0.0}
    assert scored.rows[1].details == {"iou": 0.5, "boxes": 1}
    assert scored.rows[1].cluster == "b.tif"
    assert scored.details["unparsed_rate"] == pytest.approx(2 / 5)
    assert scored.details["warnings"] == []
    assert scored.resample is None


def test_the_threshold_may_be_strict() -> None:
    assert grounding(SAMPLES, REPLIES, "p", strict=True).value == pytest.approx(1 / 5)
    assert grounding(SAMPLES, REPLIES, "p", threshold=0.3).value == pytest.approx(3 / 5)


def test_mean_and_cumulative_iou_by_hand() -> None:
    mean = grounding(SAMPLES, REPLIES, "p", value="miou")
    assert mean.value == pytest.approx((1 + 1 / 2 + 1 / 3) / 5)
    cum = grounding(SAMPLES, REPLIES, "p", value="cumiou")
    # Shared 10 + 5 + 5 of 10 + 10 + 15 + 10 + 10 thousand px.
    assert cum.value == pytest.approx(20 / 55)
    read = grounding(SAMPLES, REPLIES, "p", value="cumiou", unparsed="drop-from-cum")
    assert read.value == pytest.approx(20 / 35)
    assert cum.resample is not None
    assert cum.resample([0, 0, 3]) == pytest.approx(20 / 30)
    assert read.resample is not None
    assert read.resample([0, 0, 3]) == pytest.approx(1.0)


def test_accuracy_over_the_threshold_is_drawn() -> None:
    plot = grounding(SAMPLES, REPLIES, "p").plots["acc_iou"]
    curve = dict(zip(plot["thresholds"], plot["accuracy"], strict=True))
    assert curve[0.3] == pytest.approx(3 / 5)
    assert curve[0.5] == pytest.approx(2 / 5)
    assert curve[0.95] == pytest.approx(1 / 5)


def test_baselines_are_the_whole_image_and_the_mean_box_if_given() -> None:
    scored = grounding(SAMPLES, REPLIES, "p", value="miou", mean_box=(0, 0, 0.5, 0.5))
    # 200 x 100 against 100 x 100, and 100 x 50 against it.
    assert scored.baselines == {"whole image": 0.5, "mean box": 0.5}
    assert list(grounding(SAMPLES, REPLIES, "p").baselines) == ["whole image"]
    with pytest.raises(SettingsError, match="no box in 0-1"):
        grounding(SAMPLES, REPLIES, "p", mean_box=(0, 0, 100, 100))


def test_the_first_of_several_boxes_counts() -> None:
    both = [said("a", (150, 0, 190, 40), (0, 0, 100, 100))]
    scored = grounding(SAMPLES[:1], both, "p")
    assert scored.value == 0.0
    assert scored.details["several_boxes"] == 1


def test_corners_in_another_order_are_the_same_box() -> None:
    assert grounding(SAMPLES[:1], [said("a", (100, 100, 0, 0))], "p").value == 1.0


def test_the_plus1_rule() -> None:
    pixel = [sample("a", (5, 5, 5, 5))]
    reply = [said("a", (5, 5, 5, 5))]
    assert grounding(pixel, reply, "p", iou="plus1").value == 1.0
    assert grounding(pixel, reply, "p").value == 0.0


def test_fractions_are_refused_not_scored() -> None:
    fractions = [said("a", (0.1, 0.1, 0.6, 1.0)), said("b", (0, 0, 0.5, 1))]
    for metric in (grounding, rotated_grounding):
        with pytest.raises(SettingsError, match="fractions, not"):
            metric(SAMPLES[:2], fractions, "p")
    with pytest.raises(SettingsError, match="fractions, not"):
        grounding(SAMPLES[:2], fractions, "p", iou="plus1")


def test_no_target_and_several_are_for_another_metric() -> None:
    with pytest.raises(SettingsError, match=r"'a' has 0 targets.*multi_reference"):
        grounding([sample("a", None)], [said("a")], "p")


def test_unknown_words_and_numbers_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"iou": "plus2"},
        {"value": "iou"},
        {"unparsed": "skip"},
    ]
    for words in wrong:
        with pytest.raises(UnknownNameError):
            grounding(SAMPLES, REPLIES, "p", **words)
    with pytest.raises(SettingsError, match="threshold 50"):
        grounding(SAMPLES, REPLIES, "p", threshold=50)
    with pytest.raises(SettingsError, match="0 references"):
        grounding([], [], "p")
    with pytest.raises(SettingsError, match="Pair them by id"):
        grounding(SAMPLES, REPLIES[:1], "p")


def test_nothing_read_at_all_scores_0() -> None:
    silent = [said("a", parsed=None)]
    for value in ("acc", "miou", "cumiou"):
        for metric in (grounding, rotated_grounding):
            scored = metric(
                SAMPLES[:1], silent, "p", value=value, unparsed="drop-from-cum"
            )
            assert scored.value == 0.0


def turned(angle: float) -> list[float]:
    corners = OBB.from_center(100, 50, 60, 3, angle).corners
    return [number for point in corners for number in point]


def test_turned_boxes_are_compared_by_their_corners() -> None:
    around = (70.0, 48.0, 130.0, 52.0)
    samples = [sample(name, around, turned(0)) for name in "abcd"]
    replies = [
        said("a", turned(2)),  # IoU .70
        said("b", turned(4)),  # IoU .48
        said("c", (70, 48.5, 130, 51.5)),  # the same box, written upright
        said("d", parsed=None),
    ]
    scored = rotated_grounding(samples, replies, "p")
    assert [line.score for line in scored.rows] == [1, 0, 1, 0]
    ious = [line.details["iou"] for line in scored.rows]
    assert ious == pytest.approx([0.70, 0.48, 1.0, 0.0], abs=0.01)
    assert scored.details["invalid_polygons"] == 0
    # The boxes around them say less.
    assert grounding(samples, replies, "p").rows[0].details["iou"] != ious[0]


def test_a_target_without_corners_is_its_box() -> None:
    reply = [said("a", (0, 0, 100, 0, 100, 100, 0, 100))]
    assert rotated_grounding(SAMPLES[:1], reply, "p").value == 1.0


def test_a_polygon_is_its_smallest_rectangle() -> None:
    # A square on its corner, with a fifth point on one side.
    ring = (50, 0, 100, 50, 75, 75, 50, 100, 0, 50)
    asked = sample("a", (0, 0, 100, 100), ring)
    reply = said("a", (50, 0, 100, 50, 50, 100, 0, 50))
    scored = rotated_grounding([asked], [reply], "p", value="miou")
    assert scored.value == pytest.approx(1)


def test_crossing_corners_are_flagged() -> None:
    bow_tie = [said("a", (0, 0, 100, 100, 100, 0, 0, 100)), said("b", parsed=None)]
    scored = rotated_grounding(SAMPLES[:2], bow_tie, "p", value="miou")
    assert scored.value == 0.5
    assert scored.details["invalid_polygons"] == 1
    assert scored.rows[0].details["resorted"] is True
    assert "resorted" not in scored.rows[1].details
    strict = rotated_grounding(SAMPLES[:2], bow_tie, "p", value="miou", invalid="zero")
    assert strict.value == 0.0


def test_a_box_of_three_points_or_of_infinity_is_named() -> None:
    odd = Prediction(id="a", boxes=(Box(points=((0, 0), (1, 1), (2, 2))),))
    with pytest.raises(SettingsError, match="prediction 'a' has neither two"):
        grounding(SAMPLES[:1], [odd], "p")
    with pytest.raises(SettingsError, match="'a' has a coordinate that is not finite"):
        grounding(SAMPLES[:1], [said("a", (0, 0, float("inf"), 5))], "p")


def test_many_random_boxes_equal_the_geometry_module() -> None:
    random = np.random.default_rng(3)
    sides = np.sort(random.uniform(0, 100, (2, 40, 2, 2)), axis=2).reshape(2, 40, 4)
    samples = [sample(str(i), box) for i, box in enumerate(sides[0].tolist())]
    replies = [said(str(i), box) for i, box in enumerate(sides[1].tolist())]
    expected = [HBB(*a).iou(HBB(*b)) for a, b in zip(*sides.tolist(), strict=True)]
    for metric in (grounding, rotated_grounding):
        rows = metric(samples, replies, "p", value="miou").rows
        assert [line.score for line in rows] == pytest.approx(expected)
