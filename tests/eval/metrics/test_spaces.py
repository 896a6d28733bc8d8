"""Boxes in a wrong coordinate space are noticed and said."""

from collections.abc import Sequence
from typing import Any

import pytest

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.record_shapes import listed
from rsvlm.eval.metrics.region_scores import detection, grounding, multi_reference
from rsvlm.eval.metrics.spaces import check_space, space_warnings
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import OBB
from rsvlm.samples import ImageRef, Sample, Target

SIZE = (800, 600)
#: True boxes, pixels.
TRUTH = [(100.0 * k, 50.0 * k, 100.0 * k + 90, 50.0 * k + 80) for k in range(1, 7)] + [
    (600.0, 400.0, 780.0, 580.0)
]


def samples(size: tuple[int, int] = SIZE) -> list[Sample]:
    image = ImageRef(path="a.tif", width=size[0], height=size[1])
    return [
        Sample(
            id=str(index),
            images=(image,),
            task="ground",
            targets=(Target(label="ship", hbb=box),),
            source="made",
            licence="none",
            split="test",
        )
        for index, box in enumerate(TRUTH)
    ]


def written(x_scale: float, y_scale: float, **extra: Any) -> list[Prediction]:
    """The right boxes in other numbers."""
    extra = {"coord_space": "pixel", "parsed": "there", **extra}
    return [
        Prediction(
            id=str(index),
            boxes=(
                Box(
                    points=((x0 * x_scale, y0 * y_scale), (x1 * x_scale, y1 * y_scale)),
                    label="ship",
                ),
            ),
            **extra,
        )
        for index, (x0, y0, x1, y1) in enumerate(TRUTH)
    ]


def test_pixels_are_fine() -> None:
    assert check_space(samples(), written(1, 1)) is None
    assert grounding(samples(), written(1, 1), "p").details["warnings"] == []
    assert check_space(samples(), [Prediction(id=s.id) for s in samples()]) is None


def test_fractions_are_refused_by_every_metric() -> None:
    replies = written(1 / 800, 1 / 600)
    sentence = check_space(samples(), replies)
    assert sentence is not None
    assert "at most 0.975" in sentence
    assert "800 x 600 px" in sentence
    assert "Read as 0-1, their mean IoU would be 1.00 instead of 0.00." in sentence
    for metric in (grounding, detection, multi_reference):
        with pytest.raises(SettingsError, match="fractions, not"):
            metric(samples(), replies, "p")


def test_tiny_images_may_have_tiny_boxes() -> None:
    tiny = samples((2, 2))
    replies = written(1 / 800, 1 / 600)
    sentence = check_space(tiny, replies)
    assert sentence is None or "fractions" not in sentence


@pytest.mark.parametrize(
    ("full", "name"), [(1000.0, "0-1000"), (999.0, "0-999"), (100.0, "0-100")]
)
def test_other_scales_are_named(full: float, name: str) -> None:
    replies = written(full / SIZE[0], full / SIZE[1])
    scored = grounding(samples(), replies, "p")
    (warning,) = scored.details["warnings"]
    assert f"Read as {name}, their mean IoU would be 1.00" in warning


def test_boxes_that_leave_the_image_are_counted() -> None:
    # Without one target a sample, no other space can be tried.
    many = [
        s.model_copy(update={"targets": (*s.targets, *s.targets)}) for s in samples()
    ]
    replies = written(1000 / SIZE[0], 1000 / SIZE[1])
    sentence = check_space(many, replies)
    assert sentence is not None
    assert sentence.startswith("2 of 7 boxes leave their image")
    warnings = detection(many, replies, "p").details["warnings"]
    assert warnings == [sentence]


def test_resized_pixels_are_named_where_the_sent_size_is_known() -> None:
    sent = {"images_sent": ({"w": 448, "h": 336, "tiles": 1},)}
    (warning,) = grounding(samples(), written(0.56, 0.56, **sent), "p").details[
        "warnings"
    ]
    assert "pixels of the image as it was sent" in warning


def test_poor_boxes_are_no_fault_of_the_space() -> None:
    moved = [
        p.model_copy(update={"boxes": written(1, 1)[(i + 1) % 7].boxes})
        for i, p in enumerate(written(1, 1))
    ]
    assert check_space(samples(), moved) is None


def test_one_box_in_twenty_may_leave_the_image() -> None:
    def crowd(outside: int) -> list[Prediction]:
        inside = Box(points=((0, 0), (50, 50)))
        away = Box(points=((790, 0), (900, 50)))
        boxes = (inside,) * (20 - outside) + (away,) * outside
        return [Prediction(id="0", boxes=boxes, coord_space="pixel")]

    assert check_space(samples()[:1], crowd(1)) is None
    sentence = check_space(samples()[:1], crowd(2))
    assert sentence is not None
    assert sentence.startswith("2 of 20 boxes")


def test_corners_of_turned_boxes_may_reach_out() -> None:
    def turned(cx: float) -> Sequence[Prediction]:
        corners = OBB.from_center(cx, 5, 60, 3, 30).corners
        box = Box(points=corners)
        return [Prediction(id="0", boxes=(box,), coord_space="pixel")]

    assert check_space(samples()[:1], turned(5)) is None
    assert check_space(samples()[:1], turned(-5)) is not None


def test_an_undeclared_space_is_said() -> None:
    replies = written(1, 1, coord_space=None)
    assert check_space(samples(), replies) is None
    warnings = space_warnings(samples(), replies, listed(replies))
    (warning,) = warnings
    assert warning.startswith("7 of 7 replies have boxes and do not say in which space")
