"""Reading questions for knowledge."""

import pytest

from rsvlm.retrieval.asked import Asked, asks_picture, follows, kinds_in, read, split

FACTS = {
    "Which airports lie in this scene": Asked("airport", "inside"),
    "which is the largest port nearby?": Asked("port", "largest"),
    "What is the nearest airport?": Asked("airport", "nearest"),
    "List all airports within the image.": Asked("airport", "inside"),
    "List every airport within the image.": Asked("airport", "inside"),
    "Is there an airport near this scene?": Asked("airport", "nearest"),
    "How far is the nearest airport?": Asked("airport", "distance"),
    "Name the nearest city.": Asked("place", "nearest", least=50_000),
    "Which towns lie within this scene?": Asked("place", "inside", least=5_000),
    "Which city is this?": Asked("place", "main", least=50_000),
    "Where was this image taken?": Asked("place", "main"),
    "How many people live here?": Asked("place", "main", "population"),
    "What is the population of Long Beach?": Asked(
        "place", "nearest", "population", "long beach"
    ),
    "What is the elevation of Long Beach Airport?": Asked(
        "airport", "nearest", "elevation", "long beach airport"
    ),
    "How high is the nearest airport?": Asked("airport", "nearest", "elevation"),
    "In which country does the scene lie?": Asked("country", "inside"),
    "What is the capital of the country?": Asked("country", "inside", "capital"),
    "What is the capital of France?": Asked("country", "inside", "capital", "france"),
    "What is the population of this country?": Asked("country", "inside", "population"),
    "What languages are spoken here?": Asked("country", "inside", "languages"),
    "What are the coordinates of the centre?": Asked("scene", "inside", "position"),
    "What is the size of a pixel on the ground?": Asked("scene", "inside", "pixel"),
    "What does SAR stand for?": Asked("term", "inside", "define", "sar"),
}
PICTURE = (
    "How many ships are there?",
    "Where is the airport?",
    "Is there an airport?",
    "Is there a harbor in the image?",
    "Describe the image.",
    "Count the airplanes at the airport.",
    "How many airports are there?",
    "Segment the water.",
    "Is this a city?",
    "Are there ships in the port?",
)
NO_FACTS = (
    "What color is the largest harbor crane?",
    "Which objects are in the port?",
    "What class is this scene?",
    "Which ship is the largest in the port?",
)


@pytest.mark.parametrize("question", FACTS)
def test_questions_for_facts(question: str) -> None:
    assert read(question) == FACTS[question]
    assert not asks_picture(question)


@pytest.mark.parametrize("question", PICTURE)
def test_what_the_picture_answers_is_left_to_it(question: str) -> None:
    assert read(question) is None
    assert asks_picture(question)


@pytest.mark.parametrize("question", NO_FACTS)
def test_a_kind_inside_a_longer_phrase_is_not_asked_for(question: str) -> None:
    assert read(question) is None


def test_a_question_is_cut_where_a_second_one_begins() -> None:
    both = "Which airports lie in this scene, and which is the largest port nearby?"
    assert split(both) == [
        "Which airports lie in this scene", "which is the largest port nearby?"
    ]  # fmt: skip
    assert len(split("Which airport is near, and how far is it?")) == 2
    assert split("How many red and white ships are there?") == [
        "How many red and white ships are there?"
    ]


def test_a_follow_up_asks_of_the_thing_before() -> None:
    assert follows("how far is it?")
    assert not follows("how far is the nearest port?")


def test_kinds_are_named_in_any_form() -> None:
    assert kinds_in("Airfields or harbours near a town?") == [
        "airport",
        "port",
        "place",
    ]
