"""What a conversation is about."""

from typing import Any

import pytest

from rsvlm.app.server.conversation import Talk, read
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.schemas import ChatMessage
from tests.app.server.fakes import image_part


def talk(*messages: tuple[str, Any]) -> Talk:
    return read([ChatMessage(role=role, content=content) for role, content in messages])


def shown(text: str, *names: str) -> list[dict[str, Any]]:
    parts = [{"type": "image_url", "image_url": {"url": name}} for name in names]
    return [*parts, {"type": "text", "text": text}]


def test_turns_and_images_are_told_apart() -> None:
    found = talk(
        ("system", "Be brief."),
        ("user", shown("How many ships?", "a")),
        ("assistant", "3 ships."),
        ("user", "And the second one?"),
    )
    assert [(t.question, t.text) for t in found.history] == [
        ("How many ships?", "3 ships.")
    ]
    assert found.question == "And the second one?"
    assert found.addresses == ("a",)
    assert found.scope() == (0,)
    assert found.system == "Be brief."


def test_a_new_image_is_what_the_question_is_about() -> None:
    found = talk(
        ("user", shown("Describe this.", "a")),
        ("assistant", "A port."),
        ("user", shown("And what is this?", "b")),
        ("assistant", "A farm."),
        ("user", "How many buildings are there?"),
    )
    assert found.scope() == (1,)


@pytest.mark.parametrize(
    "question",
    [
        "Which of the two images shows more ships?",
        "What changed?",
        "Compare it with the previous one.",
        "How many ships are in image 1?",
        "Are there more ships than before?",
        "Describe both.",
        "Does the first image show a port?",
    ],
)
def test_words_that_mean_several_bring_the_earlier_images_back(question: str) -> None:
    found = talk(
        ("user", shown("Describe this.", "a")),
        ("assistant", "A port."),
        ("user", shown(question, "b")),
    )
    assert found.scope() == (0, 1)


def test_an_image_that_is_sent_again_is_the_same_image() -> None:
    found = talk(
        ("user", shown("Describe these.", "a", "b")),
        ("assistant", "A port; a farm."),
        ("user", shown("Are there planes?", "b")),
    )
    assert found.addresses == ("a", "b")
    assert found.scope() == (1,)
    assert found.scope(besides=[0]) == (0, 1)


def test_images_may_come_in_a_message_before_the_question() -> None:
    part = {"type": "image_url", "image_url": {"url": "a"}}
    found = talk(("user", [part]), ("user", "What is this?"))
    assert (found.question, found.scope()) == ("What is this?", (0,))


def test_a_question_that_was_never_answered_is_dropped() -> None:
    found = talk(("user", shown("Old?", "a")), ("user", "New?"))
    assert (found.question, found.history) == ("New?", ())


@pytest.mark.parametrize("text", ["", " ", "x" * 5000])
def test_no_question_and_a_novel_are_refused(text: str) -> None:
    with pytest.raises(ApiError) as error:
        talk(("user", shown(text, "a")))
    assert error.value.status == 400


def test_a_picture_may_stand_as_a_plain_string() -> None:
    part = {"type": "image_url", "image_url": image_part(b"x")["image_url"]["url"]}
    found = talk(("user", [part, {"type": "text", "text": "What?"}]))
    assert found.addresses[0].startswith("data:")
