"""DIOR-RSVG and its kin: one horizontal box for an expression, in VOC XML.

``Annotations/*.xml`` hold ``filename`` and ``object/{name, bndbox, description}``;
``{train,val,test}.txt`` list numbers of *objects*, counted over all XML files sorted by
their full path, not numbers of images. One image can be in two splits.

Only DIOR-RSVG is verified. For RSVG (HR aerial images, Sun et al. 2022) and OPT-RSVG the
same layout is assumed, with images in ``Image/``, ``images/`` or ``JPEGImages/``.

Source:
    Zhan, Xiong, Yuan, "RSVG: Exploring Data and Models for Visual Grounding on Remote
    Sensing Data", IEEE TGRS 2023; code ZhanYang-nwpu/RSVG-pytorch.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from rsvlm.errors import ParseError
from rsvlm.eval.convert.images import Images
from rsvlm.eval.convert.upstream import SPLITS, Split, asked, found, only, read_text
from rsvlm.samples import Sample, Target

LICENCE = {
    "dior-rsvg": "no terms stated upstream; images of DIOR (Google Earth), research only",
    "rsvg": "no terms stated upstream; images of Google Earth, research only",
}
FOLDERS = ("JPEGImages", "Image", "Images", "images")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def dior_rsvg(root: Path) -> Iterator[Sample]:
    """Yield the expressions of DIOR-RSVG: 38,320 of 17,402 images."""
    return read(root, "dior-rsvg")


def rsvg(root: Path) -> Iterator[Sample]:
    """Yield the expressions of RSVG, where it comes in the same layout."""
    return read(root, "rsvg")


def read(root: Path, source: str) -> Iterator[Sample]:
    """Yield one sample an object that a split lists.

    Args:
        root: Folder with ``Annotations/``, the split lists and the images.
        source: Name of the data set.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    images = Images(root, *FOLDERS)
    splits = {split: _numbers(root, split) for split in SPLITS}
    if not any(splits.values()):
        raise ParseError(
            f"There is no train.txt, val.txt or test.txt below {str(root)!r}. "
            "Put the split lists beside the folder Annotations."
        )
    number = 0
    for path in found(root, "Annotations/*.xml"):
        tree = _parsed(path)
        for element in tree.iter("object"):
            for split in SPLITS:
                if number in splits[split]:
                    yield _sample(tree, element, path, number, split, images, source)
            number += 1
    unknown = [n for numbers in splits.values() for n in numbers if n >= number]
    if unknown:
        raise ParseError(
            f"The split lists name object {max(unknown)}, but the XML files hold "
            f"{number}. Unpack all annotations."
        )


def _sample(
    tree: ElementTree.Element,
    element: ElementTree.Element,
    path: Path,
    number: int,
    split: Split,
    images: Images,
    source: str,
) -> Sample:
    where = f"{path.name}, object {number}"
    image = images.ref(_text(tree, "filename", path.name), where)
    label = _text(element, "name", where)
    x0, y0, x1, y1 = (_number(element, f"bndbox/{side}", where) for side in _SIDES)
    if not (x0 < x1 and y0 < y1):
        raise ParseError(
            f"{where}: the box {x0:g} {y0:g} {x1:g} {y1:g} is empty. Correct the file."
        )
    return Sample(
        # An object that two splits list is two samples.
        id=f"{source}/{split}/{number}",
        images=(image,),
        task="ground",
        conversation=asked(_text(element, "description", where)),
        targets=(Target(label=label, hbb=(x0, y0, x1, y1)),),
        type=label,
        source=source,
        licence=LICENCE[source],
        split=split,
    )


def _numbers(root: Path, split: Split) -> frozenset[int]:
    paths = sorted(root.rglob(f"{split}.txt"))
    if not paths:
        return frozenset()
    path = only(paths)
    numbers = set[int]()
    for line_number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            if not line.strip().isdecimal():
                raise ParseError(
                    f"{path.name}, line {line_number}: {line.strip()!r:.40} is no "
                    "number of an object. Fetch the list again."
                )
            numbers.add(int(line))
    return frozenset(numbers)


def _parsed(path: Path) -> ElementTree.Element:
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        # Entities can expand without end; annotations never need them.
        raise ParseError(f"{path.name} declares entities. Remove the declaration.")
    try:
        return ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise ParseError(
            f"{path.name} is no XML ({error}). Fetch the file again."
        ) from None


def _text(element: ElementTree.Element, key: str, where: str) -> str:
    value = (element.findtext(key) or "").strip()
    if not value:
        raise ParseError(f"{where}: <{key}> is missing or empty. Correct the file.")
    return value


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    text = _text(element, key, where)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e6:
        raise ParseError(
            f"{where}: <{key}> is {text!r:.40}, no coordinate. Correct it."
        )
    return value
