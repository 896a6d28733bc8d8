"""rsvlm as a model of lmms-eval, with a stand-in for that package."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.bridges.lmms_eval import export
from rsvlm.eval.bridges.lmms_task import Tasks
from rsvlm.eval.records import Prediction
from rsvlm.samples import ImageRef, Sample, Turn


class _Base:
    """What rsvlm uses of ``lmms_eval.api.model.lmms``."""

    def __init__(self) -> None:
        self.task_dict: dict[str, Any] = {}


@pytest.fixture
def engine() -> StubEngine:
    """Answers "river" to everything."""
    return StubEngine(["river"])


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, engine: StubEngine) -> Iterator[ModuleType]:
    """The module under test."""
    names = ("lmms_eval", "lmms_eval.api", "lmms_eval.api.model")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[names[-1]].lmms = _Base  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "rsvlm.app.lmms_model", raising=False)
    found = importlib.import_module("rsvlm.app.lmms_model")
    monkeypatch.setattr(found, "build_assistant", lambda name: Assistant(engine))
    yield found
    sys.modules.pop("rsvlm.app.lmms_model", None)


def request(number: int, task: str, words: str = "?", pictures: Any = None) -> Any:
    def look(doc: Any) -> Any:
        return pictures or []

    arguments: tuple[Any, ...] = (words, {}, look, number, task, "test")
    return SimpleNamespace(args=arguments)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A task of ours with one sample whose image is there, and one without."""
    pixels = np.full((32, 32, 3), 90, dtype=np.uint8)
    pixels[::3] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    benchmark = Benchmark.model_validate(
        {"name": "toy", "version": 1, "title": "Toy", "source": "x", "task": "vqa",
         "data": {"file": "x.jsonl", "license": "x"}, "prompt": {"id": "x"},
         "protocols": [{"id": "exact", "metric": "vqa_accuracy", "primary": True}]}
    )  # fmt: skip
    samples = [
        Sample(
            id=name,
            images=(ImageRef(path=f"{name}.png", width=32, height=32),),
            task="vqa",
            conversation=(Turn(role="user", text="What water is this?"),),
            answers=("river",),
            source="x",
            licence="x",
            split="test",
        )
        for name in ("a", "gone")
    ]
    return export(benchmark, samples, tmp_path, tmp_path / "out")


def test_our_tasks_are_asked_as_eval_run_asks(
    module: ModuleType, engine: StubEngine, exported: Path
) -> None:
    lines = exported.with_suffix(".jsonl").read_text().splitlines()
    docs = [json.loads(line) for line in lines]
    model = module.Rsvlm()
    model.tasks = Tasks(exported.parent)
    model.task_dict = {"rsvlm_toy": {"test": docs}}
    first, second = model.generate_until([request(i, "rsvlm_toy") for i in (0, 1)])
    said = Prediction.model_validate_json(first)
    assert (said.id, said.parsed, said.status) == ("a", "river", "ok")
    assert "What water is this?" in engine.calls[0][-1].text
    failed = Prediction.model_validate_json(second)
    assert failed.status == "error"
    assert "gone.png" in str(failed.error)
    records = [
        model.tasks.process_results(doc, [reply])["exact"]
        for doc, reply in zip(docs, (first, second), strict=True)
    ]
    assert model.tasks.aggregate(records) == 0.5


def test_other_tasks_give_words_and_pictures(
    module: ModuleType, engine: StubEngine
) -> None:
    model = module.Rsvlm(model="tiny", batch_size="1", device="cpu")
    model.task_dict = {"mme": {"test": [{"question": "x"}]}}
    picture = Image.new("RGB", (40, 30), (10, 90, 200))
    (reply,) = model.generate_until([request(0, "mme", "What is it?", [picture])])
    assert reply == "river"
    assert engine.calls[0][-1].views[0].pixels.shape == (30, 40, 3)
    assert model.generate_until([request(0, "mme", "No picture")]) == [""]


def test_what_it_cannot_do_is_refused(module: ModuleType) -> None:
    with pytest.raises(SettingsError, match="'speed'"):
        module.Rsvlm(speed=3)
    model = module.Rsvlm()
    with pytest.raises(SettingsError, match="likelihood"):
        model.loglikelihood([])
    with pytest.raises(SettingsError, match="one question at a time"):
        model.generate_until_multi_round([])
