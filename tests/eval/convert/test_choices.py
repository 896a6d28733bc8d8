"""Multiple choice: MME-RealWorld, XLRS-Bench, CHOICE, LHRS-Bench."""

from typing import Any

import numpy as np
import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import choice, lhrs_bench, mme_realworld, xlrs

MME = {
    "Question_id": "perception/remote_sensing/color/9001", "Image": "p.png",
    "Text": "What color is the crane?", "Question Type": "Multiple Choice",
    "Answer choices": ["(A) Red", "(B) Blue", "(C) Grey", "(D) Green", "(E) Not shown"],
    "Ground truth": "C", "Category": "color", "Subtask": "Remote Sensing",
    "Task": "Perception",
}  # fmt: skip


def test_mme_keeps_the_remote_sensing_part(tree: Any) -> None:
    tree.image("remote_sensing/p.png", 40, 30)
    accepted = MME | {
        "Question_id": "b", "Ground truth": ["A", "B"],
        "gt_toi": [1, 2, 30, 20], "img_size": [40, 30],
    }  # fmt: skip
    tree.json("MME_RealWorld.json", [MME, accepted, MME | {"Subtask": "OCR"}])
    first, second = mme_realworld.convert(tree.root)
    assert first.options == ("Red", "Blue", "Grey", "Green", "Not shown")
    assert (first.answers, first.type, first.roi) == (("C",), "color", None)
    assert second.answers == ("A", "B")
    assert second.roi == (1, 2, 30, 20)


def test_a_region_for_an_image_of_another_size_is_a_fault(tree: Any) -> None:
    tree.image("p.png", 40, 30)
    record = MME | {"gt_toi": [1, 2, 30, 20], "img_size": [400, 300]}
    tree.json("MME_RealWorld.json", [record])
    with pytest.raises(ParseError, match="'img_size'"):
        list(mme_realworld.convert(tree.root))


XLRS = {
    "index": 3, "image": ["a.png"], "question": "What is it?",
    "multi-choice options": ["(A) port", "(B) lake", "(C) farm", "(D) town"],
    "answer": "B", "category": "Perception/Overall counting", "l2-category": "Counting",
}  # fmt: skip


def test_xlrs_marks_questions_with_several_right_options(tree: Any) -> None:
    tree.image("images/a.png")
    tree.image("images/b.png")
    several = XLRS | {
        "index": 4, "image": ["a.png", "b.png"], "answer": "A C",
        "category": "Perception/Overall Land use classification",
    }  # fmt: skip
    text = "(A) port\n(B) lake\n(C) farm\n(D) town"
    single = several | {"index": 5, "answer": "D", "multi-choice options": text}
    tree.jsonl("xlrs.jsonl", [XLRS, several, single])
    first, second, third = xlrs.convert(tree.root)
    assert (first.answers, first.meta["multi"]) == (("B",), False)
    assert (first.type, first.meta["level2"]) == ("Overall counting", "Counting")
    assert (second.answers, second.meta["multi"]) == (("AC",), True)
    assert len(second.images) == 2
    assert (third.answers, third.meta["multi"]) == (("D",), True)
    assert third.options == first.options == ("port", "lake", "farm", "town")


def test_xlrs_images_inside_the_file_are_a_fault(tree: Any) -> None:
    tree.jsonl("xlrs.jsonl", [XLRS | {"image": [{"bytes": "..."}]}])
    with pytest.raises(ParseError, match="export the images as files"):
        list(xlrs.convert(tree.root))


def _choice(tree: Any, task: str, **fields: Any) -> None:
    folder = f"CHOICE/perception/x/{task}"
    tree.image(f"{folder}/images/1.png", 100, 50)
    record = {"id": "u-1", "image_path": f"perception/x/{task}/images/1.png"}
    tree.json(f"{folder}/{task}.json", [record | fields])


def test_choice_takes_options_out_of_the_question(tree: Any, asked_by: Any) -> None:
    question = "What changed?\nA.A road.\nB.A lake.\nC.None"
    _choice(tree, "change_detection", question=question, answer="B")
    (sample,) = choice.convert(tree.root)
    assert sample.conversation[0].text == "What changed?"
    assert sample.options == ("A road.", "A lake.", "None")
    assert (sample.answers, sample.type) == (("B",), "change detection")
    assert sample.images[0].path.endswith("change_detection/images/1.png")
    assert asked_by("choice", sample) == ["choice"]


def test_choice_grounding_is_a_quad_in_shares(tree: Any, asked_by: Any) -> None:
    quad = [[0.2, 0.4], [0.5, 0.2], [0.6, 0.4], [0.3, 0.6]]
    _choice(tree, "visual_grounding", question="Where?", answer=quad)
    (sample,) = choice.convert(tree.root)
    assert asked_by("choice", sample) == ["choice-ground"]
    assert sample.targets[0].polygons[0] == pytest.approx(
        (20, 20, 50, 10, 60, 20, 30, 30)
    )
    assert sample.targets[0].hbb == pytest.approx((20, 10, 60, 30))


def test_a_quad_in_pixels_is_noticed(tree: Any) -> None:
    quad = [[20, 20], [50, 10], [60, 20], [30, 30]]
    _choice(tree, "visual_grounding", question="Where?", answer=quad)
    with pytest.raises(ParseError, match="not in shares of the image"):
        list(choice.convert(tree.root))


def test_choice_masks(tree: Any, asked_by: Any) -> None:
    task = "referring_expression_segmentation"
    pixels = np.zeros((50, 100), dtype=np.uint8)
    pixels[:5] = 255
    tree.mask(f"CHOICE/perception/x/{task}/masks/1.png", pixels)
    mask_path = f"perception/x/{task}/masks/1.png"
    _choice(tree, task, question="Give me the mask.", mask_path=mask_path)
    (sample,) = choice.convert(tree.root)
    assert sample.mask is not None
    assert sample.mask.size == (50, 100)
    assert sample.options == ()
    assert asked_by("choice", sample) == ["choice-seg"]


def _lhrs(**changes: Any) -> dict[str, Any]:
    pair = {
        "question": "What is shown?", "choices": "A. port B. dense forest C. lake",
        "answer": "B. dense forest", "type": [2, "1"],
    }  # fmt: skip
    return {
        "qtype": {"1 identity": "..", "2 color": ".."},
        "data": [{"filename": "1.png", "qa_pairs": [pair | changes]}],
    }


def test_lhrs_splits_choices_and_names_types(tree: Any) -> None:
    tree.image("images/1.png")
    tree.json("lhrs_bench.json", _lhrs())
    tree.json("other.json", [1])
    (sample,) = lhrs_bench.convert(tree.root)
    assert sample.options == ("port", "dense forest", "lake")
    assert (sample.answers, sample.type) == (("B",), "color")
    assert sample.meta == {"types": ["color", "identity"]}


def test_lhrs_choices_without_letters_are_a_fault(tree: Any) -> None:
    tree.image("images/1.png")
    tree.json("lhrs_bench.json", _lhrs(choices="port, forest"))
    with pytest.raises(ParseError, match=r"qa_pairs\[0\]: 'choices'"):
        list(lhrs_bench.convert(tree.root))
