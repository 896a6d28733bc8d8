"""Charts: numbers end up where they should, and no text becomes markup."""

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.eval.charts import Bar, bars, confusion, differences, lines, number, signed

FINITE = st.floats(-1e6, 1e6)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=50)


def parsed(svg: str) -> ET.Element:
    # Text of our own making: nothing external is parsed.
    return ET.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter("text")]


def test_a_bar_is_as_long_as_its_value() -> None:
    svg = bars([Bar("a", 1.0), Bar("b", 0.25), Bar("c", 0.0)], "t")
    wide, narrow, none = (float(r.attrib["width"]) for r in parsed(svg).iter("rect"))
    assert narrow == pytest.approx(wide / 4, abs=0.1)
    assert none == 0


def test_a_bar_says_value_interval_and_n() -> None:
    svg = bars([Bar("a", 0.5, (0.4, 0.625), 12, {"majority": 0.3})], "t")
    assert "0.500 [0.400, 0.625]  n 12" in texts(svg)
    assert "majority 0.300" in svg
    root = parsed(svg)
    rect = next(root.iter("rect"))
    x0, width = float(rect.attrib["x"]), float(rect.attrib["width"])
    at = float(next(e for e in root.iter("line") if len(e)).attrib["x1"])
    assert at == pytest.approx(x0 + 0.6 * width, abs=0.2)  # 0.3 of 0.5
    group = next(root.iter("g"))
    ends = [float(group[0].attrib[name]) for name in ("x1", "x2")]
    assert ends == [
        pytest.approx(x0 + 0.8 * width, abs=0.2),
        pytest.approx(x0 + 1.25 * width, abs=0.2),
    ]


def test_what_is_not_available_has_no_bar() -> None:
    svg = bars([Bar("spice", None)], "t")
    assert "not available" in texts(svg)
    assert not list(parsed(svg).iter("rect"))


def test_a_value_beyond_one_stretches_the_axis() -> None:
    svg = bars([Bar("CIDEr", 2.0), Bar("BLEU", 1.0)], "t")
    first, second = (float(r.attrib["width"]) for r in parsed(svg).iter("rect"))
    assert first == pytest.approx(2 * second, abs=0.1)
    assert first < 720


def test_differences_lie_around_zero() -> None:
    svg = differences([Bar("a", 0.1, (-0.05, 0.2)), Bar("b", -0.1, None)], "t")
    right, left = (float(c.attrib["cx"]) for c in parsed(svg).iter("circle"))
    zero = next(
        float(line.attrib["x1"])
        for line in parsed(svg).iter("line")
        if "--dim" in line.attrib.get("stroke", "")
    )
    assert right - zero == pytest.approx(zero - left, abs=0.2)
    assert right > zero
    assert "+0.100 [-0.050, +0.200]" in texts(svg)


def test_points_of_a_line() -> None:
    svg = lines({"a": [(0.0, 1.0), (1.0, 0.0)]}, "t", "x", "y")
    (line,) = parsed(svg).iter("polyline")
    assert line.attrib["points"] == "60,15 440,260"
    assert "x 0.000, y 1.000" in svg


def test_points_are_as_large_as_their_share() -> None:
    svg = lines({"a": [(0.2, 0.2), (0.8, 0.8)]}, "t", "x", "y", sizes=[0.2, 0.8])
    small, large = (float(c.attrib["r"]) for c in parsed(svg).iter("circle"))
    assert large == pytest.approx(2 * small, abs=0.1)  # area, not radius


def test_confusion_counts_and_shades() -> None:
    svg = confusion(["a", "b"], [[3, 1, 0], [0, 0, 0]], "t")
    cells = list(parsed(svg).iter("rect"))
    assert len(cells) == 6
    assert [c.attrib["fill-opacity"] for c in cells[:3]] == ["0.76", "0.28", "0.04"]
    assert cells[0].attrib["fill"] == "var(--c1)"
    assert cells[1].attrib["fill"] == "var(--c3)"
    assert "truth a, said (none): 0 (0%)" in svg
    assert "truth a, said b: 1 (25%)" in svg


def test_many_classes_are_cut_to_the_frequent_ones() -> None:
    names = [f"class {i}" for i in range(80)]
    counts = [[i if i == j else 0 for j in range(80)] for i in range(80)]
    svg = confusion(names, counts, "t")
    assert len(list(parsed(svg).iter("rect"))) == 60 * 60
    assert "class 79" in svg
    assert ">class 3<" not in svg


@given(st.lists(st.tuples(TEXT, FINITE, FINITE), min_size=1, max_size=6))
def test_any_name_and_number_gives_a_drawing(
    rows: list[tuple[str, float, float]],
) -> None:
    made = [Bar(name, a, (min(a, b), max(a, b)), 3, {name: b}) for name, a, b in rows]
    for svg in (bars(made, "<b>"), differences(made, "&")):
        for element in parsed(svg).iter():
            for name, value in element.attrib.items():
                if name in ("x", "y", "x1", "x2", "width", "cx"):
                    assert math.isfinite(float(value))
    series = [(a, b) for _, a, b in rows]
    drawn = parsed(lines({rows[0][0]: series}, rows[0][0], "x", "y"))
    for circle in drawn.iter("circle"):
        assert 60 <= float(circle.attrib["cx"]) <= 440
    parsed(confusion([row[0] for row in rows], [[1.0] * len(rows)] * len(rows), "t"))


def test_a_label_cannot_become_markup() -> None:
    svg = bars([Bar("<script>alert(1)</script>", 0.5)], '"><img src=x>')
    assert "<script" not in svg
    assert "<img" not in svg
    assert not re.search(r"on\w+=", svg)


def test_numbers() -> None:
    assert [number(v) for v in (0.12345, 99.9994, 123.456)] == [
        "0.123",
        "99.999",
        "123.5",
    ]
    assert [signed(v) for v in (0.5, -0.5, -123.0)] == ["+0.500", "-0.500", "-123.0"]
