"""A checkpoint, data and a table at toy size: three samples a benchmark."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.app import build
from rsvlm.app.figures import beside, measure
from rsvlm.app.figures.measure import Request
from rsvlm.app.figures.rows import Table, read_table
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine

BENCHMARK = """
name: {name}
version: 1
title: Made up
source: these tests
task: vqa
data: {{file: {name}.jsonl, license: none}}
prompt: {{id: plain, user: "{{question}}"}}
parse: yes_no
group_by: [type]
protocols:
  - {{id: exact, metric: vqa_accuracy, match: exact, primary: true}}
"""
TABLE = """
[[part]]
name = "answers"
[[part]]
name = "gone"
[[part]]
name = "needle"
by = "needle"
[[part]]
name = "speed"
by = "speed"
[[part]]
name = "leaks"
by = "leaks"
[[row]]
title = "Made"
part = "answers"
benchmark = "made"
protocol = "exact"
at_least = 0.5
groups = true
failures = 2
[[row]]
title = "Made, right ones"
part = "answers"
benchmark = "made"
protocol = "exact"
group = "type=easy"
at_least = 0.9
[[row]]
title = "Not there"
part = "gone"
benchmark = "nowhere"
protocol = "exact"
[[row]]
title = "Needle"
part = "needle"
benchmark = "auto"
protocol = "hit"
at_least = 0.9
[[row]]
title = "Cold"
part = "speed"
benchmark = "answer_time"
protocol = "cold ask"
unit = "s"
at_most = 8
"""
#: Right answer and type of each sample; the engine says yes.
ANSWERS = (("yes", "easy"), ("no", "hard"), ("yes", "easy"))


@dataclass(frozen=True)
class Toy:
    """What the tests of figures start from."""

    request: Request
    table: Table
    engine: StubEngine
    checkpoint: Path
    own: Path

    def train_on(self, name: str) -> None:
        """Enter a picture into the list of the checkpoint."""
        digest = sha256((self.own / name).read_bytes()).hexdigest()
        (self.checkpoint / "train-images.txt").write_text(f"{digest}\n")


def picture(path: Path, seed: int) -> None:
    """Write a picture with coarse blotches, unlike those of other seeds."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
    image.save(path)


def record(number: int, name: str, split: str = "test") -> dict[str, Any]:
    """Return a sample as its line holds it."""
    answer, kind = ANSWERS[number % 3]
    return {
        "schema": "rsvlm.sample/1",
        "id": f"{split}-{number}",
        "images": [{"path": name, "width": 64, "height": 64}],
        "task": "vqa",
        "conversation": [{"role": "user", "text": f"Is it so, {number}?"}],
        "answers": [answer],
        "type": kind,
        "source": "made",
        "licence": "none",
        "split": split,
    }


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put another script in the place of the one that measures time."""

    def put(text: str) -> None:
        (tmp_path / "answer_time.py").write_text(text)

    monkeypatch.setattr(beside, "SPEED", tmp_path / "answer_time.py")
    put("""import json; print(json.dumps({"cold ask": [9.0, 7.0, 8.5]}))""")
    return put


@pytest.fixture
def toy(
    tree: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: Callable[[str], None],
) -> Toy:
    """Three samples, a stub engine, a checkpoint that says what it was trained on."""
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "data" / "own"
    own.mkdir(parents=True)
    for number in range(3):
        picture(own / f"{number}.png", seed=number)
    tree.text("own/made.yaml", BENCHMARK.format(name="made"))
    tree.jsonl("own/made.jsonl", [record(n, f"{n}.png") for n in range(3)])
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")
    (checkpoint / "train-images.txt").write_text("0" * 64 + "\n")
    table = tmp_path / "table.toml"
    table.write_text(TABLE)
    code = tmp_path / "code.py"
    code.write_text("1\n")
    # Others may be at work in this checkout; what is told apart is tested by itself.
    monkeypatch.setattr(measure, "code", lambda: [code])
    engine = StubEngine(["yes"])
    monkeypatch.setattr(build, "build_assistant", lambda *_, **__: Assistant(engine))
    request = Request(
        str(checkpoint), tmp_path / "out", str(tmp_path / "data"), (own,),
        needle=tmp_path / "results.jsonl", resamples=20,
    )  # fmt: skip
    return Toy(request, read_table(table), engine, checkpoint, own)
