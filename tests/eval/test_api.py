"""Evaluation from Python."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import EngineError, SettingsError
from rsvlm.eval.api import FunctionAsker, asker_of, evaluate
from rsvlm.eval.asking import AssistantAsker
from rsvlm.eval.benchmark import Benchmark, Coords
from rsvlm.eval.records import Box, Prediction
from rsvlm.eval.replay import EchoAsker
from rsvlm.samples import Sample, Target

Make = Callable[..., Sample]


def toy(task: str = "vqa", **fields: Any) -> Benchmark:
    protocol = {"id": "exact", "metric": "vqa_accuracy", "primary": True}
    if task == "ground":
        protocol = {"id": "acc@0.5", "metric": "grounding", "primary": True}
    values = {
        "name": "toy", "version": 1, "title": "Toy", "source": "x", "task": task,
        "data": {"file": "x.jsonl", "license": "x"}, "group_by": ["type"],
        "prompt": {"id": "x", "user": "{question}\nOne word."}, "protocols": [protocol],
    }  # fmt: skip
    return Benchmark.model_validate(values | fields)


def test_a_function_is_measured(image_folder: Path, make_sample: Make) -> None:
    asked: list[tuple[str, Sequence[Path]]] = []

    def model(question: str, images: Sequence[Path]) -> str:
        asked.append((question, images))
        return "yes" if question.startswith("Question 0") else "no"

    samples = [make_sample(number) for number in range(4)]
    report = evaluate(toy(), model, samples=samples, data=image_folder)
    assert asked[0] == ("Question 0?\nOne word.", [image_folder / "images/0.png"])
    assert report.value == 0.25
    assert report.ci95 == (0.0, 0.5)  # two images, one with one of two right
    assert report.results["exact"].groups == {"type=even": 0.5, "type=odd": 0.0}
    assert [p.parsed for p in report.predictions] == ["yes", "no", "no", "no"]
    assert report.run.model == "model"
    assert "| `exact` (primary) | 0.250 |" in report.markdown()
    assert report._repr_markdown_() == report.markdown()


def test_a_report_is_a_page_with_pictures(
    image_folder: Path, make_sample: Make, tmp_path: Path
) -> None:
    samples = [make_sample(number) for number in range(4)]
    report = evaluate(
        toy(), lambda question, images: "yes", samples=samples, data=image_folder
    )
    text = report.html(tmp_path / "deep" / "report.html")
    assert text.count("data:image/webp") == 4
    assert (tmp_path / "deep" / "report.html").read_text() == text


def test_the_folder_of_a_run_stays_only_where_it_is_named(
    image_folder: Path, make_sample: Make, tmp_path: Path
) -> None:
    samples = [make_sample(0), make_sample(1)]
    kept = evaluate(
        toy(), EchoAsker(), samples=samples, data=image_folder, out=tmp_path / "run"
    )
    assert (tmp_path / "run" / "run.json").is_file()
    assert kept.value == 1.0
    passing = evaluate(toy(), EchoAsker(), samples=samples, data=image_folder)
    folder = passing.folder
    assert folder.is_dir()
    del passing
    assert not folder.exists()


def test_two_reports_are_compared(image_folder: Path, make_sample: Make) -> None:
    samples = [make_sample(number) for number in range(4)]
    reports = []
    for said in ("no", "yes"):
        asker = FunctionAsker(lambda question, images, said=said: said)  # type: ignore[misc]
        reports.append(evaluate(toy(), asker, samples=samples, data=image_folder))
    first, second = reports
    (row,) = second.against(first).rows
    assert (row.before, row.after) == (0.0, 1.0)


def test_a_function_may_return_a_prediction(
    image_folder: Path, make_sample: Make
) -> None:
    target = Target(label="ship", hbb=(8, 8, 24, 24))
    samples = [make_sample(0, task="ground", targets=(target,))]
    box = Box(points=((8, 8), (24, 24)))
    said = Prediction(id="whatever", boxes=(box,), coord_space="pixel")
    report = evaluate(
        toy("ground"), lambda q, i: said, samples=samples, data=image_folder
    )
    assert report.value == 1.0
    asker = FunctionAsker(lambda q, i: said)
    assert asker.ask(toy("ground"), samples[0], image_folder, 0).id == "s0"


def test_boxes_of_text_need_declared_numbers(
    image_folder: Path, make_sample: Make
) -> None:
    target = Target(label="ship", hbb=(16, 12, 48, 36))
    samples = [make_sample(0, task="ground", targets=(target,))]

    def model(question: str, images: Sequence[Path]) -> str:
        return "[250, 250, 750, 750]"

    report = evaluate(toy("ground"), model, samples=samples, data=image_folder)
    (failed,) = report.predictions
    assert failed.status == "error"
    assert "--coords" in str(failed.error)
    declared = Coords(space="norm1000")
    report = evaluate(
        toy("ground"), model, samples=samples, data=image_folder, coords=declared
    )
    assert report.value == 1.0


def test_a_failing_function_is_a_failure_of_the_sample(
    image_folder: Path, make_sample: Make
) -> None:
    def model(question: str, images: Sequence[Path]) -> str:
        if "Question 1" in question:
            raise ValueError("out of memory")
        return "yes"

    samples = [make_sample(number) for number in range(4)]
    report = evaluate(toy(), model, samples=samples, data=image_folder)
    assert report.value == 0.75
    assert report.results["exact"].n_failed == 1
    assert "ValueError: out of memory" in str(report.predictions[1].error)
    many = [make_sample(number) for number in range(12)]
    with pytest.raises(EngineError, match="all failed"):
        evaluate(toy(), lambda q, i: 1 / 0, samples=many, data=image_folder)  # type: ignore[arg-type, return-value]


def test_an_assistant_is_asked_as_a_user_does(
    image_folder: Path, make_sample: Make
) -> None:
    assistant = Assistant(StubEngine(["yes"]))
    assert isinstance(asker_of(assistant), AssistantAsker)
    samples = [make_sample(0), make_sample(1)]
    report = evaluate(toy(), assistant, samples=samples, data=image_folder)
    assert report.value == 1.0
    assert report.run.model == "stub"


def test_samples_come_from_the_file_of_the_benchmark(
    image_folder: Path, make_sample: Make
) -> None:
    lines = [make_sample(number).model_dump_json(by_alias=True) for number in range(4)]
    (image_folder / "x.jsonl").write_text("\n".join(lines) + "\n")
    report = evaluate(toy(), EchoAsker(), data=image_folder, limit=3)
    assert report.results["exact"].n == 3
    assert report.results["exact"].subset
    with pytest.raises(SettingsError, match=r"x\.jsonl is missing"):
        evaluate(toy(), EchoAsker(), data=image_folder / "images")
