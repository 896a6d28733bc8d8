"""GeoChat-Bench: classes from ids, answers from RSVQA, quads that leave the frame."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import geochat

SCENE = {
    "question_id": "MediumResidential/medium_1.png", "image": "medium_1.png",
    "text": "Classify the image.\nClasses: Airport, Medium Residential, Port.\n"
    "Answer in one word or a short phrase.",
    "ground_truth": "MediumResidentialgt",
}  # fmt: skip


def test_scenes_take_class_from_the_id_and_options_from_the_text(
    tree: Any, asked_by: Any
) -> None:
    tree.image("AID/MediumResidential/medium_1.jpg")
    tree.jsonl("aid.jsonl", [SCENE])
    (sample,) = geochat.convert(tree.root)
    assert (sample.task, sample.answers) == ("classify", ("MediumResidential",))
    assert sample.options == ("Airport", "Medium Residential", "Port")
    assert sample.images[0].path == "AID/MediumResidential/medium_1.jpg"
    assert asked_by("geochat", sample) == ["geochat-aid"]


def test_questions_take_answers_from_the_files_of_rsvqa(
    tree: Any, asked_by: Any
) -> None:
    tree.image("Images_LR/0.tif")
    line = {"question_id": 21, "image": "0.tif", "category": "comp", "text": "Is it?"}
    tree.jsonl("lrben.jsonl", [line])
    with pytest.raises(ParseError, match="'21' has no answer in RSVQA's file"):
        list(geochat.convert(tree.root))
    answers = [
        {"id": 1, "question_id": 20, "answer": "no", "active": True},
        {"id": 2, "question_id": 21, "answer": "yes", "active": True},
        {"id": 3, "active": False},
    ]
    tree.json("rsvqa/LR_split_test_answers.json", {"answers": answers})
    (sample,) = geochat.convert(tree.root)
    assert (sample.answers, sample.type) == (("yes",), "comp")
    assert asked_by("geochat", sample) == ["geochat-lrben"]


def _referring(quads: Any) -> dict[str, Any]:
    return {
        "question_id": 1, "image_id": "P0012", "question": "the 2 small ships",
        "ground_truth": quads, "type": "ref", "dataset": "SOTA", "obj_ids": [0, 1],
        "size_group": "small",
    }  # fmt: skip


def test_quads_may_leave_the_frame_and_are_not_clipped(
    tree: Any, asked_by: Any
) -> None:
    tree.image("images/P0012.png", 50, 40)
    quads = [[[-3, 2], [5, 2], [5, 8], [-3, 8]], [10, 10, 60, 10, 60, 20, 10, 20]]
    tree.jsonl("referring.jsonl", [_referring(quads)])
    (sample,) = geochat.convert(tree.root)
    assert [target.hbb for target in sample.targets] == [
        (-3, 2, 5, 8),
        (10, 10, 60, 20),
    ]
    assert sample.targets[0].polygons == ((-3, 2, 5, 2, 5, 8, -3, 8),)
    assert (sample.type, sample.meta["size_group"]) == ("ref", "small")
    assert asked_by("geochat", sample) == ["geochat-ref"]


@pytest.mark.parametrize("quads", [[], [[1, 2, 3, 4]], [[[1, 2], [3, 4]]], ["x"], "x"])
def test_other_references_are_a_fault(tree: Any, quads: Any) -> None:
    tree.image("images/P0012.png")
    tree.jsonl("referring.jsonl", [_referring(quads)])
    with pytest.raises(ParseError, match=r"referring\.jsonl, line 1: 'ground_truth'"):
        list(geochat.convert(tree.root))


def test_region_captions_ask_for_a_box(tree: Any, asked_by: Any) -> None:
    tree.image("images/P1.png")
    box = "{<1><2><9><8>|<30>}"
    tree.jsonl(
        "region_captioning.jsonl",
        [
            {
                "question_id": 1,
                "image_id": "P1",
                "question": box,
                "ground_truth": "a car",
            }
        ],
    )
    tree.jsonl(
        "grounding_description.jsonl", [{"image_id": "P1.png", "description": "A lot."}]
    )
    described, region = geochat.convert(tree.root)
    assert region.conversation[0].text == f"What is the object present at {box}"
    assert region.answers == ("a car",)
    assert asked_by("geochat", region) == ["geochat-region-caption"]
    assert (described.task, described.answers) == ("caption", ("A lot.",))


def test_other_files_of_lines_are_left_alone(tree: Any) -> None:
    tree.jsonl("predictions.jsonl", [{"answer": "x"}])
    with pytest.raises(ParseError, match="None of aid"):
        list(geochat.convert(tree.root))
