"""A served model: what is sent, what is retried, what an error says."""

import base64
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rsvlm.engines.remote import RemoteEngine
from rsvlm.engines.remote_settings import read_settings
from rsvlm.errors import (
    EngineEmptyError,
    EngineError,
    EngineRefusedError,
    MissingExtraError,
    SettingsError,
)
from rsvlm.messages import Generation, Message
from rsvlm.render import View

MakeView = Callable[..., View]
Noise = Callable[..., NDArray[np.uint8]]
Connect = Callable[..., RemoteEngine]
QUESTION = [Message("user", ("How many ships?",))]


def ask(engine: RemoteEngine, **options: Any) -> Generation:
    return engine.generate(QUESTION, **{"max_tokens": 24} | options)


def picture(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)), formats=("PNG",))


def test_a_request_in_the_form_of_the_api(
    server: Any, connect: Connect, make_view: MakeView, noise: Noise
) -> None:
    server.script = [server.reply("two")]
    optical, radar = noise(20, 30, 1), noise(20, 30, 2)
    messages = [
        Message("system", ("Be short.",)),
        Message("user", (make_view(optical), make_view(radar, "sar"), "How ", "many?")),
    ]
    engine = connect("org/my-model", key="secret-key")
    engine.generate(messages, max_tokens=5, seed=7, stop=["", "\n", *"abcd"])
    (request,) = server.requests
    chat = request.pop("messages")
    assert request == {
        "model": "org/my-model",
        "max_tokens": 5,
        "temperature": 0.0,
        "logprobs": True,
        "seed": 7,
        "stop": ["\n", "a", "b", "c"],
    }
    assert chat[0] == {"role": "system", "content": "Be short."}
    kinds = [part["type"] for part in chat[1]["content"]]
    assert kinds == ["image_url", "image_url", "text", "text"]
    for part, pixels, sensor in zip(
        chat[1]["content"], (optical, radar), ("optical", "sar"), strict=False
    ):
        image = picture(part["image_url"]["url"])
        assert np.array_equal(np.asarray(image), pixels)
        assert image.info["sensor"] == sensor
    assert server.headers[0]["authorization"] == "Bearer secret-key"


def test_a_reply_with_what_it_cost(server: Any, connect: Connect) -> None:
    pairs = [("two", -0.25), (" ships", -0.5), ("<end>", 0.001)]
    logprobs = {"content": [{"token": t, "logprob": p, "top_logprobs": []} for t, p in pairs]}  # fmt: skip
    server.script = [
        server.reply("two ships", logprobs=logprobs, finish_reason="length")
    ]
    expected = Generation("two ships", "length", 11, 3, (-0.25, -0.5, 0.0))
    assert ask(connect()) == expected


def test_nothing_meant_for_openai_is_sent_elsewhere(
    server: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "ADMIN_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", "sk-of-openai")
    server.script = [server.reply("two")]
    ask(connect())
    assert "sk-of-openai" not in str(server.headers)
    monkeypatch.setenv("RSVLM_API_KEY", "ours")
    ask(connect())
    assert server.headers[1]["authorization"] == "Bearer ours"


def test_pictures_have_the_size_that_the_dialect_counts_in(
    server: Any, connect: Connect, make_view: MakeView, noise: Noise
) -> None:
    server.script = [server.reply("two")]
    messages = [Message("user", (make_view(noise(50, 100)), "How many?"))]
    for name, size in (("Qwen2.5-VL-3B", (112, 56)), ("Qwen3-VL-2B", (100, 50))):
        connect(name).generate(messages, max_tokens=5)
        url = server.requests[-1]["messages"][0]["content"][0]["image_url"]["url"]
        assert picture(url).size == size


def test_a_picture_is_encoded_once(
    server: Any,
    connect: Connect,
    make_view: MakeView,
    noise: Noise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.script = [server.reply("two")]
    engine, encoded = connect(), list[View]()
    encode = engine._pictures._encode

    def spy(view: View) -> str:
        encoded.append(view)
        return encode(view)

    monkeypatch.setattr(engine._pictures, "_encode", spy)
    flat = np.zeros((10, 30, 3), np.uint8)
    views = [
        make_view(flat),
        make_view(flat.reshape(30, 10, 3)),
        make_view(flat, "sar"),
        make_view(flat),
        *(make_view(noise(8, 8, seed)) for seed in range(20)),
    ]
    for view in views:
        engine.generate([Message("user", (view, "?"))], max_tokens=5)
    assert len(encoded) == 23  # equal bytes of another shape or sensor are another one
    assert len(engine._pictures._kept) == 16


def test_limits_of_pictures(connect: Connect, make_view: MakeView, noise: Noise) -> None:  # fmt: skip
    view = make_view(noise(200, 200))
    with pytest.raises(SettingsError, match=r"200 x 200 px takes 0.2 MB.*0.1 MB"):
        connect(max_megabytes=0.1).generate([Message("user", (view,))], max_tokens=5)
    with pytest.raises(SettingsError, match=r"2 pictures.* takes 1"):
        connect(max_images=1).generate([Message("user", (view, view))], max_tokens=5)


def test_thoughts_are_no_answer(server: Any, connect: Connect) -> None:
    pairs = [("<think>", -9.0), ("hm</th", -9.0), ("ink>", -9.0), ("\n\n", -1.0), ("two", -0.5)]  # fmt: skip
    logprobs = {"content": [{"token": t, "logprob": p, "top_logprobs": []} for t, p in pairs]}  # fmt: skip
    server.script = [
        server.reply("<think>hm</think>\n\ntwo", logprobs=logprobs),
        server.reply("I count them.</think>two"),
        server.reply("two", reasoning_content="I count them."),
    ]
    engine = connect()
    reply = ask(engine)
    assert (reply.text, reply.logprobs) == ("two", (-1.0, -0.5))
    assert ask(engine).text == "two"
    assert ask(engine).text == "two"


@pytest.mark.parametrize(
    "fields",
    [
        {"text": None, "reasoning_content": "I count", "finish_reason": "length"},
        {"text": "<think>I count", "finish_reason": "length"},
    ],
)
def test_endless_thoughts_are_said(
    server: Any, connect: Connect, fields: dict[str, Any]
) -> None:
    server.script = [server.reply(fields.pop("text"), **fields)]
    with pytest.raises(EngineEmptyError, match="max_tokens=8192") as caught:
        ask(connect(retries=1))
    assert caught.value.status == "empty"


@pytest.mark.parametrize(
    "fields",
    [{"refusal": "I will\nnot."}, {"finish_reason": "content_filter"}],
)
def test_a_refusal_is_not_tried_again(
    server: Any, connect: Connect, fields: dict[str, Any]
) -> None:
    server.script = [server.reply(None, **fields)]
    with pytest.raises(EngineRefusedError, match=r"refuses to answer: (I will not|its content)") as caught:  # fmt: skip
        ask(connect())
    assert caught.value.status == "refused"
    assert len(server.requests) == 1


def test_a_reply_cannot_steer_a_terminal(server: Any, connect: Connect) -> None:
    text = "two\x1b[2J\x07 sh\ud83dips\r\n\t\x9b1m\U0001f6a2"
    server.script = [server.reply(text)]
    reply = ask(connect())
    assert reply.text == "two[2J sh\ufffdips\n\t1m\U0001f6a2"
    reply.text.encode()
    server.script = [server.fail(400, "\x1b]0;title\x07" + "x" * 5000)]
    with pytest.raises(EngineError) as caught:
        ask(connect())
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)


def test_a_key_is_not_shown(server: Any, connect: Connect) -> None:
    server.script = [server.fail(401, "Incorrect key: sk-secret-1")]
    with pytest.raises(EngineError, match=r"Incorrect key: \*\*\*") as caught:
        ask(connect(key="sk-secret-1"))
    assert "sk-secret-1" not in str(caught.value)


def test_stop_texts_that_the_server_passed_over(server: Any, connect: Connect) -> None:
    server.script = [server.reply("two\nand more", finish_reason="length")]
    reply = ask(connect(), stop=["\n", "and"])
    assert (reply.text, reply.finish_reason) == ("two", "stop")
    server.script = [server.reply("\ntwo")]
    assert ask(connect(), stop=["\n"]).text == ""


def test_requests_at_a_time(server: Any, connect: Connect) -> None:
    active, most = 0, 0
    change = threading.Condition()

    def step(handler: Any) -> None:
        nonlocal active, most
        with change:
            active += 1
            most = max(most, active)
            change.notify_all()
            # Answer when three are here and no fourth comes.
            change.wait_for(lambda: most >= 3, timeout=30)
            change.wait_for(lambda: active > 3, timeout=0.3)
        server.reply("two")(handler)
        with change:
            active -= 1

    server.script = [step]
    engine = connect(concurrency=3)
    threads = [threading.Thread(target=ask, args=(engine,)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3
    assert len(server.requests) == 9


def test_what_the_server_says_of_its_models(server: Any, connect: Connect) -> None:
    entry = {"id": "my-model", "object": "model", "owned_by": "us", "root": "/data/my-model"}  # fmt: skip
    server.models = [entry | {"created": 1}, {"id": "other", "object": "model"}]
    engine = connect()
    assert engine.served is not None
    assert engine.served["owned_by"] == "us"
    assert "/data" not in str(engine.served)
    revision = engine.revision
    assert len(revision) == 12
    assert engine.revision == revision
    assert server.model_calls == 1
    server.models = [entry | {"created": 2}]
    assert connect().revision == revision  # the time of the request is no revision
    server.models = [entry | {"root": "/data/my-model-2"}]
    assert connect().revision != revision
    server.models = None
    engine = connect()
    assert (engine.served, engine.revision) == (None, "unknown")


@pytest.mark.parametrize(
    "page", [None, [1], "text", {"data": None}, {"data": {}}, {"data": [1, {"id": 5}]}]
)
def test_a_strange_list_of_models(server: Any, connect: Connect, page: Any) -> None:
    server.page = page
    engine = connect()
    assert (engine.served, engine.revision) == (None, "unknown")
    calls = server.model_calls
    assert engine.revision == "unknown"
    assert server.model_calls == calls  # not asked again for every record
    with pytest.raises((SettingsError, EngineError)):
        connect("")


def test_a_server_with_one_model_needs_no_name(server: Any, connect: Connect) -> None:
    server.models = [{"id": "Qwen/Qwen3-VL-2B", "object": "model"}]
    engine = connect("")
    assert engine.name == "Qwen/Qwen3-VL-2B"
    assert engine.capabilities.dialect == "qwen3-vl"
    server.models.append({"id": "b", "object": "model"})
    with pytest.raises(SettingsError, match=r"Qwen3-VL-2B, b\. Name one"):
        connect("")
    server.models = None
    with pytest.raises(EngineError, match="404"):
        connect("")


def test_what_a_family_can_do(connect: Connect) -> None:
    geochat = connect("MBZUAI/geochat-7B").capabilities
    assert (geochat.dialect, geochat.together) == ("geochat", 1)
    strange = connect("gpt-5").capabilities
    assert (strange.dialect, strange.dialect_known) == ("json-1000", False)
    assert (strange.together, strange.reply_tokens) == (8, 1024)
    told = connect("gpt-5", dialect="vhm", max_images=2, sensors="optical,sar").capabilities  # fmt: skip
    assert (told.dialect, told.dialect_known, told.together) == ("vhm", True, 2)
    assert told.sensors == {"optical", "sar"}
    # Models of ours were trained on short answers; the task says how short.
    assert connect("rsvlm-tiny").capabilities.reply_tokens is None
    assert connect("rsvlm-tiny", max_tokens=9).capabilities.reply_tokens == 9


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rsvlm\[remote\]'"):
        RemoteEngine(read_settings("http://127.0.0.1:9/v1#m"))


def test_the_client_and_torch_are_loaded_late() -> None:
    code = (
        "import sys, rsvlm.engines.remote, rsvlm.app.build; "
        "sys.exit(bool({'openai', 'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
