"""Citations that hold, and what knowledge says against the picture."""

import pytest

from rsvlm.answer_parts import Evidence
from rsvlm.knowing import check_citations, disagreement, supports, used_only


def passage(id: int, text: str) -> Evidence:
    return Evidence(id=id, text=text, source="s", licence="MIT")


FIELD = passage(
    1, "Zamperini Field (TOA) is an airport in Torrance, 31 m above sea level."
)
PORT = passage(2, "The port of Los Angeles is a seaport of the United States.")


def test_a_citation_that_holds_stays() -> None:
    text = "Zamperini Field is an airport in Torrance [1]. Los Angeles has a port [2]."
    assert check_citations(text, [FIELD, PORT]).text == text


@pytest.mark.parametrize(
    "text",
    [
        "Zamperini Field lies 75 m above sea level [1].",  # another number
        "Ships from Japan unload cars at the northern pier [1].",  # other words
    ],
)
def test_a_citation_that_does_not_hold_is_dropped_and_told(text: str) -> None:
    checked = check_citations(text, [FIELD, PORT])
    assert checked.text == text.replace(" [1]", "")
    (warning,) = checked.warnings
    assert warning.startswith("The citation [1] was dropped: it does not support")


def test_a_citation_of_nothing_is_dropped() -> None:
    checked = check_citations("It is old [7].", [FIELD])
    assert checked.text == "It is old."
    assert "does not exist" in checked.warnings[0]


def test_only_the_wrong_one_of_two_goes() -> None:
    checked = check_citations("Zamperini Field is an airport [1] [2].", [FIELD, PORT])
    assert checked.text == "Zamperini Field is an airport [1]."


def test_meaning_supports_where_words_differ() -> None:
    sentence = "Vessels dock there [2]."
    assert check_citations(sentence, [PORT], lambda a, b: 0.8).text == sentence
    assert check_citations(sentence, [PORT], lambda a, b: 0.2).text != sentence
    # Never where a number is wrong.
    assert not supports(PORT.text, "It has 12 piers.", lambda a, b: 1.0)


def test_thousands_are_one_number_however_written() -> None:
    assert supports("A population of 474,140.", "The population is 474140.")


def test_the_picture_is_followed_and_knowledge_told() -> None:
    text, cited = disagreement("airport", 0, [FIELD, PORT], first=3)
    assert "places 2 airports in the scene [3] [4]" in text
    assert [item.id for item in cited] == [3, 4]
    assert disagreement("airport", 1, [FIELD]) == ("", ())
    assert disagreement("airport", 0, []) == ("", ())


def test_evidence_that_is_not_cited_is_left_out() -> None:
    assert used_only("A port [2].", [FIELD, PORT]) == (PORT,)
