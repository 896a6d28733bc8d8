"""A question about several images, taken apart: who is asked what about which image.

"Where is the harbor, and what does the radar show there?" is two questions: one to
every image, one to the radar image about the place that the first one found. Each part
is answered by itself, and its answer says which sensor it rests on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsvlm.errors import SettingsError
from rsvlm.questions import plain

#: Sensor -> how an answer calls it.
TITLES = {"optical": "Optical", "multispectral": "Multispectral", "sar": "Radar"}

#: Sensor -> words of a question that mean its images.
_NAMES = {
    "sar": r"radar|sar|backscatter|microwave|sentinel-?1",
    "multispectral": r"multispectral|infrared|nir|sentinel-?2",
    "optical": r"optical|camera|photo(?:graph)?|(?:true[- ])?colou?r(?: image)?|rgb",
}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_NUMBERED = re.compile(
    r"\bimages? (\d+)\b|\b(first|second|third|fourth) (?:image|one)\b"
)
_SPLIT = re.compile(
    r"\s*(?:[;?.]\s+(?:and\s+)?|,?\s+and\s+(?:then\s+)?|,\s+)(?=(?:what|where|which|how"
    r"|is|are|does|do|did|can|show|describe|count|find|outline)\b)",
    re.IGNORECASE,
)
#: "there" as a place, not as in "is there".
_THERE = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )\b(?:over )?there\b|\bat that place\b"
    r"|^describe (?:it|them|that place|this place)\b"
    r"|\b(?:in|of|at|around|inside) (?:it|them|that place|this place)\W*$"
)
_SHOWN = re.compile(
    r"^(?:what|how) (?:do|does|is|can|are)\b.*\b(?:shows?|see|seen|visible|look)\b"
    r"|^describe\b|^what is(?: it like)?\W*(?:over )?there"
)


@dataclass(frozen=True, slots=True)
class Round:
    """One question about some of the images.

    Attributes:
        question: What is asked.
        images: Indices of the rasters that it is about.
        there: Whether it asks what lies at the place that the round before found.
    """

    question: str
    images: tuple[int, ...]
    there: bool = False


def plan_rounds(
    question: str, sensors: Sequence[str], together: bool = False
) -> list[Round]:
    """Return the rounds that answer a question.

    Args:
        question: What the user wrote.
        sensors: Sensor of each raster.
        together: Whether the model sees all images in one prompt: then one round asks
            about all of them.

    >>> where, shown = plan_rounds(
    ...     "Where is the port, and what does the radar show there?", ["optical", "sar"]
    ... )
    >>> where.images, shown.question, shown.images, shown.there
    ((0, 1), 'what does the radar show there?', (1,), True)
    """
    everything = tuple(range(len(sensors)))
    if len(sensors) < 2 or together:
        return [Round(question, everything)]
    parts = [part for part in _SPLIT.split(question) if part.strip()]
    rounds: list[Round] = []
    for part in parts:
        text = plain(part)
        named = images_named(text, sensors)
        there = bool(rounds and _THERE.search(text) and _SHOWN.search(text))
        rounds.append(Round(part, named or everything, there))
    # What is taken apart must gain something: a reference or an image of its own.
    if len(rounds) > 1 and not any(r.there or r.images != everything for r in rounds):
        return [Round(question, everything)]
    return rounds


def images_named(text: str, sensors: Sequence[str]) -> tuple[int, ...]:
    """Return the images that a plain text names, by number or by sensor.

    >>> images_named("what does the sar image show?", ["optical", "sar"])
    (1,)
    >>> images_named("how many ships are in image 1?", ["optical", "sar"])
    (0,)
    """
    numbers = {
        int(number) if number else _ORDINALS[word]
        for number, word in _NUMBERED.findall(text)
    }
    found = {n - 1 for n in numbers if 1 <= n <= len(sensors)}
    if not found and len(set(sensors)) > 1:
        for sensor, words in _NAMES.items():
            if re.search(rf"\b(?:{words})\b", text):
                found |= {i for i, other in enumerate(sensors) if other == sensor}
    return tuple(sorted(found))


def heading(image: int, sensors: Sequence[str]) -> str:
    """Return how a statement about one of several images begins.

    >>> heading(1, ["optical", "sar"]), heading(1, ["sar", "sar"])
    ('Radar (image 2)', 'Image 2')
    """
    if len(set(sensors)) == 1:
        return f"Image {image + 1}"
    return f"{TITLES.get(sensors[image], sensors[image])} (image {image + 1})"


def check_question(question: str, images: int, most: int, model: str) -> None:
    """Refuse what nobody could answer.

    Args:
        question: What is asked.
        images: Number of images.
        most: Images that the model takes in one question.
        model: Its name.

    Raises:
        SettingsError: If there is no image, no question, or too many images.
    """
    if not images:
        raise SettingsError("There is no image. Give at least one image file.")
    if images > most:
        raise SettingsError(
            f"There are {images} images; the model {model} takes at most {most} in "
            "one question. Ask about fewer at a time."
        )
    if not question.strip():
        raise SettingsError(
            "The question is empty. Ask for example: 'Describe this scene'."
        )
