"""Questions for a purpose are understood, and questions that name things left alone."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rsvlm.data_engine.phrases import fill
from rsvlm.data_engine.wordings import WORDINGS
from rsvlm.data_engine.wordings_reasons import PURPOSES as ASKED
from rsvlm.labels import COVERS, OBJECTS, PLACES, SCENES
from rsvlm.reasons import PURPOSES, implied, purpose


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("Where could a helicopter land?", "ground track field"),
        ("where can I put my drone down for landing", "ground track field"),
        ("Which place would you use to moor a boat?", "harbor"),
        ("Please show me where a vessel could be unloaded.", "harbor"),
        ("Where could fuel be stored?", "storage tank"),
        ("Where is a lot of diesel kept?", "storage tank"),
        ("Where do planes park?", "airplane"),
        ("Where could a small plane land?", "airport"),
        ("How would I get to the other side?", "bridge"),
        ("Where could kids play baseball?", "baseball diamond"),
        ("Segment where we could go for a run.", "ground track field"),
        ("Where should I take my racquet?", "tennis court"),
        ("Which areas would flood first?", "water"),
        ("Where is it safe to go swimming?", "water"),
        ("Where could a solar park be built?", "bare or dry ground"),
    ],
)
def test_a_purpose_gives_what_serves_it(question: str, label: str) -> None:
    found = implied(question)
    assert found is not None
    assert found.label == found.name == label


def test_what_can_be_found_decides() -> None:
    question = "Where could a helicopter land?"
    for known, label in (
        ({"baseball diamond", "bare or dry ground"}, "baseball diamond"),
        ({"bare or dry ground", "water"}, "bare or dry ground"),
        ({"water"}, "ground track field"),  # cannot be found, and is told so
    ):
        found = implied(question, known.__contains__)
        assert found is not None
        assert found.label == label


def test_ground_beside_water_would_flood() -> None:
    found, subject = (
        purpose("Where is the risk of flooding?"),
        implied("Flood risk, where?"),
    )
    assert found is not None
    assert found.beside
    assert subject is not None
    assert (subject.phrase, subject.label) == ("ground beside water", "water")


@pytest.mark.parametrize(
    "question",
    [
        "How long is the runway?",
        "How many boats are moored?",
        "Where are the ships?",
        "Where is the tennis court?",
        "Which baseball fields are empty?",
        "Find and outline all swimming pools",
        "Is there a bridge over the river?",
        "Describe the athletes.",
        "Where are the moored ships?",
        "What is the weather?",
        "",
    ],
)
def test_other_questions_are_left_alone(question: str) -> None:
    assert implied(question) is None


def test_wordings_that_training_uses_are_understood() -> None:
    for asked in ASKED:
        for question in (*asked.train, *asked.val):
            found = purpose(question)
            assert found is not None, question
            assert found.labels[0] == asked.labels[0], question
            assert found.beside == asked.beside, question


def test_no_question_about_a_named_object_is_taken_for_a_purpose() -> None:
    words = {
        "options": "x, y",
        "what": "water",
        "given": "[1]",
        "other": "bridge",
        "others": "bridges",
    }
    sides = {"most": "leftmost", "edge": "left edge", "of": "left of"}
    for table in WORDINGS.values():
        for templates in table.values():
            for template in templates:
                for name in (*OBJECTS, *SCENES):
                    question = fill(template, name, **words, **sides)
                    assert implied(question) is None, question


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def test_phrasings_of_users_keep_their_meaning() -> None:
    path = Path(__file__).with_name("phrasings.toml")
    taken = [q for q in _texts(tomllib.loads(path.read_text())) if implied(q)]
    assert taken == ["Which area could be used as an emergency landing site? Show it."]


def test_what_serves_a_purpose_has_a_known_name() -> None:
    names = {name for table in (OBJECTS, COVERS, SCENES, PLACES) for name in table}
    for known in PURPOSES:
        assert set(known.labels) <= names
