"""SARLANG-1M: captions and questions about SAR images.

``SARimages/`` holds the images. ``Text/caption/Caption_<split>.csv`` has long captions,
``Caption_<split>1.csv`` short ones, ``Text/VQA/<split>/SARVQA{1,2}_<split>.json``
questions (1: SARDet-100K, 2: SpaceNet 6, DFC 2023 and OpenEarthMap-SAR).

The README names files and folders but not the columns. Assumed are, for tables,
``image`` (or ``image_name``, ``filename``, ``images``) and ``caption`` (or ``text``,
``answer``), for questions ``image`` or ``images`` with ``question`` and ``answer``, or
a LLaVA conversation, or OpenAI ``messages``.

Source:
    Wei et al., "SARLANG-1M", 2025, https://arxiv.org/abs/2504.03254; code
    Jimmyxichen/SARLANG-1M.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.formats.conversations import image_name, pairs
from rsvlm.formats.images import Images
from rsvlm.formats.texts import Asked, Described
from rsvlm.formats.upstream import found, read_csv, read_objects
from rsvlm.samples import Split

_TEXT_KEYS = ("caption", "captions", "text", "answer", "label", "gt")


def read_sarlang(root: Path, split: Split) -> Iterator[Described | Asked]:
    """Yield the captions of a split, then its questions.

    The ``part`` of a question and the ``label`` of captions are the name of the file
    without its ending.

    Args:
        root: Folder of the data set.
        split: Which files.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, "SARimages", sensor="sar")
    for path in found(root, f"Caption_{split}*.csv", f"SARVQA*_{split}.json"):
        if path.suffix == ".csv":
            yield from _captions(path, split, images)
        else:
            yield from _questions(path, split, images)


def _captions(path: Path, split: Split, images: Images) -> Iterator[Described]:
    """Yield one image a time: its captions stand in rows of their own."""
    by_image: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    for row in read_csv(path):
        name = image_name(row)
        by_image.setdefault(name, []).append(row.text(*_TEXT_KEYS))
        places.setdefault(name, row.where)
    for name, captions in by_image.items():
        image = images.ref(name, places[name])
        yield Described(name, image, tuple(captions), split, label=path.stem)


def _questions(path: Path, split: Split, images: Images) -> Iterator[Asked]:
    for number, entry in enumerate(read_objects(path)):
        question, answer = pairs(entry)[0]
        kind = entry.values.get("application") or entry.values.get("type")
        yield Asked(
            number=str(number),
            image=images.ref(image_name(entry), entry.where),
            text=question,
            answers=(answer,),
            split=split,
            kind=str(kind) if kind else None,
            part=path.stem,
        )
