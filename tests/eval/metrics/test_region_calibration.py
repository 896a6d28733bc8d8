"""Confidences of regions: right is what has an object of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.region_scores import region_calibration
from rsvlm.eval.records import Box, Prediction
from rsvlm.samples import ImageRef, Sample, Target


def sample(name: str, *lefts: float) -> Sample:
    """A picture of 100 x 100 px with a ship of 10 px at each x."""
    return Sample(
        id=name,
        images=(ImageRef(path=f"{name}.tif", width=100, height=100),),
        task="detect",
        targets=tuple(Target(label="ship", hbb=(x, 0, x + 10, 10)) for x in lefts),
        source="made",
        licence="none",
        split="test",
    )


def said(name: str, *boxes: tuple[float, float], label: str = "ship") -> Prediction:
    made = tuple(
        Box(points=((x, 0.0), (x + 10, 10.0)), label=label, score=sure)
        for x, sure in boxes
    )
    return Prediction(id=name, boxes=made, parsed="Found.", coord_space="pixel")


def test_the_gap_by_hand() -> None:
    # Bin .9: one of two is right; bin .2: the one is right.
    samples = [sample("a", 0, 40), sample("b", 20)]
    replies = [said("a", (0, 0.9), (70, 0.9)), said("b", (20, 0.2))]
    scored = region_calibration(samples, replies, "p")
    assert scored.value == pytest.approx((2 * 0.4 + 1 * 0.8) / 3)
    assert [row.score for row in scored.rows] == [0.5, 1.0]
    assert scored.details["regions"] == 3
    assert scored.details["lower_is_better"]
    assert scored.plots["reliability"]["count"] == [1, 2]
    assert scored.baselines["always-sure"] == pytest.approx(1 / 3)


def test_an_object_is_found_once_and_by_its_name() -> None:
    twice = region_calibration([sample("a", 0)], [said("a", (0, 1.0), (1, 1.0))], "p")
    assert twice.value == pytest.approx(0.5)
    other = said("a", (0, 1.0), label="bridge")
    assert region_calibration([sample("a", 0)], [other], "p").value == 1.0


def test_without_regions_it_is_undefined() -> None:
    with pytest.raises(SettingsError):
        region_calibration([sample("a", 0)], [said("a")], "p")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_it_is_a_share_and_the_order_of_listing_changes_nothing(
    sure: list[float],
) -> None:
    boxes = [(15.0 * i, value) for i, value in enumerate(sure)]
    one = region_calibration([sample("a", 0, 30)], [said("a", *boxes)], "p")
    two = region_calibration([sample("a", 0, 30)], [said("a", *boxes[::-1])], "p")
    assert 0 <= one.value <= 1
    assert one.value == pytest.approx(two.value)
