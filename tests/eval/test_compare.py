"""Two runs, sample by sample."""

import json
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import SettingsError
from rsvlm.eval.compare import compare
from rsvlm.eval.records import Prediction
from rsvlm.eval.results import Result, write_results

BEFORE = [1, 1, 0, 0, 0, 0, 1, 0]
AFTER = [1, 1, 1, 1, 1, 0, 0, 0]


def test_the_difference_by_hand(make_run: Any) -> None:
    first, second = make_run("a", BEFORE), make_run("b", AFTER, model="model-b")
    comparison = compare([first, second])
    (row,) = comparison.rows
    assert (row.before, row.after) == (0.375, 0.625)
    assert row.paired is not None
    assert row.paired.difference == 0.25
    assert (row.paired.better, row.paired.worse, row.paired.n) == (3, 1, 8)
    # McNemar: 2 * (1 + 4) / 2^4.
    assert row.paired.p_mcnemar == 0.625
    assert row.paired.ci95 is not None
    assert row.paired.ci95[0] < 0.25 < row.paired.ci95[1]
    assert {change.id for change in row.better} == {"s2", "s3", "s4"}
    (lost,) = row.worse
    assert (lost.id, lost.said_before, lost.said_after) == ("s6", "yes", "no")
    assert (lost.asked, lost.reference) == ("Question 6?", "yes")
    text = comparison.markdown()
    assert row.paired.stderr
    assert (
        "| toy | `exact` | 0.375 | 0.625 | +0.250 | "
        f"{row.paired.ci95[0]:+.3f} to {row.paired.ci95[1]:+.3f} | 0.625 | "
        # 1.960 + 0.842 standard errors: five in a hundred, and four out of five.
        f"{2.801585 * row.paired.stderr:.3f} | 8 | 3 | 1 |"
    ) in text.splitlines()
    assert "before: a (model-a), after: b (model-b)" in text


def test_a_run_against_itself_does_not_differ(make_run: Any) -> None:
    comparison = compare([make_run("a", BEFORE), make_run("b", BEFORE)])
    (row,) = comparison.rows
    assert row.paired is not None
    assert (row.paired.difference, row.paired.ci95) == (0.0, (0.0, 0.0))
    assert row.paired.p_mcnemar == 1.0
    assert row.better == row.worse == ()


def test_only_shared_samples_count(make_run: Any) -> None:
    first = make_run("a", [1, 0, 0], ids=["x", "y", "z"])
    second = make_run("b", [1, 1, 1], ids=["z", "y", "w"])
    comparison = compare([first, second])
    (row,) = comparison.rows
    assert (row.before, row.after) == (0.0, 1.0)
    assert (row.only_before, row.only_after) == (1, 1)
    assert "1 samples are only in the first run and 1 only in the other" in (
        comparison.markdown()
    )


def test_order_of_the_samples_is_nothing(make_run: Any) -> None:
    ids = [f"n{i}" for i in range(8)]
    first = make_run("a", BEFORE, ids=ids)
    second = make_run("b", AFTER[::-1], ids=ids[::-1])
    (row,) = compare([first, second]).rows
    assert row.paired is not None
    assert row.paired.difference == 0.25


def test_three_runs_are_held_against_the_first(make_run: Any) -> None:
    folders = [make_run(name, BEFORE) for name in ("a", "b", "c")]
    comparison = compare(folders)
    assert [row.other for row in comparison.rows] == ["b", "c"]
    assert "2 differences are shown" in comparison.markdown()


def test_what_else_differs_is_said(make_run: Any) -> None:
    first = make_run("a", BEFORE, manifest={"revision": "r1"})
    second = make_run("b", BEFORE, manifest={"revision": "r2", "settings": {"seed": 1}})
    notes = " ".join(compare([first, second]).notes)
    assert "commits of the code differ" in notes
    assert "seed (None and 1)" in notes


def test_a_protocol_without_a_value_is_shown_without_a_difference(
    make_run: Any,
) -> None:
    first, second = make_run("a", BEFORE), make_run("b", AFTER, value=None)
    (row,) = compare([first, second]).rows
    assert row.paired is None
    assert "not scored in both runs" in row.note
    json.dumps(compare([first, second]).to_dict())


def test_a_value_that_is_no_mean_is_scored_again(
    make_run: Any, make_sample: Any
) -> None:
    """Mean IoU is a mean of scores, their cumulative IoU is not."""
    folders = []
    for name, right in (("a", 10.0), ("b", 20.0)):
        asked = [make_sample(0), make_sample(2)]  # of two images
        folder = make_run(name, [0.5, 1], samples=asked, value=0.9, protocol="cum")
        part = folder / "toy"
        definition = {
            "name": "toy", "version": 1, "title": "Toy", "source": "x", "task": "ground",
            "data": {"file": "x.jsonl", "license": "x"}, "prompt": {"id": "x"},
            "protocols": [{"id": "cum", "metric": "grounding", "value": "cumiou",
                           "primary": True}],
        }  # fmt: skip
        (part / "benchmark.json").write_text(json.dumps(definition))
        samples, said = [], []
        lines = (part / "samples.jsonl").read_text().splitlines()
        for line, size in zip(lines, (20.0, 40.0), strict=True):
            record = json.loads(line)
            record["task"] = "ground"
            record["targets"] = [{"label": "x", "hbb": [0, 0, size, 10]}]
            samples.append(json.dumps(record))
            box = {"points": [[0, 0], [right, 10]]}
            fields = {"id": record["id"], "boxes": [box], "coord_space": "pixel"}
            said.append(
                Prediction.model_validate(fields).model_dump_json(by_alias=True)
            )
        (part / "samples.jsonl").write_text("\n".join(samples) + "\n")
        (part / "predictions.jsonl").write_text("\n".join(said) + "\n")
        folders.append(folder)
    (row,) = compare(folders).rows
    # a: (100 + 100) / (200 + 400); b: (200 + 200) / (200 + 400).
    assert row.before == pytest.approx(1 / 3)
    assert row.after == pytest.approx(2 / 3)
    assert row.paired is not None
    assert row.paired.difference == pytest.approx(1 / 3)
    # Only the one image: 1 - 1/2, only the other: 1/2 - 1/4.
    assert row.paired.ci95 == pytest.approx((0.25, 0.5))
    assert row.note == ""


def test_without_what_that_needs_the_mean_is_compared_and_that_is_said(
    make_run: Any,
) -> None:
    first, second = make_run("a", BEFORE, value=0.9), make_run("b", AFTER, value=0.8)
    (row,) = compare([first, second]).rows
    assert (row.before, row.after) == (0.9, 0.8)
    assert row.paired is not None
    assert row.paired.difference == 0.25
    assert "no mean of scores" in row.note


def test_an_error_is_named_as_one(make_run: Any) -> None:
    details = {"lower_is_better": True}
    first = make_run("a", BEFORE, value=3.5, details=details)
    second = make_run("b", AFTER, value=2.5, details=details)
    (row,) = compare([first, second]).rows
    assert (row.before, row.after) == (3.5, 2.5)
    assert "mean score of a sample, where higher is better" in row.note


def test_the_page_is_whole(make_run: Any) -> None:
    evil = [Prediction(id=f"s{i}", raw="<script>x</script>") for i in range(8)]
    first = make_run("a", BEFORE)
    text = compare([first, make_run("b", AFTER, predictions=evil)]).html()
    assert text.count("<svg") == text.count("</svg>") == 1
    assert "<script" not in text
    assert "&lt;script" in text
    assert "Worse: 1" in text
    assert "Better: 3" in text


def test_runs_that_share_nothing_are_refused(make_run: Any, tmp_path: Path) -> None:
    first = make_run("a", BEFORE)
    with pytest.raises(SettingsError, match="1 run cannot be compared"):
        compare([first])
    with pytest.raises(SettingsError, match="share no protocol"):
        compare([first, make_run("b", AFTER, benchmark="other")])
    ids = [f"other{i}" for i in range(8)]
    with pytest.raises(SettingsError, match="share no sample of toy"):
        compare([first, make_run("c", AFTER, ids=ids)])


def test_a_protocol_of_one_run_only_is_left_out(make_run: Any) -> None:
    first, second = make_run("a", BEFORE), make_run("b", AFTER)
    path = second / "toy" / "metrics.json"
    fields = {"benchmark": "toy", "n": 8, "value": 0.625}
    results = [Result(**fields, protocol=name) for name in ("exact", "judge")]
    write_results(path, results)
    assert [row.protocol for row in compare([first, second]).rows] == ["exact"]
