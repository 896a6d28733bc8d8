"""Free text: LRS-VQA, RSIEval, RSWK, SARLANG-1M."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import lrsvqa, rsieval, rswk, sarlang


def test_lrsvqa_origin_is_the_prefix_of_the_id(tree: Any) -> None:
    tree.image("LRS_VQA/image/15565.tif")
    line = {
        "question_id": "GLH-Bridge_12", "image": "image/15565.tif", "text": "How many?",
        "ground_truth": "3", "category": "count",
    }  # fmt: skip
    tree.jsonl("LRS_VQA/LRS_VQA_merged.jsonl", [line, line | {"question_id": "FAIR_1"}])
    first, second = lrsvqa.convert(tree.root)
    assert first.images[0].path == "LRS_VQA/image/15565.tif"
    assert (first.answers, first.type) == (("3",), "count")
    assert [s.meta["origin"] for s in (first, second)] == ["glh-bridge", "fair"]


def test_rsieval_has_a_caption_and_questions_an_image(tree: Any, asked_by: Any) -> None:
    tree.image("RSIEval/images/P1.png")
    pairs = [{"question": "Any trees?", "answer": "Yes.", "type": "presence"}]
    entry = {"filename": "P1.png", "caption": "A field.", "qa_pairs": pairs * 2}
    tree.json("RSIEval/annotations.json", {"annotations": [entry]})
    caption, first, second = rsieval.convert(tree.root)
    assert (caption.task, caption.answers) == ("caption", ("A field.",))
    assert caption.images[0].path == "RSIEval/images/P1.png"
    assert (first.answers, first.type) == (("Yes.",), "presence")
    assert first.id != second.id
    assert asked_by("rsieval", caption) == ["rsieval-caption"]
    assert asked_by("rsieval", first) == ["rsieval-vqa"]


def _messages(question: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"<image>{question}"},
            {"role": "assistant", "content": answer},
        ],
        "images": ["/data/x/Example Castle.png"],
    }


def test_rswk_takes_the_task_from_the_file_and_the_last_part_of_paths(
    tree: Any, asked_by: Any
) -> None:
    tree.image("RSWK/Example Castle.png")
    prompt = "Which of the following 3 categories: Castle, Old Bridge."
    tree.jsonl(
        "image_classification_mini_test_1600.jsonl",
        [_messages(prompt, "Castle"), _messages(prompt, "Casino")],
    )
    tree.jsonl("image_captioning_mini_test_1496.jsonl", [_messages("Say", "A castle.")])
    tree.jsonl("vqa_wk_full_train_11827.jsonl", [_messages("When?", "1200")])
    pairs = [{"question": "Who?", "answer": "A king"}]
    tree.json(
        "vqa_c_full_test_4501.json",
        [{"image_name": "Example Castle.png", "gpt_output": pairs}],
    )
    samples = {s.id: s for s in rswk.convert(tree.root)}
    listed = samples["rswk/image_classification_mini_test_1600/0"]
    unlisted = samples["rswk/image_classification_mini_test_1600/1"]
    assert (listed.task, listed.meta["listed"]) == ("classify", True)
    assert unlisted.meta["listed"] is False
    assert listed.options == unlisted.options == ("Castle", "Old Bridge")
    assert listed.conversation[0].text == prompt
    assert asked_by("rswk", listed) == ["rswk-classify"]
    described = samples["rswk/image_captioning_mini_test_1496/0"]
    assert asked_by("rswk", described) == ["rswk-caption"]
    assert listed.images[0].path == "RSWK/Example Castle.png"
    assert described.task == "caption"
    question = samples["rswk/vqa_wk_full_train_11827/0"]
    assert (question.task, question.split) == ("vqa", "train")
    assert samples["rswk/vqa_c_full_test_4501/0-0"].answers == ("A king",)


def test_a_dialogue_without_a_reference_is_a_fault(tree: Any) -> None:
    tree.image("Example Castle.png")
    record = _messages("a", "b")
    record["messages"].pop()
    tree.jsonl("image_vqa_mini_test_5242.jsonl", [record])
    with pytest.raises(ParseError, match="line 1: 'messages' lack"):
        list(rswk.convert(tree.root))


def test_sarlang_captions_of_one_image_are_its_references(
    tree: Any, asked_by: Any
) -> None:
    tree.image("SARimages/Nice_3.png")
    tree.text(
        "Text/caption/Caption_test1.csv",
        "image,caption\nSARimages/Nice_3.png,A marina.\nSARimages/Nice_3.png,Boats.\n",
    )
    tree.text("Text/caption/Caption-training.csv", "image,caption\nx.png,y\n")
    (sample,) = sarlang.convert(tree.root)
    assert sample.answers == ("A marina.", "Boats.")
    assert sample.images[0].sensor == "sar"
    assert asked_by("sarlang-1m", sample) == ["sarlang-caption-short"]


@pytest.mark.parametrize(
    "record",
    [
        {"image": "SARimages/1.jpg", "question": "How many?", "answer": "2"},
        {
            "images": ["SARimages/1.jpg"],
            "messages": [
                {"role": "user", "content": "<image>How many?"},
                {"role": "assistant", "content": "2"},
            ],
        },
        {
            "image": "1.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nHow many?"},
                {"from": "gpt", "value": "2"},
            ],
        },
    ],
)
def test_sarlang_questions_in_any_of_three_forms(
    tree: Any, record: Any, asked_by: Any
) -> None:
    tree.image("SARimages/1.jpg")
    tree.json("Text/VQA/test/SARVQA1_test.json", [record | {"application": "counting"}])
    (sample,) = sarlang.convert(tree.root)
    assert sample.conversation[0].text == "How many?"
    assert (sample.answers, sample.type) == (("2",), "counting")
    assert asked_by("sarlang-1m", sample) == ["sarlang-vqa"]
