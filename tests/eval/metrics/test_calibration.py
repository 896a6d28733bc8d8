"""Calibration: by hand and by what it must obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.calibration import (
    area_under_risk_coverage,
    brier,
    coverage_at_risk,
    expected_calibration_error,
    reliability,
    risk_coverage,
)

pairs = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=30
)


def test_bins_by_hand() -> None:
    table = reliability([0.05, 0.1, 0.3, 0.95, 1.0, 0.0], [0, 1, 1, 1, 1, 0])
    # 0, 0.05 and 0.1 share the first bin: upper edges belong to their bin.
    assert table.count.tolist() == [3, 1, 2]
    assert table.confidence.tolist() == pytest.approx([0.05, 0.3, 0.975])
    assert table.accuracy.tolist() == pytest.approx([1 / 3, 1, 1])
    # gaps: 3 * (1/3 - 0.05) + 1 * 0.7 + 2 * 0.025
    ece = expected_calibration_error([0.05, 0.1, 0.3, 0.95, 1, 0], [0, 1, 1, 1, 1, 0])
    assert ece == pytest.approx((0.85 + 0.7 + 0.05) / 6)


def test_bins_of_equal_mass_keep_ties_together() -> None:
    table = reliability([0.9] * 5 + [0.1], [1] * 5 + [0], bins=3, edges="mass")
    assert table.count.tolist() == [1, 5]
    even = reliability([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], bins=2, edges="mass")
    assert even.confidence.tolist() == pytest.approx([0.15, 0.35])


def test_brier_by_hand() -> None:
    assert brier([0.8, 0.4], [1, 0]) == pytest.approx((0.04 + 0.16) / 2)


def test_risk_coverage_by_hand() -> None:
    coverage, risk = risk_coverage([0.2, 0.9, 0.5, 0.7], [1, 1, 0, 0])
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3, 2 / 4])
    area = area_under_risk_coverage([0.2, 0.9, 0.5, 0.7], [1, 1, 0, 0])
    assert area == pytest.approx((0 + 1 / 2 + 2 / 3 + 1 / 2) / 4)


def test_coverage_at_risk_does_not_split_ties() -> None:
    # One error in the block of two: the block is given as a whole or not at all.
    sure, right = [0.9, 0.5, 0.5], [1, 1, 0]
    assert coverage_at_risk(sure, right, 0.0) == pytest.approx(1 / 3)
    assert coverage_at_risk(sure, right, 1 / 3) == 1
    assert coverage_at_risk([0.9], [0], 0.5) == 0


def test_coverage_may_recover() -> None:
    # Risk 1 at first, 1/4 over all: a threshold below all of them reaches it.
    assert coverage_at_risk([0.9, 0.5, 0.4, 0.3], [0, 1, 1, 1], 0.25) == 1


def test_perfect_confidence() -> None:
    assert expected_calibration_error([1, 1, 0], [1, 1, 0]) == 0
    assert brier([1, 1, 0], [1, 1, 0]) == 0


@given(pairs)
def test_order_does_not_matter(pairs: list[tuple[float, float]]) -> None:
    mixed = pairs[::-1]
    for measure in (
        expected_calibration_error,
        brier,
        area_under_risk_coverage,
        lambda c, r: coverage_at_risk(c, r, 0.2),
    ):
        one = measure([c for c, _ in pairs], [r for _, r in pairs])
        other = measure([c for c, _ in mixed], [r for _, r in mixed])
        assert one == pytest.approx(other)
        assert 0 <= one <= 1


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=20))
def test_constant_confidence_earns_nothing(right: list[float]) -> None:
    error = 1 - sum(right) / len(right)
    constant = [0.5] * len(right)
    assert area_under_risk_coverage(constant, right) == pytest.approx(error)
    gap = expected_calibration_error(constant, right)
    assert gap == pytest.approx(abs(0.5 - sum(right) / len(right)))


@given(pairs)
def test_confidence_that_knows_all_is_best(pairs: list[tuple[float, float]]) -> None:
    sure, right = [c for c, _ in pairs], [r for _, r in pairs]
    best = area_under_risk_coverage(right, right)
    assert best <= area_under_risk_coverage(sure, right) + 1e-9


def test_ece_is_small_where_confidence_is_true() -> None:
    random = np.random.default_rng(0)
    sure = random.random(20_000)
    right = (random.random(20_000) < sure).astype(float)
    assert expected_calibration_error(sure, right) < 0.02
    assert expected_calibration_error(sure, right, edges="mass") < 0.02


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"confidence 95\.0 is not in 0\.\.1"):
        brier([95.0], [1])
    with pytest.raises(SettingsError, match="confidence nan"):
        brier([math.nan], [1])
    with pytest.raises(SettingsError, match="0 references"):
        brier([], [])
    with pytest.raises(SettingsError, match="1 predictions for 2"):
        brier([0.5], [1, 0])
    with pytest.raises(SettingsError, match="0 bins"):
        reliability([0.5], [1], bins=0)
