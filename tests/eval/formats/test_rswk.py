"""Result files of RS-RAG on RSWK; contents are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.formats.rswk import is_quantity, read, settings_of

Write = Callable[..., Path]

LISTED = "Airport, Park, Forest"
CLASSES = f"What is it? Answer with one of the following 5 categories: {LISTED}."


def record(
    question: str, reference: str, prediction: Any, image: str
) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"<image>{question}"},
            {"role": "assistant", "content": reference},
        ],
        "images": [image],
        "prediction": prediction,
    }


def test_classes_that_the_prompt_forgets_are_scored_with_and_without(
    write: Write,
) -> None:
    records = [
        record(CLASSES, "Park", "Park", "/data/x/Hyde Park.png"),
        record(CLASSES, "Casino", "Casino", "/data/x/Grand Casino.png"),
        record(CLASSES, "Tower", "Park", "C:\\x\\Tower.png"),
    ]
    path = write("model_answers_classification/RSWK/RSWK_answer_geochat.jsonl", records)
    found = read(path)
    assert [s.images[0].path for s in found.samples] == [
        "Hyde Park.png",
        "Grand Casino.png",
        "Tower.png",
    ]
    assert found.samples[0].options == ("Airport", "Park", "Forest", "Casino", "Tower")
    assert len(found.reading("listed-classes").samples) == 1
    assert len(found.reading("canonical").samples) == 3
    assert "lacks 2 classes of the references (Casino, Tower), 2 samples" in " ".join(
        found.notes
    )
    assert found.clusters_known


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("RSWK_answer_geochat", {"model": "geochat", "retrieval": "no"}),
        (
            "RSWK_answer_qwen_rag_imgw0.5_topk3",
            {"model": "qwen", "retrieval": "yes", "image_weight": "0.5", "top_k": "3"},
        ),
        (
            "RSWK_answer_llama_imgw0.9_topk1",
            {"model": "llama", "retrieval": "no", "image_weight": "0.9", "top_k": "1"},
        ),
        (
            "ChatEarthNet_answer_a_b_rag_imgw0.1_topk5",
            {"model": "a_b", "retrieval": "yes", "image_weight": "0.1", "top_k": "5"},
        ),
        ("results", {}),
    ],
)
def test_settings_stand_in_the_name(name: str, settings: dict[str, str]) -> None:
    assert settings_of(Path(f"{name}.jsonl")) == settings


def test_settings_reach_notes_and_predictions(write: Write) -> None:
    records = [record("What is the ALBEDO?", "0.21", "0.19", "a.png")]
    path = write(
        "model_answers_vqa/RSWK/RSWK_answer_qwen_rag_imgw0.5_topk3.jsonl", records
    )
    found = read(path)
    assert found.predictions[0].meta["top_k"] == "3"
    assert any("retrieval yes, image_weight 0.5" in note for note in found.notes)


def test_bare_numbers_are_scored_apart(write: Write) -> None:
    records = [
        record("What is the ALBEDO?", "0.21", "0.19", "a.png"),
        record("Who built it?", "King John in 1210", "a king", "a.png"),
        record("How much rain?", "12.51mm", "", "b.png"),
    ]
    found = read(write("model_answers_vqa/RSWK/RSWK_answer_x.jsonl", records))
    numbers = found.reading("rel-error<10%")
    assert [s.answers[0] for s in numbers.samples] == ["0.21", "12.51mm"]
    assert [p.status for p in numbers.predictions] == ["ok", "empty"]
    assert "Bare numbers as references: 2 of 3" in found.notes[-1]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0.07", True),
        ("-3 \u00b0C", True),
        ("1,200 km2", True),
        ("12.51mm", True),
        ("5 W/m2", True),
        ("1e-3", True),
        ("1889 and 1890", False),
        ("a", False),
        ("In 1889", False),
        ("12 ships in the harbour", False),
        ("", False),
    ],
)
def test_quantities(text: str, is_one: bool) -> None:
    assert is_quantity(text) is is_one


def test_captions_and_the_guess_of_a_task(write: Write) -> None:
    long = "An old castle stands on a hill above the river " * 4
    found = read(
        write("answers.jsonl", [record("Describe it.", long, "a castle", "a")])
    )
    assert found.samples[0].task == "caption"
    assert found.protocols[0].metric == "caption_metric"
    assert "says nothing of the model" in found.notes[0]
    found = read(write("answers.jsonl", [record(CLASSES, "Park", "Park", "a")]))
    assert found.samples[0].task == "classify"
    found = read(write("answers.jsonl", [record("Where?", "Rome", "Rome", "a")]))
    assert found.samples[0].task == "vqa"


def test_repeated_keys_are_said(write: Write) -> None:
    one = record("Where?", "Rome", "Rome", "/x/a.png")
    two = record("Where?", "Rome", "Paris", "/y/a.png")
    found = read(write("vqa.jsonl", [one, two]))
    assert "1 pair of question and image" in " ".join(found.notes)


def test_task_files_and_others_are_refused(write: Write) -> None:
    task = {k: v for k, v in record("a", "b", "c", "d").items() if k != "prediction"}
    with pytest.raises(ParseError, match="it is a task file"):
        read(write("x.jsonl", [task]))
    with pytest.raises(ParseError, match="line 1: 'messages' holds no texts"):
        read(write("x.jsonl", [{"prediction": "a", "messages": "x"}]))
    with pytest.raises(ParseError, match="'images' names no image"):
        read(write("x.jsonl", [record("a", "b", "c", "d") | {"images": []}]))
    with pytest.raises(ParseError, match="line 2: there is no 'prediction'"):
        read(write("x.jsonl", [record("a", "b", "c", "d"), task]))
