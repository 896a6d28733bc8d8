"""Who computes when: parts in this process in turn, servers many at a time."""

import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rsvlm.app.batch_asking import BatchAsker, OpenRasters, Pace
from rsvlm.app.batch_engine import ModelChoice
from rsvlm.app.batch_records import BatchQuestion
from rsvlm.assistant import Assistant
from rsvlm.errors import ImageError
from rsvlm.findings import Findings
from tests.app.batches import Oracle
from tests.conftest import Tree
from tests.rsvlm.test_assistant import FakeFinder
from tests.serving_parts import serving


class SlowFinder(FakeFinder):
    """Notes how many searched at a time."""

    running = most_running = 0

    def find(self, view: Any, descriptions: Sequence[str], *more: Any) -> Findings:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        time.sleep(0.03)
        self.running -= 1
        return super().find(view, descriptions, *more)


@pytest.mark.parametrize("kind", ["remote", "stub"])
def test_parts_in_this_process_take_turns(tree: Tree, kind: str) -> None:
    image = tree.image("a.png", 64, 64).name
    engine, finder = Oracle(kind=kind, seconds=0.1), SlowFinder({})
    asker = BatchAsker(Assistant(engine, finder, least=0.0), tree.root)
    questions = [
        BatchQuestion(id=i, images=(image,), question="Describe it.", task="caption")
        for i in range(6)
    ]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(asker.ask, questions))
    assert {result.status for result in results} == {"ok"}
    assert finder.most_running == 1
    assert (engine.most_running > 1) == (kind == "remote")


def test_images_of_allowed_hosts_are_asked_about(tree: Tree) -> None:
    data = tree.image("a.png", 64, 64).read_bytes()
    with serving(data) as server:
        question = BatchQuestion(
            id=1, images=(server.url("a.png"),), question="What colour is it?"
        )
        asker = BatchAsker(Assistant(Oracle()), tree.root)
        refused = asker.ask(question)
        assert refused.error is not None
        assert "--allow-host" in refused.error.message
        assert server.paths == []
        asker = BatchAsker(Assistant(Oracle()), tree.root, hosts=[server.host])
        result = asker.ask(question)
        asker.close()
    assert result.answer is not None
    assert result.answer.images[0].path == server.url("a.png")


def test_a_raster_closes_when_nobody_has_it(tree: Tree) -> None:
    paths = [str(tree.image(f"{n}.png")) for n in range(3)]
    rasters = OpenRasters(kept=1)
    with rasters.borrow(paths[0], "auto") as first:
        with rasters.borrow(paths[0], "auto") as same:
            assert same is first
        with rasters.borrow(paths[0], "optical") as other:
            assert other is not first
        with rasters.borrow(paths[1], "auto") as second:
            pass
        with rasters.borrow(paths[2], "auto"):
            pass
        first.preview()  # still open
        with pytest.raises(Exception, match=r"closed|Closed|close"):
            second.preview()


def test_an_image_that_cannot_be_opened_is_told_every_time(tree: Tree) -> None:
    path = str(tree.text("a.png", "nothing"))
    rasters = OpenRasters()
    for _ in range(2):
        with pytest.raises(ImageError), rasters.borrow(path, "auto"):
            pass
    tree.image("a.png")
    with rasters.borrow(path, "auto") as raster:
        assert raster.width == 8


def test_paths_start_from_the_file_and_samples_have_names(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree.image("wye.png", 5, 5).rename(tree.root / "wye")
    elsewhere = Tree(tmp_path / "elsewhere")
    elsewhere.image("b.png", 7, 7)
    monkeypatch.chdir(elsewhere.root)
    monkeypatch.setattr(
        "rsvlm.app.batch_asking.image_path",
        lambda name: str(tree.image("scene.png", 9, 9)) if name == "scene" else name,
    )
    asker = BatchAsker(Assistant(Oracle()), tree.root)

    def width(name: str) -> int | str:
        result = asker.ask(BatchQuestion(id=1, images=(name,), question="Q?"))
        if result.answer is None:
            assert result.error is not None
            return result.error.type
        assert result.answer.images[0].path == name
        return result.answer.images[0].width

    assert (width("wye"), width("scene"), width("b.png")) == (5, 9, "ImageError")


def test_a_question_may_name_its_own_knowledge(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tree.image("a.png").name
    opened: list[Path] = []
    seen: list[Any] = []

    def open_retriever(folder: Path, **_: object) -> object:
        opened.append(folder)
        return SimpleNamespace(
            compose=lambda question, rasters: seen.append(folder.name),
            search=lambda question, rasters: [],
        )

    wiring = SimpleNamespace(open_retriever=open_retriever)
    monkeypatch.setitem(sys.modules, "rsvlm.retrieval.wiring", wiring)
    own: Any = SimpleNamespace(
        compose=lambda question, rasters: seen.append("own"),
        search=lambda question, rasters: [],
    )
    asker = BatchAsker(Assistant(Oracle(), retriever=own), tree.root)
    for number, knowledge in enumerate((None, "kb", "none", "kb")):
        question = BatchQuestion(
            id=number, images=(image,), question="What?", task="caption",
            knowledge=knowledge,
        )  # fmt: skip
        assert asker.ask(question).status == "ok"
    assert seen == ["own", "kb", "kb"]
    assert opened == [tree.root / "kb"]


def test_the_pace_holds_over_threads() -> None:
    pace, begun = Pace(50), []
    lock = threading.Lock()

    def work(_: int) -> None:
        pace.wait()
        with lock:
            begun.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(9)))
    assert max(begun) - min(begun) >= 8 / 50 - 0.02


def test_its_server_runs_as_long_as_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []

    def open_models(settings: Any) -> Any:
        events.append((settings.model, settings.engine, settings.knowledge))
        stop = lambda: events.append("stopped")
        return SimpleNamespace(assistants={"tiny": "assistant"}, stop=stop)

    monkeypatch.setattr("rsvlm.app.serving_models.open_models", open_models)
    choice = ModelChoice("tiny", "vllm", "kb")
    assert (choice.at_once, choice.is_served, choice.runs_here) == (32, True, True)
    with suppress(ZeroDivisionError), choice.opened() as assistant:
        events.append(assistant)
        raise ZeroDivisionError
    assert events == [("tiny", "vllm", "kb"), "assistant", "stopped"]
