"""rsvlm batch from the command line: what it prints, and with which status it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rsvlm.app.cli import main
from rsvlm.assistant import Assistant
from tests.app.batches import Oracle
from tests.conftest import Tree

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def questions(tree: Tree) -> Path:
    tree.image("a.png")
    lines = [{"id": i, "images": ["a.png"], "question": f"Q {i}?"} for i in range(4)]
    return tree.jsonl("q.jsonl", [dict(q, task="vqa") for q in lines])


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch, questions: Path) -> Run:
    def invoke(*words: object, engine: Oracle | None = None) -> Result:
        def build(*_: object, **__: object) -> Assistant:
            return Assistant(engine or Oracle())

        monkeypatch.setattr("rsvlm.app.serving_models.build_assistant", build)
        given = ["batch", questions, "--out", questions.with_name("a.jsonl"), *words]
        return CliRunner().invoke(main, [str(word) for word in given])

    return invoke


def test_all_answered_is_status_0(batch: Run, questions: Path) -> None:
    result = batch()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"4 answered: {questions.with_name('a.jsonl')}\n"
    again = batch()
    assert again.exit_code == 0
    assert again.stdout.startswith("0 answered, 4 had an answer: ")


def test_some_failed_is_status_3_until_they_are_answered(batch: Run) -> None:
    engine = Oracle(fails=lambda text, tries: "Q 2" in text and tries < 1)
    result = batch(engine=engine)
    assert result.exit_code == 3
    assert result.stdout.startswith("3 answered, 1 failed: ")
    again = batch(engine=engine)
    assert again.exit_code == 3
    assert "--retry-errors" in again.stderr
    last = batch("--retry-errors", engine=engine)
    assert last.exit_code == 0
    assert last.stdout.startswith("1 answered, 3 had an answer: ")


def test_faulty_questions_are_one_line_before_any_model(
    batch: Run, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with questions.open("a") as file:
        file.write('{"id": 0, "images": ["a.png"], "question": "Again?"}\n')
    result = batch()
    assert result.exit_code == 1
    assert result.output == (
        "Error: q.jsonl cannot be asked: line 5: the id 0 stands in line 1 too. "
        "Correct these lines; nothing was asked.\n"
    )
    assert not questions.with_name("a.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--rate", "0"], 2, "--rate"),
        (["--workers", "0"], 2, "--workers"),
        (["--workers", "2"], 1, "--ray local"),
        (["--out", "none/a.jsonl"], 1, "There is no folder"),
    ],
)
def test_wrong_options_are_refused(
    batch: Run, words: list[str], status: int, said: str
) -> None:
    result = batch(*words)
    assert result.exit_code == status
    assert said in result.output
    assert "Traceback" not in result.output


# A shell in the background hands an ignored Ctrl-C down to its children.
_MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import rsvlm.app.serving_models
from tests.app import batches
rsvlm.app.serving_models.build_assistant = batches.slow
from rsvlm.app.cli import main
main()
"""


def test_ctrl_c_keeps_what_is_answered(tree: Tree) -> None:
    tree.image("a.png")
    lines = [{"id": i, "images": ["a.png"], "question": f"Q {i}?"} for i in range(400)]
    questions, out = tree.jsonl("q.jsonl", lines), tree.root / "a.jsonl"
    out.touch()
    words = [sys.executable, "-c", _MAIN, "batch", str(questions), "--out", str(out)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while out.read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Run the same command again to go on." in said
    assert "Traceback" not in said
    for line in out.read_text().splitlines():
        assert json.loads(line)["status"] == "ok"
    assert out.read_text().endswith("\n")
