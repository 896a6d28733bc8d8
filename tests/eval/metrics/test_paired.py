"""Paired comparison and standard errors, by hand and by what they must obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.paired import (
    clt_stderr,
    clustered_stderr,
    mcnemar,
    paired_difference,
)

scores = st.floats(0, 1, allow_subnormal=False)
binary = st.sampled_from([0.0, 1.0])


def test_difference_by_hand() -> None:
    # a - b = 1, 0, 0, 1, -1: 2 better, 1 worse of 3 that differ.
    paired = paired_difference([1, 1, 0, 1, 0], [0, 1, 0, 0, 1])
    assert paired.difference == pytest.approx(0.2)
    assert (paired.n, paired.better, paired.worse) == (5, 2, 1)
    assert paired.p_mcnemar == 1.0  # 2 * (1 + 3) / 8
    # s^2 = (0.64 + 0.04 + 0.04 + 0.64 + 1.44) / 4 = 0.7
    assert paired.stderr == pytest.approx(math.sqrt(0.7 / 5))


def test_scores_between_have_no_mcnemar() -> None:
    assert paired_difference([0.5, 1], [1, 1]).p_mcnemar is None


def test_pairing_cancels_how_hard_samples_are() -> None:
    # a is 0.1 better on every sample, however hard: no doubt is left.
    hard = np.linspace(0, 0.9, 50)
    paired = paired_difference((hard + 0.1).tolist(), hard.tolist())
    assert paired.ci95 == pytest.approx((0.1, 0.1))
    assert paired.stderr == pytest.approx(0, abs=1e-12)


@given(st.lists(st.tuples(binary, binary), min_size=2, max_size=30), st.integers(0, 9))
def test_swapping_the_runs_mirrors(
    pairs: list[tuple[float, float]], images: int
) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    clusters = [f"{i % (images + 2)}.tif" for i in range(len(pairs))]
    one = paired_difference(a, b, clusters, resamples=50)
    other = paired_difference(b, a, clusters, resamples=50)
    assert one.difference == pytest.approx(-other.difference)
    assert one.p_mcnemar == other.p_mcnemar
    assert (one.better, one.worse) == (other.worse, other.better)
    assert one.ci95 is not None
    assert other.ci95 is not None
    assert one.ci95 == pytest.approx((-other.ci95[1], -other.ci95[0]))


def test_a_run_equals_itself() -> None:
    paired = paired_difference([1, 0, 1], [1, 0, 1])
    assert paired.difference == 0
    assert paired.ci95 == (0, 0)
    assert paired.p_mcnemar == 1


def test_one_image_tells_no_interval() -> None:
    assert paired_difference([1, 0], [0, 0], ["a.tif", "a.tif"]).ci95 is None


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="1 predictions for 2 references"):
        paired_difference([1], [1, 0])
    with pytest.raises(SettingsError, match="0 references"):
        paired_difference([], [])
    with pytest.raises(SettingsError, match="sample 1 is not finite"):
        paired_difference([1, math.nan], [1, 0])
    with pytest.raises(SettingsError, match="-1 and 2"):
        mcnemar(-1, 2)
    with pytest.raises(SettingsError, match="1 predictions for 2"):
        clustered_stderr([1.0], ["a", "b"])
    with pytest.raises(SettingsError, match="0 samples"):
        clt_stderr([])


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        (0, 0, 1.0),
        (0, 5, 2 / 32),
        (5, 0, 2 / 32),
        (1, 5, 14 / 64),
        (3, 3, 1.0),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
    ],
)
def test_exact_mcnemar(better: int, worse: int, expected: float) -> None:
    assert mcnemar(better, worse) == expected


def test_chi_squared_mcnemar() -> None:
    # (|59 - 26| - 1)^2 / 85 = 12.0471; the upper tail of chi-squared(1) is 0.000519.
    assert mcnemar(59, 26, exact=False) == pytest.approx(0.000519, abs=1e-6)
    assert mcnemar(5, 5, exact=False) == 1


def test_both_tests_agree_on_many_pairs() -> None:
    assert mcnemar(2600, 2400, exact=False) == pytest.approx(
        mcnemar(2600, 2400, exact=True), rel=0.01
    )
    # Far beyond what a float can hold as a sum of products.
    assert mcnemar(12_000, 8_000) < 1e-100


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_a_probability_and_symmetric(better: int, worse: int) -> None:
    for exact in (True, False):
        p = mcnemar(better, worse, exact)
        assert 0 <= p <= 1
        assert p == mcnemar(worse, better, exact)


def test_standard_errors_by_hand() -> None:
    assert clt_stderr([0, 1, 0, 1]) == pytest.approx(math.sqrt(1 / 12))
    # Pairs x: (-.5)(-.5), y: (.5)(.5), each twice: 2 * 0.25 * 2 / 16 = 1/16.
    together = clustered_stderr([0, 1, 0, 1], ["x", "y", "x", "y"])
    assert together == pytest.approx(math.sqrt(1 / 12 + 1 / 16))
    # Opposite members of a cluster cancel: 1/12 - 1/16.
    opposed = clustered_stderr([0, 1, 0, 1], ["x", "x", "y", "y"])
    assert opposed == pytest.approx(math.sqrt(1 / 12 - 1 / 16))
    assert clt_stderr([0.5]) is None
    assert clustered_stderr([0.5], ["x"]) is None


def test_clustered_error_follows_its_definition() -> None:
    random = np.random.default_rng(0)
    values = random.random(40)
    images = random.integers(0, 9, 40)
    residual = values - values.mean()
    same = (images[:, None] == images) & ~np.eye(40, dtype=bool)
    expected = values.var(ddof=1) / 40 + (np.outer(residual, residual) * same).sum() / (
        40**2
    )
    found = clustered_stderr(values, images.tolist())
    assert found == pytest.approx(math.sqrt(expected))


@given(st.lists(scores, min_size=2, max_size=20))
def test_samples_alone_make_both_errors_equal(values: list[float]) -> None:
    plain = clt_stderr(values)
    for clusters in (None, [None] * len(values), [*range(len(values))]):
        assert clustered_stderr(values, clusters) == pytest.approx(plain, abs=1e-9)
