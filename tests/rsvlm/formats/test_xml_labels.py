"""XML labels of others: boxes of every kind, and the line of every fault."""

from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.fair1m import read_fair1m
from rsvlm.formats.voc import read_voc
from rsvlm.formats.xml import read_xml

UPRIGHT = """<bndbox>
<xmin>4</xmin><ymin>2</ymin>
<xmax>10</xmax><ymax>5</ymax>
</bndbox>"""
DIOR = """<robndbox>
<x_left_top>4</x_left_top><y_left_top>0</y_left_top>
<x_right_top>8</x_right_top><y_right_top>2</y_right_top>
<x_right_bottom>4</x_right_bottom><y_right_bottom>4</y_right_bottom>
<x_left_bottom>0</x_left_bottom><y_left_bottom>2</y_left_bottom>
</robndbox>"""
SSDD = (
    "<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>8</xmax><ymax>4</ymax></bndbox>"
    "<rotated_bndbox><rotated_bbox_cx>4</rotated_bbox_cx>"
    + "".join(
        f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>"
        for i, (x, y) in enumerate([(4, 0), (8, 2), (4, 4), (0, 2)], start=1)
    )
    + "</rotated_bndbox>"
)
ROLABEL = (
    "<robndbox><cx>10</cx><cy>10</cy><w>8</w><h>4</h>"
    "<angle>1.5707963267948966</angle></robndbox>"
)


def _voc(tree: Any, box: str) -> Path:
    path: Path = tree.text(
        "a.xml",
        f"<annotation>\n<filename>a.png</filename>\n<object>\n<name>ship</name>\n{box}\n"
        "</object>\n</annotation>",
    )
    return path


@pytest.mark.parametrize(
    ("box", "hbb", "rings"),
    [
        (UPRIGHT, (4, 2, 10, 5), ()),
        (DIOR, (0, 0, 8, 4), ((4, 0, 8, 2, 4, 4, 0, 2),)),
        (SSDD, (0, 0, 8, 4), ((4, 0, 8, 2, 4, 4, 0, 2),)),
    ],
)
def test_boxes_of_every_kind_are_read(
    tree: Any, box: str, hbb: tuple[float, ...], rings: tuple[tuple[float, ...], ...]
) -> None:
    found = read_voc(_voc(tree, box))
    assert found.filename == "a.png"
    (target,) = found.targets
    assert (target.label, target.hbb, target.polygons) == ("ship", hbb, rings)


def test_an_angle_turns_a_box_clockwise_on_screen(tree: Any) -> None:
    (target,) = read_voc(_voc(tree, ROLABEL)).targets
    # A quarter turn: the long side stands upright, the top left corner comes right.
    assert target.hbb == pytest.approx((8, 6, 12, 14))
    assert target.polygons[0][:2] == pytest.approx((12, 6))


@pytest.mark.parametrize(
    ("box", "line", "what"),
    [
        ("", 3, "<bndbox/xmin> is missing"),
        (UPRIGHT.replace(">10<", ">wide<"), 7, "<bndbox/xmax> is 'wide'"),
        (UPRIGHT.replace(">10<", ">nan<"), 7, "no coordinate"),
        (UPRIGHT.replace(">10<", ">1e9<"), 7, "no coordinate"),
        (UPRIGHT.replace(">10<", ">4<"), 5, "the box 4 2 4 5 is empty"),
        (DIOR.replace(">8<", ">4<").replace(">0<", ">4<"), 5, "enclose nothing"),
        (DIOR.replace("<y_left_top>0</y_left_top>", ""), 5, "y_left_top> is missing"),
    ],
)
def test_a_fault_has_its_line(tree: Any, box: str, line: int, what: str) -> None:
    with pytest.raises(ParseError, match=rf"a\.xml, line {line}: .*{what}"):
        read_voc(_voc(tree, box))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<a>\n<b>\n</a>", "line 3: no XML .mismatched tag"),
        ("", "line 1: no XML .no element found"),
        ("<a>&x;</a>", "line 1: no XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>\n<a>&x;</a>', "declares entities"),
    ],
)
def test_what_is_no_plain_xml_is_refused(tree: Any, text: str, what: str) -> None:
    with pytest.raises(ParseError, match=rf"a\.xml, {what}|{what}"):
        read_xml(tree.text("a.xml", text))


def _fair1m(tree: Any, points: str, frame: str = "pixel") -> Path:
    path: Path = tree.text(
        "0.xml",
        "<annotation><source><filename>0.tif</filename></source><objects>\n<object>\n"
        f"<coordinate>{frame}</coordinate>\n"
        "<possibleresult><name>Boeing737</name></possibleresult>\n"
        f"<points>{points}</points></object></objects></annotation>",
    )
    return path


CORNERS = "<point>4,0</point><point>8,2</point><point>4,4</point><point>0,2</point>"


@pytest.mark.parametrize("closing", ["", "<point>4,0</point>"])
def test_fair1m_corners_are_read_closed_or_open(tree: Any, closing: str) -> None:
    (target,) = read_fair1m(_fair1m(tree, CORNERS + closing)).targets
    assert target.label == "Boeing737"
    assert target.polygons == ((4, 0, 8, 2, 4, 4, 0, 2),)


@pytest.mark.parametrize(
    ("points", "frame", "what"),
    [
        ("<point>4,0</point>", "pixel", "line 2: <points> has 1 corners"),
        (CORNERS.replace("8,2", "8;2"), "pixel", "line 5: the point is '8;2'"),
        (CORNERS.replace("8,2", "8,1e9"), "pixel", "line 5: .*is in no image"),
        (CORNERS, "geographic", "line 2: <coordinate> is 'geographic'"),
    ],
)
def test_fair1m_faults_have_their_line(
    tree: Any, points: str, frame: str, what: str
) -> None:
    with pytest.raises(ParseError, match=rf"0\.xml, {what}"):
        read_fair1m(_fair1m(tree, points, frame))
