"""xView3: points with what is known of them, and the line of every fault."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.xview3 import read_points

COLUMNS = (
    "detect_lat,detect_lon,vessel_length_m,source,detect_scene_row,detect_scene_column,"
    "is_vessel,is_fishing,distance_from_shore_km,scene_id,confidence,top,left,bottom,"
    "right,detect_id"
)
ROW = "1.5,2.5,62.0,manual,30,40,True,False,3.1,abcv,HIGH,28.0,36.0,33.0,45.0,abcv_1"


def _read(tree: Any, *rows: str) -> Any:
    return list(read_points(tree.text("v.csv", "\n".join([COLUMNS, *rows]))))


def test_a_point_is_read(tree: Any) -> None:
    (point,) = _read(tree, ROW)
    assert (point.scene, point.x, point.y) == ("abcv", 40, 30)
    assert (point.is_vessel, point.is_fishing) == (True, False)
    assert (point.length_m, point.confidence) == (62.0, "HIGH")
    assert point.box == (36, 28, 45, 33)


def test_what_is_empty_is_not_known(tree: Any) -> None:
    row = "1.5,2.5,,ais/auto,30,40,,nan,3.1,abcv,low,,,,,abcv_1"
    (point,) = _read(tree, row)
    assert (point.is_vessel, point.is_fishing, point.length_m) == (None, None, None)
    assert (point.confidence, point.box) == ("LOW", None)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (",30,", ",deep,", "'detect_scene_row' is 'deep'"),
        (",40,", ",-4,", "'detect_scene_column' is '-4'"),
        ("True", "perhaps", "'is_vessel' is 'perhaps'"),
        ("HIGH", "SURE", "'confidence' is 'SURE'"),
        ("45.0", "35.0", "no box"),
        (",abcv,", ",,", "'scene_id' is empty"),
        (",abcv,", ",../../abcv,", "'scene_id' is .*no name of a folder"),
        (",abcv,", ",/abcv,", "'scene_id' is .*no name of a folder"),
        (",abcv,", ",*,", "'scene_id' is .*no name of a folder"),
    ],
)
def test_a_fault_has_its_line(tree: Any, old: str, new: str, what: str) -> None:
    with pytest.raises(ParseError, match=rf"v\.csv, line 3: .*{what}"):
        _read(tree, ROW, ROW.replace(old, new))


def test_a_missing_column_is_named(tree: Any) -> None:
    path = tree.text("v.csv", "scene_id,confidence\nabcv,HIGH\n")
    with pytest.raises(ParseError, match="'detect_scene_column' is missing"):
        list(read_points(path))
