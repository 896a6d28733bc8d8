"""Letters of multiple choice: what each extractor reads from the same replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import UnknownNameError
from rsvlm.eval.metrics.mcq import (
    EXTRACTORS,
    extract,
    is_right,
    letters_of,
    option_text,
)

OPTIONS = ["Red", "Blue", "Grey", "Green", "Not shown"]


def read(reply: str | None, extractor: str = "robust", multi: bool = False) -> str:
    return "".join(sorted(extract(reply, OPTIONS, multi=multi, extractor=extractor)))


@pytest.mark.parametrize(
    ("reply", "robust", "mme", "xlrs"),
    [
        ("B", "B", "B", "B"),
        ("b", "B", "B", ""),
        ("(B)", "B", "B", "B"),
        (" B. ", "B", "B", "B"),
        ("**B**", "B", "B", "B"),
        ("C. Grey", "C", "C", "CE"),
        ("(C) Grey", "C", "C", "C"),
        ("**Answer: B**", "B", "A", "ABE"),
        ("The answer is B.", "B", "B", "B"),
        ("The answer is: (b)", "B", "", ""),
        ("I think it is (D)", "D", "D", "D"),
        ("Option B", "B", "B", "B"),
        ("The correct option is B", "B", "B", "BCE"),
        ("[B]", "B", "B", "B"),
        ("$\\boxed{B}$", "B", "B", "BDE"),
        # The last statement holds; a letter in passing does not.
        ("The answer is A. Wait, the answer is B.", "B", "A", "ABE"),
        ("Unlike (A), the answer is C.", "C", "A", "A"),
        # The text of an option.
        ("grey", "C", "C", ""),
        ("The answer is not shown", "E", "E", ""),
        ("B Blue", "B", "B", "BE"),
        # An article is no letter, and "F" is no option.
        ("A large red crane", "", "A", "ACDE"),
        ("The answer is a river", "", "", ""),
        ("F", "", "", ""),
        ("The crane is grey.", "", "", ""),
        # Two letters are no choice.
        ("A or B", "", "A", "AB"),
        ("(A) or (B)", "", "A", "AB"),
        ("The answers are A, B and D.", "", "A", "ABDE"),
        ("A. Red\nC. Grey", "", "A", "ACDE"),
        ("", "", "", ""),
        (None, "", "", ""),
    ],
)
def test_single_choice(reply: str | None, robust: str, mme: str, xlrs: str) -> None:
    assert read(reply) == robust
    assert read(reply, "mme-realworld") == mme
    assert read(reply, "xlrs") == xlrs


@pytest.mark.parametrize(
    ("reply", "letters"),
    [
        ("A C", "AC"),
        ("a, c", "AC"),
        ("AC", "AC"),
        ("A.C", "AC"),
        ("A and C", "AC"),
        ("Both A and C", "AC"),
        ("A, B, and D.", "ABD"),
        ("(A) (C)", "AC"),
        ("The answer(s) is(are): A C", "AC"),
        ("The answers are A, B, and D.", "ABD"),
        ("(A) Red\n(C) Grey", "AC"),
        ("A. Red\nC. Grey", "AC"),
        ("Red, Grey", "AC"),
        ("red and grey", "AC"),
        ("B", "B"),
        ("A and F", ""),  # F is no option
        ("bad", ""),
        ("AA", ""),
        ("A road and a river", ""),
    ],
)
def test_multiple_choice(reply: str, letters: str) -> None:
    assert read(reply, multi=True) == letters


def test_lmms_eval_does_not_know_the_options() -> None:
    # Its extractor is that of MME-RealWorld, called without the options' texts.
    assert read("grey", "mme-realworld") == "C"
    assert read("grey", "lmms-eval") == ""
    assert read("b", "lmms-eval") == "B"


def test_long_small_letter_text_is_left_unread() -> None:
    assert (
        read("it is hard to say what colour this might be here", "mme-realworld") == ""
    )


def test_without_options_any_letter_will_do() -> None:
    assert extract("G") == {"G"}
    assert extract("river") == set()


def test_labels_of_options_are_no_text() -> None:
    assert extract("red", ["(A) Red", "(B) Blue"]) == {"A"}
    assert option_text("B. Dense residential") == "Dense residential"
    assert option_text("Airport") == "Airport"
    # Two options of one text cannot be told apart.
    assert extract("red", ["red", "Red"]) == set()


def test_right_answers() -> None:
    assert is_right(frozenset("B"), ["A", "B"])  # either is accepted
    assert not is_right(frozenset("AB"), ["A", "B"])
    assert is_right(frozenset("AC"), ["A, C"])
    assert not is_right(frozenset("A"), ["AC"])
    assert not is_right(frozenset(), [""])
    assert letters_of("(a), D") == {"A", "D"}


def test_an_unknown_extractor_is_named() -> None:
    with pytest.raises(UnknownNameError, match="extractor 'xlr'"):
        extract("A", extractor="xlr")


forms = st.sampled_from(
    [
        "{}",
        "({})",
        "{}.",
        "{}:",
        "**{}**",
        "{}) it is",
        "The answer is {}",
        "Answer: {}",
    ]
)


@given(st.sampled_from("ABCDE"), forms)
def test_every_stated_letter_is_read(letter: str, form: str) -> None:
    assert read(form.format(letter)) == letter


@given(
    st.sets(st.sampled_from("ABCDE"), min_size=1), st.sampled_from([", ", " ", "; "])
)
def test_every_list_of_letters_is_read(letters: set[str], gap: str) -> None:
    assert read(gap.join(sorted(letters)), multi=True) == "".join(sorted(letters))


@given(st.text(max_size=40), st.sampled_from(sorted(EXTRACTORS)), st.booleans())
def test_any_text_gives_letters_of_the_options(
    reply: str, extractor: str, multi: bool
) -> None:
    found = extract(reply, OPTIONS, multi=multi, extractor=extractor)
    assert found <= set("ABCDE")
    if extractor == "robust" and not multi:
        assert len(found) <= 1


@pytest.mark.parametrize("multi", [True, False])
def test_long_lists_of_letters_end(multi: bool) -> None:
    # A pattern with two ways to read a gap would take 2^1000 steps.
    for text in ("A. " * 1000 + "x y", "A and " * 1000 + "xy", "(" * 3000):
        assert extract(text, OPTIONS, multi=multi) <= {"A"}
