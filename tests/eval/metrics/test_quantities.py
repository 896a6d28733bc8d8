"""Numbers with units, and bins of counts and areas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.eval.metrics.bins import BINS, LABELS, rsvqa_area_bin, rsvqa_bin
from rsvlm.eval.metrics.quantities import Quantity, is_near, quantities, read_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.51mm", [Quantity(12.51, "mm")]),
        ("\u22123 \u2103", [Quantity(-3.0, "c")]),  # minus sign, degree Celsius
        ("1,234.5 m\u00b2", [Quantity(1234.5, "m2")]),
        ("4.2e-3", [Quantity(0.0042)]),
        ("12 meters by 3 ships", [Quantity(12.0, "m"), Quantity(3.0)]),
        ("2019-05", [Quantity(2019.0), Quantity(5.0)]),
        ("30 m/s", [Quantity(30.0, "m/s")]),
        ("30 mosques", [Quantity(30.0)]),  # not 30 m
        ("B12 and v2.0", []),
        ("none", []),
    ],
)
def test_quantities(text: str, expected: list[Quantity]) -> None:
    assert quantities(text) == expected


def test_one_number_is_read() -> None:
    assert read_quantity("about twelve") == Quantity(12.0)
    assert read_quantity("2 or 3") is None
    assert read_quantity(None) is None
    assert read_quantity("In 2019 it was 12 mm", "length") == Quantity(12.0, "mm")
    assert read_quantity("between 10 mm and 12 mm", "length") is None


@pytest.mark.parametrize(
    ("prediction", "answer", "near"),
    [
        ("0.19", "0.2", True),
        ("90", "100", False),  # 10 % exactly is not below 10 %
        ("91", "100", True),
        ("-4.8 m", "-5m", True),
        ("1.3 cm", "12.51mm", True),
        ("1.3", "12.51mm", False),
        ("12.6", "12.51mm", True),  # the question named the unit
        ("12.6 \u00b0C", "12.51mm", False),  # another kind of unit
        ("1.2 km2", "120 ha", True),
        ("293.15 K", "20 \u00b0C", True),
        ("0", "0", True),
        ("0.01", "0", False),
        ("In May 2019: 12 mm", "12mm", True),
        ("In May 2019: 12", "12", False),  # which of the two is it?
        (None, "12", False),
        ("many", "12", False),
        ("three", "3", True),
        ("12 ships", "many", None),
        ("12 ships", "twelve old ships", None),
    ],
)
def test_relative_error(prediction: str | None, answer: str, near: bool | None) -> None:
    assert is_near(prediction, answer) is near


@given(st.floats(0.001, 1e6), st.floats(-0.3, 0.3))
def test_the_margin_is_ten_percent(value: float, error: float) -> None:
    if abs(abs(error) - 0.1) > 1e-6:
        said = f"{value * (1 + error):.9g}"
        assert is_near(said, f"{value:.9g}") is (abs(error) < 0.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("1", "1-10"),
        ("10", "1-10"),
        ("11", "11-100"),
        ("100", "11-100"),
        ("1000", "101-1000"),
        ("1001", ">1000"),
        ("1,234", ">1000"),
        ("There are twelve buildings.", "11-100"),
        ("between 0 and 10", "1-10"),
        ("between 1 and 10", "1-10"),
        ("11-100", "11-100"),
        ("101 to 1000", "101-1000"),
        ("more than 1000", ">1000"),
        (">1000", ">1000"),
        ("1000+", ">1000"),
        ("more than 100", None),  # two bins
        ("between 5 and 50", None),
        ("less than 100", None),
        ("no more than 1000", None),
        ("2 or 3", None),
        ("many", None),
        ("", None),
        (None, None),
    ],
)
def test_count_bins(text: str | None, expected: str | None) -> None:
    assert rsvqa_bin(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0m2", "0"),
        ("87m2", "11-100"),
        ("87 m\u00b2", "11-100"),
        ("87 square meters", "11-100"),
        ("between 10m2 and 100m2", "11-100"),
        ("between 101m2 and 1000m2", "101-1000"),
        ("more than 1000m2", ">1000"),
        ("12.5m2", "11-100"),
        ("yes", None),
    ],
)
def test_area_bins(text: str, expected: str | None) -> None:
    assert rsvqa_area_bin(text) == expected


@given(st.integers(0, 10**7))
def test_every_number_has_one_bin(number: int) -> None:
    label = rsvqa_bin(str(number))
    assert label in LABELS
    assert rsvqa_bin(label) == label  # the label itself is a reply, too
    assert rsvqa_area_bin(f"{number}m2") == label
    assert rsvqa_bin(f"{number:,}") == label


def test_bins_by_type() -> None:
    assert set(BINS["rsvqa_lr"]) == {"count"}
    assert set(BINS["rsvqa_hr"]) == {"area"}  # counts of HR are compared exactly
