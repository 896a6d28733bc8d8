"""The engine of other tests keeps to the contract."""

import pytest

from rsvlm.engines.base import Engine
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import EngineError
from rsvlm.messages import Message


def test_replies_are_replayed_and_questions_recorded() -> None:
    stub = StubEngine(["one", "two"])
    engine: Engine = stub
    asked = [[Message("user", (text,))] for text in "abc"]
    replies = [engine.generate(messages, max_tokens=9) for messages in asked]
    assert [reply.text for reply in replies] == ["one", "two", "two"]
    assert stub.calls == asked
    assert (engine.name, engine.kind, engine.revision) == ("stub", "stub", "0")


def test_replies_end_like_those_of_a_model() -> None:
    engine = StubEngine(["one two three"])
    pieces: list[str] = []
    cut = engine.generate([], max_tokens=2, on_text=pieces.append)
    assert (cut.text, cut.finish_reason, cut.completion_tokens) == (
        "one two", "length", 2,
    )  # fmt: skip
    assert pieces == ["one two"]
    stopped = engine.generate([], max_tokens=9, stop=["two"])
    assert (stopped.text, stopped.finish_reason) == ("one ", "stop")


def test_without_replies_there_is_no_answer() -> None:
    with pytest.raises(EngineError, match="no replies"):
        StubEngine([]).generate([], max_tokens=1)
