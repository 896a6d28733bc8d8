"""Pictures of single samples."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsvlm.eval.pictures import Outline, frame, outlines, picture
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import HBB, Mask
from rsvlm.samples import ImageRef, MaskRle, Sample, Target

Make = Callable[..., Sample]

TARGET = Target(label="ship", hbb=(8, 12, 24, 36))


def pixels_of(svg: str) -> np.ndarray:
    found = re.search(r'href="data:image/webp;base64,([^"]+)"', svg)
    assert found
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def rle(x0: int, y0: int, x1: int, y1: int) -> MaskRle:
    array = np.zeros((48, 64), dtype=bool)
    array[y0:y1, x0:x1] = True
    mask = Mask.from_array(array)
    return MaskRle(size=mask.size, counts=mask.counts)


def test_boxes_are_drawn_where_they_are(image_folder: Path, make_sample: Make) -> None:
    sample = make_sample(0, task="ground", targets=(TARGET,))
    box = Box(points=((16.0, 12.0), (32.0, 36.0)), label="boat", score=0.8)
    svg = picture(sample, Prediction(id="s0", boxes=(box,)), image_folder, side=128)
    assert 'viewBox="0 0 128 96"' in svg  # 64 x 48, enlarged twice
    assert 'points="16.0,24.0 48.0,24.0 48.0,72.0 16.0,72.0"' in svg
    assert 'points="32.0,24.0 64.0,24.0 64.0,72.0 32.0,72.0"' in svg
    assert "<title>reference: ship</title>" in svg
    assert "<title>answer: boat 0.80</title>" in svg
    assert pixels_of(svg).shape == (96, 128, 3)


def test_reference_and_answer_keep_their_colours(
    image_folder: Path, make_sample: Make
) -> None:
    sample = make_sample(0, task="segment", mask=rle(0, 0, 32, 48))
    for side_of_answer in (32, 0):  # beside the reference, and upon it
        said = Prediction(id="s0", mask=rle(side_of_answer, 0, side_of_answer + 32, 48))
        pixels = pixels_of(picture(sample, said, image_folder, 64)).astype(int)
        right = pixels[2:46, 36:60].mean(axis=(0, 1))
        assert (right[0] > right[2] + 60) == (side_of_answer == 32)  # yellow or plain
    cyan = pixels_of(picture(sample, None, image_folder, 64)).astype(int)[2:46, 4:28]
    assert cyan.mean(axis=(0, 1))[2] > cyan.mean(axis=(0, 1))[0] + 60


def test_a_box_is_compared_as_a_box_and_an_outline_when_segmenting(
    make_sample: Make,
) -> None:
    ring = (0.0, 0.0, 9.0, 0.0, 0.0, 9.0)
    target = Target(label="x", hbb=(0, 0, 9, 9), polygons=(ring,))
    (box,) = outlines(make_sample(0, task="ground", targets=(target,)), None)
    assert len(box.ring) == 4
    (outline,) = outlines(make_sample(0, task="segment", targets=(target,)), None)
    assert outline.ring == ((0, 0), (9, 0), (0, 9))
    quad = Target(label="x", hbb=(0, 0, 9, 9), polygons=((4, 0, 9, 4, 4, 9, 0, 4),))
    (turned,) = outlines(make_sample(0, task="ground", targets=(quad,)), None)
    assert turned.ring[0] == (4, 0)


def test_what_is_no_place_is_left_out(make_sample: Make) -> None:
    boxes = (Box(points=()), Box(points=((0, float("nan")), (1, 1))))
    assert outlines(make_sample(0), Prediction(id="s0", boxes=boxes)) == []


def test_bounds_of_swapped_corners() -> None:
    assert Outline(((9, 8), (1, 2)), "", True).bounds == HBB(1, 2, 9, 8)


@pytest.mark.parametrize(
    ("size", "boxes", "expected"),
    [
        ((600, 400), [HBB(10, 10, 20, 20)], HBB(0, 0, 600, 400)),  # small image
        ((4000, 3000), [], HBB(0, 0, 4000, 3000)),
        # 100 px large: shown in at least 200 x 200 px around its middle.
        ((4000, 3000), [HBB(1000, 1000, 1100, 1100)], HBB(950, 950, 1150, 1150)),
        ((4000, 3000), [HBB(0, 0, 10, 10)], HBB(0, 0, 200, 200)),
        ((4000, 3000), [HBB(3990, 2990, 4000, 3000)], HBB(3800, 2800, 4000, 3000)),
        ((4000, 3000), [HBB(0, 0, 3000, 100)], HBB(0, 0, 4000, 3000)),
        # What lies outside does not move the picture.
        ((4000, 3000), [HBB(-90, -90, -10, -10)], HBB(0, 0, 4000, 3000)),
        ((4000, 300), [HBB(1000, 0, 1300, 10)], HBB(880, 0, 1420, 300)),
    ],
)
def test_the_part_that_is_shown(
    size: tuple[int, int], boxes: list[HBB], expected: HBB
) -> None:
    assert frame(*size, boxes) == expected


def test_a_part_is_named(tmp_path: Path, make_sample: Make) -> None:
    Image.new("RGB", (1200, 900), (50, 80, 60)).save(tmp_path / "big.png")
    image = ImageRef(path="big.png", width=1200, height=900)
    target = Target(label="ship", hbb=(600, 450, 620, 470))
    sample = make_sample(0, images=(image,), task="ground", targets=(target,))
    svg = picture(sample, None, tmp_path)
    assert "big.png, 1200 x 900 px; shown: 510, 360 to 710, 560" in svg
    assert 'points="180.0,180.0 220.0,180.0 220.0,220.0 180.0,220.0"' in svg


def test_where_the_answer_can_be_seen_is_dashed(
    image_folder: Path, make_sample: Make
) -> None:
    svg = picture(make_sample(0, roi=(8, 8, 16, 24)), None, image_folder, 64)
    assert '<rect x="8.0" y="8.0" width="8.0" height="16.0"' in svg


def test_a_missing_image_is_said(tmp_path: Path, make_sample: Make) -> None:
    text = picture(make_sample(0), None, tmp_path)
    assert text.startswith('<p class="missing">No picture: ')
    assert "0.png" in text


def test_a_label_cannot_become_markup(image_folder: Path, make_sample: Make) -> None:
    box = Box(points=((1, 1), (9, 9)), label="<script>x</script>")
    target = TARGET.model_copy(update={"label": "<img src=x>"})
    sample = make_sample(0, targets=(target,))
    svg = picture(sample, Prediction(id="s0", boxes=(box,)), image_folder)
    assert "<script" not in svg
    assert "<img" not in svg
