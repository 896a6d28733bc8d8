"""Marked sections of a file."""

import pytest

from rsvlm.app.figures.card import sections, written
from rsvlm.errors import ParseError, SettingsError

TEXT = "a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n<!-- two: begin -->\n<!-- two: end -->\n"


def test_only_what_stands_between_the_marks_changes() -> None:
    text = written(TEXT, {"one": "new", "three": "unused"}, "CARD.md")
    assert text == TEXT.replace("old\n", "\nnew\n\n")
    assert sections(text, "CARD.md") == ["one", "two"]
    assert written(text, {"one": "new"}, "CARD.md") == text


def test_a_text_with_marks_of_its_own_or_backslashes_stays_as_it_is() -> None:
    text = written(TEXT, {"two": r"\\1 \g<0> $x"}, "CARD.md")
    assert r"\\1 \g<0> $x" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- one: begin -->\n", "'one' has no end"),
        ("<!-- one: end -->\n", "one: end"),
        ("<!-- one: begin -->\n<!-- two: begin -->\n", "two: begin"),
        ("<!-- one: begin -->\n<!-- two: end -->\n", "two: end"),
        (TEXT + TEXT, "one: begin"),
    ],
)
def test_marks_that_do_not_fit_are_refused(text: str, words: str) -> None:
    with pytest.raises(ParseError, match=words):
        written(text, {"one": "new"}, "CARD.md")


def test_a_file_without_a_place_says_how_to_make_one() -> None:
    with pytest.raises(SettingsError, match="<!-- figures: begin -->"):
        written("No marks.", {"figures": "new"}, "CARD.md")
