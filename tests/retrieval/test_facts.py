"""Answers composed from passages, worked out by hand on a small world."""

from collections.abc import Callable, Iterable

import pytest

from rsvlm.knowing import Composed
from rsvlm.raster import Raster
from rsvlm.retrieval.facts import FactComposer
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.passages import Passage


@pytest.fixture
def ask(base: KnowledgeBase, scene: Raster) -> Callable[..., Composed]:
    composer = FactComposer(base)

    def told(question: str, *rasters: Raster) -> Composed:
        answer = composer.compose(question, rasters or (scene,))
        assert answer is not None, question
        return answer

    return told


def test_airports_in_the_scene_and_the_largest_port(
    ask: Callable[..., Composed],
) -> None:
    answer = ask(
        "Which airports lie in this scene, and which is the largest port nearby?"
    )
    assert answer.text == (
        "Airports in the scene: North Field (NFD) [1] and South Field (SFD) [2]. The "
        "largest port nearby is Bighaven (TLBIG) (by key ports and shipping links; the "
        "list has no tonnage), 33.4 km to the east [3]."
    )
    assert [item.distance_km for item in answer.evidence] == [0.0, 0.0, 33.4]
    assert answer.evidence[2].licence == "Apache-2.0"
    assert not answer.abstained
    assert not answer.rest


def test_of_several_in_the_scene_the_nearest_to_its_centre(
    ask: Callable[..., Composed],
) -> None:
    assert ask("What is the nearest airport?").text == (
        "The nearest airport is North Field (NFD), in the scene [1]."
    )


def test_a_city_is_larger_than_a_hamlet(ask: Callable[..., Composed]) -> None:
    assert "Midtown" in ask("What is the nearest city?").text
    assert "Midtown (120,000 inhabitants)" in ask("Which city is this?").text
    assert "Midtown" in ask("How many people live here?").text


def test_the_distance_is_not_told_twice(ask: Callable[..., Composed]) -> None:
    answer = ask("Which is the closest port and how far is it?")
    assert answer.text == "The nearest port is Smallhaven (TLSMA), in the scene [1]."


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "What is the population of Midtown?",
            "Midtown has a population of 120,000 [1].",
        ),
        ("What is the elevation of Far Field airport?", "Far Field (FFD) lies 400 m"),
        ("How high is the nearest airport?", "lies 31 m above sea level [1]."),
        (
            "What is the capital of the country?",
            "The capital of Testland is Midtown [1].",
        ),
        ("What is the capital of Otherland?", "is Elsewhere [1]."),
        ("What is the currency of Otherland?", "the Coin (COI) [1]."),
        ("What is the normalised difference vegetation index?", "NDVI, the"),
        ("Define speckle.", "Speckle is the grain of a radar image. [1]"),
        ("What is the population of Testland?", "has a population of 5,000,000 [1]."),
    ],
)
def test_values_are_copied_from_the_passage(
    ask: Callable[..., Composed], question: str, text: str
) -> None:
    assert text in ask(question).text


def test_a_scene_across_a_border(ask: Callable[..., Composed]) -> None:
    answer = ask("Which country is this?")
    assert answer.text == (
        "The scene lies in Testland (80% of its land) [1] and Otherland (20% of its "
        "land) [2]."
    )
    assert answer.confidence == pytest.approx(0.8)


def test_nothing_near_is_an_answer(
    ask: Callable[..., Composed], make_scene: Callable[..., Raster]
) -> None:
    sea = make_scene(-30.0, 40.0, name="sea")
    for question, noun in (
        ("Which airports lie in this scene?", "airport"),
        ("What is the largest port nearby?", "port"),
        ("What is the nearest city?", "city"),
    ):
        answer = ask(question, sea)
        assert answer.abstained
        assert answer.text.startswith(
            f"No evidence found: the knowledge base has no {noun}"
        )
        assert answer.evidence == ()
    assert ask("Which country is this?", sea).abstained


def test_near_but_not_inside_is_said_so(
    ask: Callable[..., Composed], make_scene: Callable[..., Raster]
) -> None:
    beside = make_scene(10.2, 0.0, name="beside")
    answer = ask("Which airports lie in this scene?", beside)
    assert answer.text.startswith(
        "No airport of the knowledge base lies in the scene; "
    )
    assert not answer.abstained


def test_an_unknown_name_is_not_guessed(ask: Callable[..., Composed]) -> None:
    answer = ask("What is the population of Atlantis?")
    assert answer.abstained
    assert "atlantis" in answer.text


def test_other_questions_are_left_alone(base: KnowledgeBase, scene: Raster) -> None:
    composer = FactComposer(base)
    for question in ("How many ships are there?", "What is this?", "Is it urban?"):
        assert composer.compose(question, [scene]) is None


def test_the_rest_of_a_question_is_given_back(ask: Callable[..., Composed]) -> None:
    answer = ask("How many ships are there, and what is the nearest airport?")
    assert answer.rest == "How many ships are there"
    assert "North Field" in answer.text


def test_options_are_chosen_by_what_is_known(
    ask: Callable[..., Composed], scene: Raster
) -> None:
    country = "In which country does the scene lie?\nA. Otherland\nB. Testland\nAnswer."
    assert ask(country).text == "B. Testland [1]"
    place = "Which of these places is nearest to the scene?\nA. Hamlet\nB. Midtown"
    assert ask(place).text == "B. Midtown [1]"  # both inside: nearer to the centre
    pixel = "What length does the side of one pixel cover?\nA. 35 m\nB. 350 m\nC. 7 km"
    answer = ask(pixel)
    assert answer.text == "B. 350 m [1]"
    assert answer.evidence[0].source == f"georeference of {scene.name}"
    centre = (
        "At which latitude and longitude does the centre lie?\n"
        "A. 0.05 N, 10.05 E\nB. 10.05 N, 0.05 E"
    )
    assert ask(centre).text == "A. 0.05 N, 10.05 E [1]"


def test_options_without_a_right_one_are_left_to_the_model(
    base: KnowledgeBase, scene: Raster
) -> None:
    question = "How wide is the scene?\nA. 1 m\nB. 2 m"
    assert FactComposer(base).compose(question, [scene]) is None


def test_a_title_is_neither_a_format_nor_a_citation(
    make_base: Callable[[Iterable[Passage]], KnowledgeBase],
    world: tuple[Passage, ...],
    scene: Raster,
) -> None:
    from dataclasses import replace

    odd = [
        replace(passage, title=f"{passage.title} {{9}} {{x}} [7]") for passage in world
    ]
    answer = FactComposer(make_base(odd)).compose("What is the nearest port?", [scene])
    assert answer is not None
    assert "{x} (7)" in answer.text
