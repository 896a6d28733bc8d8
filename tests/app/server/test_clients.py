"""The clients that people have: openai, LangChain, llm and curl, unchanged."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.app import create_app
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.service import Service
from rsvlm.assistant import Assistant
from rsvlm.render import View
from tests.app.server.fakes import Store, body_of, data_uri, png, serving, stub, user

WIDTH = 8


class Encoder:
    """Vectors that tell texts and pictures apart."""

    name, revision, width, scale, side = "fake", "0", WIDTH, 1.0, 16
    sensors = frozenset({"optical"})
    covers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    window_m = None

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        rows = [np.eye(WIDTH, dtype=np.float32)[len(text) % WIDTH] for text in texts]
        return np.stack(rows)

    def encode_image(self, views: list[View]) -> NDArray[np.float32]:
        return np.full((len(views), WIDTH), WIDTH**-0.5, np.float32)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    limits = GateLimits()
    store, admission = Store(), Admission(limits)
    plain = Assistant(stub("A farm with two barns."), least=0.0)
    encoder: Any = Encoder()
    embedding = Assistant(stub("A farm."), least=0.0, scenes=encoder)
    models = {"tiny": plain, "embedder": embedding}
    service = Service(models, store, admission, store.resolve)
    with serving(create_app(service, admission, limits)) as address:
        yield f"{address}/v1"


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key="none", max_retries=0) as client:
        yield client


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [user("What is shown?", png())], **fields}


def test_openai_answers(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        **asked(extra_body={"rsvlm": {"task": "vqa", "return": ["trace"]}})
    )
    assert reply.choices[0].message.content == "A farm with two barns."
    assert reply.usage is not None
    assert reply.usage.total_tokens == 6
    told: Any = reply.model_extra
    assert told["rsvlm"]["task"] == "vqa"
    assert told["rsvlm"]["trace"]


def test_openai_streams(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            **asked(stream=True, stream_options={"include_usage": True})
        )
    )
    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(texts) == "A farm with two barns."
    assert chunks[-1].usage is not None
    answers = [chunk.model_extra.get("rsvlm") for chunk in chunks]
    assert answers[-2]["schema"] == "rsvlm.answer/1"


def test_openai_accumulates_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**asked(logprobs=True)) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "A farm with two barns."
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].logprobs is not None


def test_openai_parses_a_form(client: openai.OpenAI) -> None:
    class Scene(BaseModel):
        caption: str
        count: int | None

    reply = client.chat.completions.parse(**asked(response_format=Scene))
    expected = Scene(caption="A farm with two barns.", count=None)
    assert reply.choices[0].message.parsed == expected


def test_openai_hears_of_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Unknown model 'x'"):
        client.chat.completions.create(**asked(model="x"))
    with pytest.raises(openai.BadRequestError, match="calls no tools"):
        client.chat.completions.create(
            **asked(
                tools=[
                    {"type": "function", "function": {"name": "f", "parameters": {}}}
                ]
            )
        )


def test_openai_lists_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny", "embedder"]
    assert client.models.retrieve("tiny").owned_by == "rsvlm"


def test_openai_embeds_texts_and_images(client: openai.OpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": data_uri(png())}}
    inputs: Any = ["a port", picture, {"type": "text", "text": "a"}]
    reply = client.embeddings.create(model="embedder", input=inputs)
    vectors = np.array([item.embedding for item in reply.data])
    assert vectors.shape == (3, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    plain = client.embeddings.create(
        model="embedder", input="a port", encoding_format="float", dimensions=7
    )
    assert plain.data[0].embedding == vectors[0, :7].tolist()
    wrongs: list[dict[str, Any]] = [
        {"dimensions": 9},
        {"input": [[1, 2]]},
        {"input": []},
    ]
    for wrong in wrongs:
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(**{"model": "embedder", "input": "a", **wrong})
    with pytest.raises(openai.BadRequestError, match="no encoders"):
        client.embeddings.create(model="tiny", input="a")


def test_our_own_engine_for_servers(address: str) -> None:
    from rsvlm.engines.remote import RemoteEngine
    from rsvlm.engines.remote_settings import read_settings
    from rsvlm.messages import Message
    from rsvlm.raster import Raster

    with Raster.from_bytes(png(), "farm.png") as raster:
        messages = [Message("user", (raster.preview(), "What is shown?"))]
    pieces: list[str] = []
    with RemoteEngine(read_settings(f"{address}?dialect=rsvlm#tiny")) as engine:
        assert engine.served is not None
        for on_text in (pieces.append, None):
            said = engine.generate(messages, max_tokens=20, on_text=on_text)
            assert said.text == "A farm with two barns."
            assert said.logprobs == (-0.1,)
            assert said.completion_tokens == 5
    assert "".join(pieces) == "A farm with two barns."


def test_langchain(address: str) -> None:
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    class Scene(BaseModel):
        """What is shown."""

        description: str

    chat = ChatOpenAI(
        model="tiny", base_url=address, api_key="none", stream_usage=True,
        extra_body={"rsvlm": {"task": "vqa"}},
    )  # fmt: skip
    question = HumanMessage(user("What is shown?", png())["content"])
    assert chat.invoke([question]).content == "A farm with two barns."
    streamed = list(chat.stream([question]))
    assert "".join(str(part.content) for part in streamed) == "A farm with two barns."
    parsed = chat.with_structured_output(Scene, method="json_schema").invoke([question])
    assert parsed == Scene(description="A farm with two barns.")
    embeddings = OpenAIEmbeddings(
        model="embedder", base_url=address, api_key="none",
        check_embedding_ctx_length=False,
    )  # fmt: skip
    assert len(embeddings.embed_query("a port")) == WIDTH


def test_llm(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: rsvlm\n  model_name: tiny\n  api_base: {address}\n"
        "  vision: true\n  supports_schema: true\n"
    )
    picture = tmp_path / "farm.png"
    picture.write_bytes(png())
    import llm

    model = llm.get_model("rsvlm")
    model.key = "none"
    image = llm.Attachment(path=str(picture))
    for stream in (True, False):
        reply = model.prompt("What is shown?", attachments=[image], stream=stream)
        assert reply.text() == "A farm with two barns."
    chat = model.conversation()
    chat.prompt("What is shown?", attachments=[image], system="Be brief.").text()
    assert chat.prompt("Is there a road?").text() == "A farm with two barns."


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(address: str) -> None:
    command = ["curl", "-sN", f"{address}/chat/completions", "--json", "@-"]

    def run(**fields: Any) -> str:
        body = json.dumps(body_of(**fields)).encode()
        return subprocess.run(
            command, input=body, stdout=subprocess.PIPE, check=True
        ).stdout.decode()

    assert json.loads(run())["rsvlm"]["text"] == "A farm with two barns."
    assert run(stream=True).rstrip().endswith("data: [DONE]")
