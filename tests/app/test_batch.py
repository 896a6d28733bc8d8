"""A batch of questions: nothing is lost, nothing asked twice, no error is an answer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rsvlm.app.batch import HOPELESS, BatchRequest, Tally, run, run_file
from rsvlm.assistant import Assistant
from rsvlm.errors import EngineError, SettingsError
from rsvlm.raster import Raster
from tests.app.batches import Oracle
from tests.conftest import Tree

Start = Callable[..., Tally]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def request_(tree: Tree) -> BatchRequest:
    """Twelve questions about three images, those of an image far apart."""
    for number in range(3):
        tree.image(f"images/{number}.png", 8 + number)
    lines = [
        {"id": f"q{i}", "images": [f"images/{i % 3}.png"], "question": f"What is {i}?"}
        for i in range(12)
    ]
    questions = tree.jsonl("questions.jsonl", [dict(q, task="vqa") for q in lines])
    return BatchRequest(questions, tree.root / "answers.jsonl")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    def started(request: BatchRequest, engine: Oracle, **options: Any) -> Tally:
        def build(*_: object, **__: object) -> Assistant:
            return Assistant(engine)

        monkeypatch.setattr("rsvlm.app.serving_models.build_assistant", build)
        return run(replace(request, **options))

    return started


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def said(path: Path) -> dict[str, str]:
    """Return id -> text of the answers, each of which stands there once."""
    found: dict[str, str] = {}
    for record in read(path):
        if record["status"] == "ok":
            assert record["id"] not in found
            found[record["id"]] = record["answer"]["text"]
    return found


def test_records_are_those_of_the_contract(
    request_: BatchRequest, start: Start
) -> None:
    tally = start(request_, Oracle())
    assert (tally.total, tally.answered, tally.failed) == (12, 12, 0)
    for record in read(request_.out):
        assert list(record) == ["id", "status", "answer", "error"]
        assert (record["status"], record["error"]) == ("ok", None)
        assert record["answer"]["schema"] == "rsvlm.answer/1"
        number = int(record["id"][1:])
        assert record["answer"]["question"] == f"What is {number}?"
        assert record["answer"]["images"][0]["path"] == f"images/{number % 3}.png"


def test_a_raster_is_opened_once(
    request_: BatchRequest, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    kept = Raster.open

    def counted(path: str, *rest: Any, **options: Any) -> Raster:
        opened.append(Path(path).name)
        return kept(path, *rest, **options)

    monkeypatch.setattr(Raster, "open", counted)
    monkeypatch.setattr("rsvlm.app.batch_asking.KEPT_RASTERS", 0)
    start(request_, Oracle())
    assert opened == ["0.png", "1.png", "2.png"]
    assert [r["id"] for r in read(request_.out)[:4]] == ["q0", "q3", "q6", "q9"]


def test_what_has_an_answer_is_not_asked_again(
    request_: BatchRequest, start: Start
) -> None:
    start(request_, Oracle())
    whole = said(request_.out)
    lines = request_.out.read_bytes().splitlines(keepends=True)
    request_.out.write_bytes(b"".join(lines[:5]) + lines[5][:40])
    engine = Oracle()
    tally = start(request_, engine)
    assert (tally.kept, tally.answered, len(engine.asked)) == (5, 7, 7)
    assert said(request_.out) == whole
    third = Oracle()
    assert start(request_, third).kept == 12
    assert not third.asked


def test_nothing_is_built_where_nothing_is_open(
    request_: BatchRequest, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(request_, Oracle())
    monkeypatch.setattr("rsvlm.app.serving_models.build_assistant", None)
    assert run(request_).kept == 12


def test_errors_are_no_answers_and_are_asked_again_when_told(
    request_: BatchRequest, start: Start
) -> None:
    def moody(text: str, tries: int) -> bool:
        return "1" in text and not tries

    engine = Oracle(fails=moody)
    tally = start(request_, engine)
    failed = {r["id"]: r for r in read(request_.out) if r["status"] == "error"}
    assert set(failed) == {"q1", "q10", "q11"}
    assert tally.failed == 3
    error = {"type": "EngineError", "message": "The oracle is silent. Ask again."}
    assert all((r["answer"], r["error"]) == (None, error) for r in failed.values())
    again = start(request_, engine)
    assert (again.kept, again.left, again.answered) == (9, 3, 0)
    last = start(request_, engine, retry_errors=True)
    assert (last.kept, last.left, last.answered, last.failed) == (9, 0, 3, 0)
    assert len(said(request_.out)) == 12


def test_a_bad_image_and_a_bug_stop_nothing(
    request_: BatchRequest, start: Start, tree: Tree
) -> None:
    tree.text("images/1.png", "no picture")

    def bug(text: str, tries: int) -> bool:
        if "What is 3" in text:
            raise ZeroDivisionError("division by zero")
        return False

    tally = start(request_, Oracle(fails=bug))
    errors = {r["id"]: r["error"] for r in read(request_.out) if r["error"]}
    assert set(errors) == {"q1", "q3", "q4", "q7", "q10"}
    assert tally.answered == 7
    assert {errors[f"q{i}"]["type"] for i in (1, 4, 7, 10)} == {"ImageError"}
    assert errors["q3"]["type"] == "ZeroDivisionError"
    assert "bug of rsvlm" in errors["q3"]["message"]


def test_a_dead_engine_ends_the_batch(tree: Tree, start: Start) -> None:
    image = tree.image("a.png").name
    lines = [{"id": i, "images": [image], "question": f"Q {i}"} for i in range(100)]
    request = BatchRequest(tree.jsonl("q.jsonl", lines), tree.root / "a.jsonl")
    engine = Oracle(fails=lambda text, tries: True)
    with pytest.raises(EngineError, match="--retry-errors"):
        start(request, engine)
    assert HOPELESS <= len(engine.asked) < 20
    tally = start(request, Oracle(), retry_errors=True)
    assert (tally.answered, len(said(request.out))) == (100, 100)


def test_many_at_a_time_say_the_same(request_: BatchRequest, start: Start) -> None:
    start(request_, Oracle())
    served = replace(request_, model="http://127.0.0.1:9/v1#m", workers=5)
    other = replace(served, out=request_.out.with_name("other.jsonl"))
    engine = Oracle(seconds=0.1)
    start(other, engine)
    assert 3 <= engine.most_running <= 5
    assert said(other.out) == said(request_.out)


def test_two_at_once_on_one_file_ask_everything_once(
    request_: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Oracle(seconds=0.02)
    monkeypatch.setattr(
        "rsvlm.app.serving_models.build_assistant", lambda *_, **__: Assistant(engine)
    )
    with ThreadPoolExecutor(2) as pool:
        tallies = list(pool.map(run, [request_, request_]))
    assert sorted(tally.answered for tally in tallies) == [0, 12]
    assert len(engine.asked) == len(said(request_.out)) == 12


def test_the_rate_is_kept(request_: BatchRequest, start: Start) -> None:
    begin = time.monotonic()
    start(request_, Oracle(), rate=40)
    assert time.monotonic() - begin >= 11 / 40


def test_threads_need_a_served_model(request_: BatchRequest, start: Start) -> None:
    with pytest.raises(SettingsError, match="--ray local"):
        start(request_, Oracle(), workers=2)


def test_run_json_says_how_and_guards_the_file(
    request_: BatchRequest, start: Start
) -> None:
    start(request_, Oracle())
    record = json.loads(run_file(request_.out).read_text())
    assert record["config"]["model"] == "tiny"
    assert len(record["inputs"]["questions.jsonl"]) == 64
    assert record["start"] <= record["end"]
    assert str(request_.out.parent) not in run_file(request_.out).read_text()
    with pytest.raises(SettingsError, match="--model tiny, not other"):
        start(request_, Oracle(), model="other")


def test_an_id_keeps_its_question(
    request_: BatchRequest, start: Start, tree: Tree
) -> None:
    start(request_, Oracle())
    changed = {"id": "q0", "images": ["images/0.png"], "question": "Something else?"}
    tree.jsonl("questions.jsonl", [changed])
    with pytest.raises(SettingsError, match="another question of the id 'q0'"):
        start(request_, Oracle())


def test_an_id_keeps_its_images(
    request_: BatchRequest, start: Start, tree: Tree
) -> None:
    start(request_, Oracle())
    changed = {"id": "q0", "images": ["images/1.png"], "question": "What is 0?"}
    tree.jsonl("questions.jsonl", [changed])
    with pytest.raises(SettingsError, match=r"the id 'q0'.* about images/0\.png"):
        start(request_, Oracle())


@pytest.mark.parametrize("end", ["", "\n"])
def test_questions_are_not_overwritten(
    request_: BatchRequest, start: Start, end: str
) -> None:
    text = request_.questions.read_text().rstrip("\n") + end
    request_.questions.write_text(text)
    link = request_.questions.with_name("link.jsonl")
    link.symlink_to(request_.questions)
    for out in (request_.questions, link):
        with pytest.raises(SettingsError, match="is the file of the questions"):
            start(request_, Oracle(), out=out)
    assert request_.questions.read_text() == text


_MAIN = """
import rsvlm.app.serving_models
from tests.app import batches
rsvlm.app.serving_models.build_assistant = batches.slow
from rsvlm.app.cli import main
main()
"""


def test_killed_and_started_again_it_ends_with_the_same_answers(
    request_: BatchRequest, start: Start, tree: Tree
) -> None:
    image = tree.image("a.png").name
    lines = [{"id": i, "images": [image], "question": f"Q {i}?"} for i in range(60)]
    questions = tree.jsonl("q.jsonl", [dict(q, task="vqa") for q in lines])
    whole = replace(request_, questions=questions, out=tree.root / "whole.jsonl")
    start(whole, Oracle())
    out = tree.root / "out.jsonl"
    out.touch()
    words = [sys.executable, "-c", _MAIN, "batch", str(questions), "--out", str(out)]
    process = subprocess.Popen(words, cwd=ROOT)
    while out.read_bytes().count(b"\n") < 10:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 10 <= out.read_bytes().count(b"\n") < 60
    with out.open("ab") as file:  # the kill came in the middle of a line
        file.write(b'{"id":59,"status":"ok","answer":{"sch')
    engine = Oracle()
    tally = start(replace(whole, out=out), engine)
    assert (tally.kept + len(engine.asked), tally.failed) == (60, 0)
    assert said(out) == said(whole.out)
    assert len(read(out)) == 60
