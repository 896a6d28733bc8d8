"""RefSegRS: referring segmentation with a mask file an expression.

``output_phrase_{train,val,test}.txt`` has ``<image number> <phrase>`` a line; image and
mask are ``images/<number>.tif`` and ``masks/<number>.tif`` (255 = object).

Source:
    Yuan, Mou, Hua, Zhu, "RRSIS: Referring Remote Sensing Image Segmentation", IEEE TGRS
    2024; read as in the code earth-insights/SegEarth-R1.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.formats.images import Images, read_mask
from rsvlm.formats.labelled import Expression
from rsvlm.formats.upstream import below, found, read_text
from rsvlm.samples import SPLITS, Split

_LINE = re.compile(r"^(\d+)\s+(.*\S)\s*$")


def read_refsegrs(root: Path) -> Iterator[Expression]:
    """Yield one expression a phrase; ``number`` is that of its line.

    Raises:
        ParseError: If a line has another form, or an image or a mask is missing.
    """
    found(root, "output_phrase_*.txt")  # says what is missing when there is none
    for split in SPLITS:
        for path in below(root, f"output_phrase_{split}.txt"):
            yield from _phrases(path, root, split)


def _phrases(path: Path, root: Path, split: Split) -> Iterator[Expression]:
    images = Images(root, str((path.parent / "images").relative_to(root)))
    masks = Images(root, str((path.parent / "masks").relative_to(root)))
    if not read_text(path).strip():
        raise ParseError(f"{path.name} is empty. Fetch the file again.")
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        match = _LINE.match(line)
        if match is None:
            raise ParseError(
                f"{where}: {line.strip()!r:.60} is not '<image number> "
                "<phrase>'. Correct the line."
            )
        image = images.ref(f"{match[1]}.tif", where)
        mask_path = masks.path(f"{match[1]}.tif", where)
        yield Expression(
            number=str(number),
            image=image,
            text=match[2],
            split=split,
            mask=read_mask(mask_path, image, where),
        )
