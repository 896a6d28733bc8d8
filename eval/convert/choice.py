r"""CHOICE: 23 tasks of perception and reasoning, most of them multiple choice.

``<level 1>/<level 2>/<task>/<task>.json`` are lists of ``{"id", "image_path",
"question", "answer"}`` with paths from the root. The options stand in the question
(``..?\nA.red\nB.blue``). Visual grounding answers with a quad in shares of the image,
referring segmentation with ``mask_path``.

Source:
    An et al., "CHOICE: Benchmarking the Remote Sensing Capabilities of Large
    Vision-Language Models", 2024, https://arxiv.org/abs/2411.18145; code
    ShawnAn-WHU/CHOICE.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.options import letters_of, option_texts, split_question
from rsvlm.formats.images import Images, read_mask
from rsvlm.formats.upstream import Fields, entries, found, read_json
from rsvlm.samples import ImageRef, Sample, Target

SOURCE = "choice"
LICENCE = "no terms stated upstream; images of Google Earth and others, research only"
GROUNDING, SEGMENTING = "visual_grounding", "referring_expression_segmentation"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample an item; ``meta["part"]`` is the name of its task.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, *(str(p.relative_to(root)) for p in root.glob("*CHOICE*")))
    masks = Images(root, *images.folders)
    for path in found(root, "*.json"):
        values = read_json(path)
        # Files of predictions lie in the same repository.
        if isinstance(values, list) and values and "image_path" in values[0]:
            where = path.relative_to(root).as_posix()
            for entry in entries(values, where):
                yield _sample(entry, path.stem, images, masks)


def _sample(entry: Fields, part: str, images: Images, masks: Images) -> Sample:
    names = entry.raw("image_path")
    refs = tuple(
        images.ref(str(name), entry.where)
        for name in (names if isinstance(names, list) else [names])
    )
    if not refs:
        raise entry.fault("'image_path'", "is empty")
    question = entry.text("question")
    meta: dict[str, Any] = {"part": part}
    fields: dict[str, Any]
    if part == GROUNDING:
        fields = {"task": "ground", "targets": (_quad(entry, refs[0]),)}
    elif part == SEGMENTING:
        path = masks.path(entry.text("mask_path"), entry.where)
        fields = {
            "task": "segment",
            "mask": read_mask(path, refs[0], entry.where),
        }
    else:
        question, lines = split_question(question)
        options = option_texts(lines, entry, "question")
        answers = letters_of(entry.raw("answer"), len(options), entry, "answer")
        # Several letters are right together only: one text.
        fields = {"task": "vqa", "options": options, "answers": ("".join(answers),)}
        meta["multi"] = len(answers) > 1
    return Sample(
        id=f"{SOURCE}/{part}/{entry.text('id')}",
        images=refs,
        conversation=asked(question),
        type=part.replace("_", " "),
        source=SOURCE,
        licence=LICENCE,
        split="test",
        meta=meta,
        **fields,
    )


def _quad(entry: Fields, image: ImageRef) -> Target:
    points = entry.items("answer")
    flat = [value for point in points if isinstance(point, list) for value in point]
    shares = Fields({"answer": flat}, entry.where).numbers("answer", 8)
    if max(map(abs, shares)) > 1.5:
        raise entry.fault("'answer'", f"is {shares}, not in shares of the image")
    sides = (image.width, image.height) * 4
    ring = tuple(value * side for value, side in zip(shares, sides, strict=True))
    hbb = (min(ring[::2]), min(ring[1::2]), max(ring[::2]), max(ring[1::2]))
    return Target(label="object", hbb=hbb, polygons=(ring,))
