"""Questions about several images, taken apart."""

import pytest

from rsvlm.rounds import Round, heading, images_named, plan_rounds

BOTH = ["optical", "sar"]


@pytest.mark.parametrize(
    ("question", "rounds"),
    [
        (
            "Where is the harbour, and what does the radar show there?",
            [("Where is the harbour", (0, 1), False),
             ("what does the radar show there?", (1,), True)],
        ),
        (
            "Find the airport in the optical image; describe it in the SAR image.",
            [("Find the airport in the optical image", (0,), False),
             ("describe it in the SAR image.", (1,), True)],
        ),
        (
            "Where is the port? What can be seen there in the SAR image?",
            [("Where is the port", (0, 1), False),
             ("What can be seen there in the SAR image?", (1,), True)],
        ),
        ("How many ships are there?", [("How many ships are there?", (0, 1), False)]),
        (
            "How many ships are there, and where are they?",
            [("How many ships are there, and where are they?", (0, 1), False)],
        ),
        ("Is there water in the radar image?",
         [("Is there water in the radar image?", (1,), False)]),
        (
            "Describe image 1 and count the ships in image 2",
            [("Describe image 1", (0,), False),
             ("count the ships in image 2", (1,), False)],
        ),
    ],
)  # fmt: skip
def test_questions_are_taken_apart(
    question: str, rounds: list[tuple[str, tuple[int, ...], bool]]
) -> None:
    assert plan_rounds(question, BOTH) == [Round(*turn) for turn in rounds]


@pytest.mark.parametrize(
    "question",
    ["Where is the port, and what does the radar show there?", "Describe the radar."],
)
def test_one_image_and_a_model_of_several_get_the_question_whole(question: str) -> None:
    assert plan_rounds(question, ["sar"]) == [Round(question, (0,))]
    assert plan_rounds(question, BOTH, together=True) == [Round(question, (0, 1))]


@pytest.mark.parametrize(
    ("text", "sensors", "named"),
    [
        ("what does the sar image show?", BOTH, (1,)),
        ("what does the camera see", BOTH, (0,)),
        ("what changed in the second image", ["sar", "sar"], (1,)),
        ("image 3", BOTH, ()),
        ("is it in the infrared?", ["multispectral", "sar"], (0,)),
        ("what does the radar show?", ["sar", "sar"], ()),  # both: nothing to choose
        ("how is the colour of the roofs", ["optical", "multispectral"], (0,)),
    ],
)
def test_images_are_named_by_number_or_sensor(
    text: str, sensors: list[str], named: tuple[int, ...]
) -> None:
    assert images_named(text, sensors) == named


def test_headings_name_the_sensor_where_it_tells_images_apart() -> None:
    assert heading(0, ["multispectral", "sar"]) == "Multispectral (image 1)"
    assert heading(2, ["optical"] * 3) == "Image 3"
