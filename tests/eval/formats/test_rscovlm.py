"""Result files of RSCoVLM; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.formats.rscovlm import read

Write = Callable[..., Path]

SIZES = {
    "original_width": 800,
    "original_height": 400,
    "resized_width": 400,
    "resized_height": 200,
}
MESSAGE = [
    {"role": "user", "content": [{"type": "image", "image": "file:///x/y/7.png"},
                                 {"type": "text", "text": "Locate the pier"}]},
]  # fmt: skip


def write_list(write: Write, *records: dict[str, Any]) -> Path:
    return write("bench/inference_results.json", records)


def test_one_box_is_mapped_from_the_resized_image(write: Write) -> None:
    record = {"output": '```json\n[{"bbox_2d": [10, 20, 30, 40]}]\n```',
              "solution": [20, 40, 60, 80], "message": MESSAGE, **SIZES}  # fmt: skip
    found = read(write_list(write, record))
    (sample,), (prediction,) = found.samples, found.predictions
    assert sample.targets[0].hbb == (20, 40, 60, 80)
    assert prediction.boxes[0].points == ((20, 40), (60, 80))
    assert sample.images[0].path == "7.png"
    assert sample.conversation[0].text == "Locate the pier"
    assert sample.id == "bench/inference_results:0"
    assert found.readings == {}


def test_fractions_are_not_taken_for_pixels(write: Write) -> None:
    record = {"output": "[0.1, 0.1, 0.5, 0.5]", "solution": [80, 40, 400, 200],
              "message": MESSAGE, "idx": 4, **SIZES}  # fmt: skip
    found = read(write_list(write, record))
    assert found.samples[0].id == "4"
    assert found.predictions[0].boxes[0].points[1] == (1, 1)
    upstream = found.reading("rscovlm-acc").predictions[0]
    assert upstream.boxes[0].points == ((80, 40), (400, 200))
    assert "1 answer with numbers up to 1 only" in found.notes[0]


def test_of_several_boxes_the_first_counts(write: Write) -> None:
    record = {"output": "[1, 2, 3, 4] [5, 6, 7, 8]", "solution": [1, 2, 3, 4],
              "image": "a.png", **SIZES}  # fmt: skip
    assert len(read(write_list(write, record)).predictions[0].boxes) == 1


def test_quads_are_read_in_both_frames(write: Write) -> None:
    record = {"output": "10,10,20,10,20,20,10,20 pier",
              "ground_truth": [[[10, 10], [20, 10], [20, 20], [10, 20]]],
              "image_id": "7.png", "type": "ref", **SIZES}  # fmt: skip
    found = read(write_list(write, record))
    assert found.samples[0].targets[0].hbb == (20, 20, 40, 40)
    assert found.predictions[0].boxes[0].points[0] == (20, 20)
    original = found.reading("f1@0.5-references-in-original").samples[0]
    assert original.targets[0].hbb == (10, 10, 20, 20)
    assert found.protocols[-1].params["overlap"] == "generalised"


@pytest.mark.parametrize(
    ("fields", "task"),
    [
        ({"ground_truth": "urban", "category": "rural_urban"}, "vqa"),
        ({"ground_truth": ["a pier", "ships"]}, "caption"),
        (
            {"ground_truth": "beach", "classes": "beach, port", "type": "cls"},
            "classify",
        ),
    ],
)
def test_texts(write: Write, fields: dict[str, Any], task: str) -> None:
    record = {"output": "x", "image_id": "a.png", "question": "What?", **fields}
    found = read(write_list(write, record))
    assert found.samples[0].task == task
    if task == "vqa":
        assert found.samples[0].type == "rural_urban"


def test_missing_sizes_and_odd_solutions_are_named(write: Write) -> None:
    record = {"output": "[1, 2, 3, 4]", "solution": [1, 2, 3, 4], "image": "a.png"}
    with pytest.raises(ParseError, match="record 1: original_width"):
        read(write_list(write, record))
    with pytest.raises(ParseError, match="not the four numbers of a box"):
        read(write_list(write, record | SIZES | {"solution": [1, 2, 3]}))
