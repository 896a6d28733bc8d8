"""Sample scenes and questions that show what the shipped checkpoint can do."""

from dataclasses import dataclass

from rsvlm import assets

#: Name of a sample scene -> questions that ``tiny`` answers about it.
QUESTIONS = {
    "wye-mills": (
        "Where are the tennis courts?",
        "How many tennis courts are there?",
        "Segment the tennis courts.",
        "Is there an airport in this image?",
    ),
    "la-plata": (
        "Describe this scene.",
        "What kind of scene is this?",
        "Where are the storage tanks?",
    ),
    "las-vegas": (
        "What kind of scene is this?",
        "Describe this scene.",
        "Is there a tennis court in this image?",
    ),
}
#: Questions that fit any image.
ANY = (
    "Describe this image.",
    "What kind of scene is this?",
    "How many vehicles are there?",
)
#: A question that refers back to what was found.
FOLLOW_UP = "How large is it?"
#: Questions that fit two images of one place.
PAIR = ("What changed?", "Describe each image.")


@dataclass(frozen=True, slots=True)
class Scene:
    """A sample scene: id of its file, name, title, place, and whose it is."""

    id: str
    name: str
    title: str
    place: str
    licence: str


def scene(id: str) -> Scene:
    """Return what is known of a sample scene by the id of its file."""
    name = id.removeprefix("sample-")
    asset = assets.table().get(name)
    if asset is None:
        return Scene(id, name, name, "", "")
    licence = asset.licence.removeprefix("LicenseRef-").replace("-", " ")
    return Scene(id, name, asset.title, asset.place, licence)


def questions(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return questions that can be asked of images, by the ids of their files."""
    if len(files) > 1:
        return (*PAIR, *ANY[1:])
    name = files[0].removeprefix("sample-") if files else ""
    return QUESTIONS.get(name, ANY)
