"""Scores of everything that one expression means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.multi_ref import micro, one_to_one
from rsvlm.eval.metrics.pool import from_regions
from rsvlm.eval.metrics.region_scores import multi_reference
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import HBB, Region
from rsvlm.samples import ImageRef, Sample, Target

Places = Sequence[float]


def sample(name: str, *columns: float, **extra: Any) -> Sample:
    """A 100 x 100 image with 10 x 10 targets at these columns."""
    targets = tuple(Target(label=f"{x}", hbb=(x, 0, x + 10, 10)) for x in columns)
    return Sample(
        id=name,
        images=(ImageRef(path=f"{name}.tif", width=100, height=100),),
        task="ground",
        targets=targets,
        source="made",
        licence="none",
        split="test",
        **extra,
    )


def said(name: str, *columns: float, **extra: Any) -> Prediction:
    boxes = tuple(Box(points=((x, 0), (x + 10, 10))) for x in columns)
    extra = {"coord_space": "pixel", "parsed": "there", **extra}
    return Prediction(id=name, boxes=boxes, **extra)


SAMPLES = [
    sample("a", 0, 50, type="two"),
    sample("b", 20, type="one"),
    sample("c", type="none"),
    sample("d", type="none"),
]
#: 2 of 2; 1 right and 1 wrong; nothing, rightly; nothing, since the run failed.
REPLIES = [
    said("a", 50, 1),
    said("b", 20, 22),
    said("c"),
    said("d", status="timeout"),
]


def test_counts_by_hand() -> None:
    scored = multi_reference(SAMPLES, REPLIES, "f1@0.5", group_by=("type",))
    # 3 right of 4 predicted, 3 references.
    assert scored.value == pytest.approx(6 / 7)
    assert scored.details["precision"] == pytest.approx(3 / 4)
    assert scored.details["recall"] == 1.0
    assert scored.details["perfect"] == pytest.approx(2 / 4)
    assert scored.details["rightly_empty"] == 1
    assert [line.score for line in scored.rows] == pytest.approx([1, 2 / 3, 1, 0])
    assert scored.groups["type=one"] == pytest.approx(2 / 3)
    assert scored.rows[1].details == {"right": 1, "predicted": 2, "references": 1}
    assert scored.resample is not None
    assert scored.resample([1, 1]) == pytest.approx(2 / 3)
    assert scored.baselines == {"whole image": 0.0, "nothing": 0.0}


def test_perfect_is_a_share_of_samples() -> None:
    scored = multi_reference(SAMPLES, REPLIES, "p", value="perfect")
    assert scored.value == pytest.approx(2 / 4)
    assert [line.score for line in scored.rows] == [1, 0, 1, 0]
    assert scored.resample is None
    assert scored.baselines["nothing"] == pytest.approx(2 / 4)


def test_silence_is_not_the_answer_that_nothing_is_there() -> None:
    unread = [said("c", parsed=None), said("d", parsed="")]
    scored = multi_reference(SAMPLES[2:], unread, "p", value="perfect")
    assert scored.value == 0.0
    assert not scored.rows[0].parse_ok


def test_a_box_on_nothing_is_wrong() -> None:
    assert (
        multi_reference(SAMPLES[2:3], [said("c", 5)], "p", value="perfect").value == 0
    )


def test_the_earthdial_rule_pays_for_copies() -> None:
    copies = [said("b", 20, 20, 20, 70)]
    one = multi_reference(SAMPLES[1:2], copies, "p", value="precision")
    assert one.value == pytest.approx(1 / 4)
    legacy = multi_reference(
        SAMPLES[1:2], copies, "p", value="precision", rule="earthdial"
    )
    assert legacy.value == pytest.approx(3 / 4)
    assert legacy.details["f1"] is None
    with pytest.raises(SettingsError, match="value: precision"):
        multi_reference(SAMPLES[1:2], copies, "p", rule="earthdial")


def test_matching_is_by_falling_overlap() -> None:
    # The reply at 4 overlaps both; it takes the nearer one and leaves 0 to the other.
    scored = multi_reference([sample("a", 0, 5)], [said("a", 4, 1)], "p", threshold=0.4)
    assert scored.value == 1.0


def test_the_generalised_rule_is_harder() -> None:
    # Crossed 20 x 10 boxes: IoU 10 / 30 of shared 100 and covered 300.
    target = Target(label="a", hbb=(0, 5, 20, 15))
    crossed = sample("a").model_copy(update={"targets": (target,)})
    reply = [Prediction(id="a", boxes=(Box(points=((5, 0), (15, 20))),), parsed="x")]
    assert multi_reference([crossed], reply, "p", threshold=0.3).value == 1.0
    # The hull has four corners of 5 x 5 / 2 more: 1/3 - 50 / 350 = .19.
    for threshold, expected in ((0.19, 1.0), (0.2, 0.0)):
        scored = multi_reference(
            [crossed], reply, "p", threshold=threshold, overlap="generalised"
        )
        assert scored.value == expected


def test_unknown_words_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"value": "recall"}, {"rule": "any"}, {"overlap": "x"}, {"shape": "mask"}
    ]  # fmt: skip
    for words in wrong:
        with pytest.raises(UnknownNameError):
            multi_reference(SAMPLES, REPLIES, "p", **words)


columns = st.lists(st.integers(0, 40).map(float), max_size=5)


@settings(deadline=None)
@given(st.lists(st.tuples(columns, columns), min_size=1, max_size=4), st.randoms())
def test_order_does_not_matter_and_the_truth_is_perfect(
    pairs: list[tuple[list[float], list[float]]], random: Any
) -> None:
    def counted(sides: list[tuple[list[float], list[float]]]) -> list[float]:
        pools = [
            from_regions(
                [[Region(HBB(x, 0, x + 10, 10)) for x in listed] for listed in side], {}
            )
            for side in zip(*sides, strict=True)
        ]
        counts = one_to_one(pools[0], pools[1], len(sides))
        assert ((counts.f1 == 1) == (counts.perfect == 1)).all()
        return [*micro(counts), float(np.sum(counts.perfect))]

    mixed = [
        (random.sample(a, len(a)), random.sample(b, len(b)))
        for a, b in random.sample(pairs, len(pairs))
    ]
    assert counted(mixed) == pytest.approx(counted(pairs))
    assert counted([(b, b) for _, b in pairs])[3] == len(pairs)
