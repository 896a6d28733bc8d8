"""Pascal VOC XML with upright and turned boxes: DIOR, DIOR-R, SSDD, NEON, own labels.

``object/{name, bndbox}`` is an upright box. Turned boxes stand beside or instead of it:

================== ================================================================
DIOR-R             ``robndbox`` with ``x_left_top`` .. ``y_left_bottom``
SSDD               ``rotated_bndbox`` with ``x1`` .. ``y4``
roLabelImg         ``robndbox`` with ``cx cy w h angle``, radians clockwise on screen
================== ================================================================

Boxes are taken as they stand, as upstream code does: ``xmax - xmin`` is the width.
"""

from dataclasses import dataclass
from math import cos, sin
from pathlib import Path

from rsvlm.formats.labelled import target_of
from rsvlm.formats.xml import Node, read_xml
from rsvlm.samples import Target

_DIOR = tuple(
    f"{axis}_{corner}"
    for corner in ("left_top", "right_top", "right_bottom", "left_bottom")
    for axis in "xy"
)
_SSDD = tuple(f"{axis}{number}" for number in range(1, 5) for axis in "xy")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One file.

    Attributes:
        filename: Name of the image, as the file says; it may be that of another set.
        targets: The objects.
    """

    filename: str | None
    targets: tuple[Target, ...]


def read_voc(path: Path) -> Annotation:
    """Read a file.

    Raises:
        ParseError: If it is no XML, or an object lacks a name or a box; names the line.
    """
    root = read_xml(path)
    return Annotation(
        filename=root.optional("filename"),
        targets=tuple(target_in(node) for node in root.all("object")),
    )


def target_in(node: Node) -> Target:
    """Return the object of an element ``object``.

    Raises:
        ParseError: If it lacks a name or a box, or the box is empty.
    """
    label = node.text("name")
    if (turned := _turned(node)) is not None:
        return target_of(label, (turned,))
    return Target(label=label, hbb=node.box("bndbox"))


def _turned(node: Node) -> tuple[float, ...] | None:
    for tag, names in (("robndbox", _DIOR), ("rotated_bndbox", _SSDD)):
        box = node.find(tag)
        if box is not None and box.find(names[0]) is not None:
            return box.corners([box.number(name) for name in names])
    box = node.find("robndbox")
    if box is None:
        return None
    x, y, w, h, angle = (box.number(n) for n in ("cx", "cy", "w", "h", "angle"))
    along = (w / 2 * cos(angle), w / 2 * sin(angle))
    across = (-h / 2 * sin(angle), h / 2 * cos(angle))
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return box.corners(
        [
            middle + a * u + b * v
            for a, b in signs
            for middle, u, v in ((x, along[0], across[0]), (y, along[1], across[1]))
        ]
    )
