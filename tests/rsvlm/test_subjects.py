"""The object that a question names."""

import pytest

from rsvlm.subjects import Subject, subject

#: Question -> the phrase, the noun in it and its canonical label.
SUBJECTS = {
    "How many ships are at the pier?": ("ships at the pier", "ships", "ship"),
    "How many white ships are at the pier?": (
        "white ships at the pier",
        "white ships",
        "ship",
    ),
    "Count the storage tanks near the bridge": (
        "storage tanks near the bridge",
        "storage tanks",
        "storage tank",
    ),
    "how many cars": ("cars", "cars", "vehicle"),
    "State how many airplanes you see.": ("airplanes", "airplanes", "airplane"),
    "Please specify how many cars there are": ("cars", "cars", "vehicle"),
    "At which place is the bridge?": ("bridge", "bridge", "bridge"),
    "In what location are the ships?": ("ships", "ships", "ship"),
    "In which part of the image is the ship?": ("ship", "ship", "ship"),
    "List the ships with their positions": ("ships", "ships", "ship"),
    "cars": ("cars", "cars", "vehicle"),
    "all oil-tanks": ("oil-tanks", "oil-tanks", "storage tank"),
    "HOW MANY PLANES ARE THERE???": ("planes", "planes", "airplane"),
    "Could you please tell me how many aircraft are parked on the apron?": (
        "aircraft parked on the apron",
        "aircraft",
        "airplane",
    ),
    "What is the number of buildings?": ("buildings", "buildings", None),
    "Is the number of cars more than 10?": ("cars", "cars", "vehicle"),
    "Are there more than five boats in the marina?": (
        "boats in the marina",
        "boats",
        "ship",
    ),
    "Are there any storage tanks in the image?": (
        "storage tanks",
        "storage tanks",
        "storage tank",
    ),
    "Is there a ship?": ("ship", "ship", "ship"),
    "Do you see a bridge over the river?": (
        "bridge over the river",
        "bridge",
        "bridge",
    ),
    "Is a small building present?": ("small building", "small building", None),
    "Does the image contain a river?": ("river", "river", "river or lake"),
    "Any ships?": ("ships", "ships", "ship"),
    "Where are the ships?": ("ships", "ships", "ship"),
    "where's the bridge": ("bridge", "bridge", "bridge"),
    "Where exactly is the playground located?": ("playground", "playground", None),
    "Could you tell me where the tennis courts are?": (
        "tennis courts",
        "tennis courts",
        "tennis court",
    ),
    "Describe where the ships are": ("ships", "ships", "ship"),
    "Find the baseball field.": (
        "baseball field",
        "baseball field",
        "baseball diamond",
    ),
    "Show me the storage tanks that are next to the railway": (
        "storage tanks next to the railway",
        "storage tanks",
        "storage tank",
    ),
    "Point out the largest building": ("largest building", "largest building", None),
    "Draw a box around the stadium.": ("stadium", "stadium", "ground track field"),
    "Give me the bounding boxes of the ships": ("ships", "ships", "ship"),
    "the red car left of the pier": ("red car left of the pier", "red car", "vehicle"),
    "baseball diamond in the upper right corner": (
        "baseball diamond in the upper right corner",
        "baseball diamond",
        "baseball diamond",
    ),
    "I'm looking for the white ship near the dock": (
        "white ship near the dock",
        "white ship",
        "ship",
    ),
    "Segment the lake.": ("lake", "lake", "river or lake"),
    "Can you give me a segmentation mask for the water?": ("water", "water", "water"),
    "I want the exact outline of the island": ("island", "island", None),
    "What is the area of the lake?": ("lake", "lake", "river or lake"),
    "How much area does the forest cover?": ("forest", "forest", "forest"),
    "How large is the lake?": ("lake", "lake", "river or lake"),
    "How many hectares of farmland are there?": ("farmland", "farmland", "farmland"),
    "What percentage of the image is covered by water?": ("water", "water", "water"),
    "How much of the scene is forest?": ("forest", "forest", "forest"),
    "What color is the roof of the large hall?": (
        "roof of the large hall",
        "roof",
        None,
    ),
    "what colour are the cars": ("cars", "cars", "vehicle"),
    "What kind of ships are these?": ("ships", "ships", "ship"),
    "Detect all ships": ("ships", "ships", "ship"),
    "Find a group of ships in the bay": ("ships in the bay", "ships", "ship"),
    "Count the harbor cranes": ("harbor cranes", "harbor cranes", None),
    "How many parked cars do you see in the image?": (
        "parked cars",
        "parked cars",
        "vehicle",
    ),
    "How many of the cars are white?": ("white cars", "white cars", "vehicle"),
    "How many ships are moored at the pier, and where are they?": (
        "ships moored at the pier",
        "ships",
        "ship",
    ),
    "How many ships are there? (A) 2 (B) 3": ("ships", "ships", "ship"),
    "Why is the river brown?": ("river", "river", "river or lake"),
    "Are the solar panels dirty?": ("solar panels", "solar panels", None),
    "Is the ship larger than the barge?": ("ship", "ship", "ship"),
    "Describe the ships.": ("ships", "ships", "ship"),
    "How long is the bridge?": ("bridge", "bridge", "bridge"),
    "Compare the number of ships in both images": ("ships", "ships", "ship"),
    "Give me the amount of cars on the road": ("cars on the road", "cars", "vehicle"),
    "how many ppl are on the beach": ("ppl on the beach", "ppl", None),
    "Is there more than one ship?": ("ship", "ship", "ship"),
    "can u count the trees": ("trees", "trees", None),
    "Exactly how many basketball courts can be seen?": (
        "basketball courts",
        "basketball courts",
        "basketball court",
    ),
    "Please give the position of the leftmost plane.": (
        "leftmost plane",
        "leftmost plane",
        "airplane",
    ),
    "Put bounding boxes on the trucks": ("trucks", "trucks", "vehicle"),
    "Help me locate a wind turbine": ("wind turbine", "wind turbine", None),
    "Generate the contour of the burnt region.": ("burnt region", "burnt region", None),
    "Which of the two ships is longer?": ("ships", "ships", "ship"),
    "How far apart are the two bridges?": ("bridges", "bridges", "bridge"),
    "Detect the boats docked at the marina": (
        "boats docked at the marina",
        "boats",
        "ship",
    ),
    "What's the total surface of the ponds?": ("ponds", "ponds", None),
    "Are there vehicles parked along the street?": (
        "vehicles parked along the street",
        "vehicles",
        "vehicle",
    ),
    "the storage tank closest to the river": (
        "storage tank closest to the river",
        "storage tank",
        "storage tank",
    ),
    "Do you notice any baseball fields next to the school?": (
        "baseball fields next to the school",
        "baseball fields",
        "baseball diamond",
    ),
    "How many planes with four engines are there?": (
        "planes with four engines",
        "planes",
        "airplane",
    ),
    "In the lower left corner, how many tanks do you count?": (
        "tanks",
        "tanks",
        "storage tank",
    ),
    "I would like you to outline every tennis court": (
        "tennis court",
        "tennis court",
        "tennis court",
    ),
    "What is the harbor like?": ("harbor", "harbor", "harbor"),
    "Is a large vessel moored at the jetty?": (
        "large vessel moored at the jetty",
        "large vessel",
        "ship",
    ),
    "What are the red vehicles doing?": ("red vehicles", "red vehicles", "vehicle"),
    "Does the bridge cross a river?": ("bridge", "bridge", "bridge"),
    "Number of storage tanks north of the road, please.": (
        "storage tanks north of the road",
        "storage tanks",
        "storage tank",
    ),
    "Is a water area present in the image?": ("water area", "water area", None),
    "What is the area covered by small buildings?": (
        "small buildings",
        "small buildings",
        None,
    ),
    "What is the orientation of the large ship?": ("large ship", "large ship", "ship"),
    "What is the shape of the swimming pool?": ("swimming pool", "swimming pool", None),
    "Does the SAR image show any oil spill": ("oil spill", "oil spill", None),
    "How many small vehicles are visible near the roundabout?": (
        "small vehicles near the roundabout",
        "small vehicles",
        "vehicle",
    ),
    "Estimate the number of trees per field": ("trees per field", "trees", None),
    "please, the number of vessels": ("vessels", "vessels", "ship"),
    "a blue truck parked beside the warehouse": (
        "blue truck parked beside the warehouse",
        "blue truck",
        "vehicle",
    ),
    "The baseball field on the upper right of the image": (
        "baseball field on the upper right",
        "baseball field",
        "baseball diamond",
    ),
    "[refer] where is the large plane at the bottom?": (
        "large plane at the bottom",
        "large plane",
        "airplane",
    ),
    "Give me the location of 2 small boats at the left": (
        "small boats at the left",
        "small boats",
        "ship",
    ),
    "i need to find the entrance of the port": (
        "entrance of the port",
        "entrance",
        None,
    ),
    "Please tell me the position of the tennis court next to the school": (
        "tennis court next to the school",
        "tennis court",
        "tennis court",
    ),
    "Segment out the large vehicle at the bottom": (
        "large vehicle at the bottom",
        "large vehicle",
        "vehicle",
    ),
    "Could you mask all the greenhouses for me?": ("greenhouses", "greenhouses", None),
    "What area is covered by forest, in hectares?": ("forest", "forest", "forest"),
    "Measure the lake": ("lake", "lake", "river or lake"),
    "Find all ships that are longer than 50 m": (
        "ships that are longer than 50 m",
        "ships",
        "ship",
    ),
    "Which ships are docked?": ("ships docked", "ships", "ship"),
    "How many storage tanks does this image contain?": (
        "storage tanks",
        "storage tanks",
        "storage tank",
    ),
    "count the number of white planes on the tarmac": (
        "white planes on the tarmac",
        "white planes",
        "airplane",
    ),
    "Show all vehicles whose roof is red": (
        "vehicles whose roof is red",
        "vehicles",
        "vehicle",
    ),
    "is there one bridge or two": ("bridge or two", "bridge", "bridge"),
    "Find cars in the area by the river": (
        "cars in the area by the river",
        "cars",
        "vehicle",
    ),
    "Find all instances of ships": ("ships", "ships", "ship"),
    "well pads": ("well pads", "well pads", None),
    "How many roof tiles are broken?": ("roof tiles", "roof tiles", None),
    "Find the big, white ship": ("big white ship", "big white ship", "ship"),
    "In the harbor, how many ships are there?": ("ships", "ships", "ship"),
}

NO_SUBJECT = (
    "Describe this scene.",
    "What is this?",
    "What do you see?",
    "What kind of scene is this?",
    "Detect all objects.",
    "Find everything in this image",
    "When was this image taken?",
    "Where was this taken?",
    "What changed?",
    "Compare the images.",
    "caption pls",
    "hello",
    "",
)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How many solar panels are there?", "solar panel"),
        ("Find the greenhouses", "greenhouse"),
        ("count the churches", "church"),
        ("cars", "vehicle"),
        ("the grass", "grassland"),
        ("Where is the gas?", "gas"),
    ],
)
def test_the_name_is_the_label_or_singular(question: str, name: str) -> None:
    found = subject(question)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("question", SUBJECTS)
def test_the_object_is_found(question: str) -> None:
    phrase, noun, label = SUBJECTS[question]
    assert subject(question) == Subject(phrase, label, noun)


@pytest.mark.parametrize("question", NO_SUBJECT)
def test_no_object_is_invented(question: str) -> None:
    assert subject(question) is None
