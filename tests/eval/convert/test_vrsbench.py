"""VRSBench: boxes in hundredths, exact corners, both spellings of uniqueness."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import vrsbench

REF = {
    "image_id": "P0003_0002.png", "question": "The ship at the top.",
    "ground_truth": "{<25><5><50><10>}", "question_id": 3, "type": "ref",
    "obj_corner": [0.25, 0.05, 0.51, 0.06, 0.5, 0.109, 0.24, 0.1], "obj_cls": "ship",
    "size_group": "small", "unique": True,
}  # fmt: skip


def test_boxes_are_hundredths_and_corners_are_exact(tree: Any, asked_by: Any) -> None:
    tree.image("Images_val/P0003_0002.png", 200, 100)
    tree.json("VRSBench_EVAL_referring.json", [REF])
    (sample,) = vrsbench.convert(tree.root)
    target = sample.targets[0]
    assert target.hbb == (50, 5, 100, 10)
    assert target.label == "ship"
    assert target.polygons[0] == pytest.approx((50, 5, 102, 6, 100, 10.9, 48, 10))
    assert sample.meta["exact_hbb"] == pytest.approx([48, 5, 102, 10.9])
    assert sample.meta["unique"] is True
    assert asked_by("vrsbench", sample) == ["vrsbench-ref"]


def test_the_scorers_spelling_of_unique_is_read(tree: Any) -> None:
    tree.image("Images_val/P0003_0002.png")
    record = {key: value for key, value in REF.items() if key != "unique"}
    tree.json("VRSBench_EVAL_referring.json", [record | {"is_unique": False}, record])
    samples = list(vrsbench.convert(tree.root))
    assert [s.meta["unique"] for s in samples] == [False, None]


@pytest.mark.parametrize("box", ["{<1><2><3>}", "[1, 2, 3, 4]", "{<1><2><3><4>|<5>}"])
def test_other_boxes_are_a_fault(tree: Any, box: str) -> None:
    tree.image("Images_val/P0003_0002.png")
    tree.json("VRSBench_EVAL_referring.json", [REF | {"ground_truth": box}])
    with pytest.raises(ParseError, match="'ground_truth' is no box"):
        list(vrsbench.convert(tree.root))


def test_captions_and_questions(tree: Any, asked_by: Any) -> None:
    tree.image("Images_val/P0003_0002.png")
    base = {"image_id": "P0003_0002.png", "question_id": 0}
    tree.json(
        "VRSBench_EVAL_Cap.json",
        [base | {"question": "Describe", "ground_truth": "A port.", "type": "caption"}],
    )
    tree.json(
        "VRSBench_EVAL_vqa.json",
        [
            base
            | {"question": "How many?", "ground_truth": 3, "type": "object quantity"}
        ],
    )
    caption, question = vrsbench.convert(tree.root)
    assert (caption.task, caption.answers) == ("caption", ("A port.",))
    assert caption.conversation[0].text == "Describe the image in detail."
    assert (question.answers, question.type) == (("3",), "object quantity")
    assert caption.id != question.id
    assert asked_by("vrsbench", caption) == ["vrsbench-caption"]
    assert asked_by("vrsbench", question) == ["vrsbench-vqa"]
