r"""GeoChat-Bench: scenes, questions, expressions and region captions, one JSONL each.

=========================== ========================================================
``aid``, ``UCmerced``       ``question_id "<class>/..", image, text`` with the class
                            list after ``Classes:``
``lrben``, ``hrben``        ``question_id, image, text, category``; **no answers**:
                            they are joined from RSVQA's ``*_answers.json``, where
                            that lies below the same folder
``referring``               ``question_id, image_id, question, ground_truth, type,
                            size_group``; ground truth = quads in pixels
``region_captioning``       ``question`` = a box, ``ground_truth`` = its description
``grounding_description``   ``image_id, description``; published without boxes, so
                            that only the text can be scored
=========================== ========================================================

Source:
    Kuckreja et al., "GeoChat", CVPR 2024; code mbzuai-oryx/GeoChat. There is no scorer
    upstream; fields as others read them.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.convert.asked import asked
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import (
    Fields,
    as_fields,
    found,
    read_json,
    read_objects,
)
from rsvlm.samples import ImageRef, Sample, Target

SOURCE = "geochat-bench"
LICENCE = (
    "not verified; repository Apache-2.0; images of AID, UCMerced, RSVQA, SAMRS, "
    "research only"
)
_FILES = (
    "aid", "ucmerced", "lrben", "hrben", "referring", "region_captioning",
    "grounding_description",
)  # fmt: skip
_ANSWERS = {
    "lrben": ("LR_split_test_answers.json", "all_answers.json"),
    "hrben": ("USGS_split_test_phili_answers.json", "USGSanswers.json"),
}
_CLASSES = re.compile(r"Classes:\s*(.+)", re.IGNORECASE)


def convert(root: Path) -> Iterator[Sample]:
    """Yield the records of the files that are there.

    The kind of task is ``meta["part"]``, the name of the file.

    Raises:
        ParseError: If a file does not hold what the layout requires, or the answers of
            ``lrben`` or ``hrben`` are not found.
    """
    images = Images(
        root, "images", "AID", "UCMerced_LandUse/Images", "Images_LR", "Data"
    )
    known = {name: name for name in _FILES}
    paths = [path for path in found(root, "*.jsonl") if path.stem.lower() in known]
    if not paths:
        raise ParseError(
            f"None of {', '.join(_FILES)} (.jsonl) lies below {str(root)!r}. "
            "Name the folder of GeoChat-Bench with --root."
        )
    for path in paths:
        part = path.stem.lower()
        answers = _answers(root, part) if part in _ANSWERS else {}
        for number, entry in enumerate(read_objects(path)):
            yield _sample(entry, part, number, images, answers)


def _sample(
    entry: Fields, part: str, number: int, images: Images, answers: Mapping[str, str]
) -> Sample:
    image = _image(entry, part, images)
    fields: dict[str, Any]
    if part in ("aid", "ucmerced"):
        fields = _scene(entry)
    elif part in _ANSWERS:
        fields = _question(entry, answers)
    elif part == "referring":
        fields = _referring(entry, image)
    elif part == "region_captioning":
        fields = {
            "task": "caption",
            "conversation": asked(
                f"What is the object present at {entry.text('question')}"
            ),
            "answers": (entry.text("ground_truth"),),
            "type": entry.values.get("type"),
        }
    else:
        fields = {
            "task": "caption",
            "conversation": asked("Describe the image."),
            "answers": (entry.text("description", "ground_truth"),),
        }
    meta = {
        "part": part,
        "size_group": entry.values.get("size_group"),
        "question_id": entry.values.get("question_id"),
    }
    return Sample(
        # The ids of the public files repeat (they are paths or counters of a part).
        id=f"{SOURCE}/{part}/{number}",
        images=(image,),
        source=SOURCE,
        licence=LICENCE,
        split="test",
        meta={key: value for key, value in meta.items() if value is not None},
        **fields,
    )


def _image(entry: Fields, part: str, images: Images) -> ImageRef:
    name = entry.text("image", "image_id")
    if part == "aid":
        # The public file names some AID images .png, which are .jpg.
        name = f"{name.rsplit('.', 1)[0]}.jpg"
    return images.ref(name, entry.where)


def _scene(entry: Fields) -> dict[str, Any]:
    text = entry.text("text")
    options: tuple[str, ...] = ()
    if match := _CLASSES.search(text):
        parts = match[1].split(",")
        options = tuple(filter(None, (part.strip(" .") for part in parts)))
    # As the public scene script does; `ground_truth` has a typing error in one class.
    label = entry.text("question_id").split("/")[0]
    return {
        "task": "classify",
        "conversation": asked(text),
        "answers": (label,),
        "options": options,
    }


def _question(entry: Fields, answers: Mapping[str, str]) -> dict[str, Any]:
    key = entry.text("question_id")
    if entry.has("ground_truth"):
        answer = entry.text("ground_truth")
    elif key in answers:
        answer = answers[key]
    else:
        raise entry.fault("'question_id'", f"{key!r} has no answer in RSVQA's file")
    return {
        "task": "vqa",
        "conversation": asked(entry.text("text")),
        "answers": (answer,),
        "type": entry.values.get("category") or entry.values.get("type"),
    }


def _referring(entry: Fields, image: ImageRef) -> dict[str, Any]:
    targets = tuple(_target(quad, entry) for quad in entry.items("ground_truth"))
    if not targets:
        raise entry.fault("'ground_truth'", "is empty")
    return {
        "task": "ground",
        "conversation": asked(entry.text("question")),
        "targets": targets,
        "type": entry.values.get("type"),
    }


def _target(quad: Any, entry: Fields) -> Target:
    """Return a quad of four points, whose values may leave the frame."""
    flat = quad
    if isinstance(quad, list) and all(isinstance(point, list) for point in quad):
        flat = [value for point in quad for value in point]
    ring = Fields({"ground_truth": flat}, entry.where).numbers("ground_truth", 8)
    hbb = (min(ring[::2]), min(ring[1::2]), max(ring[::2]), max(ring[1::2]))
    return Target(label="object", hbb=hbb, polygons=(ring,))


def _answers(root: Path, part: str) -> dict[str, str]:
    """Return id of a question -> answer, from RSVQA's own files."""
    for name in _ANSWERS[part]:
        for path in sorted(root.rglob(name)):
            whole = as_fields(read_json(path), path.name)
            return {
                entry.text("question_id"): entry.text("answer")
                for entry in whole.objects("answers")
                if entry.values.get("active", True)
            }
    return {}
