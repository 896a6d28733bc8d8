"""Result files of ImageRAG on MME-RealWorld; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.formats.mme_realworld import covered, read

Write = Callable[..., Path]

RECORD: dict[str, Any] = {
    "Question_id": "perception/remote_sensing/color/9001",
    "Image": "remote_sensing/p.png",
    "Text": "What color is the crane?",
    "Question Type": "Multiple Choice",
    "Answer choices": ["(A) Red", "(B) Blue", "(C) Grey", "(D) Green", "(E) Not shown"],
    "Ground truth": "C",
    "Category": "color",
    "Subtask": "Remote Sensing",
    "Task": "Perception",
    "gt_toi": [0, 0, 400, 300],
    "img_size": [4000, 3000],
    "visual_cue": [[0, 0, 50, 100]],
    "visual_cue_confidence": [0.61],
    "imagerag_summary": ["Fast"],
    "path_T": 0.5,
    "output": "(C)",
}


def test_a_record(write: Write) -> None:
    found = read(write("a.jsonl", [RECORD]))
    (sample,), (prediction,) = found.samples, found.predictions
    assert sample.id == "perception/remote_sensing/color/9001"
    assert sample.options == ("Red", "Blue", "Grey", "Green", "Not shown")
    assert sample.answers == ("C",)
    assert (sample.type, sample.meta["path"]) == ("color", "Fast")
    assert sample.roi == (0, 0, 400, 300)
    assert (sample.images[0].width, sample.images[0].height) == (4000, 3000)
    assert prediction.raw == "(C)"
    assert prediction.trace[0]["visual_cue"] == [[0, 0, 50, 100]]
    assert "visual_cue" not in sample.meta
    assert found.group_by == ("type", "path")
    assert found.clusters_known


def test_several_letters_may_be_right(write: Write) -> None:
    records = [
        RECORD | {"Ground truth": ["A", "B"]},
        RECORD | {"Ground truth": '["A", "D"]', "Question_id": "x"},
        RECORD | {"Ground truth": "(e)", "Question_id": "y"},
    ]
    found = read(write("a.jsonl", records))
    assert [s.answers for s in found.samples] == [("A", "B"), ("A", "D"), ("E",)]
    assert "2 questions with several accepted letters" in " ".join(found.notes)


def test_the_cues_are_held_against_the_region(write: Write) -> None:
    none = RECORD | {
        "Question_id": "z",
        "visual_cue": [],
        "imagerag_summary": ["Slow", "Zero-shot", "Zero-shot"],
    }
    found = read(write("a.jsonl", [RECORD, none]))
    # The cue is 200 x 300 px: half of the region of 400 x 300.
    assert "visual cues for 1 of 2 questions" in found.notes[-1]
    assert "50.0%" in found.notes[-1]
    assert "in 1 of 1" in found.notes[-1]
    assert [s.meta["path"] for s in found.samples] == ["Fast", "Zero-shot"]


def test_coverage_counts_no_part_twice() -> None:
    assert covered((0, 0, 10, 10), [(0, 0, 5, 10), (0, 0, 5, 10)]) == 0.5
    assert covered((0, 0, 10, 10), [(20, 20, 30, 30)]) == 0
    assert covered((5, 5, 5, 5), [(0, 0, 9, 9)]) == 0


def test_files_without_a_trace(write: Write) -> None:
    bare = {
        k: v
        for k, v in RECORD.items()
        if not k.startswith(("visual", "imagerag", "path", "gt_toi", "img_size"))
    }
    found = read(write("a.json", [bare, bare | {"output": None}]))
    assert found.predictions[0].trace == ()
    assert found.predictions[1].status == "empty"
    assert found.samples[1].id.endswith("#2")
    assert found.notes == ("1 id repeated in the file: all records are scored.",)
    assert found.group_by == ("type",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Answer choices": ["(A) Red", "Blue"]}, "'Blue' has no letter"),
        ({"Answer choices": ["(B) Red", "(A) Blue"]}, "not A, B, .. in order"),
        ({"Answer choices": []}, "not A, B, .. in order"),
        ({"Ground truth": "F"}, "no letter of the options"),
        ({"Ground truth": None}, "no letter of the options"),
    ],
)
def test_broken_records_are_named(
    write: Write, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParseError, match=f"a.jsonl, line 1: .*{message}"):
        read(write("a.jsonl", [RECORD | change]))
