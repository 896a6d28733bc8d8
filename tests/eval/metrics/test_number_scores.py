"""Counts and confidences, from samples to a scored protocol."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics import counting
from rsvlm.eval.metrics.number_scores import read_count
from rsvlm.eval.metrics.text_scores import calibration, count
from rsvlm.eval.records import Prediction
from rsvlm.samples import ImageRef, Sample


def sample(number: int, answer: str, kind: str = "car") -> Sample:
    return Sample(
        id=f"q{number}",
        images=(ImageRef(path="a.tif", width=8, height=8),),
        task="count",
        answers=(answer,) if answer else (),
        source="test",
        licence="CC0",
        split="test",
        type=kind,
        meta={"label": kind},
    )


def said(*texts: str) -> list[Prediction]:
    return [Prediction(id=f"q{i}", raw=text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("There are twelve ships.", 12),
        ("1,200", 1200),
        ("none", 0),
        ("There are none.", 0),
        ("No", 0),
        ("2 or 3", None),
        ("many", None),
        ("", None),
        (None, None),
    ],
)
def test_reading(text: str | None, number: float | None) -> None:
    assert read_count(text) == number


DATA = [sample(0, "2"), sample(1, "20"), sample(2, "7", "ship"), sample(3, "2", "ship")]


def test_values_by_hand() -> None:
    replies = said("2", "21", "five", "?")
    scored = count(DATA, replies, "p", group_by=["label"])
    assert [row.score for row in scored.rows] == [1, 0, 0, 0]
    assert scored.value == 0.25
    assert scored.details["within10"] == 0.5
    assert scored.details["mae"] == pytest.approx((0 + 1 + 2 + 2) / 4)  # "?" is 0
    assert scored.details["rmse"] == pytest.approx(math.sqrt((1 + 4 + 4) / 4))
    assert scored.details["bias"] == pytest.approx((1 - 2 - 2) / 4)
    assert scored.groups == {"label=car": 0.5, "label=ship": 0}
    assert [row.parse_ok for row in scored.rows] == [True, True, True, False]
    assert scored.rows[2].details == {"read": 5.0, "truth": 7.0}
    assert scored.rows[3].details == {"read": None, "truth": 2.0}


def test_errors_are_values_and_rows_stay_right_or_wrong() -> None:
    replies = said("2", "21", "five", "?")
    mae = count(DATA, replies, "p", value="mae", group_by=["label"])
    assert mae.value == pytest.approx(1.25)
    assert mae.details["lower_is_better"] is True
    assert [row.score for row in mae.rows] == [1, 0, 0, 0]
    assert mae.groups["label=ship"] == 2
    assert mae.resample is not None
    assert mae.resample([1, 1, 2]) == pytest.approx(4 / 3)
    near = count(DATA, replies, "p", value="within10")
    assert [row.score for row in near.rows] == [1, 1, 0, 0]
    assert near.details["lower_is_better"] is False


def test_ten_percent_is_within_ten_percent() -> None:
    # 7.7 - 7 is 0.7000000000000002 in floats, and 0.1 * 7 is 0.7000000000000001.
    assert count(DATA[2:3], said("7.7"), "p", value="within10").value == 1
    assert count(DATA[2:3], said("7.8"), "p", value="within10").value == 0


def test_constants_stand_beside() -> None:
    replies = said(*"1111")
    # Counts 2, 2, 7, 20: the mode is 2, the median 4.5.
    assert count(DATA, replies, "p").baselines == {
        "majority": 0.5,
        "median": 0,
        "always-0": 0,
    }
    mae = count(DATA, replies, "p", value="mae").baselines
    assert mae == pytest.approx(
        {"majority": (5 + 18) / 4, "median": (2.5 * 3 + 15.5) / 4, "always-0": 31 / 4}
    )


counts = st.lists(
    st.tuples(st.integers(0, 60), st.none() | st.integers(0, 60)), min_size=1
)


@given(counts)
def test_values_equal_the_plain_metrics(pairs: list[tuple[int, int | None]]) -> None:
    data = [sample(i, str(true)) for i, (true, _) in enumerate(pairs)]
    texts = ["?" if said is None else str(said) for _, said in pairs]
    details = count(data, said(*texts), "p").details
    read, truth = [p for _, p in pairs], [t for t, _ in pairs]
    assert details["exact"] == pytest.approx(counting.exact(read, truth))
    assert details["within10"] == pytest.approx(counting.within(read, truth))
    assert details["mae"] == pytest.approx(counting.mean_absolute_error(read, truth))
    assert details["rmse"] == pytest.approx(
        counting.root_mean_square_error(read, truth)
    )


def test_wrong_settings_are_named() -> None:
    with pytest.raises(SettingsError, match=r"'q0' is \('many',\), no number"):
        count([sample(0, "many")], said("1"), "p")
    with pytest.raises(UnknownNameError, match="value 'mse'"):
        count(DATA, said(*"1234"), "p", value="mse")  # type: ignore[arg-type]


def sure(text: str, confidence: float | None, number: int) -> Prediction:
    return Prediction(id=f"q{number}", raw=text, confidence=confidence)


SURE = [
    sure("2", 0.9, 0),
    sure("21", 0.9, 1),
    sure("7", 0.3, 2),
    sure("2", None, 3),
]


def test_calibration_by_hand() -> None:
    scored = calibration(DATA, SURE, "p", of="count", group_by=["label"])
    # Bins: 0.9 twice, one right; 0.3 once, right. The last has no confidence.
    assert scored.value == pytest.approx((2 * 0.4 + 0.7) / 3)
    assert scored.details["n_with_confidence"] == 3
    assert scored.details["brier"] == pytest.approx((0.01 + 0.81 + 0.49) / 3)
    # The tied pair has risk 1/2 after one and after two, then 1/3.
    assert scored.details["aurc"] == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)
    assert scored.details["accuracy"] == pytest.approx(2 / 3)
    assert scored.groups["label=car"] == pytest.approx(0.4)
    assert scored.plots["reliability"]["count"] == [1, 2]
    assert scored.plots["risk_coverage"]["coverage"][-1] == 1
    assert [row.parse_ok for row in scored.rows] == [True, True, True, False]
    assert scored.rows[0].details == {"confidence": 0.9}
    assert scored.resample is not None
    assert scored.resample([0, 0, 3]) == pytest.approx(0.1)
    with pytest.raises(SettingsError):  # left out of the bootstrap
        scored.resample([3, 3])


def test_calibration_of_other_metrics_and_values() -> None:
    for value, expected in (("brier", 0.436667), ("aurc", 0.444444)):
        scored = calibration(DATA, SURE, "p", of="count", value=value)  # type: ignore[arg-type]
        assert scored.value == pytest.approx(expected, abs=1e-6)
    exact = calibration(DATA, SURE, "p", of="vqa_accuracy", match="contains")
    assert exact.details["accuracy"] == pytest.approx(2 / 3)
    # A constant as sure as the accuracy is calibrated; always sure is not.
    assert exact.baselines["constant"] == pytest.approx(0)
    assert exact.baselines["always-sure"] == pytest.approx(1 / 3)


def test_calibration_needs_confidences() -> None:
    with pytest.raises(SettingsError, match="No reply has a confidence"):
        calibration(DATA, said(*"1234"), "p", of="count")
    with pytest.raises(UnknownNameError, match="metric to calibrate 'detection'"):
        calibration(DATA, SURE, "p", of="detection")
    with pytest.raises(SettingsError, match="0 targets"):
        calibration(DATA, SURE, "p", of="grounding")
    with pytest.raises(UnknownNameError, match="value 'mce'"):
        calibration(DATA, SURE, "p", of="count", value="mce")  # type: ignore[arg-type]


def test_errors_as_a_share_of_all_objects() -> None:
    scored = count(DATA, said("2", "25", "none", "2"), "p", value="relative")
    assert scored.value == pytest.approx((0 + 5 + 7 + 0) / 31)
    assert scored.details["lower_is_better"]
    with pytest.raises(SettingsError):
        count([sample(0, "0")], said("0"), "p", value="relative")
    assert "relative" not in count([sample(0, "0")], said("0"), "p").details
