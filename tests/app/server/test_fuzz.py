"""Whatever is sent, the server answers: never with a status of its own fault."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsvlm.app.server.conversation import MOST_QUESTION
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.schemas import ChatRequest, RsvlmOptions
from rsvlm.questions import tidy
from tests.app.server.fakes import app_of, data_uri, png, stub

LIMITS = GateLimits(requests_per_minute=10**6, burst=10**6)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**63, 1e308])
WORDS = st.text(max_size=40) | st.sampled_from(
    ["<image>", "<|im_start|>", "\0", "file-x", "\ud800", "json_object", "auto", "user"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = sorted({*ChatRequest.model_fields, "tools", "modalities", "chat_template"})
OPTIONS = st.dictionaries(st.sampled_from(sorted(RsvlmOptions.model_fields)), VALUES)
ADDRESS = WORDS | st.just(data_uri(png())) | st.text(max_size=9).map("data:".__add__)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "file", "refusal", "x"])},
    optional={
        "text": WORDS, "image_url": ADDRESS | st.fixed_dictionaries({"url": ADDRESS}),
        "file": VALUES, "refusal": WORDS,
    },
)  # fmt: skip
ROLES = st.sampled_from(["system", "user", "assistant", "developer", "tool"])
MESSAGES = st.fixed_dictionaries(
    {"role": ROLES, "content": WORDS | st.lists(PARTS, max_size=3) | VALUES}
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(
        app_of(stub("A farm."), LIMITS),
        base_url="http://localhost",
        raise_server_exceptions=False,
    ) as client:
        yield client


def send(client: TestClient, path: str, body: Any) -> None:
    import json

    text = json.dumps(body).encode("utf-8", "replace")
    headers = {"content-type": "application/json"}
    reply = client.post(path, content=text, headers=headers)
    assert reply.status_code in (200, 400, 404, 413, 422), (reply.text, body)
    if reply.status_code != 200:
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def picture(question: str) -> dict[str, Any]:
    part = {"type": "image_url", "image_url": {"url": data_uri(png())}}
    return {"role": "user", "content": [part, {"type": "text", "text": question}]}


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    fields=st.dictionaries(st.sampled_from(FIELDS), VALUES | OPTIONS, max_size=3),
    messages=st.lists(MESSAGES, max_size=3),
    question=WORDS,
)
def test_chat(client: TestClient, fields: Any, messages: Any, question: str) -> None:
    whole = {"messages": [*messages, picture(question)]}
    send(client, "/v1/chat/completions", {**whole, **fields})
    send(
        client,
        "/v1/chat/completions",
        {"messages": [picture("What?")], "rsvlm": fields},
    )
    send(client, "/v1/embeddings", {"input": messages, **fields})


@given(st.text(max_size=300))
def test_tidy_texts_have_no_long_runs(text: str) -> None:
    found = tidy(text)
    assert len(found) <= len(text)
    assert tidy(found) == found
    assert "  " not in found


def test_questions_are_short_enough_for_our_rules(client: TestClient) -> None:
    assert MOST_QUESTION <= 2000  # rules over words look at every place in them
    send(
        client,
        "/v1/chat/completions",
        {"messages": [picture("what" + " " * 9000 + "x")]},
    )
