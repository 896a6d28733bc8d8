"""Chunks fit the encoder, and lose nothing."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.retrieval.chunks import chunked, embedded_text, split
from rsvlm.retrieval.passages import Passage


def words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text)) + 2


def test_a_short_text_stays_one() -> None:
    passage = Passage("Short text.", "Title", "s", "l")
    assert list(chunked(passage, words, 40)) == [passage]


def test_a_title_is_not_said_twice() -> None:
    assert embedded_text("Speckle", "Speckle is grain.") == "Speckle is grain."
    assert embedded_text("Grain", "Speckle is grain.") == "Grain. Speckle is grain."


def test_sentences_stay_whole_and_neighbours_share_one() -> None:
    text = " ".join(f"Sentence number {i} has words." for i in range(12))
    pieces = list(split(text, "T", words, 22))
    assert len(pieces) > 2
    assert all(piece.endswith("words.") for piece in pieces)
    for before, after in pairwise(pieces):
        assert after.startswith(before.rsplit(". ", 1)[-1])


def test_a_full_stop_after_a_capital_ends_no_sentence() -> None:
    text = "The U. S. Army built it in the year of 1941 and left. It was closed again."
    assert next(split(text, "", words, 20)).endswith("and left.")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abcé한.! \n", min_size=1, max_size=30), max_size=20),
    st.integers(12, 40),
)
def test_every_piece_fits_and_no_word_is_lost(parts: list[str], limit: int) -> None:
    text = " ".join(parts)
    pieces = list(split(text, "Some title", words, limit))
    for piece in pieces:
        assert words(embedded_text("Some title", piece)) <= limit
    # Every word of the text stands in some piece, in order.
    rest = iter("".join("".join(pieces).split()))
    assert all(character in rest for character in "".join(text.split()))


def test_a_word_longer_than_the_limit_is_cut() -> None:
    def characters(text: str) -> int:
        return len(text) + 2

    pieces = list(split("x" * 100, "T", characters, 20))
    assert "".join(pieces) == "x" * 100
    assert all(characters(f"T. {piece}") <= 20 for piece in pieces)


def test_a_title_that_fills_the_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="alone fills"):
        list(split("word " * 50, "many " * 20, words, 20))
