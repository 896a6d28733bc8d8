"""A run against a server on this machine that fails as servers do."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from rsvlm.app.cli import main
from rsvlm.eval.run_folder import sample_line
from rsvlm.eval.store import read_predictions
from rsvlm.samples import ImageRef, Sample, Target, Turn

pytest.importorskip("openai")
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

TEXT = """
name: made
version: 1
title: Made up
source: these tests
task: vqa
data: {file: made.jsonl, license: none}
prompt: {id: plain, user: "{question}"}
generation: {temperature: 0, max_tokens: 8}
protocols:
  - {id: exact, metric: vqa_accuracy, match: exact, primary: true}
"""
BOXES = """
name: boxes
version: 1
title: Made up
source: these tests
task: ground
data: {file: made.jsonl, license: none}
prompt: {id: plain, user: "{question}"}
coords: {space: answer, box: xyxy}
protocols:
  - {id: acc, metric: grounding, value: acc, primary: true}
"""


class Server(ThreadingHTTPServer):
    """Says yes; fails on the n-th request as it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.failures: dict[int, str] = {}
        self.text = "yes"
        self.guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(size))
        with self.server.guard:
            number = len(self.server.seen)
            self.server.seen.append(json.dumps(body["messages"]))
            failure = self.server.failures.get(number)
        if failure == "drop":
            self.close_connection = True
            return
        if failure == "busy":
            self._send(429, {"error": {"message": "busy"}}, {"Retry-After": "0"})
            return
        text = "" if failure == "empty" else self.server.text
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        self._send(
            200,
            {"id": "1", "object": "chat.completion", "created": 0, "model": "m",
             "choices": [choice],
             "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}},
        )  # fmt: skip

    def _send(
        self, status: int, record: Any, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ten questions about five pictures, each with a ship in the middle."""
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "made.yaml").write_text(TEXT)
    (folder / "boxes.yaml").write_text(BOXES)
    lines = []
    for number in range(10):
        name = f"p{number // 2}.png"
        pixels = np.full((80, 100, 3), 20 * number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        sample = Sample(
            id=f"s{number}",
            images=(ImageRef(path=name, width=100, height=80),),
            task="vqa",
            conversation=(Turn(role="user", text=f"Is it number {number}?"),),
            targets=(Target(label="ship", hbb=(25, 20, 75, 60)),),
            answers=("yes",),
            source="made",
            licence="none",
            split="test",
        )
        lines.append(sample_line(sample) + "\n")
    (folder / "made.jsonl").write_text("".join(lines))
    return str(folder)


def run(server: Server, include: str, *arguments: str) -> Result:
    url = f"http://127.0.0.1:{server.server_port}/v1#m"
    options = ("--include", include, "--model", url, *arguments)
    return CliRunner().invoke(main, ["eval", "run", *options])


def test_drops_and_busy_servers_are_got_over(server: Server, include: str) -> None:
    server.failures = {1: "drop", 4: "busy", 7: "drop"}
    result = run(server, include, "-b", "made", "--out", "a", "--concurrency", "3")
    assert result.exit_code == 0, result.output
    assert "| 1.000 |" in result.stdout
    assert len(server.seen) == 13
    kept = read_predictions(Path("a/made/predictions.jsonl"))
    assert {p.status for p in kept.values()} == {"ok"}
    assert kept["s0"].usage is not None
    assert kept["s0"].usage.prompt_tokens == 5
    text = Path("a/run.json").read_text()
    assert '"spec": "URL#m"' in text
    assert "127.0.0.1" not in text


def test_failures_are_counted_and_asked_again_and_never_cached(
    server: Server, include: str
) -> None:
    arguments = ("-b", "made", "--concurrency", "1", "--retries", "0")
    server.failures = {2: "empty", 5: "drop"}
    result = run(server, include, *arguments, "--out", "a")
    assert result.exit_code == 3, result.output
    kept = read_predictions(Path("a/made/predictions.jsonl"))
    assert (kept["s2"].status, kept["s5"].status) == ("empty", "error")
    assert "| 0.800 |" in result.stdout
    asked = len(server.seen)
    assert run(server, include, *arguments, "--out", "a").exit_code == 0
    assert len(server.seen) == asked + 2
    # Another run of the same model takes everything from the cache.
    result = run(server, include, *arguments, "--out", "b")
    assert result.exit_code == 0
    assert len(server.seen) == asked + 2
    for name in ("scores.jsonl", "metrics.json"):
        assert Path("a/made", name).read_bytes() == Path("b/made", name).read_bytes()
    run(server, include, *arguments, "--out", "c", "--no-cache")
    assert len(server.seen) == asked + 12


def test_a_server_that_is_gone_is_named_at_once(server: Server, include: str) -> None:
    server.failures = dict.fromkeys(range(1000), "drop")
    result = run(
        server, include, "-b", "made", "--out", "a", "--retries", "0",
        "--concurrency", "1",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "first 8 questions all failed" in result.stderr
    assert len(server.seen) == 8


def test_the_prompt_goes_out_as_the_benchmark_says(
    server: Server, include: str
) -> None:
    run(server, include, "-b", "made", "--out", "a", "--limit", "1")
    (content,) = [message["content"] for message in json.loads(server.seen[0])]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert content[1]["text"] == "Is it number 0?"


def test_boxes_are_read_as_declared(server: Server, include: str) -> None:
    server.text = "ship [250, 250, 750, 750]"
    arguments = ("-b", "boxes", "--no-cache")
    result = run(server, include, *arguments, "--out", "a", "--coords", "norm1000")
    assert result.exit_code == 0, result.output
    assert "| 1.000 |" in result.stdout
    result = run(server, include, *arguments, "--out", "b", "--coords", "norm999")
    assert "| 1.000 |" in result.stdout  # nearly the same place
    result = run(server, include, *arguments, "--out", "c", "--coords", "norm100")
    assert result.exit_code == 0
    assert "| 0.000 |" in result.stdout
    assert "Check the declared coordinate space" in result.stdout


def test_fractions_in_a_space_of_pixels_are_not_scored(
    server: Server, include: str
) -> None:
    server.text = "ship [0.25, 0.25, 0.75, 0.75]"
    result = run(
        server, include, "-b", "boxes", "--no-cache", "--out", "a", "--coords", "pixel"
    )
    assert "| - |" in result.stdout
    metrics = json.loads(Path("a/boxes/metrics.json").read_text())
    assert metrics["protocols"][0]["value"] is None
    assert metrics["protocols"][0]["details"]["note"]
