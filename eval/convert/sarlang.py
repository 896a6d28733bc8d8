"""SARLANG-1M: captions and questions about SAR images, those of the test split.

The files are read by :mod:`rsvlm.formats.sarlang`, which also says what is assumed.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.sarlang import read_sarlang
from rsvlm.formats.texts import Described
from rsvlm.samples import Sample

SOURCE = "sarlang-1m"
LICENCE = "no terms stated upstream; images of SARDet-100K, SpaceNet 6 and others"
CAPTION = "Describe the content of this image in one sentence."


def convert(root: Path) -> Iterator[Sample]:
    """Yield the test captions, then the test questions.

    ``meta["part"]`` is the name of the file without its ending.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    for found in read_sarlang(root, "test"):
        if isinstance(found, Described):
            part, name, task = found.label, found.name, "caption"
            question, answers, kind = CAPTION, found.captions, None
        else:
            part, name, task = found.part, found.number, "vqa"
            question, answers, kind = found.text, found.answers, found.kind
        yield Sample(
            id=f"{SOURCE}/{part}/{name}",
            images=(found.image,),
            task=task,
            conversation=asked(question),
            answers=answers,
            type=kind,
            source=SOURCE,
            licence=LICENCE,
            split="test",
            meta={"part": part},
        )
