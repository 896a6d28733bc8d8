"""RefSegRS: segment what a phrase means.

The files are read by :mod:`rsvlm.formats.refsegrs`.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.refsegrs import read_refsegrs
from rsvlm.samples import Sample

SOURCE = "refsegrs"
LICENCE = "no terms stated upstream; images of SkyScapes (DLR), research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a phrase.

    Raises:
        ParseError: If a line has another form, or an image or a mask is missing.
    """
    for expression in read_refsegrs(root):
        yield Sample(
            id=f"{SOURCE}/{expression.split}/{expression.number}",
            images=(expression.image,),
            task="segment",
            conversation=asked(expression.text),
            mask=expression.mask,
            source=SOURCE,
            licence=LICENCE,
            split=expression.split,
        )
