"""Benchmarks as tasks of lmms-eval; that package itself is not needed here."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Benchmark, Coords
from rsvlm.eval.bridges.lmms_eval import export, task_name
from rsvlm.eval.bridges.lmms_task import Tasks
from rsvlm.eval.protocols import apply
from rsvlm.eval.records import Box, Prediction, to_line
from rsvlm.samples import Sample, Target

Make = Callable[..., Sample]


def toy(task: str = "vqa", **fields: Any) -> Benchmark:
    protocol = {"id": "exact", "metric": "vqa_accuracy", "primary": True}
    if task == "ground":
        protocol = {"id": "acc@0.5", "metric": "grounding", "primary": True}
    values = {
        "name": "toy-a.b", "version": 3, "title": "Toy", "source": "made up",
        "task": task, "data": {"file": "x.jsonl", "license": "CC0-1.0\nnext line"},
        "prompt": {"id": "x", "user": "{question}\nOne word."},
        "protocols": [protocol],
    }  # fmt: skip
    return Benchmark.model_validate(values | fields)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads ``!function`` as text, as lmms-eval does in its simple mode."""


_Loader.add_constructor("!function", lambda loader, node: f"!{node.value}")


def docs_of(path: Path) -> list[dict[str, Any]]:
    lines = path.with_suffix(".jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_task_file_by_hand(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    path = export(toy(), [make_sample(0)], image_folder, tmp_path / "out")
    assert path == tmp_path / "out/rsvlm_lmms/tasks/rsvlm_toy_a_b.yaml"
    task = yaml.load(path.read_text(), _Loader)
    assert task["task"] == "rsvlm_toy_a_b"
    assert task["dataset_path"] == "json"
    assert task["dataset_kwargs"]["data_files"] == {"test": "rsvlm_toy_a_b.jsonl"}
    assert task["doc_to_text"] == "!utils.doc_to_text"
    assert task["metric_list"] == [
        {"metric": "exact", "aggregation": "!utils.aggregate", "higher_is_better": True}
    ]
    assert task["generation_kwargs"]["max_new_tokens"] == 64
    (doc,) = docs_of(path)
    assert doc["prompt"] == "Question 0?\nOne word."
    assert (path.parent / doc["images"][0]).samefile(image_folder / "images/0.png")
    assert not Path(doc["images"][0]).is_absolute()


def test_an_error_is_better_when_lower(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    protocols = [
        {"id": "exact", "metric": "count", "value": "exact", "primary": True},
        {"id": "mae", "metric": "count", "value": "mae"},
        {"id": "ece", "metric": "calibration", "value": "ece"},
    ]
    benchmark = toy(task="count", protocols=protocols)
    path = export(benchmark, [make_sample(0)], image_folder, tmp_path)
    task = yaml.load(path.read_text(), _Loader)
    better = [metric["higher_is_better"] for metric in task["metric_list"]]
    assert better == [True, False, False]


def test_every_function_of_a_task_exists(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    path = export(toy(), [make_sample(0)], image_folder, tmp_path)
    spec = importlib.util.spec_from_file_location("utils", path.parent / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    (doc,) = docs_of(path)
    assert utils.doc_to_text(doc, {"post_prompt": "!"}) == "Question 0?\nOne word.!"
    assert utils.doc_to_target(doc) == "yes"
    (picture,) = utils.doc_to_visual(doc)
    assert (picture.size, picture.mode) == ((64, 48), "RGB")
    lines = [line for line in path.read_text().splitlines() if "utils." in line]
    named = {line.split("utils.")[1].strip("'") for line in lines}
    assert len(named) == 5
    assert all(callable(getattr(utils, name)) for name in named)


def test_scores_are_those_of_rsvlm(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    benchmark = toy()
    samples = [make_sample(number) for number in range(4)]
    path = export(benchmark, samples, image_folder, tmp_path)
    tasks = Tasks(path.parent)
    replies = ["Yes.", "no", "yes", ""]
    records = [
        tasks.process_results(doc, [reply])["exact"]
        for doc, reply in zip(docs_of(path), replies, strict=True)
    ]
    said = [Prediction.model_validate_json(record["prediction"]) for record in records]
    assert [p.status for p in said] == ["ok", "ok", "ok", "empty"]
    expected = apply(benchmark.protocols[0], samples, said).value
    assert tasks.aggregate(records) == expected == 0.5


def test_a_prediction_of_ours_passes_unchanged(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    target = Target(label="ship", hbb=(8, 8, 24, 24))
    sample = make_sample(0, task="ground", targets=(target,))
    path = export(toy("ground"), [sample], image_folder, tmp_path)
    box = Box(points=((8, 8), (24, 24)), label="ship", score=0.5)
    said = Prediction(id="s0", raw="Here.", boxes=(box,), coord_space="answer")
    (doc,) = docs_of(path)
    record = Tasks(path.parent).process_results(doc, [to_line(said)])["acc@0.5"]
    assert Prediction.model_validate_json(record["prediction"]) == said
    assert Tasks(path.parent).aggregate([record]) == 1.0


def test_boxes_of_text_are_read_in_declared_numbers_only(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    target = Target(label="ship", hbb=(16, 12, 48, 36))
    sample = make_sample(0, task="ground", targets=(target,))
    reply = ["[250, 250, 750, 750]"]
    path = export(toy("ground"), [sample], image_folder, tmp_path / "a")
    with pytest.raises(SettingsError, match="--coords"):
        Tasks(path.parent).process_results(docs_of(path)[0], reply)
    space = Coords(space="norm1000")
    path = export(toy("ground"), [sample], image_folder, tmp_path / "b", space)
    tasks = Tasks(path.parent)
    record = tasks.process_results(docs_of(path)[0], reply)["acc@0.5"]
    (box,) = Prediction.model_validate_json(record["prediction"]).boxes
    assert box.points == ((16, 12), (48, 36))
    assert tasks.aggregate([record]) == 1.0


def test_several_benchmarks_share_a_folder(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    one = export(toy(), [make_sample(0)], image_folder, tmp_path)
    two = export(toy(name="other"), [make_sample(1)], image_folder, tmp_path)
    tasks = Tasks(one.parent)
    for path, name in ((one, "toy-a.b"), (two, "other")):
        assert tasks.benchmark(docs_of(path)[0]["rsvlm_task"]).name == name


def test_nothing_to_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no sample"):
        export(toy(), [], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_plugin_names_a_module_that_exists(
    tmp_path: Path, image_folder: Path, make_sample: Make
) -> None:
    path = export(toy(), [make_sample(0)], image_folder, tmp_path)
    plugin = path.parents[1]
    assert '{"rsvlm": "Rsvlm"}' in (plugin / "models/__init__.py").read_text()
    text = (plugin / "models/rsvlm.py").read_text()
    compile(text, "rsvlm.py", "exec")
    assert "from rsvlm.app.lmms_model import Rsvlm" in text
    assert (plugin / "tasks/__init__.py").is_file()


def test_names_of_tasks() -> None:
    assert task_name(toy()) == "rsvlm_toy_a_b"
