"""What readers yield: an image with labelled objects, or one expression about an image."""

from dataclasses import dataclass

from rsvlm.samples import ImageRef, MaskRle, Split, Target


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image with its labelled objects.

    Attributes:
        image: The image; its path is relative to the folder of the data set.
        targets: Its objects, labels in upstream spelling.
        split: Which split it belongs to.
    """

    image: ImageRef
    targets: tuple[Target, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class Expression:
    """Words for something in an image, and where it is.

    Attributes:
        number: What tells it from the others of the data set.
        image: The image; its path is relative to the folder of the data set.
        text: The words.
        split: Which split it belongs to.
        label: Class of what is meant, where there is one.
        others: Further words for the same.
        target: Its box, in data sets of boxes.
        mask: Its mask, in data sets of masks; None: nothing in the image is meant.
    """

    number: str
    image: ImageRef
    text: str
    split: Split
    label: str | None = None
    others: tuple[str, ...] = ()
    target: Target | None = None
    mask: MaskRle | None = None


def target_of(label: str, rings: tuple[tuple[float, ...], ...]) -> Target:
    """Return an object given by its outlines; its box is the smallest around them.

    >>> target_of("ship", ((4, 0, 8, 2, 4, 4, 0, 2),)).hbb
    (0.0, 0.0, 8.0, 4.0)
    """
    xs = [x for ring in rings for x in ring[::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    return Target(label=label, hbb=(min(xs), min(ys), max(xs), max(ys)), polygons=rings)
