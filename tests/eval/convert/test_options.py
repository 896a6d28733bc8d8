"""Options and letters in the spellings of several data sets."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert.options import (
    letters_of,
    option_texts,
    split_letters,
    split_question,
)
from rsvlm.formats.upstream import Fields

ENTRY = Fields({}, "a.json[0]")


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("B", "B"), ("(b)", "B"), ("B.", "B"), ("B. red", "B"), ("(D) A bad cab", "D"),
        ("A. BAD", "A"), ("AC", "AC"), ("A, C", "AC"), ("c;a", "AC"), (["D", "B"], "BD"),
    ],
)  # fmt: skip
def test_letters_of_an_answer(answer: Any, letters: str) -> None:
    assert letters_of(answer, 4, ENTRY, "answer") == tuple(letters)


@pytest.mark.parametrize("answer", ["E", "red", "", None, 2, ["A", "F"], [], "AA"])
def test_what_names_no_option_is_a_fault(answer: Any) -> None:
    with pytest.raises(ParseError, match=r"a\.json\[0\]: 'answer' is"):
        letters_of(answer, 4, ENTRY, "answer")


def test_texts_lose_their_letters() -> None:
    assert option_texts(["(A) Red", "(B) Blue"], ENTRY, "o") == ("Red", "Blue")
    assert option_texts(["A.Red", "B. Blue", "C)Grey"], ENTRY, "o") == (
        "Red", "Blue", "Grey",
    )  # fmt: skip
    assert option_texts(["red", "blue"], ENTRY, "o") == ("red", "blue")


def test_a_text_that_only_begins_like_a_letter_stays_whole() -> None:
    assert option_texts(["I. M. Pei Tower", "a mill"], ENTRY, "o") == (
        "I. M. Pei Tower", "a mill",
    )  # fmt: skip


def test_letters_out_of_order_are_a_fault() -> None:
    with pytest.raises(ParseError, match="has option C where B belongs"):
        option_texts(["(A) Red", "(C) Blue"], ENTRY, "o")


def test_one_option_is_no_choice() -> None:
    with pytest.raises(ParseError, match="has 1 options"):
        option_texts(["(A) Red"], ENTRY, "o")


def test_options_that_follow_a_question() -> None:
    text = "Which plan, A or B?\nA.A lake. Big\nB.B-road\nC.none"
    assert split_question(text) == (
        "Which plan, A or B?",
        ["A lake. Big", "B-road", "none"],
    )
    assert split_question("Which? A. red B. blue") == ("Which?", ["red", "blue"])
    assert split_question("How many?") == ("How many?", [])


def test_options_in_one_line() -> None:
    assert split_letters("A. Red, B. Blue, C. Grey") == (0, ["Red", "Blue", "Grey"])
    assert split_letters("A. Red") is None
