"""MME-RealWorld, remote sensing part: five options a question, large images.

``MME_RealWorld.json`` (and ImageRAG's cuts of it) is a list of ``{"Question_id",
"Image", "Text", "Answer choices", "Ground truth", "Category", "Subtask", "Task"}``;
the ground truth is a letter or a list of accepted letters. ``gt_toi``, where it is
given, is the region of interest in pixels of the original, ``img_size`` its size.

Source:
    Zhang et al., "MME-RealWorld", ICLR 2025; ``gt_toi`` from om-ai-lab/ImageRAG.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.options import letters_of, option_texts
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import Fields, found, read_objects
from rsvlm.samples import ImageRef, Sample

SOURCE = "mme-realworld-rs"
LICENCE = "academic research only; images of FAIR1M, DOTA and others"
#: The part about remote sensing, as ``Subtask`` spells it.
SUBTASK = "remote sensing"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a question of the part about remote sensing.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, "remote_sensing", "images", "imgs")
    for path in found(root, "MME_RealWorld.json", "*RealWorld*.json*"):
        for entry in read_objects(path):
            if entry.text("Subtask").lower().replace("_", " ") == SUBTASK:
                yield _sample(entry, images)


def _sample(entry: Fields, images: Images) -> Sample:
    number = entry.text("Question_id")
    image = images.ref(entry.text("Image"), entry.where)
    options = option_texts(
        [str(line) for line in entry.items("Answer choices")], entry, "Answer choices"
    )
    answers = letters_of(entry.raw("Ground truth"), len(options), entry, "Ground truth")
    return Sample(
        id=f"{SOURCE}/{number}",
        images=(image,),
        task="vqa",
        conversation=asked(entry.text("Text")),
        answers=answers,
        options=options,
        roi=_roi(entry, image),
        type=entry.text("Category"),
        source=SOURCE,
        licence=LICENCE,
        split="test",
    )


def _roi(entry: Fields, image: ImageRef) -> tuple[float, float, float, float] | None:
    if not entry.values.get("gt_toi"):
        return None
    x0, y0, x1, y1 = entry.numbers("gt_toi", 4)
    if entry.has("img_size"):
        size = tuple(map(int, entry.numbers("img_size", 2)))
        if size != (image.width, image.height):
            raise entry.fault(
                "'img_size'",
                f"is {size}, but the image has {image.width} x {image.height} pixels",
            )
    return (x0, y0, x1, y1)
