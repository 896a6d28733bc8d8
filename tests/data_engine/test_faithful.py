"""What a rewrite may change, and what it may not."""

import pytest

from rsvlm.data_engine.faithful import difference, facts
from rsvlm.data_engine.phrases import fill
from rsvlm.data_engine.wordings import QUESTIONS

BEFORE = "An aerial image with two ships, an oil tank and 14 vehicles near San Pedro."


@pytest.mark.parametrize(
    "after",
    [
        "Seen from above near San Pedro: two ships, an oil tank and 14 vehicles.",
        "This aerial view shows 2 boats, a storage tank and fourteen cars in San Pedro.",
        "Near San Pedro, an oil tank, two vessels and 14 vehicles can be seen.",
    ],
)
def test_other_words_for_the_same_are_faithful(after: str) -> None:
    assert difference(BEFORE, after) is None


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("Three ships, an oil tank and 14 vehicles near San Pedro.", "number"),
        ("Ships, an oil tank and 14 vehicles near San Pedro.", "number"),
        ("Two ships, one oil tank and 14 vehicles near San Pedro.", "number"),
        ("Two ships and 14 vehicles near San Pedro.", "class"),
        ("Two ships, oil tanks and 14 vehicles near San Pedro.", "class"),
        ("Two ships, an oil tank, 14 vehicles and a bridge near San Pedro.", "class"),
        ("Two ships, an oil tank and 14 vehicles.", "place"),
        ("Two ships, an oil tank and 14 vehicles near San Diego.", "place"),
        ("Rotterdam: two ships, an oil tank and 14 vehicles near San Pedro.", "place"),
        ("Two red ships, an oil tank and 14 vehicles near San Pedro.", "quality"),
        ("Two ships, an oil tank and 14 vehicles left of San Pedro.", "quality"),
        ("Not two ships, an oil tank and 14 vehicles near San Pedro.", "negation"),
        ("Two ships [1,2,3,4], an oil tank, 14 vehicles near San Pedro.", "number"),
    ],
)
def test_what_is_added_or_lost_is_told(after: str, reason: str) -> None:
    assert difference(BEFORE, after) == reason


def test_classes_of_a_sample_count_where_no_table_knows_them() -> None:
    before, after = "Where is the gazebo?", "Where can I find the shed?"
    assert difference(before, after) is None
    assert difference(before, after, ["gazebo"]) == "class"
    assert difference(before, "Where can I find the gazebo?", ["gazebo"]) is None


def test_long_names_of_classes_win() -> None:
    assert facts("a baseball field and a field").classes == (
        "baseball diamond",
        "farmland",
    )


def test_a_question_for_one_is_a_question_for_many() -> None:
    one, many = "Is there a ship in this image?", "Are any vessels visible?"
    assert difference(one, many) == "class"
    assert difference(one, many, asks=True) is None
    assert difference(one, "Are any bridges visible?", asks=True) == "class"
    assert difference("How many ships?", "Count the boats.", asks=True) is None
    assert difference("Ships, yes or no?", "Is there a ship?", asks=True) is None


def test_wordings_of_one_question_agree_and_of_two_classes_do_not() -> None:
    agreed = differing = 0
    for kind in ("presence", "count", "ground-many"):
        first, *others = QUESTIONS[kind]
        for other in others:
            same = difference(fill(first, "ship"), fill(other, "vessel"), asks=True)
            agreed += same is None
            differing += 1
            assert difference(fill(first, "ship"), fill(other, "bridge"), asks=True)
    assert agreed >= 0.9 * differing


def test_numbers_are_compared_by_value() -> None:
    assert facts("1,200 m and 0.50 ha").numbers == facts("1200 m, 0.5 ha").numbers
    assert facts("12 cars").numbers == facts("twelve cars").numbers


def test_coordinates_must_stay() -> None:
    before = "What is at [10,20,30,40]?"
    assert difference(before, "What lies at [10,20,30,40]?") is None
    assert difference(before, "What lies at (10,20,30,40)?") == "brackets"


def test_a_double_negation_of_a_verb_counts() -> None:
    assert difference("There are ships.", "There aren't ships.") == "negation"
