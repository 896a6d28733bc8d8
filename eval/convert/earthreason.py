"""EarthReason: segment what a question is about, or say that it is not there.

The files are read by :mod:`rsvlm.formats.earthreason`. Upstream scores ``questions[0]``;
the others are kept in ``meta``.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.earthreason import read_earthreason
from rsvlm.samples import Sample

SOURCE = "earthreason"
LICENCE = "no terms stated upstream; images of AID and fMoW, research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample an image.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for reasoning in read_earthreason(root):
        expression = reasoning.expression
        others = list(expression.others)
        yield Sample(
            id=f"{SOURCE}/{expression.split}/{expression.number}",
            images=(expression.image,),
            task="segment",
            conversation=asked(expression.text),
            mask=expression.mask,
            type="target" if expression.mask else "no target",
            source=SOURCE,
            licence=LICENCE,
            split=expression.split,
            meta={"other_questions": others} if others else {},
        )
