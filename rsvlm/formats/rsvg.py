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

from rsvlm.errors import ParseError
from rsvlm.formats.images import Images
from rsvlm.formats.labelled import Expression
from rsvlm.formats.upstream import below, found, only, read_text
from rsvlm.formats.xml import Node, read_xml
from rsvlm.samples import SPLITS, Split, Target

FOLDERS = ("JPEGImages", "Image", "Images", "images")


def read_rsvg(root: Path) -> Iterator[Expression]:
    """Yield one expression an object that a split lists.

    Args:
        root: Folder with ``Annotations/``, the split lists and the images.

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
        tree = read_xml(path)
        for node in tree.all("object"):
            for split in SPLITS:
                if number in splits[split]:
                    yield _expression(tree, node, number, split, images)
            number += 1
    unknown = [n for numbers in splits.values() for n in numbers if n >= number]
    if unknown:
        raise ParseError(
            f"The split lists name object {max(unknown)}, but the XML files hold "
            f"{number}. Unpack all annotations."
        )


def _expression(
    tree: Node, node: Node, number: int, split: Split, images: Images
) -> Expression:
    label = node.text("name")
    return Expression(
        number=str(number),
        image=images.ref(tree.text("filename"), node.where),
        text=node.text("description"),
        split=split,
        label=label,
        target=Target(label=label, hbb=node.box("bndbox")),
    )


def _numbers(root: Path, split: Split) -> frozenset[int]:
    paths = below(root, f"{split}.txt")
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
