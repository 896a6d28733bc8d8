"""Conversations in the three ways in which they are written."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.conversations import read_talks
from rsvlm.formats.images import Images

LLAVA = [
    {"from": "human", "value": "<image>\nHow many ships?"},
    {"from": "gpt", "value": "2"},
    {"from": "human", "value": "Where?"},
    {"from": "gpt", "value": "At the pier."},
]


def _read(tree: Any, value: Any) -> list[tuple[tuple[str, str], ...]]:
    tree.image("images/a.png", 9, 7)
    tree.json("talks.json", value)
    talks = read_talks(tree.root / "talks.json", Images(tree.root, "images"))
    return [talk.turns for talk in talks]


def test_llava_turns_lose_the_mark_of_the_image(tree: Any) -> None:
    turns = _read(tree, [{"id": 1, "image": "a.png", "conversations": LLAVA}])
    assert turns == [(("How many ships?", "2"), ("Where?", "At the pier."))]


def test_messages_may_begin_with_the_system(tree: Any) -> None:
    messages = [
        {"role": "system", "content": "You see radar images."},
        {"role": "user", "content": "<image>What is this?"},
        {"role": "assistant", "content": "A port."},
    ]
    turns = _read(tree, [{"images": ["a.png"], "messages": messages}])
    assert turns == [(("What is this?", "A port."),)]


def test_query_and_response(tree: Any) -> None:
    entry = {"images": "a.png", "query": "<image>Name it.", "response": "ship"}
    assert _read(tree, [entry]) == [(("Name it.", "ship"),)]


def test_a_conversation_without_an_image_is_left_out(tree: Any) -> None:
    entries = [{"conversations": LLAVA}, {"image": "a.png", "conversations": LLAVA}]
    assert len(_read(tree, entries)) == 1


@pytest.mark.parametrize(
    ("turns", "fault"),
    [
        (LLAVA[:1], "lack a question or an answer"),
        (LLAVA[1:3], "lack a question or an answer"),
        ([], "is missing|lack a question"),
        ([{"from": "human"}, {"from": "gpt", "value": "x"}], "'value' is missing"),
    ],
)
def test_a_fault_names_file_and_entry(tree: Any, turns: Any, fault: str) -> None:
    good = {"image": "a.png", "conversations": LLAVA}
    with pytest.raises(ParseError, match=rf"talks\.json\[1\].*({fault})"):
        _read(tree, [good, {"image": "a.png", "conversations": turns}])


def test_a_damaged_line_is_named(tree: Any) -> None:
    tree.image("a.png")
    line = '{"image": "a.png", "question": "Is it?", "answer": "yes"}'
    tree.text("talks.jsonl", f"{line}\n{line[:-3]}\n")
    with pytest.raises(ParseError, match=r"talks\.jsonl, line 2"):
        list(read_talks(tree.root / "talks.jsonl", Images(tree.root)))
