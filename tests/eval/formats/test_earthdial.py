"""Result files of EarthDial, with the traps that theirs hold; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.formats.earthdial import read

Write = Callable[..., Path]

TOKENS = "[refer] [hr_rgb_0.5] <image> \n "
DETECTION: list[dict[str, str]] = [
    {
        "question": f"{TOKENS}Give me the location of <ref>2 boats</ref>",
        "answer": "[[5, 40, 9, 47, 30]][[12, 41, 1",
        "gt_bbox": "[[4, 41, 9, 47, 25]][[-2, 60, 3, 66, 0]]",
        "task_type": "ref",
        "size_group": "small",
    },
    {
        "question": f"{TOKENS}Give me the location of <ref>1 pier</ref>",
        "answer": "[[60, 10, 100, 22, 11]]",
        "gt_bbox": "[[-6, 10, 10, 22, 11]]",
        "task_type": "ref1",
        "size_group": "large",
    },
    {
        "question": f"{TOKENS}Give me the location of <ref>1 pier</ref>",
        "answer": "",
        "gt_bbox": "[[6, 10, 10, 22, 11]]",
        "task_type": "ref1",
        "size_group": "large",
    },
]


def captions(*texts: str) -> dict[str, str]:
    padded = [*texts, *[""] * 5][:5]
    return {f"caption{i}": text for i, text in enumerate(padded)}


def test_negative_corners_are_kept_and_the_legacy_reading_loses_them(
    write: Write,
) -> None:
    found = read(write("GeoChat.jsonl", DETECTION))
    assert [len(s.targets) for s in found.samples] == [2, 1, 1]
    legacy = found.reading("earthdial-legacy")
    assert [len(s.targets) for s in legacy.samples] == [1, 0, 1]
    text = " ".join(found.notes)
    assert "2 reference boxes with a negative corner" in text
    assert "loses 2 boxes, and all references of 1 record (" in text


def test_a_cut_answer_keeps_its_complete_boxes(write: Write) -> None:
    found = read(write("GeoChat.jsonl", DETECTION))
    assert [p.status for p in found.predictions] == ["truncated", "ok", "empty"]
    assert [len(p.boxes) for p in found.predictions] == [1, 1, 0]
    assert "1 answer cut inside a box" in " ".join(found.notes)


def test_boxes_turn_counter_clockwise_and_the_other_way_beside_it(write: Write) -> None:
    (record,) = [DETECTION[1] | {"answer": "[[10, 10, 30, 20, 90]]"}]
    found = read(write("GeoChat.jsonl", [record]))
    assert found.predictions[0].boxes[0].points[0] == pytest.approx((15, 25))
    other = found.reading("f1@0.5-clockwise")
    assert other.predictions[0].boxes[0].points[0] == pytest.approx((25, 5))
    assert found.samples[0].images[0].width == 100


def test_no_image_is_known(write: Write) -> None:
    found = read(write("GeoChat.jsonl", DETECTION))
    assert not found.clusters_known
    assert "names no images" in found.notes[0]
    assert [s.meta["size_group"] for s in found.samples] == ["small", "large", "large"]
    assert found.group_by == ("size_group", "task_type")
    assert [s.id for s in found.samples] == ["GeoChat:0", "GeoChat:1", "GeoChat:2"]


def test_change_detection_is_scored_without_angles_too(write: Write) -> None:
    record = {
        "question": "[refer] [hr_rgb_temp_0.5] <image> <image> \\n Locate buildings.",
        "answer": "[[10, 10, 30, 20, 45], [1, 1, 5, 5, 0]]",
        **captions("[[10, 10, 30, 20, 0]][[50, 50, 60, 60, 0]]"),
    }
    found = read(write("xBD_object_detection.jsonl", [record]))
    assert len(found.samples[0].targets) == 2
    legacy = found.reading("earthdial-legacy").predictions[0]
    assert legacy.boxes[0].points[0] == pytest.approx((10, 10))  # angle dropped
    assert found.predictions[0].boxes[0].points[0] != pytest.approx((10, 10))
    (rule,) = [p for p in found.protocols if p.id == "earthdial-legacy"]
    assert rule.params["threshold"] == 0.25


def test_grounded_descriptions(write: Write) -> None:
    record = {
        "question": "[grounding] [hr_rgb_0.5] <image> \n Describe the image.",
        "answer": "There are two courts [[10, 49, 22, 61, 1]] at the left. Also [[8",
        "groundtruth": (
            "There is <ref>1 court </ref> <box>[[[8, 33, 22, 40, 0]]]</box> at left, "
            "<ref>2 ships</ref> <box>[[[1, 2, 3, 4, 0]][[5, 6, 7, 8, 0]]]</box>"
        ),
        "obj_ids": '["[[8, 33, 22, 40, 0]]", "[[1, 2, 3, 4, 0]][[5, 6, 7, 8, 170]]"]',
        "size_group": '["medium", "small"]',
        "obj_location": '["left", "left"]',
        "obj_name": '["court", "ship"]',
    }
    found = read(write("NWPU.jsonl", [record]))
    (sample,), (prediction,) = found.samples, found.predictions
    assert len(sample.targets) == 3
    assert sample.answers == ("There is 1 court at left, 2 ships",)
    assert prediction.parsed == "There are two courts at the left. Also"
    assert prediction.status == "truncated"
    ids = [protocol.id for protocol in found.protocols]
    assert {"f1@0.5", "earthdial-legacy", "cider-d"} <= set(ids)


def test_captions_drop_empty_references(write: Write) -> None:
    record = {"question": "[caption] <image> Describe.", "answer": "a pier",
              **captions("a pier .", "", "the pier .")}  # fmt: skip
    found = read(write("RSICD.jsonl", [record]))
    assert found.samples[0].answers == ("a pier .", "the pier .")
    assert found.samples[0].conversation[0].text == "Describe."
    assert found.protocols[0].metric == "caption_metric"


def test_a_list_inside_a_caption_is_opened(write: Write) -> None:
    record = {"question": "[changedet] <image> \\n Any change?", "answer": "no",
              **captions('["Trees were cut.", "A road was built."]')}  # fmt: skip
    found = read(write("SYSU.jsonl", [record]))
    assert found.samples[0].answers == ("Trees were cut.", "A road was built.")


def vqa(kind: str, answer: str, annotation: str) -> dict[str, str]:
    return {"question": f"<image>\n{kind}?", "answer": answer,
            "annotation": annotation, "vqa_type": kind}  # fmt: skip


def test_rsvqa_gets_three_and_four_types(write: Write) -> None:
    records = [vqa("presence", "yes", "yes"), vqa("comp", "no", "yes"),
               vqa("count", "12", "14"), vqa("rural_urban", "urban", "rural")]  # fmt: skip
    found = read(write("RSVQA_LR.jsonl", records))
    ids = {protocol.id: protocol.params for protocol in found.protocols}
    assert ids["orig-4type-bins"]["bins"] == "rsvqa_lr"
    three = found.reading("exact-3type")
    assert [s.type for s in three.samples] == ["presence", "comp", "rural_urban"]
    assert [p.raw for p in three.predictions] == ["yes", "no", "urban"]
    assert [s.type for s in found.samples][2] == "count"
    other = read(write("VQA.jsonl", [vqa("colour", "red", "red")]))
    assert [p.id for p in other.protocols if p.primary] == ["exact-canonical"]


CLASSES = "Classify it. Classes: Medium Residential, Beach. "


def test_classes_are_read_in_the_spelling_of_the_list(write: Write) -> None:
    records = [
        {"question": CLASSES, "answer": "beach", "annotation": "Beach"},
        {"question": CLASSES, "answer": "x", "annotation": "MediumResidential"},
    ]
    found = read(write("AID.jsonl", records))
    assert [s.answers[0] for s in found.samples] == ["Beach", "Medium Residential"]
    raw = found.reading("raw-string").samples
    assert raw[1].answers == ("MediumResidential",)


def test_change_classes_and_a_class_outside_of_the_list(write: Write) -> None:
    question = '[identify] <image> \\n Classify. Classes: no-damage, destroyed."Answer.'
    records = [
        {"question": question, "answer": "destroyed", **captions("destroyed")},
        {"question": question, "answer": "destroyed", **captions("un-classified")},
    ]
    found = read(write("xBD_reg_cls.jsonl", records))
    assert found.samples[0].task == "classify"
    assert len(found.reading("listed-classes").samples) == 1


def test_lists_of_classes_and_free_text_are_questions(write: Write) -> None:
    several = {"question": "Classes: pastures, water. Answer with a list of classes.",
               "answer": "water", "annotation": "water, pastures"}  # fmt: skip
    found = read(write("BigEarthNet.jsonl", [several]))
    assert found.samples[0].task == "vqa"
    assert "list of classes" in found.notes[-1]
    free = {
        "question": "[uhi] <image>\\n What is it?",
        "answer": "a",
        "annotation": "b",
    }
    assert read(write("UHI.jsonl", [free])).samples[0].task == "vqa"


def test_region_captions(write: Write) -> None:
    record = {"question": "[identify] <image> \\n describe <box>[[1, 2, 3, 4, 90]]</box>",
              "answer": "1 ship", "annotation": "small ship", "task_type": "ref",
              "size_group": "small"}  # fmt: skip
    found = read(write("regions.jsonl", [record]))
    assert found.samples[0].task == "caption"
    assert found.group_by == ("size_group", "type")
    assert (found.samples[0].type, found.samples[0].meta["size_group"]) == (
        "ref",
        "small",
    )
    assert "[[1, 2, 3, 4, 90]]" in found.samples[0].conversation[0].text


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"question": "a", "answer": "b"}], "of no result file of EarthDial"),
        ([DETECTION[0], vqa("count", "1", "1")], "mixes records of detection, vqa"),
        ([{k: v for k, v in DETECTION[0].items() if k != "answer"}], "no 'answer'"),
    ],
)
def test_other_files_are_refused(
    write: Write, records: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ParseError, match=message):
        read(write("x.jsonl", records))
