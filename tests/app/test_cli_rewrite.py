"""``rsvlm data rewrite``, as a user calls it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from rsvlm.app.cli import main
from rsvlm.samples import ImageRef, Sample, Turn, content_hash, read_samples, stamped

pytest.importorskip("openai")


class _Handler(BaseHTTPRequestHandler):
    """Rewords every text in the same way."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "Two vessels lie at anchor."}
        body = json.dumps({
            "id": "1", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}/v1#m"
    http.shutdown()
    http.server_close()


def _file(path: Path) -> Path:
    lines = []
    for number, text in enumerate(("Two ships.", "Three ships.")):
        turns = (
            Turn(role="user", text="Describe the image."),
            Turn(role="assistant", text=text),
        )
        sample = Sample(
            id=f"s/{number}", images=(ImageRef(path="a.png", width=9, height=9),),
            task="caption", conversation=turns, answers=(text,), source="s",
            licence="-", split="train",
        )  # fmt: skip
        lines.append(stamped(sample))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_file_is_reworded_and_the_rate_is_told(server: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    args = ["data", "rewrite", str(_file(tmp_path / "in.jsonl")), "--rewriter", server]
    result = CliRunner().invoke(main, [*args, "--out", str(out)])
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    assert "rewrites: 1 of 2 kept (50%); refused: number 1" in result.stderr
    first, second = read_samples(out)
    assert first.answers == ("Two vessels lie at anchor.", "Two ships.")
    assert second.answers == ("Three ships.",)
    assert first.sha256 == content_hash(first)
    assert len((tmp_path / "out.jsonl.replies.jsonl").read_text().splitlines()) == 2


def test_wrong_input_is_one_line(server: str, tmp_path: Path) -> None:
    args = ["--out", str(tmp_path / "o"), "--rewriter"]
    file = str(_file(tmp_path / "in.jsonl"))
    for command, fault in (
        ([str(tmp_path / "no.jsonl"), *args, server], "no file 'no.jsonl'"),
        ([file, *args, "not-a-url"], "not the address of a server"),
    ):
        result = CliRunner().invoke(main, ["data", "rewrite", *command])
        assert result.exit_code == 1
        assert fault in result.stderr
        assert len(result.stderr.splitlines()) == 1
