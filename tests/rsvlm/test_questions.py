"""Reading a question: the options it lists, yes/no forms."""

import pytest

from rsvlm.questions import asks_scene, is_presence, options, tidy
from rsvlm.subjects import subject

OPTIONS = {
    "Which of these: forest, lake, field?": ["forest", "lake", "field"],
    "Is it one of: airport, beach or harbor?": ["airport", "beach", "harbor"],
    "Classify the image within one of the given classes: Forest,River,Farmland.": [
        "Forest",
        "River",
        "Farmland",
    ],
    "What colour is it? (A) Red (B) Dark blue (C) Grey": ["Red", "Dark blue", "Grey"],
    "What is this?\nA. port\nB. airport\nC. dam": ["port", "airport", "dam"],
    "Assign a class: A) desert B) beach C) port": ["desert", "beach", "port"],
    "Is it a rural or an urban area?": ["rural", "urban area"],
    "Is it a forest, a lake or a farm?": ["forest", "lake", "farm"],
    "is this farmland, forest, or grassland": ["farmland", "forest", "grassland"],
    "Is the parking lot full or empty?": ["full", "empty"],
    "Is the ship red or white?": ["red", "white"],
    "Which is larger, the lake or the forest?": ["lake", "forest"],
    "Choose from residential, industrial and parking": [
        "residential",
        "industrial",
        "parking",
    ],
    "Choose between city and village.": ["city", "village"],
    "Urban or rural?": ["Urban", "rural"],
    "Pick one: day/night": ["day", "night"],
    "Is there a ship? Answer yes or no.": ["yes", "no"],
    "Which class fits best? forest, lake, river": ["forest", "lake", "river"],
    "Where are the cars, trucks or buses?": [],
    "What ships, boats or ferries are there?": [],
    "How many ships are there?": [],
    "Are there cars or trucks on the road?": [],
    "Do you see a ship or a boat?": [],
    "How many ships or boats are there?": [],
    "Find ships, planes or cars": [],
    "Describe the image, please.": [],
    "Is there a river?": [],
    "": [],
}

PRESENCE = {
    "Is there a ship?": True,
    "are there any ships": True,
    "Do you see a bridge?": True,
    "Can you see any planes on the apron?": True,
    "Is a small building present?": True,
    "Are any ships visible?": True,
    "Does the image contain a river?": True,
    "does this scene have a bridge?": True,
    "Any ships?": True,
    "Check whether there is an airplane on the runway": True,
    "Could you tell me if there are trees?": True,
    "Can any boats be seen in the harbor?": True,
    "Isn't there a bridge?": True,
    "Is the runway visible?": True,
    "Is this a forest?": False,
    "Is the ship moving?": False,
    "How many ships are there?": False,
    "Are there more than five boats?": False,
    "Are there more ships than cars?": False,
    "Where is the ship?": False,
    "Is it a rural or an urban area?": False,
    "Is there any change between the two images?": False,
    "What is there?": False,
    "Find the ships": False,
    "": False,
}

SCENE = {
    "Is this a forest?": True,
    "is it an urban area?": True,
    "Is this image of an airport?": True,
    "Is the scene a harbor?": True,
    "Is this area residential?": True,
    "Does the picture show an industrial area?": True,
    "Would you say this is farmland?": True,
    "Is it a rural or an urban area?": True,
    "Is there a forest?": False,
    "Is this ship moving?": False,
    "Is it raining?": False,
    "Does the image show two ships?": False,
    "What kind of scene is this?": False,
    "Is the forest green?": False,
    "Is this image cloudy?": False,
}


@pytest.mark.parametrize("question", OPTIONS)
def test_listed_options(question: str) -> None:
    assert options(question) == OPTIONS[question]


@pytest.mark.parametrize("question", PRESENCE)
def test_presence(question: str) -> None:
    assert is_presence(question) is PRESENCE[question]


@pytest.mark.parametrize("question", SCENE)
def test_scene(question: str) -> None:
    assert asks_scene(question) is SCENE[question]


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("Do any piers appear in the image?", "harbor"),
        ("Does a bridge exist here?", "bridge"),
        ("Ships in the image, yes or no?", "ship"),
    ],
)
def test_presence_in_other_words(question: str, label: str) -> None:
    topic = subject(question)
    assert is_presence(question)
    assert topic is not None
    assert topic.label == label


def test_the_object_of_several_places() -> None:
    topic = subject("Give the locations of all tennis courts.")
    assert topic is not None
    assert topic.phrase == "tennis courts"


@pytest.mark.parametrize("sign", [" ", ", ", "!", "\n", "\t"])
def test_runs_of_blanks_and_signs_are_shortened(sign: str) -> None:
    text = tidy("Where is it?" + sign * 1000 + "there")
    assert len(tidy(" " * 4000)) <= 1
    assert text.startswith("Where is it?")
    assert text.endswith("there")
    assert tidy(text) == text
