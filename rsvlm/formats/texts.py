"""What readers of texts yield: an image with captions, or one question about an image."""

from dataclasses import dataclass

from rsvlm.samples import ImageRef, Split


@dataclass(frozen=True, slots=True)
class Described:
    """An image with captions.

    Attributes:
        name: Name of the image, as the file gives it.
        image: The image; its path is relative to the folder of the data set.
        captions: Sentences about it, in the order of the file; none is empty.
        split: Which split it belongs to.
        label: Its scene class, where there is one.
        number: Its number upstream, where there is one.
    """

    name: str
    image: ImageRef
    captions: tuple[str, ...]
    split: Split
    label: str | None = None
    number: object = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about an image.

    Attributes:
        number: What tells it from the others of its split and part.
        image: The image; its path is relative to the folder of the data set.
        text: The question.
        answers: Accepted answers.
        split: Which split it belongs to.
        kind: Kind of question, as upstream calls it.
        part: Which file of the split it is from.
    """

    number: str
    image: ImageRef
    text: str
    answers: tuple[str, ...]
    split: Split
    kind: str | None = None
    part: str = ""
