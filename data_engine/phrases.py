"""The wording of questions and captions, and the grammar that fills it.

Placeholders: ``{one}`` and ``{many}`` are the noun in the singular and the plural,
``{a}`` is the singular with its article, ``{options}`` a list. No wording names a
side of the image, since training flips and turns images.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from rsvlm.labels import OBJECTS, SCENES, plural_of

#: Kind of question -> wordings for training.
QUESTIONS = {
    "presence": (
        "Is there {a} in this image?",
        "Is there {a}?",
        "is there {a} here?",
        "Are there any {many}?",
        "Are there {many} in the picture?",
        "any {many} here?",
        "Do you see {a}?",
        "Do you see any {many} in this image?",
        "Does the image contain {a}?",
        "Does this picture show any {many}?",
        "Can {a} be seen?",
        "Are any {many} visible?",
        "Is {a} visible in the scene?",
        "{many} in the image, yes or no?",
        "Is {a} present?",
        "Is there at least {a} in the image?",
        "Does this scene include {a}?",
        "Are {many} present in this image?",
        "Do {many} occur here?",
        "Have a look: is there {a}?",
        "Could you check whether there is {a}?",
        "I am looking for {many}. Are there any?",
        "Does this place have {a}?",
    ),
    "count": (
        "How many {many} are there?",
        "How many {many} are in this image?",
        "how many {many} are there",
        "How many {many} can you see?",
        "How many {many} do you see in the picture?",
        "How many {many} does the image show?",
        "Count the {many}.",
        "Count the {many} in this image.",
        "Please count all {many}.",
        "number of {many}",
        "What is the number of {many}?",
        "What is the number of {many} in the scene?",
        "Tell me how many {many} there are.",
        "How many {many}?",
        "Please tell me the number of {many}.",
        "Count all the {many} you can find.",
        "How many {many} did you find?",
        "Can you count the {many}?",
        "I need the number of {many} in this picture.",
        "How many {many} are visible?",
    ),
    "objects": (
        "What objects can be seen?",
        "What objects are in this image?",
        "Which objects do you see?",
        "which objects are there",
        "What can you see in this picture?",
        "What is in this image?",
        "what's in the picture?",
        "What things are visible here?",
        "List the objects in this image.",
        "Name the objects that you see.",
        "Which kinds of objects does the image show?",
        "What does this image contain?",
        "What is there to see?",
        "Which objects are present in this picture?",
        "Enumerate the objects here.",
        "What kinds of objects do you find?",
        "Please list what you see.",
    ),
    "caption": (
        "Describe this image.",
        "Describe the picture.",
        "describe this image in one sentence",
        "Write a caption for this image.",
        "Give a short description of the image.",
        "Caption this picture.",
        "Please describe the scene.",
        "What does this image show?",
        "Provide a one-sentence caption.",
        "Summarise the image.",
        "Can you describe what is shown here?",
        "a short caption, please",
        "What can be seen in this picture?",
        "Tell me about this image.",
        "Explain what this picture shows.",
        "Describe the area.",
        "Give me a one-line description.",
        "What is in view here?",
        "Describe this aerial photo.",
    ),
    # One object at most: the singular would be wrong for several.
    "ground-one": (
        "Where is the {one}?",
        "where is the {one}",
        "Locate the {one}.",
        "Find the {one} in this image.",
        "Show me the {one}.",
        "Point out the {one}.",
        "Can you find the {one}?",
        "Give me the box of the {one}.",
        "Mark the {one}.",
        "I am looking for the {one}. Where is it?",
    ),
    "ground-many": (
        "Where are the {many}?",
        "where are the {many}",
        "Locate all {many}.",
        "Find all {many}.",
        "Find every {one} in the image.",
        "Show me the {many}.",
        "Show all {many} in this picture.",
        "Point out each {one}.",
        "Mark the {many}.",
        "Give the position of every {one}.",
        "Please locate the {many} in this image.",
        "Can you find the {many}?",
        "Give me a box for each {one}.",
        "Which places hold {many}?",
        "I am looking for {many}. Where are they?",
    ),
    "detect": (
        "Detect all objects.",
        "Detect the objects in this image.",
        "Find all objects.",
        "Find every object in the picture.",
        "Locate all objects in this image.",
        "Show all objects.",
        "Mark every object that you can see.",
        "detect everything",
        "Where are the objects?",
        "Run object detection on this image.",
        "Please find all the objects here.",
        "Find and mark the objects.",
        "Give a box for every object.",
    ),
    "scene": (
        "What kind of scene is this?",
        "What type of scene does the image show?",
        "what kind of place is this?",
        "Classify this image.",
        "Classify the scene.",
        "Which land use is this?",
        "What is the land use here?",
        "What type of land is shown?",
        "Name the scene class.",
        "Which category does this scene belong to?",
        "What sort of area is this?",
        "scene type?",
        "What is this place?",
        "What kind of area does the image show?",
        "What type of place is this?",
        "Which scene is shown here?",
        "Which kind of landscape is this?",
        "How is this land used?",
        "Tell me the scene category.",
        "What does this area look like: which class?",
        "Say which kind of scene this is.",
        "Determine the type of scene.",
        "Identify the scene.",
        "Please name the type of place in this image.",
        "Give the land-use class of this image.",
        "What category of scene do you see here?",
    ),
    "scene-options": (
        "What kind of scene is this? Answer with one of: {options}.",
        "Classify this image as one of: {options}.",
        "Classify the scene. Choose one of: {options}.",
        "Which class fits this image? It is one of: {options}.",
        "Which category does the image belong to? Pick one of: {options}.",
        "The scene is one of: {options}. Which one?",
        "What type of land is shown, one of: {options}?",
        "Choose the scene class from one of: {options}.",
        "The land use here is one of: {options}. Which?",
        "which one is it? one of: {options}",
        "Label this picture with one of: {options}.",
        "Classify this scene into one of: {options}.",
        "Select the best class for the image from one of: {options}.",
        "Which label describes the picture best? Take one of: {options}.",
        "What is this place? Answer with one of: {options}.",
        "Out of these, which one does the image belong to: one of: {options}?",
        "Identify the scene as one of: {options}.",
        "Possible classes are one of: {options}. Name the true one.",
        "Given one of: {options}, which fits the scene?",
    ),
    # About the whole scene: a residential area may well hold some grass.
    "scene-presence": (
        "Is this {a}?",
        "is this {a}",
        "Is this an image of {a}?",
        "Is this a picture of {a}?",
        "Does this image show {a}?",
        "Does the scene show {a}?",
        "Is the scene {a}?",
        "Does the image mainly show {a}?",
        "Would you call this scene {a}?",
        "Is {a} what this image shows?",
        "Am I looking at {a}?",
        "Is this place {a}?",
        "Do you think this is {a}?",
        "Is the area {a}?",
        "Is it {a}?",
        "Can this be called {a}?",
        "Could this be {a}?",
        "Is {a} the true class of this image?",
        "Check: is this {a}?",
    ),
}

#: Kind of question -> wordings kept for the validation split: its scores then tell
#: how well wordings that training did not use are understood.
VALIDATION = {
    "presence": (
        "Tell me whether there is {a}.",
        "Does the picture have any {many} in it?",
    ),
    "count": (
        "What is the quantity of {many}?",
        "State how many {many} you see.",
    ),
    "objects": ("Which things can you recognise?", "Say which objects the scene has."),
    "caption": ("Put this picture into words.", "In a sentence, what do you see?"),
    "ground-one": ("Indicate the {one}.", "At which place is the {one}?"),
    "ground-many": ("Indicate every {one}.", "At which places are {many}?"),
    "detect": ("Indicate all objects.", "List every object with its place."),
    "scene": ("What sort of scene is in this photo?", "Assign a class to this place."),
    "scene-options": (
        "Decide what the photo shows: one of: {options}.",
        "Pick the class of the scene. It must be one of: {options}.",
    ),
    "scene-presence": (
        "Would {a} be a fair name for this scene?",
        "Is the photo one of {a}?",
    ),
}

#: Kind of question -> wordings kept for the test split alone.
HELD_OUT = {
    "presence": (
        "Can you see {a} in this picture?",
        "Are there any {many} in this scene?",
        "Do any {many} appear in the image?",
    ),
    "count": (
        "How many {many} can be seen in this picture?",
        "What is the total number of {many}?",
        "Give me the count of {many} here.",
    ),
    "objects": (
        "What objects do you recognise in the scene?",
        "Which objects appear in this image?",
        "Tell me what objects are visible.",
    ),
    "caption": (
        "Please give a caption for this scene.",
        "Describe what you see.",
        "What is shown in this aerial image?",
    ),
    "ground-one": (
        "Where can I find the {one}?",
        "Please locate the {one}.",
        "Give the location of the {one}.",
    ),
    "ground-many": (
        "Where can I find the {many}?",
        "Locate every {one} in this picture.",
        "Give the locations of all {many}.",
    ),
    "detect": (
        "Please detect every object in the scene.",
        "Locate each object that is visible.",
        "Find all visible objects in this picture.",
    ),
    "scene": (
        "What scene does this picture show?",
        "How would you classify this place?",
        "Which type of area do you see?",
    ),
    "scene-options": (
        "Which of these does the picture show? Reply with one of: {options}.",
        "Assign the scene to one of: {options}.",
        "How would you classify this place? Use one of: {options}.",
    ),
    "scene-presence": (
        "Would you say that this is {a}?",
        "Does this picture show {a}?",
        "Is what you see {a}?",
    ),
}

#: Split -> kind of question -> wordings.
WORDINGS = {"train": QUESTIONS, "val": VALIDATION, "test": HELD_OUT}

#: Captions of an image with known objects; ``{list}`` is what it shows.
OBJECT_CAPTIONS = (
    "An aerial image with {list}.",
    "An overhead view of {list}.",
    "This aerial image shows {list}.",
    "The image shows {list}.",
    "Seen from above: {list}.",
)

#: Captions of any scene class.
SCENE_CAPTIONS = ("{a} seen from above.", "An aerial image of {a}.")

#: Canonical scene class -> further captions that hold for all of its images.
CLASS_CAPTIONS = {
    "grassland": (
        "The image shows open land covered with grass.",
        "An overhead view of a grassy area.",
        "Open, grassy ground in an aerial image.",
    ),
    "farmland": (
        "The image shows land used for growing crops.",
        "An overhead view of agricultural land.",
        "Cultivated land in an aerial image.",
    ),
    "industrial area": (
        "The image shows buildings of an industrial site.",
        "An overhead view of industrial buildings and their surroundings.",
        "A built-up area used by industry.",
    ),
    "river or lake": (
        "The image shows a body of water.",
        "An overhead view of inland water.",
        "The open water of a river or lake in an aerial image.",
    ),
    "forest": (
        "The image shows land covered with trees.",
        "An overhead view of a wooded area.",
        "Trees cover the ground in this aerial image.",
    ),
    "residential area": (
        "The image shows buildings where people live.",
        "An overhead view of a neighbourhood with residential buildings.",
        "A built-up area with housing.",
    ),
    "parking lot": (
        "The image shows a paved area for parking vehicles.",
        "An overhead view of a car park.",
        "Ground laid out for parking vehicles in an aerial image.",
    ),
}

#: Upstream spellings that are no word form of their canonical name.
UPSTREAM = {
    "resident": "residential area",
    "field": "farmland",
    "grass": "grassland",
    "industry": "industrial area",
    "river lake": "river or lake",
    "parking": "parking lot",
}

#: Synonyms that would make an answer untrue (not every vehicle is a truck, a lake is
#: no river) or that nobody says; reading a question still understands them.
_UNFIT = frozenset(
    (
        "truck", "bus", "jet", "silo", "fuel tank", "stadium", "track field", "overpass",
        "viaduct", "jetty", "grass", "lawn", "field", "industry", "factory", "river",
        "lake", "river lake", "wood", "resident", "parking",
    )
)  # fmt: skip

#: Nouns without an article and without a plural.
_MASS = frozenset({"grassland", "farmland", "cropland", "woodland"})

T = TypeVar("T")


def pick(rng: Random, options: Sequence[T]) -> T:
    """Return a random element; depends on ``Random.random`` alone.

    Python promises the same sequence in all versions for that method only.
    """
    return options[int(rng.random() * len(options))]


def shuffled(rng: Random, options: Sequence[T]) -> list[T]:
    """Return the elements in random order; depends on ``Random.random`` alone."""
    keys = [rng.random() for _ in options]
    return [options[i] for i in sorted(range(len(options)), key=keys.__getitem__)]


def canonical_name(upstream: str) -> str:
    """Return the canonical name of an upstream class.

    >>> canonical_name("storage_tank"), canonical_name("river_lake")
    ('storage tank', 'river or lake')
    """
    words = upstream.replace("_", " ").lower()
    return UPSTREAM.get(words, words)


def words_for(name: str) -> tuple[str, ...]:
    """Return the singular words that a question may use for a class, name first."""
    label = OBJECTS.get(name) or SCENES.get(name)
    synonyms = label.synonyms if label else ()
    return (name, *(word for word in synonyms if word not in _UNFIT))


def with_article(noun: str) -> str:
    """Return a singular noun with its indefinite article.

    >>> with_article("airplane"), with_article("ship"), with_article("farmland")
    ('an airplane', 'a ship', 'farmland')
    """
    if noun in _MASS:
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def some(name: str, count: int) -> str:
    """Return objects without their number: "a ship", "ships"."""
    return with_article(name) if count == 1 else plural_of(name)


def listing(parts: Sequence[str]) -> str:
    """Join phrases into a list.

    >>> listing(["ships", "a bridge", "harbors"])
    'ships, a bridge and harbors'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def fill(template: str, noun: str = "", **fields: str) -> str:
    """Fill a wording with a noun and other fields; it starts as the template does.

    >>> fill("{many} here?", "oil tank"), fill("{a} seen from above.", "ship")
    ('oil tanks here?', 'A ship seen from above.')
    """
    if noun:
        fields |= {"one": noun, "many": plural_of(noun), "a": with_article(noun)}
    text = template.format(**fields)
    # A sentence that opens with a filled-in noun needs its capital.
    if template.startswith("{") and template.endswith("."):
        return text[0].upper() + text[1:]
    return text
