"""LRS-VQA: free-text questions about large images.

The file is read by :mod:`rsvlm.formats.lrsvqa`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.lrsvqa import read_lrsvqa
from rsvlm.samples import Sample

SOURCE = "lrs-vqa"
LICENCE = "no terms stated upstream; images of FAIR1M, GLH-Bridge, STAR, research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a question.

    ``meta["origin"]`` is the prefix of the id.

    Raises:
        ParseError: If a line does not hold what the layout requires.
    """
    for found in read_lrsvqa(root):
        yield Sample(
            id=f"{SOURCE}/{found.number}",
            images=(found.image,),
            task="vqa",
            conversation=asked(found.text),
            answers=found.answers,
            type=found.kind,
            source=SOURCE,
            licence=LICENCE,
            split="test",
            meta={"origin": found.part},
        )
