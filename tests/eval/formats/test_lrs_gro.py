"""Result files of ZoomEarth on LRS-GRO; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.formats.lrs_gro import read

Write = Callable[..., Path]


def record(id: int, first: Any, second: Any, **more: Any) -> dict[str, Any]:
    return {
        "question_id": f"LRS-GRO-{id}",
        "image_name": "1.tif",
        "category": "Counting",
        "question": "How many piers?",
        "higher_level": "perception",
        "ground_truth": "3",
        "bbox": [600, 70, 860, 170],
        "type": "region",
        "answer1": first,
        "answer2": second,
        **more,
    }


def test_the_second_answer_counts_and_null_falls_back(write: Write) -> None:
    records = [record(1, "2", "3"), record(2, "3", None), record(3, "3", "4")]
    found = read(write("a.jsonl", records))
    assert [p.raw for p in found.predictions] == ["3", "3", "4"]
    whole = found.reading("whole-image-exact-canonical")
    assert [p.raw for p in whole.predictions] == ["2", "3", "3"]
    assert found.notes[-1].startswith("The crop mended 1 and broke 1 of 3 answers")
    assert sum(p.primary for p in found.protocols) == 1


def test_no_answer_at_all_is_empty(write: Write) -> None:
    found = read(write("a.jsonl", [record(1, None, None), record(2, "3", "")]))
    assert [p.status for p in found.predictions] == ["empty", "empty"]


def test_what_the_inference_writes_is_read_as_well(write: Write) -> None:
    line = {
        "question_id": "LRS-GRO-9",
        "ground_truth": "harbor",
        "answer1": "port",
        "answer2": None,
        "bbox_ref": [1, 2, 3, 4],
        "bbox": [[5, 6, 7, 8]],
        "prompt": "What is it?",
        "category": "Object",
        "stage1": "<answer>port</answer>",
        "stage2": "",
        "type": "object",
        "image": "2.tif",
        "error": True,
        "model_id": "x",
    }
    found = read(write("a.jsonl", [line]))
    assert found.samples[0].images[0].path == "2.tif"
    assert found.samples[0].conversation[0].text == "What is it?"
    assert found.predictions[0].meta == {"error": True}


def test_the_undocumented_frame_is_not_used(write: Write) -> None:
    found = read(write("a.jsonl", [record(1, "2", "3")]))
    assert found.samples[0].roi is None
    assert found.samples[0].meta["bbox"] == [600, 70, 860, 170]
    assert any("documented nowhere" in note for note in found.notes)
    whole = read(write("a.jsonl", [record(1, "2", "3", bbox=[])]))
    assert not any("documented nowhere" in note for note in whole.notes)


def test_a_declared_space_places_the_region(write: Write) -> None:
    sample = make_sample(
        "LRS-GRO-1", "vqa", "lrs-gro", image="1.tif", size=(2000, 1000), answers=["3"]
    )
    found = read(
        write("a.jsonl", [record(1, "2", "3")]),
        {sample.id: sample},
        coords=Coords(space="norm1000"),
    )
    assert found.samples[0].roi == (1200, 70, 1720, 170)


def test_samples_are_joined(write: Write) -> None:
    sample = make_sample("LRS-GRO-1", "vqa", "lrs-gro", answers=["three", "3"])
    other = make_sample("LRS-GRO-2", "vqa", "lrs-gro", answers=["4"])
    found = read(
        write("a.jsonl", [record(1, "2", "3")]), {s.id: s for s in (sample, other)}
    )
    assert [p.status for p in found.predictions] == ["ok", "error"]
    assert found.notes[-1].startswith("The crop mended 1 and broke 0 of 2 answers")


def test_a_missing_key_is_named(write: Write) -> None:
    line = record(1, "2", "3")
    del line["ground_truth"]
    with pytest.raises(ParseError, match="line 1: there is no 'ground_truth'"):
        read(write("a.jsonl", [line]))
