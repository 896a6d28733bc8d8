"""Records of data sets that lie unpacked in a folder, as their publishers pack them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from rsvlm.data_engine.records import Question, Record, Split
from rsvlm.formats.labelled import Expression, Labelled
from rsvlm.samples import ImageRef, Target

#: Split -> wordings of a request to find what an expression means, each its own.
REQUESTS: dict[Split, dict[str, tuple[str, ...]]] = {
    "train": {
        "ground": ("Locate {}.", "Where is {}?", "Mark {} with a box.", "Find {}."),
        "segment": ("Segment {}.", "Outline {}.", "Mask {}.", "Where does {} lie?"),
    },
    "val": {
        "ground": ("Point out {}.", "Show where {} is."),
        "segment": ("Cut out {}.", "Mark every pixel of {}."),
    },
    "test": {
        "ground": ("Give the box of {}.", "Where can I find {}?"),
        "segment": ("Give the mask of {}.", "Which pixels show {}?"),
    },
}

#: Upstream classes that are written as one word, or by another word than ours.
WORDS = {
    "plane": "airplane",
    "baseballfield": "baseball diamond",
    "baseball field": "baseball diamond",
    "basketballcourt": "basketball court",
    "golffield": "golf course",
    "groundtrackfield": "ground track field",
    "storagetank": "storage tank",
    "tenniscourt": "tennis court",
    "trainstation": "train station",
    "soccer ball field": "soccer field",
}


def record_of(
    root: Path,
    image: ImageRef,
    source: str,
    licence: str,
    *,
    targets: tuple[Target, ...] = (),
    objects: tuple[str, ...] = (),
    questions: tuple[Question, ...] = (),
    gsd_m: float | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Record:
    """Return the record of an image of a folder.

    Args:
        root: Folder of the data set.
        image: The image, its path relative to the folder.
        source: Name of the source.
        licence: Terms of image and labels.
        targets: Its objects, labels as people write them.
        objects: Closed list of labelled objects, written alike.
        questions: What the source asks about it.
        gsd_m: m/px on the ground, where the image does not say.
        meta: What the samples say about their labels.
    """
    return Record(
        image=(root / image.path).read_bytes(),
        # Two folders may hold files of one name.
        name=image.path.replace("/", "-"),
        width=image.width,
        height=image.height,
        source=source,
        licence=licence,
        targets=targets,
        objects=objects,
        sensor=image.sensor,
        gsd_m=gsd_m or image.gsd_m,
        questions=questions,
        meta=meta or {},
    )


def labelled_records(
    root: Path,
    images: Iterable[Labelled],
    source: str,
    licence: str,
    objects: Sequence[str],
) -> Iterator[Record]:
    """Yield the records of labelled images, classes in words.

    Args:
        root: Folder of the data set.
        images: The images.
        source: Name of the source.
        licence: Terms of images and labels.
        objects: Closed list of classes, upstream spelling.
    """
    closed = tuple(map(spelled, objects))
    for image in images:
        targets = tuple(renamed(target) for target in image.targets)
        yield record_of(
            root, image.image, source, licence, targets=targets, objects=closed
        )


def asked_records(
    root: Path,
    expressions: Iterable[Expression],
    source: str,
    licence: str,
    split: Split,
    answers: dict[str, tuple[str, ...]] | None = None,
) -> Iterator[Record]:
    """Yield one record an image, with what its expressions ask.

    Args:
        root: Folder of the data set.
        expressions: Those of every split; an image may stand in several places.
        source: Name of the source.
        licence: Terms of images and labels.
        split: Which of them.
        answers: ``number`` of an expression that is a whole question -> its answers.
    """
    by_image: dict[str, list[Expression]] = {}
    for expression in expressions:
        if expression.split == split:
            by_image.setdefault(expression.image.path, []).append(expression)
    for group in by_image.values():
        questions = [
            question
            for expression in group
            for question in _questions(expression, source, answers)
        ]
        yield record_of(
            root, group[0].image, source, licence, questions=tuple(questions)
        )


def _questions(
    expression: Expression, source: str, answers: dict[str, tuple[str, ...]] | None
) -> Iterator[Question]:
    task = "ground" if expression.target else "segment"
    wordings = REQUESTS[expression.split][task]
    for number, text in enumerate((expression.text, *expression.others)):
        if answers is None:
            rng = Random(f"{source}/{expression.split}/{expression.number}/{number}")
            template = wordings[int(rng.random() * len(wordings))]
            text = template.format(text[:1].lower() + text[1:].rstrip(" ."))
        yield Question(
            text=text,
            answers=(answers or {}).get(expression.number, ()),
            kind="expression" if answers is None else "reasoning",
            task=task,
            targets=(renamed(expression.target),) if expression.target else (),
            mask=expression.mask,
        )


def renamed(target: Target) -> Target:
    """Return an object with its class in words."""
    return target.model_copy(update={"label": spelled(target.label)})


def spelled(name: str) -> str:
    """Return an upstream class in words.

    >>> spelled("Expressway-Service-area"), spelled("plane"), spelled("C919")
    ('expressway service area', 'airplane', 'C919')
    """
    words = name.replace("_", " ").replace("-", " ").split()
    # Names of types, such as A220 or ARJ21, keep their capitals.
    text = " ".join(
        word if any(char.isdigit() for char in word) else word.lower() for word in words
    )
    return WORDS.get(text, text)
