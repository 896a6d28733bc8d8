"""Packed questions: to the model the same as one sequence a question."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rsvlm.engines.local import LocalEngine
from rsvlm.messages import Message
from rsvlm.render import View
from rsvlm.tasks import TASKS
from rsvlm.training.packing import ASK, END, Packed, attention, collate, pack
from rsvlm.training.tune_check import answers_of
from rsvlm.training.tune_loss import Batch, loss_of
from rsvlm.training.tune_steps import located

TURNS = [
    (TASKS["count"].prompt("How many ships are there?"), "3"),
    (TASKS["caption"].prompt("Describe the river."), "A river with 7 airplanes."),
    (TASKS["ground"].prompt("Where is the tank?"), "[12, 40, 300, 410]"),
]


@torch.no_grad()
def logits_of(engine: LocalEngine, batch: dict[str, Tensor], image: Tensor) -> Tensor:
    """Return logits of a batch of one picture a row, shape (B, T, V)."""
    inner = engine.model.model
    ids = batch["input_ids"]
    tokens = image.flatten(0, 1).repeat(len(ids), 1, 1)
    embeddings = inner.splice(ids, inner.get_input_embeddings()(ids), tokens)
    hidden = inner.language_model(
        inputs_embeds=embeddings,
        attention_mask=attention(batch["segments"]),
        position_ids=batch["position_ids"],
        use_cache=False,
    ).last_hidden_state
    logits: Tensor = engine.model.lm_head(hidden)
    return logits


@pytest.fixture
def image(
    engine: LocalEngine,
    make_view: Callable[..., View],
    noise: Callable[..., NDArray[np.uint8]],
) -> Tensor:
    """Image tokens of a picture of three tiles, shape (3, 16, D)."""
    return engine._encode(make_view(noise(100, 200)), "a key")


def test_questions_do_not_see_each_other(engine: LocalEngine, image: Tensor) -> None:
    tokenizer, count = engine.processor.tokenizer, image.shape[0] * image.shape[1]
    packed = pack(tokenizer, count, TURNS)
    shorter = pack(tokenizer, count, TURNS[:1])  # is filled up
    together = logits_of(engine, collate([packed, shorter], 0), image)
    for number, turn in enumerate(TURNS, start=1):
        alone = pack(tokenizer, count, [turn])
        batch = collate([alone], 0)
        length = len(alone.input_ids)
        assert batch["position_ids"][0].tolist() == list(range(length))
        mask = torch.ones(length, length).tril().bool()
        assert torch.equal(
            attention(batch["segments"])[0, 0], mask
        )  # nothing but causal
        apart = logits_of(engine, batch, image)[0]
        rows = packed.segment == number
        assert torch.equal(packed.input_ids[rows], alone.input_ids[alone.segment == 1])
        assert torch.allclose(
            together[0, rows], apart[alone.segment == 1], atol=1e-4
        )  # fmt: skip
    row = together[1, : len(shorter.input_ids)]
    assert torch.allclose(row[shorter.segment == 1], together[0, packed.segment == 1],
                          atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("turn", TURNS, ids=["count", "caption", "ground"])
def test_training_and_use_have_the_same_tokens(
    engine: LocalEngine,
    make_view: Callable[..., View],
    noise: Callable[..., NDArray[np.uint8]],
    turn: tuple[str, str],
) -> None:
    prompt, answer = turn
    picture = noise(100, 200)
    processor: Any = engine.processor
    packed = pack(processor.tokenizer, 48, [turn])
    asked = engine._prompt([Message("user", (make_view(picture), prompt))], [48])
    reply = processor.tokenizer(answer + END, add_special_tokens=False)["input_ids"]
    assert packed.input_ids.tolist() == asked + reply
    assert reply[-1] == processor.tokenizer.eos_token_id
    parts = [{"type": "image"}, {"type": "text", "text": prompt}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True
    )
    inputs = processor(text=text, images=[Image.fromarray(picture)])
    assert inputs["input_ids"][0] == asked


def test_short_and_long_answers_weigh(engine: LocalEngine) -> None:
    tokenizer = engine.processor.tokenizer
    packed = pack(tokenizer, 4, TURNS)
    for number, (_, answer) in enumerate(TURNS, start=1):
        weights = packed.weight[packed.segment == number]
        length = len(tokenizer(answer + END, add_special_tokens=False)["input_ids"])
        assert (weights > 0).sum() == length
        assert (weights[:-length] == 0).all()
        assert weights.sum() == pytest.approx(length**0.5)
    assert (packed.weight[packed.segment == 0] == 0).all()
    question = tokenizer(ASK, add_special_tokens=False)["input_ids"]
    assert packed.input_ids[packed.weight == 0][-len(question) :].tolist() == question


def test_filled_up_rows_weigh_nothing() -> None:
    def row(length: int) -> Packed:
        whole = torch.arange(length)
        return Packed(whole, whole, torch.ones(length).long(), torch.ones(length))

    batch = collate([row(2), row(4)], pad=9)
    assert batch["input_ids"].tolist() == [[0, 1, 9, 9], [0, 1, 2, 3]]
    assert batch["weight"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    mask = attention(batch["segments"])
    assert mask.shape == (2, 1, 4, 4)
    assert not mask[0, 0, :2, 2:].any()


@torch.no_grad()
def test_the_loss_is_the_mean_overanswers_of(
    engine: LocalEngine, image: Tensor
) -> None:
    tokenizer, count = engine.processor.tokenizer, image.shape[0] * image.shape[1]
    batch = collate([pack(tokenizer, count, TURNS)], 0)
    width = engine.model.config.optical_config.hidden_size * 3
    features = torch.randn(3, 64, width, generator=torch.Generator().manual_seed(0))
    inputs = located(batch, tokenizer.convert_tokens_to_ids("<image>"))
    inputs["sensor_ids"] = torch.zeros(3)
    loss, right = loss_of(engine.model, Batch(inputs, features))
    tokens = engine.model.model.optical_projector(features)
    logits = logits_of(engine, batch, tokens)[0, :-1]
    each = torch.nn.functional.cross_entropy(
        logits, batch["input_ids"][0, 1:], reduction="none"
    )
    weight = batch["weight"][0, 1:]
    assert float(loss) == pytest.approx(float((each * weight).sum() / weight.sum()))
    expected = (logits.argmax(-1) == batch["input_ids"][0, 1:]).long()
    expected[weight == 0] = -1
    assert torch.equal(right[0, 1:], expected)
    assert right[0, 0] == -1
    lengths = [len(answer) for answer in answers_of(right[0])]
    assert lengths == [
        len(tokenizer(answer + END, add_special_tokens=False)["input_ids"])
        for _, answer in TURNS
    ]


def test_answers_are_told_apart() -> None:
    row = torch.tensor([-1, 1, 0, -1, 1, -1, -1, 1, 1])
    assert [a.tolist() for a in answers_of(row)] == [[1, 0], [1], [1, 1]]
    assert list(answers_of(torch.tensor([-1, -1]))) == []
