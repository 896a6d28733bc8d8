"""Cutting objects out of one image and pasting them on another."""

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import Point, Polygon

from rsvlm.data_engine.synth.paste import Cut, cut, paste
from rsvlm.samples import Target

RED = (200, 30, 30)


def _image(side: int = 80) -> NDArray[np.uint8]:
    """Return gray ground with a red bar of 40 x 10 px at (20, 30)."""
    pixels = np.full((side, side, 3), 120, np.uint8)
    pixels[30:40, 20:60] = RED
    return pixels


def _target(label: str = "tennis court", x: float = 20) -> Target:
    ring = (x, 30, x + 40, 30, x + 40, 40, x, 40)
    return Target(label=label, hbb=(x, 30, x + 40, 40), polygons=(ring,))


def _cut(label: str = "tennis court") -> Cut:
    found = cut(_image(), _target(label))
    assert found is not None
    return found


def test_a_cut_is_the_object_with_its_ring() -> None:
    found = _cut()
    assert found.length == pytest.approx(np.hypot(40, 10))
    x, y = found.ring[0]
    assert tuple(found.pixels[int(y) + 1, int(x) + 1]) == RED


@pytest.mark.parametrize(
    "target",
    [
        _target("vehicle"),
        _target(x=0),
        _target().model_copy(update={"polygons": ()}),
    ],
)
def test_what_cannot_be_cut(target: Target) -> None:
    assert cut(_image(), target) is None


def test_what_is_pasted_lies_where_the_target_says() -> None:
    ground = np.full((128, 128, 3), 120, np.uint8)
    for seed in range(6):
        picture, (target,) = paste(
            ground, [(_cut(), 34.0)], np.random.default_rng(seed)
        )
        red = picture[..., 0].astype(int) - picture[..., 1] > 80
        rows, columns = np.nonzero(red)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert target.hbb == pytest.approx(box, abs=1.6)
        ring = np.array(target.polygons[0]).reshape(-1, 2)
        assert red.sum() == pytest.approx(Polygon(ring).area, rel=0.15)
        # The diagonal is 34 px long.
        length = np.hypot(*(ring[1] - ring[0]))
        assert length == pytest.approx(34 * 40 / np.hypot(40, 10), abs=1)
        assert target.label == "tennis court"


def test_objects_do_not_touch() -> None:
    ground = np.full((200, 200, 3), 120, np.uint8)
    _, targets = paste(ground, [(_cut(), 28.0)] * 6, np.random.default_rng(1))
    assert len(targets) > 2
    shapes = [Polygon(np.array(t.polygons[0]).reshape(-1, 2)) for t in targets]
    for number, one in enumerate(shapes):
        assert all(one.distance(other) > 2 for other in shapes[:number])


def test_what_does_not_fit_the_scale_is_left_out() -> None:
    ground = np.full((64, 64, 3), 120, np.uint8)
    for length in (170.0, 4.0):
        picture, targets = paste(ground, [(_cut(), length)], np.random.default_rng(0))
        assert targets == ()
        assert np.array_equal(picture, ground)


def test_ships_need_water() -> None:
    rng = np.random.default_rng(0)
    for colour, count in (((90, 110, 80), 0), ((80, 80, 82), 0), ((30, 55, 75), 1)):
        ground = np.full((128, 128, 3), colour, np.uint8)
        _, targets = paste(ground, [(_cut("ship"), 40.0)], rng)
        assert len(targets) == count


def test_rough_ground_is_avoided() -> None:
    rng = np.random.default_rng(0)
    ground = np.full((200, 200, 3), 120, np.uint8)
    ground[:, :110] = rng.integers(0, 255, (200, 110, 3))
    for seed in range(5):
        _, (target,) = paste(ground, [(_cut(), 22.0)], np.random.default_rng(seed))
        assert target.hbb[0] > 100


def test_what_is_there_already_is_not_covered() -> None:
    ground = np.full((160, 160, 3), 120, np.uint8)
    there = Target(label="bridge", hbb=(0, 0, 160, 100), polygons=())
    for seed in range(5):
        cuts = [(_cut(), 30.0)] * 3
        _, targets = paste(ground, cuts, np.random.default_rng(seed), [there])
        assert targets
        assert all(target.hbb[1] > 100 for target in targets)


def test_an_airplane_has_a_shadow_on_one_side_and_a_court_has_none() -> None:
    ground = np.full((128, 128, 3), 120, np.uint8)
    for label, is_dark in (("airplane", True), ("tennis court", False)):
        cuts = [(_cut(label), 50.0)]
        picture, (target,) = paste(ground, cuts, np.random.default_rng(3))
        dark = picture.mean(-1) < 75
        assert dark.any() == is_dark
        # It does not lie on the object itself.
        rows, columns = np.nonzero(dark)
        inside = Polygon(np.array(target.polygons[0]).reshape(-1, 2)).buffer(-1.5)
        assert not any(
            inside.contains(Point(x + 0.5, y + 0.5))
            for x, y in zip(columns, rows, strict=True)
        )
