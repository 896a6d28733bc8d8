"""EarthReason: reasoning segmentation; questions without a target among them.

``{train,val,test}/{images,labels,QAs}`` hold one file an image each, of the same stem:
the image, a PNG mask (any value but 0 is the object) and ``{"questions": [..],
"answer": [..]}``. An empty ``answer`` means that the image holds no such object.

Upstream scores ``questions[0]``; the others are kept in ``meta``.

Source:
    Li et al., "SegEarth-R1: Geospatial Pixel Reasoning via Large Language Model", 2025,
    https://arxiv.org/abs/2504.09644.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.eval.convert.images import Images, read_mask
from rsvlm.eval.convert.upstream import (
    SPLITS,
    Split,
    as_fields,
    asked,
    found,
    read_json,
)
from rsvlm.samples import Sample

SOURCE = "earthreason"
LICENCE = "no terms stated upstream; images of AID and fMoW, research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample an image.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    found(root, "QAs/*.json")  # says what is missing when there is no split at all
    for split in SPLITS:
        for folder in sorted(root.rglob(f"{split}/QAs")):
            yield from _split(folder.parent, root, split)


def _split(folder: Path, root: Path, split: Split) -> Iterator[Sample]:
    images = Images(root, str((folder / "images").relative_to(root)))
    for path in sorted((folder / "QAs").glob("*.json")):
        where = f"{split}/QAs/{path.name}"
        entry = as_fields(read_json(path), where)
        questions = [str(text).strip() for text in entry.items("questions")]
        if not questions or not questions[0]:
            raise entry.fault("'questions'", "has no first question")
        image = images.ref(path.stem, where)
        present = any(str(text).strip() for text in entry.items("answer"))
        label = folder / "labels" / f"{path.stem}.png"
        if present and not label.is_file():
            raise ParseError(
                f"{where}: there is no mask labels/{label.name}. Unpack the labels."
            )
        mask = read_mask(label, image, where) if present else None
        yield Sample(
            id=f"{SOURCE}/{split}/{path.stem}",
            images=(image,),
            task="segment",
            conversation=asked(questions[0]),
            mask=mask,
            type="target" if mask else "no target",
            source=SOURCE,
            licence=LICENCE,
            split=split,
            meta={"other_questions": questions[1:]} if questions[1:] else {},
        )
