"""xView3 labels: points in Sentinel-1 scenes, in a table.

Columns ``scene_id, detect_scene_row, detect_scene_column, is_vessel, is_fishing,
vessel_length_m, confidence`` and, for those that people have drawn, ``top, left, bottom,
right`` of a box in scene pixels. Truth values may be empty: not known.

Source:
    Paolo et al., "xView3-SAR: Detecting Dark Fishing Activity Using Synthetic Aperture
    Radar Imagery", NeurIPS 2022 Datasets and Benchmarks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rsvlm.formats.upstream import Fields, read_csv

_TRUTH = {
    "true": True,
    "1": True,
    "1.0": True,
    "false": False,
    "0": False,
    "0.0": False,
}
_SIDES = ("left", "top", "right", "bottom")
#: Names of scenes; they become part of a path.
_SCENE = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True, slots=True)
class Point:
    """One detection.

    Attributes:
        scene: Name of the scene's folder.
        x: Column in the scene, px.
        y: Row in the scene, px.
        is_vessel: Whether it is a vessel, None where that is not known.
        is_fishing: Whether that fishes, None where that is not known.
        length_m: Length of the vessel in metres, None where that is not known.
        confidence: ``HIGH``, ``MEDIUM`` or ``LOW``.
        box: Left, top, right, bottom in the scene, px, where one was drawn.
        where: File and line.
    """

    scene: str
    x: float
    y: float
    is_vessel: bool | None
    is_fishing: bool | None
    length_m: float | None
    confidence: str
    box: tuple[float, float, float, float] | None
    where: str


def read_points(path: Path) -> Iterator[Point]:
    """Yield the detections of a table.

    Raises:
        ParseError: If a column is missing or a value is none; names the line.
    """
    for row in read_csv(path):
        confidence = row.text("confidence").upper()
        if confidence not in ("HIGH", "MEDIUM", "LOW"):
            raise row.fault("'confidence'", f"is {confidence!r:.20}")
        scene = row.text("scene_id")
        if not _SCENE.fullmatch(scene):
            raise row.fault("'scene_id'", f"is {scene!r:.40}, no name of a folder")
        yield Point(
            scene=scene,
            x=_number(row, "detect_scene_column"),
            y=_number(row, "detect_scene_row"),
            is_vessel=_truth(row, "is_vessel"),
            is_fishing=_truth(row, "is_fishing"),
            length_m=_number(row, "vessel_length_m")
            if _known(row, "vessel_length_m")
            else None,
            confidence=confidence,
            box=_box(row),
            where=row.where,
        )


def _known(row: Fields, key: str) -> bool:
    return str(row.raw(key)).strip().lower() not in ("", "nan", "none", "null")


def _number(row: Fields, key: str) -> float:
    text = row.text(key)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < 1e6:
        raise row.fault(repr(key), f"is {text!r:.30}, no number from 0 to a million")
    return value


def _truth(row: Fields, key: str) -> bool | None:
    if not _known(row, key):
        return None
    text = row.text(key).lower()
    if text not in _TRUTH:
        raise row.fault(repr(key), f"is {text!r:.30}, neither True nor False")
    return _TRUTH[text]


def _box(row: Fields) -> tuple[float, float, float, float] | None:
    if not all(key in row.values and _known(row, key) for key in _SIDES):
        return None
    left, top, right, bottom = (_number(row, key) for key in _SIDES)
    if not (left < right and top < bottom):
        raise row.fault("'left'", f"{left:g} {top:g} {right:g} {bottom:g}: no box")
    return left, top, right, bottom
