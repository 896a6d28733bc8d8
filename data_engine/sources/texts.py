"""Records of data sets whose labels are texts: captions, questions, conversations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from rsvlm.data_engine.records import Question, Record, Split
from rsvlm.formats.texts import Asked, Described
from rsvlm.samples import ImageRef

#: One image in so many of a data set without a validation split is kept for it.
ONE_IN = 50


@dataclass
class Said:
    """What a data set says about one image."""

    image: ImageRef
    captions: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    label: str | None = None


def text_records(
    root: Path, found: Iterable[Described | Asked], source: str, licence: str
) -> Iterator[Record]:
    """Yield one record an image, with all that is said about it.

    Args:
        root: Folder of the data set.
        found: Captions and questions of one split; an image may come several times.
        source: Name of the source.
        licence: Terms of images and texts.
    """
    by_image: dict[str, Said] = {}
    for one in found:
        said = by_image.setdefault(one.image.path, Said(one.image))
        if isinstance(one, Described):
            said.captions += [
                text for text in one.captions if text not in said.captions
            ]
        else:
            said.questions.append(Question(one.text, one.answers, one.kind))
    for said in by_image.values():
        yield said_record(root, said, source, licence)


def said_record(
    root: Path, said: Said, source: str, licence: str, scenes: tuple[str, ...] = ()
) -> Record:
    """Return the record of an image with what is said about it.

    Args:
        root: Folder of the data set.
        said: Image, captions, questions, scene class.
        source: Name of the source.
        licence: Terms of image and texts.
        scenes: The closed list of scene classes.
    """
    image = said.image
    return Record(
        image=(root / image.path).read_bytes(),
        # Two folders may hold files of one name.
        name=image.path.replace("/", "-"),
        width=image.width,
        height=image.height,
        source=source,
        licence=licence,
        label=said.label,
        scenes=scenes if said.label else (),
        sensor=image.sensor,
        gsd_m=image.gsd_m,
        captions=tuple(said.captions),
        questions=tuple(said.questions),
    )


def kept_for(name: str, salt: str) -> Split:
    """Return the split of an image of a data set that has training images only.

    It follows from the name alone.

    >>> {kept_for(f"{n}.png", "x") for n in range(200)} == {"train", "val"}
    True
    """
    digest = sha256(f"{salt}/{name}".encode()).digest()
    return "val" if int.from_bytes(digest[:4], "big") % ONE_IN == 0 else "train"
