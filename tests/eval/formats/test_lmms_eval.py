"""Samples that lmms-eval logs; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.formats.lmms_eval import read
from rsvlm.samples import Target

Write = Callable[..., Path]

PROMPT = "What is it?\n(A) A pier\n(B) A ship\nAnswer with the letter."


def record(id: int, reply: Any, target: str, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": id,
        "target": target,
        "filtered_resps": reply,
        "input": PROMPT,
        "doc_hash": "abc",
        "score": 1.0,
        **more,
    }


def test_letters_are_multiple_choice(write: Write) -> None:
    records = [
        record(0, ["B"], "B", mme_score={"category": "colour", "pred": "B"}),
        record(1, [["(A)"]], "AB"),
        record(2, [], "['A', 'B']"),
    ]
    found = read(write("x_samples_mme.jsonl", records))
    assert [s.answers for s in found.samples] == [("B",), ("AB",), ("A", "B")]
    assert found.samples[0].options == ("A pier", "A ship")
    assert [p.raw for p in found.predictions] == ["B", "(A)", ""]
    assert found.predictions[2].status == "empty"
    assert found.samples[0].type == "colour"
    assert not found.clusters_known
    assert found.protocols[0].metric == "mcq_accuracy"


def test_the_macro_of_xlrs_divides_by_all_sub_tasks(write: Write) -> None:
    records = [record(0, ["B"], "B", xlrs={"category": "colour"})]
    found = read(write("x_samples_xlrs-lite.jsonl", records))
    assert found.protocols[-1].params["n_types"] == 13
    assert "letter-mean-of-types" not in [p.id for p in found.protocols]


def test_letters_without_known_options(write: Write) -> None:
    found = read(write("a.jsonl", [record(0, ["B"], "E", input="What?")]))
    assert found.samples[0].options == ("A", "B", "C", "D", "E")


def test_the_last_line_of_a_document_counts(write: Write) -> None:
    records = [record(0, ["no"], "yes"), record(0, ["yes"], "yes")]
    found = read(write("a.jsonl", records))
    assert [p.raw for p in found.predictions] == ["yes"]
    assert "1 further line of" in " ".join(found.notes)


def test_other_targets_are_texts(write: Write) -> None:
    records = [
        record(0, ["2"], "3", input=["How many?", {"until": ["\n"]}]),
        {"doc_id": 1, "target": "urban", "resps": [["rural"]], "arguments": {"a": "b"}},
    ]
    found = read(write("a.jsonl", records))
    assert {s.task for s in found.samples} == {"vqa"}
    assert [s.conversation[0].text for s in found.samples] == ["How many?", "b"]
    assert [p.raw for p in found.predictions] == ["2", "rural"]


def test_documents_are_joined_by_id_or_by_place(write: Write) -> None:
    samples = {
        id: make_sample(id, "vqa", "t", answers=["yes"]) for id in ("x", "y", "z")
    }
    records = [
        record(2, ["c"], "yes"),
        record(0, ["a"], "yes"),
        record(1, ["b"], "yes", doc={"id": "y"}),
        record(9, ["d"], "yes"),
    ]
    found = read(write("a.jsonl", records), samples)
    assert [p.raw for p in found.predictions] == ["a", "b", "c"]
    assert "1 answer without a sample" in " ".join(found.notes)


def test_boxes_need_a_declared_space(write: Write) -> None:
    target = Target(label="pier", hbb=(10, 10, 30, 20))
    sample = make_sample("x", "ground", "t", size=(100, 100), targets=[target])
    path = write("a.jsonl", [record(0, ["[100, 100, 300, 200]"], "[1, 2, 3, 4]")])
    with pytest.raises(SettingsError, match="--coords"):
        read(path, {"x": sample})
    found = read(path, {"x": sample}, coords=Coords(space="norm1000"))
    assert found.predictions[0].boxes[0].points == ((10, 10), (30, 20))


def test_files_without_replies_are_refused(write: Write) -> None:
    with pytest.raises(ParseError, match="neither 'filtered_resps' nor 'resps'"):
        read(write("a.jsonl", [{"doc_id": 0, "target": "A"}]))
    with pytest.raises(ParseError, match="no 'doc_id'"):
        read(write("a.jsonl", [{"target": "A"}]))
