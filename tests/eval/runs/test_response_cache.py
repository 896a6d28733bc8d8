from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.engines.stub import StubEngine
from rsvlm.errors import EngineError, SettingsError
from rsvlm.eval.response_cache import (
    CachedEngine,
    ResponseCache,
    request_key,
    storable,
)
from rsvlm.geometry import HBB, Window
from rsvlm.messages import Generation, Message
from rsvlm.render import View


def view(value: int = 0, x0: int = 0) -> View:
    pixels = np.full((4, 6, 3), value, dtype=np.uint8)
    return View(pixels, Window(HBB(x0, 0, x0 + 6, 4), 6, 4), "optical", "gray", "")


def ask(text: str = "What?", picture: View | None = None) -> list[Message]:
    return [Message("user", (picture or view(), text))]


@pytest.fixture
def cache(tmp_path: Path) -> ResponseCache:
    return ResponseCache(tmp_path / "deep/responses.sqlite")


def test_the_same_request_is_asked_once(cache: ResponseCache) -> None:
    stub = StubEngine(["first", "second"])
    engine = CachedEngine(stub, cache)
    first = engine.generate(ask(), max_tokens=9)
    assert engine.generate(ask(), max_tokens=9) == first
    assert (len(stub.calls), engine.hits) == (1, 1)
    again = CachedEngine(StubEngine(["third"]), ResponseCache(cache.path))
    pieces: list[str] = []
    reply = again.generate(ask(), max_tokens=9, on_text=pieces.append)
    assert reply == first
    assert pieces == ["first"]
    assert reply.logprobs == (-0.1,)


def test_everything_that_matters_is_in_the_key() -> None:
    stub = StubEngine(["a"])
    base: dict[str, Any] = {"max_tokens": 9}
    keys = [
        request_key(stub, ask(), **base),
        request_key(stub, ask("Why?"), **base),
        request_key(stub, ask(picture=view(1)), **base),
        request_key(stub, ask(picture=view(x0=6)), **base),
        request_key(stub, ask(), max_tokens=8),
        request_key(stub, ask(), temperature=0.5, **base),
        request_key(stub, ask(), temperature=0.5, seed=1, **base),
        request_key(stub, ask(), stop=["\n"], **base),
        request_key(stub, ask(), model="http://h/v1#m", **base),
        request_key(replace(stub, name="other"), ask(), **base),
        request_key(replace(stub, revision="1"), ask(), **base),
        request_key(stub, [*ask(), Message("assistant", ("Hm.",))], **base),
    ]
    assert len(set(keys)) == len(keys)
    # A seed draws nothing at temperature 0.
    assert request_key(stub, ask(), seed=1, **base) == keys[0]


def test_two_texts_do_not_run_together() -> None:
    stub = StubEngine(["a"])
    first = [Message("user", ("ab", "c"))]
    second = [Message("user", ("a", "bc"))]
    assert request_key(stub, first, max_tokens=1) != request_key(
        stub, second, max_tokens=1
    )


@pytest.mark.parametrize(
    ("generation", "temperature"),
    [
        (Generation(""), 0),
        (Generation("  \n"), 0),
        (Generation("cut off", "length"), 0),
        (Generation("I must not say", "content_filter"), 0),
        (Generation("drawn"), 0.7),
    ],
)
def test_what_is_no_whole_reply_is_not_kept(
    cache: ResponseCache, generation: Generation, temperature: float
) -> None:
    assert not storable(generation, temperature)
    assert not cache.put("k", generation, temperature)
    assert (cache.get("k"), len(cache)) == (None, 0)


def test_an_error_is_not_kept(cache: ResponseCache) -> None:
    engine = CachedEngine(StubEngine([]), cache)
    with pytest.raises(EngineError):
        engine.generate(ask(), max_tokens=9)
    assert len(cache) == 0


def test_a_drawn_reply_is_drawn_again(cache: ResponseCache) -> None:
    stub = StubEngine(["first", "second"])
    engine = CachedEngine(stub, cache)
    for expected in ("first", "second"):
        reply = engine.generate(ask(), max_tokens=9, temperature=1.0)
        assert reply.text == expected


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "responses.sqlite"
    path.write_bytes(b"not a data base at all" * 100)
    with pytest.raises(SettingsError, match=r"responses\.sqlite"):
        ResponseCache(path)
