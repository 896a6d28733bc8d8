"""DOTA text labels, versions 1.0, 1.5 and 2.0: a turned box a line.

``x1 y1 x2 y2 x3 y3 x4 y4 class difficult``, corners clockwise from the top left of the
object. Two lines may stand before, ``imagesource:GoogleEarth`` and ``gsd:0.146``
(m/px, ``null`` where unknown); version 2.0 has none for many images. Corners of objects
at the edge can lie outside of the image.

Source:
    Xia et al., "DOTA: A Large-scale Dataset for Object Detection in Aerial Images", CVPR
    2018; Ding et al., "Object Detection in Aerial Images: A Large-Scale Benchmark and
    Challenges", IEEE TPAMI 2021.
"""

from dataclasses import dataclass
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.formats.labelled import target_of
from rsvlm.formats.upstream import read_text
from rsvlm.formats.xml import FARTHEST, ring_area
from rsvlm.samples import Target

#: Values of ``gsd`` that say nothing.
_UNKNOWN = {"", "null", "none", "nan"}
#: A pixel is neither smaller nor larger than this on the ground, m.
FINEST, COARSEST = 0.01, 1000.0


@dataclass(frozen=True, slots=True)
class Annotation:
    """One file.

    Attributes:
        targets: The objects.
        difficult: For each whether annotators found it hard.
        gsd_m: m/px on the ground, None where the file does not say.
        imagesource: Who took the image, None where the file does not say.
    """

    targets: tuple[Target, ...]
    difficult: tuple[bool, ...]
    gsd_m: float | None
    imagesource: str | None


def read_dota(path: Path) -> Annotation:
    """Read a file.

    Raises:
        ParseError: If a line has another form; names it.
    """
    header: dict[str, str] = {}
    targets: list[Target] = []
    difficult: list[bool] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        where, text = f"{path.name}, line {number}", line.strip()
        if not text:
            continue
        key, colon, value = text.partition(":")
        if colon and key in ("imagesource", "gsd") and not targets:
            header[key] = value.strip()
            continue
        target, is_difficult = _object(text.split(), where)
        targets.append(target)
        difficult.append(is_difficult)
    return Annotation(
        tuple(targets),
        tuple(difficult),
        _gsd(header.get("gsd", ""), path.name),
        header.get("imagesource") or None,
    )


def _object(parts: list[str], where: str) -> tuple[Target, bool]:
    if len(parts) not in (9, 10):
        raise ParseError(
            f"{where}: {len(parts)} values, not 'x1 y1 x2 y2 x3 y3 x4 y4 class "
            "difficult'. Correct the line."
        )
    try:
        ring = tuple(float(part) for part in parts[:8])
    except ValueError as error:
        raise ParseError(f"{where}: {error}. Correct the line.") from None
    if not all(abs(value) < FARTHEST for value in ring) or not ring_area(ring) > 0:
        raise ParseError(
            f"{where}: the corners {' '.join(parts[:8])} enclose nothing. "
            "Correct the line or remove it."
        )
    if parts[9:] and parts[9] not in ("0", "1", "2"):
        raise ParseError(
            f"{where}: difficult is {parts[9]!r:.20}, neither 0 nor 1. Correct the line."
        )
    return target_of(parts[8], (ring,)), parts[9:] not in ([], ["0"])


def _gsd(text: str, name: str) -> float | None:
    if text.lower() in _UNKNOWN:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not FINEST <= value <= COARSEST:
        raise ParseError(
            f"{name}: gsd is {text!r:.40}, no size of a pixel in metres. Correct the line."
        )
    return value
