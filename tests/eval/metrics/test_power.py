"""Power: against simulation and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.power import (
    design_effect,
    detectable_difference,
    discordant_sd,
    n_for_difference,
    paired_sd,
    power,
)


def test_by_hand() -> None:
    # (1.959964 + 0.841621)^2 = 7.848879
    assert n_for_difference(0.05, 0.5) == math.ceil(7.848879 * 0.25 / 0.0025)
    assert detectable_difference(100, 0.5) == pytest.approx(2.801585 * 0.05, rel=1e-6)
    # Without a difference the test raises its alarm in 5 % of cases.
    assert power(100, 0.0, 0.5) == pytest.approx(0.05)


def test_power_is_what_a_simulation_finds() -> None:
    random = np.random.default_rng(0)
    draws = random.normal(0.1, 0.5, size=(4000, 150))
    shown = np.abs(draws.mean(axis=1)) > 1.96 * 0.5 / math.sqrt(150)
    assert power(150, 0.1, 0.5) == pytest.approx(shown.mean(), abs=0.02)


@given(st.floats(0.005, 0.5), st.floats(0.1, 1), st.floats(1, 5))
def test_n_gives_the_power_asked_for(
    difference: float, sd: float, effect: float
) -> None:
    n = n_for_difference(difference, sd, effect=effect)
    assert power(n, difference, sd, effect=effect) >= 0.8 - 1e-6
    assert detectable_difference(n, sd, effect=effect) <= difference + 1e-9
    if n > 3:
        assert detectable_difference(n - 2, sd, effect=effect) > difference
        assert power(n - 2, difference, sd, effect=effect) < 0.8 + 1e-4


def test_clusters_cost_samples() -> None:
    values, images = [0.0, 0, 1, 1], ["x", "x", "y", "y"]
    assert design_effect(values, images) == pytest.approx(1.75)
    assert design_effect(values, None) == pytest.approx(1)
    assert design_effect([1.0, 1.0], ["x", "x"]) == 1
    assert n_for_difference(0.05, 0.5, effect=1.75) == math.ceil(1.75 * 784.8879)


def test_spread_of_a_difference() -> None:
    assert paired_sd([1, 0, 1, 1], [0, 1, 1, 1]) == pytest.approx(math.sqrt(2 / 3))
    assert discordant_sd(0.5, 0.5) == pytest.approx(0.5)
    # n - 1 aside, both say the same: 2 of 4 pairs disagree, difference 0.
    assert discordant_sd(0.5) == pytest.approx(math.sqrt(2 / 4))


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="difference of 0"):
        n_for_difference(0, 0.5)
    with pytest.raises(SettingsError, match=r"alpha = 1\.0 is out of range"):
        power(10, 0.1, 0.5, alpha=1.0)
    with pytest.raises(SettingsError, match="sd = -1"):
        detectable_difference(10, -1)
    with pytest.raises(SettingsError, match="0 samples"):
        power(0, 0.1, 0.5)
    with pytest.raises(SettingsError, match="0 samples"):
        detectable_difference(0, 0.5)
    with pytest.raises(SettingsError, match="1 sample"):
        paired_sd([1], [0])
    with pytest.raises(SettingsError, match="does not fit a difference"):
        discordant_sd(0.1, 0.2)
    assert power(5, 0.1, 0) == 1
