"""Purposes are understood in words that no pattern knows, by their meaning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.data_engine.wordings import WORDINGS
from rsvlm.data_engine.wordings_reasons import PURPOSES as ASKED
from rsvlm.labels import OBJECTS
from rsvlm.likening import likened, may_be_likened
from rsvlm.reasons import PURPOSES, purpose
from rsvlm.reasons_examples import EXAMPLES, OTHER


def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """A sentence encoder of 300 buckets of words."""
    found = np.zeros((len(texts), 300), np.float32)
    for row, text in zip(found, texts, strict=True):
        for word in text.lower().strip("?.").split():
            if len(word) > 3:
                row[sum(word.encode()) % 300] += 1
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(norms, 1e-6), np.float32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fitted in a test is not kept for others; assets stay where they are."""
    monkeypatch.setattr("rsvlm.likening.cache_folder", lambda: tmp_path)


def test_every_example_belongs_to_a_purpose() -> None:
    assert set(EXAMPLES) == {known.name for known in PURPOSES} - {"airport"}
    texts = [text for group in (*EXAMPLES.values(), OTHER) for text in group]
    assert len(set(texts)) == len(texts)


def test_examples_are_not_what_is_measured() -> None:
    held = {text for asked in ASKED for text in (*asked.val, *asked.test)}
    assert not held & {text for group in EXAMPLES.values() for text in group}


def test_the_nearest_purpose_is_meant_if_it_can_be_served() -> None:
    question = "Where would I need rackets for doubles?"
    found = likened(question, vectors)
    assert found is not None
    assert found.labels == ("tennis court",)
    other = likened(question, vectors, {"swim", "build"})
    assert other is None or other.name in ("swim", "build")
    assert likened(question, vectors, ()) is None


@pytest.mark.parametrize(
    "question",
    [
        "Where is the church?",
        "What can you see?",
        "How many players could be here?",
        "Which of these could it be, one of: lawn, lake?",
        "Where could ships be?",  # names a known object
        "Describe the image.",
        "Find the volleyball court.",
        "Segment the crosswalk",
        "Locate all the greenhouses.",
        "",
    ],
)
def test_what_asks_for_no_purpose_is_left_alone(question: str) -> None:
    assert not may_be_likened(question)
    assert likened(question, vectors) is None


def test_what_was_fitted_is_kept_until_texts_or_encoder_change(tmp_path: Path) -> None:
    asked: list[int] = []

    def counting(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.append(len(texts))
        return vectors(texts)

    question = "Where would I need rackets for doubles?"
    first = likened(question, counting)
    assert sum(asked) > 700
    (kept,) = (tmp_path / "purposes").iterdir()
    asked.clear()
    assert likened(question, counting) == first
    assert asked == [1, 1]  # the probe and the question
    likened(question, lambda texts: counting(texts)[:, ::-1])
    assert len(list((tmp_path / "purposes").iterdir())) == 2
    for damaged in (b"damaged", b""):
        kept.write_bytes(damaged)
        assert likened(question, counting) == first
    np.save(kept, np.zeros(3))
    assert likened(question, counting) == first


def test_without_a_cache_it_is_fitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    monkeypatch.setattr("rsvlm.likening.cache_folder", lambda: taken)
    found = likened("Where would I need rackets for doubles?", vectors)
    assert found is not None


@pytest.mark.parametrize("question", ["Where could one land by parachute?", "What here might have a keel?"])  # fmt: skip
def test_what_supposes_something_may_be_likened(question: str) -> None:
    assert may_be_likened(question)


@pytest.mark.model
def test_the_shipped_encoder_knows_purposes_by_their_meaning() -> None:
    from rsvlm.models.text_encoder import TextEncoder

    encoder = TextEncoder.of()

    def encoded(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(encoder.encode(texts).numpy())

    new = {
        "Where could I improve my serve?": "tennis court",
        "Where would a shortstop be standing?": "baseball diamond",
        "What needs new tyres now and then?": "vehicle",
        "Where would kerosene for the winter be held?": "storage tank",
        "Where might someone train for the Olympic 800 metres?": "ground track field",
    }
    names = {known.name for known in PURPOSES if known.labels[0] in OBJECTS}
    for question, label in new.items():
        found = purpose(question) or likened(question, encoded, names)
        assert found is not None, question
        assert found.labels[0] == label, question
    plain = [text for texts in WORDINGS.values() for text in texts if "{" not in text]
    assert len(plain) > 20
    taken = [text for text in plain if likened(text, encoded)]
    assert not taken
