"""RRSIS-D: segment what an expression means.

The files are read by :mod:`rsvlm.formats.rrsisd`. Upstream scores ``sentences[0]`` only;
further sentences are kept in ``meta``.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.rrsisd import read_rrsisd
from rsvlm.samples import Sample

SOURCE = "rrsis-d"
LICENCE = "no terms stated upstream; images of DIOR (Google Earth), research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a reference.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for expression in read_rrsisd(root):
        others = list(expression.others)
        yield Sample(
            id=f"{SOURCE}/{expression.number}",
            images=(expression.image,),
            task="segment",
            conversation=asked(expression.text),
            mask=expression.mask,
            type=expression.label,
            source=SOURCE,
            licence=LICENCE,
            split=expression.split,
            meta={"other_sentences": others} if others else {},
        )
