"""FAIR1M XML: turned boxes of fine-grained classes, corners in pixels.

``annotation/{source/filename, objects/object/{coordinate, possibleresult/name, points}}``;
``points`` has four corners and the first again.

Source:
    Sun et al., "FAIR1M: A Benchmark Dataset for Fine-grained Object Recognition in
    High-Resolution Remote Sensing Imagery", ISPRS JPRS 2022.
"""

from pathlib import Path

from rsvlm.formats.labelled import target_of
from rsvlm.formats.voc import Annotation
from rsvlm.formats.xml import FARTHEST, Node, read_xml
from rsvlm.samples import Target


def read_fair1m(path: Path) -> Annotation:
    """Read a file.

    Raises:
        ParseError: If it is no XML, or an object lacks a class or corners; names the line.
    """
    root = read_xml(path)
    return Annotation(
        filename=root.optional("source/filename"),
        targets=tuple(_target(node) for node in root.all("object")),
    )


def _target(node: Node) -> Target:
    frame = node.optional("coordinate") or "pixel"
    if frame != "pixel":
        raise node.fault(f"<coordinate> is {frame!r:.40}, not 'pixel'")
    ring = [value for point in node.all("point") for value in _point(point)]
    if len(ring) > 2 and ring[:2] == ring[-2:]:
        ring = ring[:-2]
    if len(ring) != 8:
        raise node.fault(f"<points> has {len(ring) // 2} corners, not 4")
    return target_of(node.text("possibleresult/name"), (node.corners(ring),))


def _point(node: Node) -> tuple[float, float]:
    text = (node.element.text or "").strip()
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise node.fault(f"the point is {text!r:.40}, not 'x,y'") from None
    if not (abs(x) < FARTHEST and abs(y) < FARTHEST):
        raise node.fault(f"the point {text!r:.40} is in no image")
    return x, y
