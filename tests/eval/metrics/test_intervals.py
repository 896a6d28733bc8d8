"""Error bars: against printed values, and by what they must obey."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.classification import balanced_accuracy
from rsvlm.eval.metrics.intervals import bootstrap_ci, by_cluster, wilson


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [
        # z2 = 3.841459; 0 of n: upper end z2 / (n + z2)
        (0, 10, (0.0, 3.841459 / 13.841459)),
        (10, 10, (10 / 13.841459, 1.0)),
        # middle 0.5, half = 1.959964 * sqrt(0.25 / 10 + z2 / 400) / (1 + z2 / 10)
        (5, 10, (0.236593, 0.763407)),
        # Newcombe 1998, table I: 81 of 263
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
    ],
)
def test_wilson(successes: int, n: int, expected: tuple[float, float]) -> None:
    assert wilson(successes, n) == pytest.approx(expected, abs=5e-5)


@given(
    st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
)
def test_wilson_holds_the_share_and_mirrors(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low))


def test_wilson_refuses_what_is_no_proportion() -> None:
    with pytest.raises(SettingsError, match="0 samples"):
        wilson(0, 0)
    with pytest.raises(SettingsError, match="11 successes of 10"):
        wilson(11, 10)


def test_by_cluster_keeps_values_together() -> None:
    assert by_cluster([1, 2, 3], ["a", "b", "a"]) == {"a": [1, 3], "b": [2]}
    with pytest.raises(SettingsError, match="2 predictions for 1 references"):
        by_cluster([1, 2], ["a"])


def test_two_clusters_by_hand() -> None:
    # Resamples of {0}, {1}: mean 0, 1/2 or 1 with 1/4, 1/2, 1/4.
    assert bootstrap_ci({"a": [0.0], "b": [1.0]}, mean) == (0.0, 1.0)


def test_an_image_brings_all_its_values() -> None:
    seen = set[float]()

    def recorded(values: Sequence[float]) -> float:
        seen.add(mean(values))
        return mean(values)

    bootstrap_ci({"a": [0.0], "b": [1.0, 1.0, 1.0]}, recorded)
    assert seen == {0.0, 0.75, 1.0}


def test_a_constant_has_no_width() -> None:
    values = {name: [0.5, 0.5] for name in "abc"}
    assert bootstrap_ci(values, mean) == (0.5, 0.5)


def test_width_is_that_of_the_mean() -> None:
    draws = np.random.default_rng(1).normal(10, 2, size=400)
    interval = bootstrap_ci({i: [v] for i, v in enumerate(draws.tolist())}, mean)
    assert interval is not None
    half = 1.96 * float(draws.std(ddof=1)) / 20  # sd / sqrt(400)
    expected = (draws.mean() - half, draws.mean() + half)
    assert interval == pytest.approx(expected, abs=0.02)


def test_whole_images_are_drawn() -> None:
    # 10 questions an image that fail together: as wide as one question an image.
    one = {i: [float(i % 2)] for i in range(20)}
    ten = {i: values * 10 for i, values in one.items()}
    apart = {(i, k): [float(i % 2)] for i in range(20) for k in range(10)}
    together, single = bootstrap_ci(ten, mean), bootstrap_ci(one, mean)
    split = bootstrap_ci(apart, mean)
    assert together is not None
    assert split is not None
    assert together == single
    assert together[1] - together[0] > 2 * (split[1] - split[0])


def test_seed_and_order() -> None:
    values = {f"{i}.tif": [float(i)] for i in range(12)}
    backwards = dict(reversed(values.items()))
    first = bootstrap_ci(values, mean, resamples=50, seed=3)
    assert bootstrap_ci(backwards, mean, resamples=50, seed=3) == first
    assert bootstrap_ci(values, mean, resamples=50, seed=4) != first


def test_what_clusters_cannot_tell() -> None:
    assert bootstrap_ci({"a": [0.0, 1.0]}, mean) is None
    with pytest.raises(SettingsError, match="0 clusters"):
        bootstrap_ci({}, mean)
    with pytest.raises(SettingsError, match="0 resamples"):
        bootstrap_ci({"a": [0.0], "b": [0.0]}, mean, resamples=0)


def test_resamples_without_a_value_are_left_out() -> None:
    def balanced(pairs: Sequence[tuple[bool, bool]]) -> float:
        return balanced_accuracy([p for p, _ in pairs], [r for _, r in pairs])

    right = {"a": [(True, True)], "b": [(False, False)]}
    assert bootstrap_ci(right, balanced) == (1.0, 1.0)
    one_sided = {"a": [(True, True)], "b": [(True, True)]}
    assert bootstrap_ci(one_sided, balanced) is None
