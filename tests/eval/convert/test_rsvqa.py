"""RSVQA: active questions, answers by id, both test sets of HR."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import rsvqa


def _put(tree: Any, start: str, **changes: Any) -> None:
    question = {
        "id": 4, "img_id": 7, "type": "presence", "question": "Is a road present?",
        "answers_ids": [11], "active": True,
    }  # fmt: skip
    questions = [
        question | changes,
        {"id": 5, "active": False},
        question
        | {"id": 6, "type": "count", "question": "How many?", "answers_ids": [12]},
    ]
    answers = [
        {"id": 11, "question_id": 4, "answer": "yes", "active": True},
        {"id": 12, "question_id": 6, "answer": 0, "active": True},
        {"id": 13, "active": False},
    ]
    tree.json(f"{start}_questions.json", {"questions": questions})
    tree.json(f"{start}_answers.json", {"answers": answers})
    tree.json(f"{start}_images.json", {"images": []})


def test_inactive_questions_are_left_out_and_ids_join(tree: Any, asked_by: Any) -> None:
    tree.image("Images_LR/7.tif", 16, 16)
    _put(tree, "LR_split_test")
    first, second = rsvqa.convert(tree.root)
    assert (first.id, first.source) == ("rsvqa-lr/test/4", "rsvqa-lr")
    assert (first.answers, first.type) == (("yes",), "presence")
    assert second.answers == ("0",)
    assert asked_by("rsvqa", first) == ["rsvqa-lr"]
    assert first.images[0].path == "Images_LR/7.tif"
    assert first.images[0].gsd_m == 10.0


def test_the_two_test_sets_of_hr_are_told_apart(tree: Any, asked_by: Any) -> None:
    tree.image("Data/7.tif")
    _put(tree, "USGS_split_test")
    _put(tree, "USGS_split_test_phili")
    samples = list(rsvqa.convert(tree.root))
    assert {s.source for s in samples} == {"rsvqa-hr"}
    assert [s.meta["part"] for s in samples] == ["phili"] * 2 + ["main"] * 2
    assert len({s.id for s in samples}) == 4
    assert asked_by("rsvqa", samples[0]) == ["rsvqa-hr-phili"]
    assert asked_by("rsvqa", samples[2]) == ["rsvqa-hr"]


def test_an_answer_that_is_not_active_is_a_fault(tree: Any) -> None:
    tree.image("Images_LR/7.tif")
    _put(tree, "LR_split_val", answers_ids=[13])
    with pytest.raises(ParseError, match=r"questions\[0\]: 'answers_ids'"):
        list(rsvqa.convert(tree.root))
