"""From rows to a scored protocol: one statistic for value, groups and resamples."""

from collections.abc import Sequence

import numpy as np
import pytest

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.assemble import (
    codes,
    mean_of_means,
    most_common,
    scored,
    text_of,
)
from rsvlm.eval.records import Prediction, ScoreRow


def rows(scores: Sequence[float], places: str) -> list[ScoreRow]:
    return [
        ScoreRow(id=str(i), protocol="p", score=score, group={"place": place})
        for i, (score, place) in enumerate(zip(scores, places, strict=True))
    ]


def test_the_mean_needs_no_statistic() -> None:
    outcome = scored(rows([1, 0, 0, 0], "aabb"))
    assert outcome.value == 0.25
    assert outcome.resample is None
    assert outcome.groups == {"place=a": 0.5, "place=b": 0}
    assert outcome.details == {"invalid_rate": 0}


def test_groups_without_a_value_are_left_out() -> None:
    def only_several(indices: np.ndarray) -> float:
        if len(indices) < 2:
            raise SettingsError("undefined. Add samples.")
        return float(len(indices))

    outcome = scored(rows([1, 0, 0], "aab"), statistic=only_several)
    assert outcome.value == 3
    assert outcome.groups == {"place=a": 2}
    assert outcome.resample is not None
    assert outcome.resample([0, 0, 1, 1]) == 4  # a list will do


def test_mean_of_means() -> None:
    statistic = mean_of_means(np.array([1.0, 0, 1, 0]), np.array([0, 0, 0, 1]), None)
    assert statistic(np.arange(4)) == pytest.approx((2 / 3 + 0) / 2)
    assert statistic(np.array([0, 2])) == 1  # the other group is not there
    fixed = mean_of_means(np.array([1.0, 0]), np.array([0, 1]), 4)
    assert fixed(np.arange(2)) == 0.25


def test_codes_and_majority_do_not_depend_on_order() -> None:
    number, names = codes(["b", "a", "b"])
    assert (number.tolist(), names) == ([1, 0, 1], ["a", "b"])
    assert most_common(["b", "a"]) == most_common(["a", "b"]) == "a"
    with pytest.raises(SettingsError, match="0 answers"):
        most_common([])


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        (Prediction(id="q", raw="yes"), "yes"),
        (Prediction(id="q", raw="a yes", parsed="yes"), "yes"),
        (Prediction(id="q", raw="yes", parsed=""), None),
        (Prediction(id="q", raw=" . "), None),
        (Prediction(id="q", raw="yes", status="truncated"), "yes"),
        (Prediction(id="q", raw="yes", status="error"), None),
        (Prediction(id="q", raw="no evidence", abstained=True), None),
    ],
)
def test_what_a_prediction_says(prediction: Prediction, text: str | None) -> None:
    assert text_of(prediction) == text
