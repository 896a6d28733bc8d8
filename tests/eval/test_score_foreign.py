"""Result files of others, scored by all protocols side by side."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsvlm.errors import UnknownNameError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.results import read_run
from rsvlm.eval.score_foreign import ForeignScores, score_foreign, write_scores
from rsvlm.samples import Target


def write(folder: Path, name: str, records: Iterable[Any]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def values(scores: ForeignScores) -> dict[str, float | None]:
    return {result.protocol: result.value for result in scores.results}


def detection(answer: str, truth: str) -> dict[str, str]:
    return {"question": "<image> \n Where?", "answer": answer, "gt_bbox": truth,
            "task_type": "ref", "size_group": "small"}  # fmt: skip


def vqa(kind: str, answer: str, truth: str) -> dict[str, str]:
    return {"question": "<image>\n?", "answer": answer, "annotation": truth,
            "vqa_type": kind}  # fmt: skip


RSVQA = [
    vqa("presence", "Yes.", "yes"),
    vqa("presence", "yes", "no"),
    vqa("comp", "no", "no"),
    vqa("rural_urban", "urban", "urban"),
    vqa("count", "7", "9"),
]


def test_how_much_of_a_claim_is_the_protocol(tmp_path: Path) -> None:
    """By hand: types right 1/2, 1/1, 1/1, and the count only within its bin."""
    found = values(score_foreign(write(tmp_path, "RSVQA_LR.jsonl", RSVQA), "earthdial"))
    assert found["exact-3type"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["exact-3type-OA"] == pytest.approx(3 / 4)
    assert found["exact-4type-counts"] == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert found["orig-4type-bins"] == pytest.approx((0.5 + 1 + 1 + 1) / 4)


def test_class_names(tmp_path: Path) -> None:
    question = "Classify. Classes: Medium Residential, Beach."
    records = [
        {"question": question, "answer": "Medium Residential",
         "annotation": "MediumResidential"},
        {"question": question, "answer": "beach", "annotation": "Beach"},
    ]  # fmt: skip
    found = values(score_foreign(write(tmp_path, "AID.jsonl", records), "earthdial"))
    assert found["canonical"] == 1
    assert found["earthdial-legacy"] == 1  # spaces are removed on both sides
    assert found["raw-string"] is not None
    assert found["raw-string"] < 1


def test_classes_that_a_prompt_forgets(tmp_path: Path) -> None:
    question = "<image>Choose from the following 3 categories: Park, Beach."
    records = [
        {"messages": [{"role": "user", "content": question},
                      {"role": "assistant", "content": truth}],
         "images": [f"/x/{place}.png"], "prediction": said}
        for place, (said, truth) in enumerate(
            [("Park", "Park"), ("Beach", "Park"), ("Casino", "Casino"), ("Park", "Casino")]
        )
    ]  # fmt: skip
    scores = score_foreign(write(tmp_path, "RSWK_answer_x.jsonl", records), "rswk")
    found = values(scores)
    assert found["canonical"] == 0.5
    assert found["listed-classes"] == 0.5
    by_id = {result.protocol: result for result in scores.results}
    assert (by_id["canonical"].n, by_id["listed-classes"].n) == (4, 2)


def test_numbers_with_units(tmp_path: Path) -> None:
    records = [
        {"messages": [{"role": "user", "content": "<image>How much?"},
                      {"role": "assistant", "content": truth}],
         "images": ["a.png"], "prediction": said}
        for said, truth in [("12 mm", "12.51mm"), ("0.3", "0.21"), ("a king", "a king")]
    ]  # fmt: skip
    scores = score_foreign(write(tmp_path, "RSWK_answer_x.jsonl", records), "rswk")
    found = values(scores)
    assert found["rel-error<10%"] == 0.5
    assert found["exact"] == pytest.approx(1 / 3)


def test_accepted_letters_and_extractors(tmp_path: Path) -> None:
    record = {
        "Question_id": "q/1", "Image": "p.png", "Text": "What is it?",
        "Answer choices": ["(A) Red", "(B) Blue", "(C) Grey", "(D) Green", "(E) None"],
        "Ground truth": ["B", "C"], "Category": "color", "output": "(C)",
    }  # fmt: skip
    sentence = record | {"Question_id": "q/2", "Image": "r.png",
                         "output": "A crane. The answer is (B)."}  # fmt: skip
    path = write(tmp_path, "mme.jsonl", [record, sentence])
    found = values(score_foreign(path, "mme-realworld"))
    assert found["letter"] == 1
    assert found["mme-realworld-extractor"] == 0.5  # "A crane" is taken for A


def test_both_stages(tmp_path: Path) -> None:
    records = [
        {"question_id": str(n), "image_name": f"{n}.tif", "question": "How many?",
         "ground_truth": "3", "type": "region", "answer1": first, "answer2": second}
        for n, (first, second) in enumerate([("2", "3"), ("3", None), ("4", "5")])
    ]  # fmt: skip
    found = values(score_foreign(write(tmp_path, "lrs.jsonl", records), "lrs-gro"))
    assert found["exact-canonical"] == pytest.approx(2 / 3)
    assert found["whole-image-exact-canonical"] == pytest.approx(1 / 3)


def test_lost_boxes_raise_the_legacy_precision(tmp_path: Path) -> None:
    """One true box is found; the two others are lost with their negative corners."""
    records = [
        detection("[[10, 10, 30, 20, 0]]", "[[10, 10, 30, 20, 0]][[-2, 60, 3, 66, 0]]"),
        detection("[[-5, 40, 5, 50, 0]]", "[[50, 50, 60, 60, 0]]"),
    ]
    found = values(
        score_foreign(write(tmp_path, "GeoChat.jsonl", records), "earthdial")
    )
    assert found["f1@0.5"] == pytest.approx(2 * 1 / (2 + 3))
    assert found["precision@0.5"] == 0.5
    # The wrong box has a sign, so EarthDial's scorer does not see it.
    assert found["earthdial-legacy"] == 1


_box = st.tuples(
    *[st.integers(0, 60)] * 2, *[st.integers(2, 40)] * 2, st.integers(0, 90)
)


def _corners(x: int, y: int, w: int, h: int, degrees: int) -> shapely.Polygon:
    """Turn a box counter-clockwise on screen, by complex numbers."""
    turn = complex(math.cos(math.radians(degrees)), -math.sin(math.radians(degrees)))
    centre = complex(x + w / 2, y + h / 2)
    offsets = [complex(-w, -h), complex(w, -h), complex(w, h), complex(-w, h)]
    points = [centre + offset / 2 * turn for offset in offsets]
    return shapely.Polygon([(point.real, point.imag) for point in points])


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)  # fmt: skip
@given(st.lists(st.tuples(st.lists(_box, max_size=3), st.lists(_box, min_size=1, max_size=3)),
                min_size=1, max_size=4))  # fmt: skip
def test_the_legacy_precision_is_that_of_its_definition(
    tmp_path: Path, records: list[tuple[list[Any], list[Any]]]
) -> None:
    def text(boxes: list[Any]) -> str:
        return "".join(
            f"[[{x}, {y}, {x + w}, {y + h}, {a}]]" for x, y, w, h, a in boxes
        )

    right = total = 0
    for given_boxes, truth in records:
        for box in (_corners(*b) for b in given_boxes):
            overlaps = [
                box.intersection(t).area / box.union(t).area
                for t in (_corners(*b) for b in truth)
            ]
            if any(abs(iou - 0.5) < 1e-6 for iou in overlaps):
                return  # a tie that rounding decides
            right += max(overlaps) >= 0.5
            total += 1
    path = write(tmp_path, "a.jsonl", [detection(text(a), text(b)) for a, b in records])
    found = score_foreign(path, "earthdial", protocol="earthdial-legacy", resamples=0)
    if found.results[0].value is not None and total:
        assert found.results[0].value == pytest.approx(right / total)


def grounded(folder: Path, scale: float, size: tuple[int, int] = (800, 800)) -> Any:
    """Return answers in numbers of some scale, and samples of one box each."""
    samples, records = {}, []
    for n in range(12):
        box = (40.0 * n, 30.0 * n, 40.0 * n + 300, 30.0 * n + 400)
        target = Target(label="pier", hbb=box)
        samples[f"q{n}"] = make_sample(
            f"q{n}", "ground", "t", image=f"{n}.png", size=size, targets=[target]
        )
        numbers = [round(value / 800 * scale, 4) for value in box]
        records.append({"question_id": f"q{n}", "answer": str(numbers)})
    return write(folder, "answers.jsonl", records), samples


@pytest.mark.parametrize(
    ("scale", "space"),
    [
        (1, "norm1"),
        (100, "norm100"),
        (1000, "norm1000"),
        (999, "norm999"),
        (800, "pixel"),
    ],
)
def test_boxes_in_their_own_space_are_right(
    tmp_path: Path, scale: float, space: str
) -> None:
    path, samples = grounded(tmp_path, scale)
    coords = Coords.model_validate({"space": space})
    found = score_foreign(path, "llava-answers", samples, coords=coords)
    assert values(found)["acc@0.5"] == 1
    assert values(found)["mean-iou"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("scale", "space"),
    [
        (1, "pixel"), (1, "norm100"), (1, "norm1000"), (100, "norm1000"), (100, "norm1"),
        (1000, "norm100"), (1000, "norm1"), (1000, "pixel"), (800, "norm100"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_said_and_not_scored(
    tmp_path: Path, scale: float, space: str
) -> None:
    path, samples = grounded(tmp_path, scale)
    coords = Coords.model_validate({"space": space})
    found = score_foreign(path, "llava-answers", samples, coords=coords)
    assert set(values(found).values()) == {None}
    assert "acc@0.5" in found.unscored
    reason = found.results[0].details["note"]
    assert re.search("another space|smaller unit", reason)
    assert "not scored" in found.to_markdown()
    assert "--coords" in found.to_markdown()


def test_foreign_boxes_in_another_space_than_the_format(tmp_path: Path) -> None:
    records = [detection("[[100, 400, 390, 970, 0]]", "[[10, 40, 39, 97, 0]]")]
    found = score_foreign(write(tmp_path, "a.jsonl", records), "earthdial")
    assert set(values(found).values()) == {None}
    assert "Predicted boxes that leave the image" in found.to_markdown()


def test_text_is_scored_where_boxes_are_not(tmp_path: Path) -> None:
    record = {"question": "<image> \n Describe.", "answer": "A pier [[100, 400, 390, 970, 0]]",
              "groundtruth": "A pier <box>[[[10, 40, 39, 97, 0]]]</box>",
              "obj_ids": '["[[10, 40, 39, 97, 0]]"]'}  # fmt: skip
    path = write(tmp_path, "a.jsonl", [record])
    assert values(score_foreign(path, "earthdial", protocol="f1@0.5")) == {
        "f1@0.5": None
    }
    found = score_foreign(path, "earthdial", protocol="rougeL-coco", resamples=0)
    assert values(found)["rougeL-coco"] == pytest.approx(1)


def test_one_protocol_only(tmp_path: Path) -> None:
    path = write(tmp_path, "RSVQA_LR.jsonl", RSVQA)
    found = score_foreign(path, "earthdial", protocol="gt-in-pred")
    assert [result.protocol for result in found.results] == ["gt-in-pred"]
    two = score_foreign(path, "earthdial", protocol=("token-recall", "gt-in-pred"))
    assert [result.protocol for result in two.results] == ["gt-in-pred", "token-recall"]
    with pytest.raises(UnknownNameError, match="Did you mean 'gt-in-pred'"):
        score_foreign(path, "earthdial", protocol="gt-in-prd")


def test_failures_count_as_wrong_and_are_shown(tmp_path: Path) -> None:
    records = [vqa("colour", "red", "red"), vqa("colour", "", "red")]
    found = score_foreign(write(tmp_path, "a.jsonl", records), "earthdial")
    assert values(found)["exact-canonical"] == 0.5
    assert values(found)["pred-in-gt"] is not None
    assert found.failed == 1
    assert "| **exact-canonical** | 0.5000 |" in found.to_markdown()
    assert "majority" in found.to_markdown()
    assert json.loads(json.dumps(found.to_dict()))["n_failed"] == 1


def test_intervals_draw_records_where_no_image_is_known(tmp_path: Path) -> None:
    found = score_foreign(write(tmp_path, "a.jsonl", RSVQA * 4), "earthdial")
    by_id = {result.protocol: result for result in found.results}
    assert by_id["gt-in-pred"].ci95 is not None
    assert by_id["gt-in-pred"].stderr_clt is not None
    assert by_id["gt-in-pred"].stderr_clustered is None
    assert {row.cluster for row in found.rows} == {None}
    assert "names no images" in found.to_markdown()


def test_scores_are_written_as_a_run(tmp_path: Path) -> None:
    scores = score_foreign(write(tmp_path, "RSVQA_LR.jsonl", RSVQA), "earthdial")
    folder = write_scores(scores, tmp_path / "out")
    run = read_run(folder)
    (benchmark,) = run.benchmarks.values()
    assert benchmark.name == "earthdial.rsvqa-lr"
    assert [r.protocol for r in benchmark.results] == [
        r.protocol for r in scores.results
    ]
    assert len(benchmark.predictions) == 5
    assert len(benchmark.samples) == 5
    assert len(benchmark.rows["exact-4type-counts"]) == 5
    assert "exact-3type" in (folder / "table.md").read_text()
