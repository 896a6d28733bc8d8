"""Boxes in a wrong space are noticed."""

import pytest

from rsvlm.eval.formats.foreign import make_prediction, make_sample
from rsvlm.eval.formats.space import space_complaint
from rsvlm.eval.records import Box, Prediction
from rsvlm.samples import Sample, Target

Corners = tuple[float, float, float, float]


def pair(
    box: Corners | None, size: tuple[int, int] = (800, 800)
) -> tuple[Sample, Prediction]:
    target = Target(label="x", hbb=(100, 100, 700, 700))
    sample = make_sample("a", "ground", "test", size=size, targets=[target])
    boxes = () if box is None else (Box(points=((box[0], box[1]), (box[2], box[3]))),)
    return sample, make_prediction("a", "x", boxes=boxes, coord_space="pixel")


def complaint(*boxes: Corners | None) -> str | None:
    pairs = [pair(box) for box in boxes]
    return space_complaint([a for a, _ in pairs], [b for _, b in pairs])


def test_boxes_inside_the_image_pass() -> None:
    assert complaint((100, 100, 700, 700), (0, 0, 50, 50), (0, 0, 800, 800)) is None
    assert complaint(None, None) is None


def test_numbers_to_999_on_800_pixels() -> None:
    found = complaint(*[(100, 100, 700, 700)] * 15, (500, 500, 990, 990))
    assert found is not None
    assert "leave the image when they are read as pixel: 1 of 16" in found
    # One in 21 may be a slip of the model.
    assert complaint(*[(100, 100, 700, 700)] * 20, (500, 500, 990, 990)) is None


@pytest.mark.parametrize("unit", [1, 100])
def test_a_smaller_unit(unit: int) -> None:
    share = unit / 800
    found = complaint((100 * share, 100 * share, 700 * share, 700 * share))
    assert found is not None
    assert "smaller unit" in found


def test_turned_boxes_at_the_border_may_reach_far_out() -> None:
    sample, prediction = pair(None)
    corners = ((-200.0, 300.0), (500.0, -200.0), (600.0, 0.0), (-100.0, 500.0))
    turned = prediction.model_copy(update={"boxes": (Box(points=corners),)})
    assert space_complaint([sample], [turned]) is None
    upright = Box(points=(corners[0], corners[2]))
    level = prediction.model_copy(update={"boxes": (upright,)})
    assert space_complaint([sample], [level]) is not None
