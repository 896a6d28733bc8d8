"""Instructions: boxes leave their dialect, places become targets."""

from typing import Any

import pytest

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.records import Record
from rsvlm.data_engine.sources import SOURCES, texts
from rsvlm.errors import ParseError


@pytest.fixture(autouse=True)
def _all_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "ONE_IN", 10**9)


def _one(tree: Any, name: str, file: str, *turns: tuple[str, str]) -> Record | None:
    tree.image("images/P1.png", 200, 100)
    said = [
        {"from": who, "value": text}
        for turn in turns
        for who, text in zip(("human", "gpt"), turn, strict=True)
    ]
    tree.json(file, [{"id": "P1", "image": "P1.png", "conversations": said}])
    records = list(SOURCES[name].read(tree.root, "train"))
    return records[0] if records else None


def _geochat(tree: Any, *turns: tuple[str, str]) -> Record:
    record = _one(tree, "geochat-instruct", "GeoChat_Instruct.json", *turns)
    assert record is not None
    return record


def test_a_referred_place_becomes_targets(tree: Any) -> None:
    record = _geochat(
        tree,
        (
            "<image>\n[refer] where is <p> the large ship </p>?",
            "{<10><20><50><60>|<0>}<delim>{<60><20><80><60>|<90>}",
        ),
    )
    (question,) = record.questions
    assert question.text == "where is the large ship ?"
    assert (question.task, question.kind) == ("ground", "refer")
    first, second = question.targets
    assert first.label == "the large ship"
    assert first.hbb == pytest.approx((20, 20, 100, 60))
    assert len(second.polygons[0]) == 8
    (sample,) = compose(record, "train")
    assert (sample.task, len(sample.targets)) == ("ground", 2)


def test_a_box_inside_a_text_is_written_as_ours(tree: Any) -> None:
    record = _geochat(
        tree,
        ("<image>\n[identify] What is at {<10><20><50><60>|<0>}?", "a ship"),
        (
            "[grounding] describe the image",
            "<p>A ship</p> {<10><20><50><60>|<0>} sails.",
        ),
    )
    identify, grounding = record.questions
    assert identify.text.startswith("What is at [")
    assert "<" not in identify.text + grounding.answers[0]
    assert "100,200" in identify.text
    assert "A ship [" in grounding.answers[0]


def test_a_plain_description_is_a_caption(tree: Any) -> None:
    record = _geochat(tree, ("<image>\nDescribe the image in detail.", "Two ships."))
    assert record.captions == ("Two ships.",)
    assert record.questions == ()


def test_a_listed_class_is_a_classification(tree: Any) -> None:
    record = _geochat(
        tree,
        ("<image>\nClassify the image. Classes: beach, river, port", "River"),
    )
    (question,) = record.questions
    assert (question.task, question.options) == ("classify", ("beach", "river", "port"))


def test_a_turn_that_points_back_is_left_out(tree: Any) -> None:
    turns = (
        ("<image>\nIs there a ship?", "Yes"),
        ("Is it large?", "Yes"),
        ("Is there a bridge?", "No"),
    )
    texts_ = [question.text for question in _geochat(tree, *turns).questions]
    assert texts_ == ["Is there a ship?", "Is there a bridge?"]


def test_vrsbench_train_has_tags_and_plain_boxes(tree: Any) -> None:
    record = _one(
        tree,
        "vrsbench",
        "VRSBench_train.json",
        ("<image>\n[caption] Describe the image in detail", "A harbour with ships."),
        ("[vqa] How many ships?", "3"),
        ("[refer] <p>The ship at the top</p>", "{<10><20><50><60>}"),
    )
    assert record is not None
    assert record.captions == ("A harbour with ships.",)
    assert [(q.task, q.kind) for q in record.questions] == [
        ("vqa", "vqa"),
        ("ground", "refer"),
    ]
    assert record.questions[1].text == "Where is the ship at the top?"
    assert record.questions[1].targets[0].hbb == pytest.approx((20, 20, 100, 60))


def test_sarchat_leaves_out_coordinates_of_unknown_unit(tree: Any) -> None:
    record = _one(
        tree,
        "sarchat",
        "SARChat_train.json",
        ("<image>How many ships?", "There are 2 ships."),
        ("Where is the ship?", "At [10, 20, 30, 40]."),
    )
    assert record is not None
    assert record.sensor == "sar"
    assert [question.text for question in record.questions] == ["How many ships?"]


def test_the_test_split_is_empty(tree: Any) -> None:
    assert list(SOURCES["vrsbench"].read(tree.root, "test")) == []


def test_a_missing_image_and_a_damaged_file_are_named(tree: Any) -> None:
    tree.json("VRSBench_train.json", [{"image": "no.png", "conversations": []}])
    with pytest.raises(ParseError, match=r"VRSBench_train\.json\[0\].*no\.png"):
        list(SOURCES["vrsbench"].read(tree.root, "train"))
    tree.text("VRSBench_train.json", '[\n{"image": 1,\n')
    with pytest.raises(ParseError, match=r"VRSBench_train\.json, line \d"):
        list(SOURCES["vrsbench"].read(tree.root, "train"))
