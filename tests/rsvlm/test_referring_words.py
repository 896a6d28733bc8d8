"""Descriptions in words that people use, and what they mean."""

import pytest

from rsvlm.referring import Key, Referring, referring
from rsvlm.referring_words import reworded, without_verbs
from rsvlm.subjects import subject


def read(question: str) -> Referring:
    found = subject(question)
    assert found is not None
    return referring(found.phrase, question)


@pytest.mark.parametrize(
    ("question", "label", "rank"),
    [
        (
            "Where is the ship that has the greatest length?",
            "ship",
            ("length", True, 1),
        ),
        (
            "Locate the storage tank with the largest footprint.",
            "storage tank",
            ("area", True, 1),
        ),
        (
            "Show the storage tank covering the most ground.",
            "storage tank",
            ("area", True, 1),
        ),
        ("Find the ship which is the longest of all.", "ship", ("length", True, 1)),
        (
            "Mark the biggest one of the storage tanks.",
            "storage tank",
            ("area", True, 1),
        ),
        (
            "Of all the storage tanks, where is the largest one?",
            "storage tank",
            ("area", True, 1),
        ),
        ("Among the ships, point at the longest.", "ship", ("length", True, 1)),
        (
            "Which storage tank is bigger than every other one?",
            "storage tank",
            ("area", True, 1),
        ),
        ("Box the 2nd largest storage tank.", "storage tank", ("area", True, 2)),
        ("Find the ship of the smallest size.", "ship", ("area", False, 1)),
        ("Find the airplane farthest right.", "airplane", ("x", True, 1)),
        ("Where is the airplane at the far left?", "airplane", ("x", False, 1)),
        (
            "Point to the airplane on the extreme right of the picture.",
            "airplane",
            ("x", True, 1),
        ),
        (
            "Find the airplane that is further up than all the others.",
            "airplane",
            ("y", False, 1),
        ),
        ("Find the ship that lies furthest north.", "ship", ("north", True, 1)),
        ("Which ship is the most southerly?", "ship", ("north", False, 1)),
        ("Where is the second airplane from the left?", "airplane", ("x", False, 2)),
        ("Box the third ship counting from the top.", "ship", ("y", False, 3)),
        ("Find the last airplane on the right.", "airplane", ("x", True, 1)),
        ("Find the first storage tank from the right.", "storage tank", ("x", True, 1)),
        (
            "I am looking for the longest ship in this scene, where is it?",
            "ship",
            ("length", True, 1),
        ),
        (
            "Out of all the ships, box the one that is smallest.",
            "ship",
            ("area", False, 1),
        ),
        (
            "Could you point out the storage tank whose area is the largest?",
            "storage tank",
            ("area", True, 1),
        ),
        (
            "Where is the storage tank having the smallest diameter?",
            "storage tank",
            ("area", False, 1),
        ),
        (
            "The largest by area of the storage tanks, please.",
            "storage tank",
            ("area", True, 1),
        ),
        (
            "Give me the box of the storage tank which takes up the most space.",
            "storage tank",
            ("area", True, 1),
        ),
        (
            "Where is the airplane that is positioned furthest towards the top?",
            "airplane",
            ("y", False, 1),
        ),
        (
            "Point out the airplane with the most northern position.",
            "airplane",
            ("north", True, 1),
        ),
        ("Where's the lowest airplane in the image?", "airplane", ("y", True, 1)),
        ("Where is the second to last ship from the left?", "ship", ("x", True, 2)),
        ("Find the 3rd vehicle from the right.", "vehicle", ("x", True, 3)),
        (
            "Which airplane comes first when counting from the left?",
            "airplane",
            ("x", False, 1),
        ),
    ],
)
def test_the_one_that_is_first_in_some_order(
    question: str, label: str, rank: tuple[Key, bool, int]
) -> None:
    found = read(question)
    assert (found.label, found.rank, found.most) == (label, rank, 1)
    assert not found.kind


@pytest.mark.parametrize(
    ("question", "label", "towards"),
    [
        ("Where is the airplane on the left-hand side?", "airplane", (-1, 0)),
        (
            "Find the airplane in the top left-hand corner of the image.",
            "airplane",
            (-1, -1),
        ),
        ("Locate the vehicle nearest to the image's left border.", "vehicle", (-1, 0)),
        (
            "Locate the vehicle lying closest to the centre of the scene.",
            "vehicle",
            (0, 0),
        ),
        ("Find the vehicle right in the middle of the picture.", "vehicle", (0, 0)),
        ("Mark the airplane closest to the top right corner.", "airplane", (1, -1)),
        (
            "Locate the storage tank in the lower-left part of the image.",
            "storage tank",
            (-1, 1),
        ),
        (
            "Locate the storage tank in the northeastern quadrant.",
            "storage tank",
            (1, -1),
        ),
        (
            "Find the baseball diamond towards the right edge of the image.",
            "baseball diamond",
            (1, 0),
        ),
    ],
)
def test_the_one_in_a_part_of_the_image(
    question: str, label: str, towards: tuple[float, float]
) -> None:
    found = read(question)
    assert (found.label, found.towards, found.most) == (label, towards, 1)
    assert found.rank is None


@pytest.mark.parametrize(
    ("question", "label", "kind", "other"),
    [
        (
            "Find the storage tank directly north of the bridge.",
            "storage tank",
            "north of",
            "bridge",
        ),
        (
            "Find the vehicle just to the left of the bridge.",
            "vehicle",
            "left of",
            "bridge",
        ),
        (
            "Where is the vehicle immediately right of the storage tank?",
            "vehicle",
            "right of",
            "storage tank",
        ),
        (
            "Find the vehicle on the left side of the bridge.",
            "vehicle",
            "left of",
            "bridge",
        ),
        (
            "Show the ship on the eastern side of the harbor.",
            "ship",
            "east of",
            "harbor",
        ),
        ("Find the ship located west from the harbor.", "ship", "west of", "harbor"),
        ("Which ship is closest to the bridge?", "ship", "closest to", "bridge"),
        (
            "Find the ship with the shortest distance to the harbor.",
            "ship",
            "nearest",
            "harbor",
        ),
        ("Find the ship least far from the bridge.", "ship", "nearest", "bridge"),
        (
            "Find the ship at the greatest distance from the bridge.",
            "ship",
            "farthest from",
            "bridge",
        ),
        (
            "Find the tennis court neighbouring the basketball court.",
            "tennis court",
            "near",
            "basketball court",
        ),
        (
            "Find the tennis court bordering on the basketball court.",
            "tennis court",
            "near",
            "basketball court",
        ),
        (
            "Box the tennis court in the vicinity of the basketball court.",
            "tennis court",
            "near",
            "basketball court",
        ),
        ("Box the vehicle not far from the bridge.", "vehicle", "near", "bridge"),
        ("Box the vehicle crossing the bridge.", "vehicle", "on", "bridge"),
        (
            "Find the airplane placed underneath the storage tank.",
            "airplane",
            "underneath",
            "storage tank",
        ),
        (
            "Find the tennis court that a basketball court is next to.",
            "tennis court",
            "next to",
            "basketball court",
        ),
        (
            "Find the basketball court to the upper left of the tennis court.",
            "basketball court",
            "upper left of",
            "tennis court",
        ),
        (
            "Where is the vehicle that has the bridge on its left?",
            "vehicle",
            "right of",
            "bridge",
        ),
        (
            "Where is the ship that lies to the south of the bridge?",
            "ship",
            "south of",
            "bridge",
        ),
        (
            "Find the vehicle which is beneath the bridge.",
            "vehicle",
            "beneath",
            "bridge",
        ),
        (
            "Find the vehicle south-west of the baseball field.",
            "vehicle",
            "south-west of",
            "baseball diamond",
        ),
        (
            "Box the tennis court alongside the ground track field.",
            "tennis court",
            "alongside",
            "ground track field",
        ),
        (
            "Show me the tennis court that lies within the ground track field.",
            "tennis court",
            "within",
            "ground track field",
        ),
        (
            "Which of the tennis courts is the closest one to the basketball court?",
            "tennis court",
            "closest",
            "basketball court",
        ),
        (
            "Segment the ship that is nearer to the bridge than the others.",
            "ship",
            "nearest",
            "bridge",
        ),
        (
            "Box the tennis court left from the basketball court.",
            "tennis court",
            "left of",
            "basketball court",
        ),
    ],
)
def test_the_one_that_lies_so_to_another(
    question: str, label: str, kind: str, other: str
) -> None:
    found = read(question)
    assert found.other is not None
    assert (found.label, found.kind, found.other.label) == (label, kind, other)
    assert found.most == 1
    assert found.rank is None
    assert not found.unused


@pytest.mark.parametrize(
    ("question", "colour"),
    [
        ("Where is the airplane painted white?", "white"),
        ("Find the white-coloured airplane.", "white"),
        ("Find the dark ship.", "dark"),
    ],
)
def test_the_one_of_a_colour(question: str, colour: str) -> None:
    assert read(question).colour == colour


@pytest.mark.parametrize(
    "text",
    [
        "how many ships are on the left side of the image",
        "which tank is the largest",
        "how far is the bridge from the harbor",
        "what is the area of the largest storage tank",
        "describe the first image",
        "is there a ship that has sunk",
    ],
)
def test_what_is_said_plainly_stays(text: str) -> None:
    assert reworded(text) == text
    assert without_verbs(text) == text
