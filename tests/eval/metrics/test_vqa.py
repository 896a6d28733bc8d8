"""Short answers compared after normalisation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.vqa import (
    Match,
    accuracy,
    canonicalise,
    is_match,
    normalise,
    parse_yes_no,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Yes.  ", "yes"),
        ("The answer is:  Two\tships!", "two ships"),
        ("the answer isn't known", "the answer isn't known"),
        ("0.5.", "0.5"),
        ("1\uff12 m\u00b2", "12 m2"),  # NFKC: full-width 2, superscript 2
        ("...", ""),
        ("The answer is -5", "-5"),
        ("dense-residential", "dense-residential"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A storage_tank", "storage tank"),
        ("dense\u2013residential area", "dense residential area"),
        ("Twenty ships", "20 ships"),
        ("zero", "0"),
        ("-5", "-5"),  # a sign is no hyphen
        ("A", "a"),  # an option's letter is no article
        ("None", "none"),
    ],
)
def test_canonicalise(text: str, expected: str) -> None:
    assert canonicalise(text) == expected


@pytest.mark.parametrize(
    ("prediction", "answer", "exact", "canonical"),
    [
        ("Yes", "yes", True, True),
        ("two", "2", False, True),
        ("the river", "River", False, True),
        ("not sure", "no", False, False),
        ("12", "1", False, False),
        ("no", "not sure", False, False),
        ("", "yes", False, False),
        ("", "", False, False),
        ("?", ".", False, False),
        (None, "yes", False, False),
    ],
)
def test_match(
    prediction: str | None, answer: str, exact: bool, canonical: bool
) -> None:
    assert is_match(prediction, [answer], "exact") is exact
    assert is_match(prediction, [answer], "exact-canonical") is canonical


def test_any_accepted_answer_will_do() -> None:
    assert is_match("lorry", ["truck", "lorry"])
    assert not is_match("lorry", [])


def test_accuracy_by_hand() -> None:
    replies = ["Yes.", "three", "", None, "rural"]
    answers = [["yes"], ["3"], ["no"], ["no"], ["urban"]]
    assert accuracy(replies, answers) == pytest.approx(2 / 5)
    assert accuracy(replies, answers, "exact") == pytest.approx(1 / 5)


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 references"):
        accuracy([], [])
    with pytest.raises(SettingsError, match="1 predictions for 2 references"):
        accuracy(["yes"], [["yes"], ["no"]])


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Yes", True),
        ("yes, there are two ships.", True),
        ("**No**, there is none", False),
        ("The answer is: no.", False),
        ("No", False),
        ("Yes, there is no cloud.", True),
        ("yes or no", None),
        ("Yes/No", None),
        ("No idea.", None),
        ("not sure", None),
        ("There is no ship", None),
        ("nothing", None),
        ("yesterday", None),
        ("2", None),
        ("", None),
        (None, None),
    ],
)
def test_yes_no(reply: str | None, expected: bool | None) -> None:
    assert parse_yes_no(reply) is expected


texts = st.text(max_size=30)
matches = st.sampled_from(["exact", "exact-canonical"])


@given(texts, matches)
def test_the_truth_matches_itself_unless_empty(text: str, match: Match) -> None:
    assert is_match(text, [text], match) is bool(normalise(text))


@given(texts, texts, matches)
def test_matching_is_symmetric(one: str, other: str, match: Match) -> None:
    assert is_match(one, [other], match) is is_match(other, [one], match)
    if is_match(one, [other], "exact"):
        assert is_match(one, [other], "exact-canonical")


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_order_does_not_matter(pairs: list[tuple[str, str]]) -> None:
    replies, answers = [p for p, _ in pairs], [[a] for _, a in pairs]
    assert accuracy(replies, answers) == accuracy(replies[::-1], answers[::-1])
