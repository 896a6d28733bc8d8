"""VRSBench: captions, questions and referring expressions on 512 x 512 images.

``VRSBench_EVAL_{Cap,vqa,referring}.json`` are lists of ``{"image_id", "question",
"ground_truth", "question_id", "type"}``; images lie in ``Images_val/``. The box of a
referring record is ``{<x1><y1><x2><y2>}`` in whole hundredths of the image, which costs
up to 5 px; its ``obj_corner`` holds the exact corners as eight shares of the image.

Source:
    Li, Ding, Elhoseiny, "VRSBench", NeurIPS 2024 (datasets and benchmarks); code
    lx709/VRSBench.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import Fields, found, read_objects
from rsvlm.samples import ImageRef, Sample, Target

SOURCE = "vrsbench"
LICENCE = "CC BY 4.0 (annotations); images of DOTA-v2 and DIOR, research only"
CAPTION = "Describe the image in detail."
_TASKS = {"cap": "caption", "vqa": "vqa", "referring": "ground"}
_NAME = re.compile(r"VRSBench_EVAL_(cap|vqa|referring)\.json$", re.IGNORECASE)
_BOX = re.compile(r"^\s*\{?\s*" + r"<\s*(-?\d+(?:\.\d+)?)\s*>\s*" * 4 + r"\}?\s*$")


def convert(root: Path) -> Iterator[Sample]:
    """Yield the records of the three files, those that are there.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    images = Images(root, "Images_val", "Images_train", "images")
    for path in found(root, "VRSBench_EVAL_*.json"):
        match = _NAME.search(path.name)
        if match:
            task = _TASKS[match[1].lower()]
            for number, entry in enumerate(read_objects(path)):
                yield _sample(entry, task, number, images)


def _sample(entry: Fields, task: str, number: int, images: Images) -> Sample:
    image = images.ref(entry.text("image_id"), entry.where)
    # The ids of upstream are not unique across files, and some are missing.
    known = entry.text("question_id") if entry.has("question_id") else number
    fields: dict[str, Any] = {}
    meta: dict[str, Any] = {"question_id": known}
    if task == "ground":
        target, exact = _target(entry, image)
        fields = {"targets": (target,)}
        meta |= {"size_group": entry.values.get("size_group"), "exact_hbb": exact}
        # The notebook writes `unique`, the scorer reads `is_unique`.
        unique = entry.values.get("unique", entry.values.get("is_unique"))
        meta["unique"] = bool(unique) if unique is not None else None
    else:
        fields = {"answers": (entry.text("ground_truth"),)}
    question = CAPTION if task == "caption" else entry.text("question")
    kind = str(entry.values.get("type") or task)
    return Sample(
        id=f"{SOURCE}/{task}/{number}",
        images=(image,),
        task=task,
        conversation=asked(question),
        type=kind,
        source=SOURCE,
        licence=LICENCE,
        split="test",
        meta=meta,
        **fields,
    )


def _target(entry: Fields, image: ImageRef) -> tuple[Target, list[float] | None]:
    """Return the target and the tight box around the exact corners."""
    match = _BOX.match(entry.text("ground_truth"))
    if match is None:
        raise entry.fault("'ground_truth'", "is no box {<x1><y1><x2><y2>}")
    x0, y0, x1, y1 = (float(value) / 100 for value in match.groups())
    width, height = image.width, image.height
    hbb = (x0 * width, y0 * height, x1 * width, y1 * height)
    label = str(entry.values.get("obj_cls") or "object")
    if not entry.has("obj_corner"):
        return Target(label=label, hbb=hbb), None
    shares = entry.numbers("obj_corner", 8)
    ring = [v * s for v, s in zip(shares, (width, height) * 4, strict=True)]
    exact = [min(ring[::2]), min(ring[1::2]), max(ring[::2]), max(ring[1::2])]
    return Target(label=label, hbb=hbb, polygons=(tuple(ring),)), exact
