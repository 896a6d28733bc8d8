"""Class lists in prompts, and references that the list does not hold."""

import pytest

from rsvlm.eval.formats.classes import class_list, classified
from rsvlm.eval.formats.foreign import Foreign, make_prediction, make_sample


@pytest.mark.parametrize(
    ("prompt", "classes"),
    [
        (
            (
                "Classify the image in one of the following classes. "
                "Classes: Bare Land, Beach, Port. "
            ),
            ("Bare Land", "Beach", "Port"),
        ),
        (
            (
                "Classes:  crop_field, multi-unit_residential, space_port. "
                "Answer in one word or a short phrase."
            ),
            ("crop_field", "multi-unit_residential", "space_port"),
        ),
        (
            'classify the damage. Classes: no-damage, destroyed."Answer in one word.',
            ("no-damage", "destroyed"),
        ),
        ("Identify it. Options:  volcano, fire, wind.", ("volcano", "fire", "wind")),
        (
            "Answer with one of the following 16 categories: Airport, Park, Forest.",
            ("Airport", "Park", "Forest"),
        ),
        (
            (
                "Classify the image within one of the given classes: a, b\n"
                "Answer with one word or short phrase."
            ),
            ("a", "b"),
        ),
        ("Classes: A, A, B.", ("A", "B")),
    ],
)
def test_lists(prompt: str, classes: tuple[str, ...]) -> None:
    assert class_list(prompt) == classes


@pytest.mark.parametrize(
    "prompt", ["How many ships?", "", "Note: it is late.", "Options: a"]
)
def test_prompts_without_a_list(prompt: str) -> None:
    assert class_list(prompt) is None


def foreign(references: list[str], options: list[str]) -> Foreign:
    samples = [
        make_sample(f"s{i}", "classify", "test", answers=[text], options=options)
        for i, text in enumerate(references)
    ]
    return classified(samples, [make_prediction(s.id, "x") for s in samples])


def test_references_take_the_spelling_of_the_list() -> None:
    found = foreign(["MediumResidential", "Beach"], ["Medium Residential", "Beach"])
    assert [s.answers[0] for s in found.samples] == ["Medium Residential", "Beach"]
    raw = found.reading("raw-string")
    assert [s.answers[0] for s in raw.samples] == ["MediumResidential", "Beach"]
    assert "1 of 2 references spelt otherwise" in found.notes[0]
    assert [p.id for p in found.protocols if p.primary] == ["canonical"]
    assert "listed-classes" not in found.readings


def test_classes_that_the_list_lacks_are_scored_with_and_without() -> None:
    found = foreign(["Casino", "Beach", "casino", "Tower"], ["Beach", "Park"])
    assert found.samples[0].options == ("Beach", "Park", "Casino", "Tower")
    assert [s.answers[0] for s in found.samples] == [
        "Casino",
        "Beach",
        "Casino",
        "Tower",
    ]
    listed = found.reading("listed-classes")
    assert [s.id for s in listed.samples] == ["s1"]
    assert [p.id for p in listed.predictions] == ["s1"]
    assert "lacks 2 classes" in found.notes[-1]
    assert "3 samples" in found.notes[-1]
    assert sum(protocol.primary for protocol in found.protocols) == 1
