"""Rewriting through a server on this machine: what is kept, counted and remembered."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rsvlm.data_engine.rewrite import BATCH, MOST_FAILURES, Rewriter, refusal
from rsvlm.engines.remote import RemoteEngine
from rsvlm.engines.remote_settings import read_settings
from rsvlm.errors import EngineError, ParseError
from rsvlm.samples import ImageRef, Sample, Turn

pytest.importorskip("openai")


class Server:
    """Answers chat requests by a function of the text that is to be reworded."""

    def __init__(self, say: Callable[[str], str | None]) -> None:
        self.asked: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                size = int(handler.headers["Content-Length"])
                request = json.loads(handler.rfile.read(size))
                self.asked.append(request)
                content = request["messages"][-1]["content"]
                text = content if isinstance(content, str) else content[-1]["text"]
                reply = say(text.splitlines()[-1])
                body = json.dumps({
                    "id": "1", "object": "chat.completion", "created": 0, "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop",
                                 "message": {"role": "assistant", "content": reply}}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1,
                              "total_tokens": 2},
                }).encode()  # fmt: skip
                handler.send_response(200 if reply is not None else 400)
                handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *args: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def engine(self) -> RemoteEngine:
        port = self.http.server_address[1]
        return RemoteEngine(read_settings(f"http://127.0.0.1:{port}/v1?retries=0#m"))


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(say: Callable[[str], str | None]) -> Server:
        servers.append(Server(say))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def _sample(number: int, task: str = "caption", text: str = "Two ships.") -> Sample:
    asked = "Describe the image." if task == "caption" else text
    turns = [Turn(role="user", text=asked)]
    if task == "caption":
        turns.append(Turn(role="assistant", text=text))
    return Sample(
        id=f"s/{number}", images=(ImageRef(path="a.png", width=9, height=9),), task=task,
        conversation=tuple(turns), answers=(text,) if task == "caption" else ("yes",),
        source="s", licence="-", split="train",
    )  # fmt: skip


def test_faithful_rewrites_are_taken_and_others_counted(serve: Any) -> None:
    replies = {
        "Two ships.": '"Two vessels are seen from above."',
        "Three ships.": "Four ships.",
        "A bridge.": "A bridge over a river.",
        "A tank.": "",
    }
    server = serve(lambda text: replies[text])
    rewriter = Rewriter(server.engine)
    samples = [_sample(n, text=text) for n, text in enumerate(replies)]
    first, *others = rewriter.rewrite(samples)
    assert first.answers == ("Two vessels are seen from above.", "Two ships.")
    assert first.conversation[-1].text == "Two vessels are seen from above."
    assert first.meta["rewritten"] == {"from": "Two ships.", "by": "m"}
    assert others == samples[1:]
    assert (rewriter.rates.asked, rewriter.rates.kept) == (4, 1)
    assert rewriter.rates.refused["number"] == 1
    assert rewriter.rates.refused["class"] == 1
    assert "1 of 4 kept (25%)" in str(rewriter.rates)


def test_questions_are_reworded_and_answers_stay(serve: Any) -> None:
    server = serve(lambda text: "Can you see a ship?")
    (sample,) = Rewriter(server.engine).rewrite([_sample(0, "vqa", "Is there a ship?")])
    assert sample.conversation[0].text == "Can you see a ship?"
    assert sample.answers == ("yes",)


def test_given_words_are_left_alone(serve: Any) -> None:
    server = serve(lambda text: "Something else?")
    chosen = _sample(1, "vqa").model_copy(update={"options": ("a", "b")})
    samples = [_sample(0, "classify"), chosen]
    assert list(Rewriter(server.engine).rewrite(samples)) == samples
    assert server.asked == []


def test_replies_are_remembered(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda text: "Two vessels.")
    memory = tmp_path / "cache" / "replies.jsonl"
    samples = [_sample(n) for n in range(5)]
    first = list(Rewriter(server.engine, memory).rewrite(samples))
    assert len(server.asked) == 5
    assert len({request["seed"] for request in server.asked}) == 5
    again = list(Rewriter(server.engine, memory).rewrite(samples))
    assert again == first
    assert len(server.asked) == 5
    # A last line that was cut off is asked for again; any other damage is told.
    memory.write_bytes(memory.read_bytes()[:-20])
    assert list(Rewriter(server.engine, memory).rewrite(samples)) == first
    assert len(server.asked) == 6
    memory.write_text('{"key": "a"}\n')
    with pytest.raises(ParseError, match=r"replies\.jsonl, line 1"):
        Rewriter(server.engine, memory)


def test_a_server_that_fails_now_and_then_costs_a_rewrite(serve: Any) -> None:
    server = serve(lambda text: None if "ships" in text else "One more tank.")
    rewriter = Rewriter(server.engine, threads=1)
    samples = [_sample(0, text="A tank."), _sample(1)]
    assert list(rewriter.rewrite(samples)) == samples
    assert rewriter.rates.refused["no reply"] == 1


def test_a_server_that_never_answers_costs_nothing_but_rewrites(serve: Any) -> None:
    server = serve(lambda text: None)
    samples = [_sample(n) for n in range(40)]
    rewriter = Rewriter(server.engine, threads=1)
    assert list(rewriter.rewrite(samples)) == samples
    assert rewriter.rates.unanswered == rewriter.rates.asked == 40
    assert isinstance(rewriter.error, EngineError)
    assert MOST_FAILURES <= len(server.asked) <= BATCH  # then it is given up


def test_failures_that_do_not_follow_each_other_are_no_reason_to_give_up(
    serve: Any,
) -> None:
    server = serve(lambda text: None if "bridge" in text else "Two vessels.")
    texts = ["A bridge."] * (MOST_FAILURES - 1) + ["Two ships."]
    samples = [_sample(n, text=text) for n, text in enumerate(texts * 12)]
    rewriter = Rewriter(server.engine, threads=1)
    list(rewriter.rewrite(samples))
    assert rewriter.rates.kept == 12
    assert len(server.asked) == len(samples)


@pytest.mark.parametrize(
    ("task", "text", "reply", "reason"),
    [
        ("vqa", "Is there a ship?", "There is a ship.", "no question"),
        ("count", "Count the ships.", "Count ships. All the ships.", "no question"),
        (
            "caption",
            "Ships.",
            "The sky was painted with the faces of ships.",
            "wording",
        ),
        ("caption", "Ships.", "Ships. " * 20, "too long"),
        ("caption", "Two ships.", "Two ships.", "unchanged"),
    ],
)
def test_what_is_no_rewrite_at_all(
    task: str, text: str, reply: str, reason: str
) -> None:
    assert refusal(_sample(0, task, text), text, reply.strip()) == reason
