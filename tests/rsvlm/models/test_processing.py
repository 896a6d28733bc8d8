"""Tiles, placeholders and sensors."""

import io
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from rsvlm.engines.local import LocalEngine
from rsvlm.models.processing import (
    RSVLMImageProcessor,
    RSVLMProcessor,
    layout,
    to_tiles,
)

Noise = Callable[..., NDArray[np.uint8]]
TILE = 28
SIDES = st.integers(1, 300)


@pytest.fixture(scope="module")
def processor(engine: LocalEngine) -> RSVLMProcessor:
    return engine.processor


@pytest.mark.parametrize(
    ("height", "width", "most", "grid"),
    [
        (336, 336, 4, (0, 0)),  # one tile shows every pixel
        (337, 20, 4, (2, 1)),
        (300, 1000, 4, (1, 3)),
        (600, 1000, 4, (2, 2)),  # finer than 1 x 3
        (600, 1000, 6, (2, 3)),  # native: no finer grid is needed
        (5000, 5000, 4, (2, 2)),
        (5000, 5000, 1, (0, 0)),  # no grid but the overview's
        (900, 900, 2, (0, 0)),  # two tiles would show no more than the overview
        (1, 1669, 2, (1, 2)),
        (5000, 5000, 0, (0, 0)),
    ],
)
def test_layout(height: int, width: int, most: int, grid: tuple[int, int]) -> None:
    assert layout(height, width, 336, most) == grid


@given(SIDES, SIDES, st.integers(0, 6))
@example(139, 140, 2)  # a grid that rounding leaves no better than the overview
@example(77, 153, 4)  # likewise a row of tiles without a pixel
def test_tiles_keep_the_aspect_and_enlarge_nothing(
    height: int, width: int, most: int
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    rows, columns = layout(height, width, TILE, most)
    overview, *fine = to_tiles(picture, TILE, most)
    assert len(fine) == rows * columns <= most
    assert max(overview.shape[:2]) == TILE
    scale = TILE / max(height, width)
    assert abs(overview.shape[0] - max(1, height * scale)) <= 0.5
    assert abs(overview.shape[1] - max(1, width * scale)) <= 0.5
    if not fine:
        return
    assert all(0 < side <= TILE for tile in fine for side in tile.shape[:2])
    seen_height = sum(tile.shape[0] for tile in fine[::columns])
    seen_width = sum(tile.shape[1] for tile in fine[:columns])
    assert seen_height <= height
    assert seen_width <= width
    assert max(seen_height, seen_width) > TILE  # else the overview would do
    fine_scale = max(seen_height, seen_width) / max(height, width)
    assert abs(seen_height - max(1, height * fine_scale)) <= 1
    assert abs(seen_width - max(1, width * fine_scale)) <= 1


def test_fine_tiles_are_the_picture_itself(noise: Noise) -> None:
    picture = noise(40, 50)
    _, *fine = to_tiles(picture, TILE, 4)
    rows = [np.concatenate(fine[:2], 1), np.concatenate(fine[2:], 1)]
    assert (np.concatenate(rows) == picture).all()


@given(SIDES, SIDES, st.integers(0, 4))
def test_counted_tiles_are_those_that_are_made(
    height: int, width: int, most: int
) -> None:
    processor = RSVLMImageProcessor(tile_size=TILE, max_tiles=most, factor=1)
    made = processor(np.zeros((height, width, 3), np.uint8))
    count = processor.count_tiles(height, width)
    assert made["num_tiles"] == [count]
    assert made["pixel_values"].shape == (count, 3, TILE, TILE)
    assert made["sensor_ids"].tolist() == [0] * count


def test_what_a_tile_lacks_is_the_mean_colour(noise: Noise) -> None:
    processor = RSVLMImageProcessor(tile_size=TILE)
    picture = noise(10, TILE)
    tile = processor.normalise(picture)
    assert (tile[:, 10:] == 0).all()
    back = tile[:, :10].transpose(1, 2, 0) * processor.std + processor.mean
    assert np.allclose(back * 255, picture, atol=1e-3)


def chat(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


TEXT = {"type": "text", "text": "How many airplanes?"}


@pytest.mark.parametrize("sizes", [[(96, 96)], [(50, 300)], [(96, 96), (300, 400)], []])
def test_a_prompt_has_a_placeholder_for_each_image_token(
    processor: RSVLMProcessor, noise: Noise, sizes: list[tuple[int, int]]
) -> None:
    pictures = [Image.fromarray(noise(*size)) for size in sizes]
    parts = [{"type": "image"} for _ in sizes]
    text = processor.apply_chat_template(chat(*parts, TEXT), add_generation_prompt=True)
    inputs = processor(text=text, images=pictures or None, return_tensors="pt")
    count = int((inputs["input_ids"] == processor.image_token_id).sum())
    told = processor._get_num_multimodal_tokens(image_sizes=sizes)
    assert count == sum(told["num_image_tokens"])
    assert "num_tiles" not in inputs
    if sizes:
        tiles = len(inputs["pixel_values"])
        assert tiles == sum(told["num_image_patches"]) == len(inputs["sensor_ids"])
        assert count == tiles * processor.image_processor.tokens_per_tile
    else:
        assert "pixel_values" not in inputs


def test_one_call_may_limit_the_tiles(processor: RSVLMProcessor, noise: Noise) -> None:
    picture = Image.fromarray(noise(400, 400))
    inputs = processor(text="<image>", images=picture, max_tiles=0, return_tensors="pt")
    told = processor._get_num_multimodal_tokens([(400, 400)], max_tiles=0)
    assert inputs["input_ids"].shape[1] == told["num_image_tokens"][0] == 16


def tagged_png(picture: NDArray[np.uint8], sensor: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("sensor", sensor)
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG", pnginfo=info)
    return data.getvalue()


@pytest.mark.parametrize(
    ("tag", "option", "expected"),
    [("sar", None, 1), ("optical", None, 0), ("sar", "optical", 0),
     ("optical", "sar", 1), ("multispectral", None, 0), ("thermal", None, 0)],
)  # fmt: skip
def test_a_png_says_its_sensor(
    noise: Noise, tag: str, option: str | None, expected: int
) -> None:
    picture = Image.open(io.BytesIO(tagged_png(noise(20, 20), tag)))
    made = RSVLMImageProcessor(tile_size=TILE)(picture, sensor=option)
    assert made["sensor_ids"].tolist() == [expected]


def test_the_sensor_survives_a_data_uri(
    processor: RSVLMProcessor, noise: Noise
) -> None:
    code = b64encode(tagged_png(noise(20, 20), "sar")).decode()
    image = {"type": "image", "url": f"data:image/png;base64,{code}"}
    inputs = processor.apply_chat_template(
        chat(image, TEXT), tokenize=True, return_dict=True, return_tensors="pt",
        add_generation_prompt=True,
    )  # fmt: skip
    assert inputs["sensor_ids"].tolist() == [1]
    assert int((inputs["input_ids"] == processor.image_token_id).sum()) == 16


def test_pictures_of_other_modes_are_read(noise: Noise) -> None:
    processor = RSVLMImageProcessor(tile_size=TILE)
    gray = Image.fromarray(noise(20, 20)).convert("L")
    one = torch.as_tensor(processor(gray)["pixel_values"])
    two = torch.as_tensor(processor(gray.convert("RGBA"))["pixel_values"])
    assert torch.equal(one, two)
