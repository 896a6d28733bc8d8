"""Rules of matching, each by the answers that tell it from the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import UnknownNameError
from rsvlm.eval.metrics.matching import LEGACY, MATCHES, match_score
from rsvlm.eval.metrics.vqa import normalise
from rsvlm.eval.metrics.vqav2 import normalise_vqav2

#: Rules that need no data of their own.
RULES = sorted(set(MATCHES) - {"wordnet>0.8"})

texts = st.text(max_size=20)
words = st.lists(
    st.sampled_from(["the", "two", "2", "river", "storage-tank", "no", "yes.", "12"]),
    min_size=1,
    max_size=4,
).map(" ".join)


@pytest.mark.parametrize(
    ("prediction", "answer", "right"),
    [
        ("Yes.", "yes", "all"),
        # The faults that the legacy rules are known for.
        ("not sure", "no", {"contains"}),
        ("12", "1", {"contains"}),
        ("e", "yes", {"pred-in-gt"}),
        ("the river", "River", {"contains", "exact-canonical", "first-word", "vqav2",
                                "rel-error<10%"}),
        ("two", "2", {"exact-canonical", "first-word", "vqav2", "rel-error<10%"}),
        ("none", "0", {"vqav2"}),
        ("2 ships at the pier", "2", {"contains", "first-word", "rel-error<10%"}),
        ("yes, there is one", "yes", {"contains", "first-word", "token-recall"}),
        ("no idea", "no", {"contains"}),
        ("dense residential", "DenseResidential", {"token-recall"}),
        ("storage-tank", "storage tank", {"exact-canonical", "first-word", "vqav2",
                                          "rel-error<10%"}),
        ("10.5", "10", {"contains", "rel-error<10%"}),
        ("0.19", "0.2", {"rel-error<10%"}),
        ("water", "river", set()),
    ],
)  # fmt: skip
def test_rules(prediction: str, answer: str, right: set[str] | str) -> None:
    found = {rule for rule in RULES if match_score(prediction, [answer], rule)}
    assert found == (set(RULES) if right == "all" else right)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("empty", ["", "  ", "...", None])
def test_an_empty_reply_is_wrong_under_every_rule(rule: str, empty: str | None) -> None:
    # ScoreRS finds the empty text in every answer; that fault is not reproduced.
    assert match_score(empty, ["yes", ""], rule) == 0


@pytest.mark.parametrize("rule", RULES)
def test_an_empty_answer_is_met_by_nothing(rule: str) -> None:
    assert match_score("yes", ["", "?"], rule) == 0
    assert match_score("yes", [], rule) == 0


def test_the_best_answer_counts() -> None:
    assert match_score("lorry", ["truck", "lorry"]) == 1
    # Three tokens, "a", "," and "b", of which two are there.
    assert match_score("a,", ["a,b"], "token-recall") == pytest.approx(2 / 3)


def test_first_word_takes_whole_answers() -> None:
    assert match_score(
        "Dense residential, I think", ["dense residential"], "first-word"
    )
    assert not match_score("Dense forest", ["dense residential"], "first-word")
    assert not match_score("2.5", ["2"], "first-word")
    assert not match_score("yes or no", ["yes"], "first-word")
    assert match_score("the no", ["the no"], "first-word")


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'contains'"):
        match_score("a", ["a"], "contain")


def test_legacy_rules_exist() -> None:
    assert set(MATCHES) > LEGACY


@given(words, st.sampled_from(RULES))
def test_the_truth_matches_itself(text: str, rule: str) -> None:
    wrong_of_itself = rule == "vqav2" and not normalise_vqav2(text)
    assert match_score(text, [text], rule) == (0 if wrong_of_itself else 1)


@given(texts, texts, st.sampled_from(RULES))
def test_scores_are_shares(one: str, other: str, rule: str) -> None:
    assert 0 <= match_score(one, [other], rule) <= 1
    if match_score(one, [other], "exact"):
        for wider in ("exact-canonical", "contains", "pred-in-gt"):
            assert match_score(one, [other], wider)


@given(texts, texts)
def test_contains_mirrors_pred_in_gt(one: str, other: str) -> None:
    if normalise(one) and normalise(other):
        assert match_score(one, [other], "contains") == match_score(
            other, [one], "pred-in-gt"
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A storage_tank", "storage tank"),  # a mark between words is a space
        ("left - right", "left right"),  # beside a space it vanishes
        ("1,000 m/s", "1000 ms"),  # a number with a comma makes every mark vanish
        ("3.5 km.", "3.5 km"),
        ("Ten", "10"),
        ("eleven", "eleven"),
        ("dont", "don't"),
        ("yes!", "yes"),
        ("a\tb\nc", "b c"),
        (". " * 40 + "x", ". " * 8 + "x"),  # only 32 of 40 vanish
    ],
)
def test_vqav2_normaliser(text: str, expected: str) -> None:
    assert normalise_vqav2(text) == expected
