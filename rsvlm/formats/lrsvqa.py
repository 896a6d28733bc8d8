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

from rsvlm.formats.images import Images
from rsvlm.formats.texts import Asked
from rsvlm.formats.upstream import found, only, read_objects

_PREFIX = re.compile(r"^[A-Za-z]+(?:[-_ ]?[A-Za-z]+)*")


def read_lrsvqa(root: Path) -> Iterator[Asked]:
    """Yield the questions; all of them are for tests.

    ``part`` is the prefix of the id.

    Raises:
        ParseError: If a line does not hold what the layout requires.
    """
    path = only(found(root, "LRS_VQA_merged*.jsonl"))
    images = Images(root, "image", "LRS_VQA", "LRS_VQA/image")
    for entry in read_objects(path):
        number = entry.text("question_id")
        prefix = _PREFIX.match(number)
        yield Asked(
            number=number,
            image=images.ref(entry.text("image"), entry.where),
            text=entry.text("text", "question"),
            answers=(entry.text("ground_truth"),),
            split="test",
            kind=entry.text("category"),
            part=prefix[0].lower() if prefix else "unknown",
        )
