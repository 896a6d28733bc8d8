"""Scores of detection from records, and of boxes without scores."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.coco import coco_average_precision
from rsvlm.eval.metrics.detection import mean_average_precision
from rsvlm.eval.metrics.region_scores import detection
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import HBB, OBB, Region
from rsvlm.samples import ImageRef, Sample, Target

VARIANTS = ("voc50", "coco", "ap_nc", "mf1", "ordered")
Found = tuple[str, float, float]  # label, column, score


def sample(name: str, *targets: tuple[str, float], **extra: Any) -> Sample:
    """A 400 x 100 image with 10 x 10 objects at these columns."""
    made = tuple(Target(label=label, hbb=(x, 0, x + 10, 10)) for label, x in targets)
    return Sample(
        id=name,
        images=(ImageRef(path=f"{name}.tif", width=400, height=100),),
        task="detect",
        targets=made,
        source="made",
        licence="none",
        split="test",
        **extra,
    )


def said(name: str, *found: Found, **extra: Any) -> Prediction:
    boxes = tuple(
        Box(points=((x, 0), (x + 10, 10)), label=label, score=score)
        for label, x, score in found
    )
    extra = {"coord_space": "pixel", "parsed": "these", **extra}
    return Prediction(id=name, boxes=boxes, **extra)


SAMPLES = [
    sample("a", ("Ship", 0), ("Ship", 100), ("StorageTank", 200), type="port"),
    sample("b", ("Ship", 0), type="port"),
    sample("c", type="field"),
]
REPLIES = [
    said("a", ("ship", 0, 0.9), ("ship", 50, 0.8), ("storage-tank", 200, 0.7)),
    said("b", ("ship", 0, 0.6), ("ship", 1, 0.5)),
    said("c"),
]
#: By falling score, ships are right, wrong, right, wrong, of 3: precision 1 and 2/3.
SHIP = 1 / 3 + 1 / 3 * 2 / 3


def test_voc_by_hand() -> None:
    scored = detection(SAMPLES, REPLIES, "map50", group_by=("type",))
    assert scored.groups["label=ship"] == pytest.approx(SHIP)
    assert scored.groups["label=storage tank"] == 1.0
    assert scored.value == pytest.approx((SHIP + 1) / 2)
    assert scored.groups["type=port"] == pytest.approx(scored.value)
    assert "type=field" not in scored.groups  # no reference, no AP
    # F1 of each image: 2 of 3 and 3; 1 of 2 and 1; nothing of nothing.
    assert [line.score for line in scored.rows] == pytest.approx([2 / 3, 2 / 3, 1])
    assert scored.baselines == {"nothing": 0.0}


def test_labels_as_they_stand() -> None:
    scored = detection(SAMPLES, REPLIES, "p", names="raw")
    assert scored.value == 0.0
    assert scored.details["boxes_of_other_labels"] == 5


def test_scores_are_not_looked_at_by_ap_nc_and_mf1() -> None:
    ap = detection(SAMPLES, REPLIES, "p", variant="ap_nc")
    # Ships: 2 right of 4 boxes and 3 ships.
    assert ap.groups["label=ship"] == pytest.approx(2 / 4 * 2 / 3)
    f1 = detection(SAMPLES, REPLIES, "p", variant="mf1")
    assert f1.groups["label=ship"] == pytest.approx(4 / 7)
    assert f1.value == pytest.approx((4 / 7 + 1) / 2)
    assert f1.details["micro_f1"] == pytest.approx(6 / 9)
    # Means with the background class: precision 1.5 / 3, recall (2/3 + 1) / 3.
    precision, recall = 1.5 / 3, 5 / 9
    assert f1.details["f1_with_background"] == pytest.approx(
        2 * precision * recall / (precision + recall)
    )


def test_order_dependent_scorers_print_a_range() -> None:
    scored = detection(SAMPLES, REPLIES, "p", variant="ordered")
    details = scored.details
    assert details["orders"] == 10
    assert details["lowest"] <= scored.value <= details["highest"]
    assert details["std"] > 0
    again = detection(SAMPLES, REPLIES, "p", variant="ordered")
    assert again.value == scored.value


def test_coco_says_that_ties_make_it_depend_on_the_order() -> None:
    ones = [said("a", ("ship", 0, 1.0), ("ship", 50, 1.0)), said("b"), said("c")]
    first = detection(SAMPLES, ones, "p", variant="coco")
    turned = [ones[0].model_copy(update={"boxes": ones[0].boxes[::-1]}), *ones[1:]]
    last = detection(SAMPLES, turned, "p", variant="coco")
    assert first.value > last.value
    assert "100% of the boxes share their score" in first.details["warnings"][0]
    for variant in ("voc50", "ap_nc", "mf1"):
        values = [
            detection(SAMPLES, r, "p", variant=variant).value for r in (ones, turned)
        ]
        assert values[0] == values[1]
    assert not detection(SAMPLES, REPLIES, "p", variant="coco").details["warnings"]


def test_coco_lists_sizes() -> None:
    details = detection(SAMPLES, REPLIES, "p", variant="coco").details
    assert details["ap_small"] == pytest.approx(details["ap50"])
    assert details["ap_medium"] is None


@pytest.mark.parametrize("variant", VARIANTS)
def test_failures_find_nothing(variant: Any) -> None:
    failed = [r.model_copy(update={"status": "refused"}) for r in REPLIES]
    scored = detection(SAMPLES, failed, "p", variant=variant)
    assert scored.value == 0.0
    assert [line.score for line in scored.rows] == [0, 0, 0]
    assert not any(line.parse_ok for line in scored.rows)
    assert scored.details["unparsed_rate"] == 1.0


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_image_drawn_twice_counts_twice(variant: Any) -> None:
    scored = detection(SAMPLES, REPLIES, "p", variant=variant)
    assert scored.resample is not None
    assert scored.resample([0, 1, 2]) == pytest.approx(scored.value)
    if variant != "ordered":  # its orders are drawn over all boxes
        rows = [1, 0, 1, 2]
        twice = detection(
            [SAMPLES[r] for r in rows], [REPLIES[r] for r in rows], "p", variant=variant
        )
        assert scored.resample(rows) == pytest.approx(twice.value)
    with pytest.raises(SettingsError, match="0 references"):
        scored.resample([2, 2])


def test_turned_boxes() -> None:
    def corners(angle: float) -> tuple[float, ...]:
        shape = OBB.from_center(100, 50, 60, 3, angle)
        return tuple(number for point in shape.corners for number in point)

    target = Target(label="ship", hbb=(70, 48, 130, 52), polygons=(corners(0),))
    one = [sample("a").model_copy(update={"targets": (target,)})]
    for angle, expected in ((2, 1.0), (4, 0.0)):
        flat = corners(angle)
        points = tuple(zip(flat[::2], flat[1::2], strict=True))
        reply = [Prediction(id="a", boxes=(Box(points=points, label="ship"),))]
        for variant in ("voc50", "ap_nc"):
            scored = detection(one, reply, "p", variant=variant, shape="obb")
            assert scored.value == expected


def test_fractions_are_refused_not_scored() -> None:
    reply = Prediction(
        id="a", boxes=(Box(points=((0.1, 0.2), (0.3, 0.4)), label="ship"),)
    )
    for variant in VARIANTS:
        with pytest.raises(SettingsError, match="fractions, not"):
            detection(SAMPLES[:1], [reply], "p", variant=variant)  # type: ignore[arg-type]


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 references"):
        detection(SAMPLES[2:], REPLIES[2:], "p")
    with pytest.raises(UnknownNameError, match="variant 'voc07'"):
        detection(SAMPLES, REPLIES, "p", variant="voc07")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="threshold 50"):
        detection(SAMPLES, REPLIES, "p", threshold=50)
    nan = [said("a", ("ship", 0, float("nan"))), *REPLIES[1:]]
    with pytest.raises(SettingsError, match="not a number"):
        detection(SAMPLES, nan, "p")


def test_many_boxes_a_metric() -> None:
    many = [("ship", float(x), 1.0) for x in range(0, 390, 20)] * 10
    shifted = [(label, x + 0.01 * i, s) for i, (label, x, s) in enumerate(many)]
    samples = [sample("a", *((label, x) for label, x, _ in shifted))]
    replies = [said("a", *shifted)]
    for variant in VARIANTS:
        scored = detection(samples, replies, "p", variant=variant)  # type: ignore[arg-type]
        assert scored.value == pytest.approx(1.0)


labels = st.sampled_from(["ship", "plane"])
column = st.integers(0, 40).map(float)
images = st.lists(
    st.tuples(
        st.lists(st.tuples(labels, column, st.sampled_from([0.3, 0.9])), max_size=5),
        st.lists(st.tuples(labels, column), max_size=4),
    ),
    min_size=1,
    max_size=4,
).filter(lambda pairs: any(true for _, true in pairs))
Pairs = list[tuple[list[Found], list[tuple[str, float]]]]


def records(pairs: Pairs) -> tuple[list[Sample], list[Prediction]]:
    numbered = list(enumerate(pairs))
    return (
        [sample(str(i), *true) for i, (_, true) in numbered],
        [said(str(i), *found) for i, (found, _) in numbered],
    )


def regions(side: Sequence[Sequence[Sequence[Any]]]) -> list[list[Region]]:
    return [
        [Region(HBB(x, 0, x + 10, 10), label, *rest) for label, x, *rest in listed]
        for listed in side
    ]


@settings(deadline=None, max_examples=50)
@given(images, st.integers(0, 2**32))
def test_records_regions_and_orders_agree(pairs: Pairs, seed: int) -> None:
    samples, replies = records(pairs)
    given_, true = regions([g for g, _ in pairs]), regions([t for _, t in pairs])
    assert detection(samples, replies, "p").value == pytest.approx(
        mean_average_precision(given_, true).mean
    )
    assert detection(samples, replies, "p", variant="coco").value == pytest.approx(
        coco_average_precision(given_, true).mean
    )
    random = Random(seed)
    mixed = [
        (random.sample(g, len(g)), random.sample(t, len(t)))
        for g, t in random.sample(pairs, len(pairs))
    ]
    for variant in ("voc50", "ap_nc", "mf1"):
        values = [
            detection(*records(listed), "p", variant=variant).value
            for listed in (pairs, mixed)
        ]
        assert values[0] == pytest.approx(values[1])
        assert 0 <= values[0] <= 1
    perfect = records([([(*t, 1.0) for t in true], true) for _, true in pairs])
    for variant in VARIANTS:
        value = detection(*perfect, "p", variant=variant).value  # type: ignore[arg-type]
        assert value == pytest.approx(1.0)


@settings(deadline=None, max_examples=40)
@given(images, st.data())
def test_resampling_equals_scoring_the_drawn_images(
    pairs: Pairs, data: st.DataObject
) -> None:
    samples, replies = records(pairs)
    rows = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=6))
    drawn = [samples[r] for r in rows], [replies[r] for r in rows]
    for variant in ("voc50", "ap_nc", "mf1"):
        scored = detection(samples, replies, "p", variant=variant)
        assert scored.resample is not None
        if not any(samples[r].targets for r in rows):
            with pytest.raises(SettingsError):
                scored.resample(rows)
            continue
        expected = detection(*drawn, "p", variant=variant).value
        assert scored.resample(rows) == pytest.approx(expected)
