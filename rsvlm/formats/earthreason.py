"""EarthReason: reasoning segmentation; questions without a target among them.

``{train,val,test}/{images,labels,QAs}`` hold one file an image each, of the same stem:
the image, a PNG mask (any value but 0 is the object) and ``{"questions": [..],
"answer": [..]}``. An empty ``answer`` means that the image holds no such object.

Source:
    Li et al., "SegEarth-R1: Geospatial Pixel Reasoning via Large Language Model", 2025,
    https://arxiv.org/abs/2504.09644.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.formats.images import Images, read_mask
from rsvlm.formats.labelled import Expression
from rsvlm.formats.upstream import as_fields, below, found, read_json
from rsvlm.samples import SPLITS, Split


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A question that takes reasoning, where its target is, and why.

    Attributes:
        expression: The first question and the mask; others ask for the same.
        answers: Explanations; empty where there is no such object.
    """

    expression: Expression
    answers: tuple[str, ...]


def read_earthreason(root: Path) -> Iterator[Reasoning]:
    """Yield one an image.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    files = found(root, "QAs/*.json")
    for split in SPLITS:
        folders = {path.parents[1] for path in files}
        for folder in sorted(f for f in folders if f.name == split):
            yield from _split(folder, root, split)


def _split(folder: Path, root: Path, split: Split) -> Iterator[Reasoning]:
    images = Images(root, str((folder / "images").relative_to(root)))
    for path in below(folder / "QAs", "*.json"):
        where = f"{split}/QAs/{path.name}"
        entry = as_fields(read_json(path), where)
        questions = [str(text).strip() for text in entry.items("questions")]
        if not questions or not questions[0]:
            raise entry.fault("'questions'", "has no first question")
        image = images.ref(path.stem, where)
        answers = [str(text).strip() for text in entry.items("answer")]
        present = any(answers)
        label = folder / "labels" / f"{path.stem}.png"
        if present and not label.is_file():
            raise ParseError(
                f"{where}: there is no mask labels/{label.name}. Unpack the labels."
            )
        yield Reasoning(
            Expression(
                number=path.stem,
                image=image,
                text=questions[0],
                split=split,
                others=tuple(questions[1:]),
                mask=read_mask(label, image, where) if present else None,
            ),
            tuple(filter(None, answers)),
        )
