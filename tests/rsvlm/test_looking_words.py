"""Words that ask for a way to draw: by name, by what a question is about."""

import pytest

from rsvlm.looking_words import (
    NAMED,
    NEEDS,
    asked,
    asks_cover,
    asks_description,
    named,
    needed,
)
from rsvlm.render import RENDERINGS


def test_every_entry_is_a_rendering() -> None:
    listed = [*(e.renderings for e in NAMED), *(e.renderings for e in NEEDS)]
    assert {name for names in listed for name in names} <= set(RENDERINGS)


def test_what_is_named_comes_in_the_order_of_the_question() -> None:
    titles = [entry.title for entry in named("is the ndwi above the ndvi in vh?")]
    assert titles == ["NDWI", "NDVI", "VH polarisation"]
    assert not named("are there cirrus clouds?")  # CIR is colour infrared


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("crops by the river", ["ndvi", "ndwi"]),
        ("a river by the crops", ["ndwi", "ndvi"]),
        ("crops that burned in the drought", ["nbr", "ndmi"]),  # by rank
        ("ships", []),
    ],
)
def test_the_best_of_each_need_comes_first(text: str, best: list[str]) -> None:
    assert needed(text)[:2] == best


def test_options_are_not_what_a_question_is_about() -> None:
    assert asked("How many? (A) one tree (B) two") == "how many?"
    assert asked("(A) forest (B) lake") == "(a) forest (b) lake"


@pytest.mark.parametrize(
    ("question", "cover"),
    [
        ("What is here?", True),
        ("What is this area?", True),
        ("What type of terrain is it?", True),
        ("Assign a land cover class.", True),
        ("What is on the pier?", False),
        ("What is the length of the image?", False),
        ("Which ship is the longest?", False),
        ("Are there any clouds?", False),
    ],
)
def test_asking_what_covers_the_ground(question: str, cover: bool) -> None:
    assert asks_cover(question) == cover


def test_asking_for_a_description() -> None:
    assert asks_description("Could you please describe it?")
    assert not asks_description("What is described by the sign?")


def test_a_hostile_question_is_read_in_no_time() -> None:
    for word in ("what ", "what is in ", "burn ", "water-", "near-infra", "a covers "):
        asks_cover(word * 50_000)
        needed(asked(word * 50_000))
