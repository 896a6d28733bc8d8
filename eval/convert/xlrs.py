"""XLRS-Bench: multiple choice on images of about 8,500 x 8,500 pixels.

The set is published as a Parquet file with the images inside. Read is an export of its
columns as JSON or JSON lines, with the images as files: ``{"index", "image": name or
names, "question", "multi-choice options", "answer", "category": "L2/L3",
"l2-category"}``. "Overall Land use" asks for every right option: ``meta["multi"]``.

Source:
    Wang et al., "XLRS-Bench", CVPR 2025; code AI9Stars/XLRS-Bench.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.options import letters_of, option_texts, split_question
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import Fields, found, read_objects
from rsvlm.samples import Sample

SOURCE = "xlrs-bench"
LICENCE = "CC BY-NC-SA 4.0 (annotations); images of DOTA, ITCVD, others: research only"
OPTIONS = "multi-choice options"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a question.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, "images", "image")
    for path in found(root, "*.json", "*.jsonl"):
        if not path.name.startswith(("dataset_info", "state")):
            for entry in read_objects(path):
                yield _sample(entry, images)


def _sample(entry: Fields, images: Images) -> Sample:
    names = entry.raw("image", "path")
    names = names if isinstance(names, list) else [names]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise entry.fault("'image'", "is no name of a file; export the images as files")
    value = entry.raw(OPTIONS)
    lines = value if isinstance(value, list) else split_question(str(value))[1]
    options = option_texts([str(line) for line in lines], entry, OPTIONS)
    answers = letters_of(entry.raw("answer"), len(options), entry, "answer")
    category = entry.text("category")
    level2, _, level3 = category.partition("/")
    folded = category.lower()
    multi = len(answers) > 1 or ("overall" in folded and "land use" in folded)
    return Sample(
        id=f"{SOURCE}/{entry.text('index')}",
        images=tuple(images.ref(name, entry.where) for name in names),
        task="vqa",
        conversation=asked(entry.text("question")),
        # The letters of a set are right together only: one text.
        answers=("".join(answers),),
        options=options,
        type=level3 or level2,
        source=SOURCE,
        licence=LICENCE,
        split="test",
        meta={"multi": multi, "level2": str(entry.values.get("l2-category") or level2)},
    )
