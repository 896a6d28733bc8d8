"""Sources of captions and questions, each on a small folder in its upstream form."""

import json
from typing import Any

import pytest

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.records import Question, Record
from rsvlm.data_engine.sources import SOURCES
from rsvlm.errors import ParseError
from rsvlm.samples import Split


def _records(name: str, tree: Any, split: Split = "train") -> list[Record]:
    return list(SOURCES[name].read(tree.root, split))


@pytest.mark.parametrize("name", ["rsicd", "rsitmd", "ucm-captions", "sydney-captions"])
def test_karpathy_captions_are_references_of_one_sample(tree: Any, name: str) -> None:
    tree.image("imgs/1.tif", 9, 7)
    tree.image("imgs/2.tif", 9, 7)
    sentences = [{"raw": "many planes ."}, {"raw": "an  airport ."}, {"raw": " "}]
    images = [
        {"filename": "1.tif", "split": "train", "sentences": sentences},
        {"filename": "2.tif", "split": "test", "sentences": sentences},
    ]
    tree.json("dataset.json", {"images": images})
    (record,) = _records(name, tree)
    assert record.captions == ("many planes .", "an  airport .")
    assert (record.name, record.width, record.height) == ("imgs-1.tif", 9, 7)
    assert record.image == (tree.root / "imgs/1.tif").read_bytes()
    (sample,) = compose(record, "train")
    assert sample.task == "caption"
    assert set(sample.answers) == {"Many planes.", "An airport."}
    assert sample.conversation[-1].text == sample.answers[0]
    assert len(_records(name, tree, "test")) == 1


def test_another_seed_may_say_another_caption(tree: Any) -> None:
    record = Record(
        b"x", "a.png", 4, 4, "rsicd", "-", captions=tuple(f"text {n}" for n in range(5))
    )
    said = {compose(record, "train", seed)[0].answers[0] for seed in range(12)}
    assert len(said) > 2


def test_nwpu_and_retrieval_captions(tree: Any) -> None:
    tree.image("images/lake_1.jpg")
    entry = {"filename": "lake_1.jpg", "split": "val", "raw": "a lake", "raw_1": "blue"}
    tree.json("dataset_nwpu.json", {"lake": [entry]})
    tree.text("rsicd_precomp/train_caps.txt", "one\ntwo\n\nfour\nfive\n")
    tree.text("rsicd_precomp/train_filename.txt", "lake_1.jpg\n")
    (record,) = _records("nwpu-captions", tree, "val")
    assert record.captions == ("a lake", "blue")
    (record,) = _records("retrieval-captions", tree)
    assert record.captions == ("one", "two", "four", "five")


def _rsvqa(tree: Any, prefix: str, folder: str) -> None:
    tree.image(f"{folder}/7.tif", 16, 16)
    questions = [
        {"id": 0, "img_id": 7, "type": "presence", "question": "Is there a road?",
         "answers_ids": [0], "active": True},
        {"id": 1, "img_id": 7, "type": "count", "question": "How many?",
         "answers_ids": [1], "active": True},
        {"id": 2, "active": False},
    ]  # fmt: skip
    answers = [
        {"id": 0, "question_id": 0, "answer": "yes", "active": True},
        {"id": 1, "question_id": 1, "answer": 3, "active": True},
    ]
    tree.json(f"{prefix}_split_train_questions.json", {"questions": questions})
    tree.json(f"{prefix}_split_train_answers.json", {"answers": answers})


@pytest.mark.parametrize(
    ("name", "prefix", "folder", "gsd_m"),
    [
        ("rsvqa-lr", "LR", "Images_LR", 10.0),
        ("rsvqa-hr", "USGS", "Data", 0.15),
    ],
)
def test_rsvqa_groups_questions_by_image(
    tree: Any, name: str, prefix: str, folder: str, gsd_m: float
) -> None:
    _rsvqa(tree, prefix, folder)
    (record,) = _records(name, tree)
    assert record.questions == (
        Question("Is there a road?", ("yes",), "presence"),
        Question("How many?", ("3",), "count"),
    )
    assert record.gsd_m == gsd_m
    samples = compose(record, "train")
    assert [(s.task, s.type, s.answers) for s in samples] == [
        ("vqa", "presence", ("yes",)),
        ("vqa", "count", ("3",)),
    ]
    assert len({s.id for s in samples}) == 2


def test_rsvqa_opens_the_files_of_its_split_only(tree: Any) -> None:
    _rsvqa(tree, "LR", "Images_LR")
    tree.text("LR_split_test_questions.json", "{broken")
    assert len(_records("rsvqa-lr", tree)) == 1
    with pytest.raises(ParseError, match=r"LR_split_test_\w+\.json"):
        _records("rsvqa-lr", tree, "test")


def test_lrs_vqa_is_for_tests_only(tree: Any) -> None:
    tree.image("image/P1.png")
    line = {"question_id": "FAIR_1", "image": "P1.png", "text": "What is it?",
            "ground_truth": "ship", "category": "object category"}  # fmt: skip
    tree.text("LRS_VQA_merged.jsonl", json.dumps(line) + "\n")
    assert _records("lrs-vqa", tree) == []
    (record,) = _records("lrs-vqa", tree, "test")
    assert record.questions[0].answers == ("ship",)
    tree.text("LRS_VQA_merged.jsonl", json.dumps(line) + "\n{}\n")
    with pytest.raises(ParseError, match=r"merged\.jsonl, line 2: 'question_id'"):
        _records("lrs-vqa", tree, "test")


def test_sarlang_has_captions_and_questions_of_one_image(tree: Any) -> None:
    tree.image("SARimages/s.png")
    tree.text("Text/caption/Caption_train.csv", "image,caption\ns.png,A bright ship.\n")
    pair = {"image": "s.png", "question": "What is it?", "answer": "ship"}
    tree.json("Text/VQA/train/SARVQA1_train.json", [pair])
    (record,) = _records("sarlang-1m", tree)
    assert record.sensor == "sar"
    assert record.captions == ("A bright ship.",)
    assert record.questions == (Question("What is it?", ("ship",), None),)
    assert [s.task for s in compose(record, "train")] == ["caption", "vqa"]


def test_folders_of_classes_with_a_split_list(tree: Any) -> None:
    for index in range(10):
        for number in range(2):
            tree.image(f"2750/Class{chr(65 + index)}/c{index}_{number}.jpg", 8, 8)
    lists = {"train": range(8), "val": (8,), "test": (9,)}
    for split, classes in lists.items():
        names = [f"c{index}_{number}.jpg" for index in classes for number in range(2)]
        tree.text(f"eurosat-{split}.txt", "\n".join(names) + "\n")
    records = _records("eurosat", tree, "test")
    assert [record.label for record in records] == ["class j"] * 2
    assert len(records[0].scenes) == 10
    assert (records[0].sensor, records[0].gsd_m) == ("optical", 10.0)
    assert {s.task for s in compose(records[0], "test")} >= {"classify", "caption"}
    tree.text("eurosat-val.txt", "c8_0.jpg\nc8_7.jpg\n")
    with pytest.raises(ParseError, match=r"eurosat-val\.txt, line 2: .*c8_7\.jpg"):
        _records("eurosat", tree, "val")


def test_folders_without_a_list_are_split_by_name(tree: Any) -> None:
    for index in range(10):
        for number in range(6):
            tree.image(f"C{index}/{number}.jpg", 4, 4)
    splits: list[Split] = ["train", "val", "test"]
    names = [{r.name for r in _records("eurosat", tree, split)} for split in splits]
    assert sum(map(len, names)) == len(set.union(*names)) == 60
    assert len(names[0]) > 35
    assert names[1]
    assert names[2]


def test_eurosat_of_all_bands_is_multispectral(tree: Any) -> None:
    for index in range(10):
        tree.image(f"C{index}/{index}.tif", 4, 4)
    found = [r for s in ("train", "val", "test") for r in _records("eurosat", tree, s)]
    assert {record.sensor for record in found} == {"multispectral"}
    assert any(s.task == "classify" for s in compose(found[0], "train"))
