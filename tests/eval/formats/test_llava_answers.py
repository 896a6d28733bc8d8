"""Answer files of LLaVA's scripts; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.formats.llava_answers import read

Write = Callable[..., Path]


def record(id: Any, answer: str, truth: Any = None, **more: Any) -> dict[str, Any]:
    fields = {"question_id": id, "image_id": f"{id}.png", "answer": answer, **more}
    return fields if truth is None else fields | {"ground_truth": truth}


def test_answers_alone_need_samples(write: Write) -> None:
    with pytest.raises(ParseError, match="no 'ground_truth' in 1 of 2"):
        read(write("a.jsonl", [record(1, "yes"), record(2, "yes", "no")]))


def test_samples_are_joined_by_question(write: Write) -> None:
    samples = {
        name: make_sample(
            name, "vqa", "t", answers=["yes"], meta={"question_id": number}
        )
        for name, number in (("x", 1), ("y", 2))
    }
    found = read(write("a.jsonl", [record(2, "yes"), record(1, "no")]), samples)
    assert [p.raw for p in found.predictions] == ["no", "yes"]
    assert found.clusters_known


def test_boxes_of_both_sides_in_0_to_100(write: Write) -> None:
    records = [
        record(1, "{<10><10><30><20>|<90>}", [[10, 10, 30, 20, 90]], type="ref"),
        record(2, "no idea", "[[-2, 60, 3, 66, 0]]", type="ref"),
        record(3, "[[1, 2, 3, 4, 0]][[5, 6", "{<1><2><3><4>|<0>}", type="rec"),
    ]
    found = read(write("a.jsonl", records))
    assert found.samples[0].targets[0].hbb == pytest.approx((15, 5, 25, 25))
    assert found.samples[1].targets[0].hbb == pytest.approx((-2, 60, 3, 66))
    assert [p.status for p in found.predictions] == ["ok", "ok", "truncated"]
    assert [p.parsed for p in found.predictions] == ["boxes", "no idea", "boxes"]
    other = found.reading("f1@0.5-other-sense")
    assert found.predictions[0].boxes[0].points[0] == pytest.approx((15, 25))
    assert other.predictions[0].boxes[0].points[0] == pytest.approx((25, 5))
    assert "Boxes are read as norm100, the habit of GeoChat" in found.notes[0]
    assert found.group_by == ("type",)


def test_upright_boxes_have_no_other_sense(write: Write) -> None:
    found = read(write("a.jsonl", [record(1, "{<1><2><3><4>}", "{<1><2><3><4>}")]))
    assert found.readings == {}


def test_a_declared_space_is_used(write: Write) -> None:
    records = [record(1, "[100, 100, 300, 200]", [[100, 100, 300, 200]])]
    path = write("a.jsonl", records)
    found = read(path, coords=Coords(space="norm1000"))
    assert found.samples[0].targets[0].hbb == (10, 10, 30, 20)
    assert found.notes[0].startswith("Boxes are read as norm1000.")
    with pytest.raises(SettingsError, match="need the sizes of the images"):
        read(path, coords=Coords(space="pixel"))


@pytest.mark.parametrize(
    ("records", "task"),
    [
        ([record(1, "yes", "yes", type="presence")], "vqa"),
        ([record(1, "a", "a long sentence about a pier and ships")], "caption"),
        ([record(1, "a", ["a pier", "the pier"])], "caption"),
        ([record(1, "a", "A", question="Choose. Classes: A, B. Answer")], "classify"),
        (
            [
                record(1, "a", "A", question="Choose. Classes: A, B. Answer"),
                record(2, "a", "A", question="Which one is it?"),
            ],
            "vqa",
        ),
    ],
)
def test_the_task_is_chosen_and_said(
    write: Write, records: list[dict[str, Any]], task: str
) -> None:
    found = read(write("a.jsonl", records))
    assert {s.task for s in found.samples} == {task}
    assert any(note.startswith(f"Scored as {task}") for note in found.notes)


def test_without_images_nothing_clusters(write: Write) -> None:
    found = read(write("a.jsonl", [{"answer": "yes", "ground_truth": "yes"}]))
    assert not found.clusters_known
    assert found.samples[0].id == "a:0"
