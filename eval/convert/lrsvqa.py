"""LRS-VQA: free-text questions about large images.

``LRS_VQA_merged.jsonl`` has ``{"question_id", "image", "text", "ground_truth",
"category"}`` a line; the prefix of the id names the data set that the image is from.
Images lie in ``image/`` beside it.

Source:
    Luo et al., "When Large Vision-Language Model Meets Large Remote Sensing Imagery:
    Coarse-to-Fine Text-Guided Token Pruning", 2025, https://arxiv.org/abs/2503.07588;
    code VisionXLab/LRS-VQA.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.images import Images
from rsvlm.eval.convert.upstream import asked, found, only, read_objects
from rsvlm.samples import Sample

SOURCE = "lrs-vqa"
LICENCE = "no terms stated upstream; images of FAIR1M, GLH-Bridge, STAR, research only"
_PREFIX = re.compile(r"^[A-Za-z]+(?:[-_ ]?[A-Za-z]+)*")


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a question.

    ``meta["origin"]`` is the prefix of the id.

    Raises:
        ParseError: If a line does not hold what the layout requires.
    """
    path = only(found(root, "LRS_VQA_merged*.jsonl"))
    images = Images(root, "image", "LRS_VQA", "LRS_VQA/image")
    for entry in read_objects(path):
        number = entry.text("question_id")
        prefix = _PREFIX.match(number)
        yield Sample(
            id=f"{SOURCE}/{number}",
            images=(images.ref(entry.text("image"), entry.where),),
            task="vqa",
            conversation=asked(entry.text("text", "question")),
            answers=(entry.text("ground_truth"),),
            type=entry.text("category"),
            source=SOURCE,
            licence=LICENCE,
            split="test",
            meta={"origin": prefix[0].lower() if prefix else "unknown"},
        )
