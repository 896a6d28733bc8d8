"""Mixing sources: shares, caps, epochs, the order."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.training.mix import Mix, Order

SOURCES = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


def _order(mix: Mix, seed: int = 0) -> Order:
    return Order(SOURCES, mix, seed)


def _counts(mix: Mix) -> Counter[str]:
    return Counter(SOURCES[index] for index in _order(mix).epoch(0))


def test_without_settings_every_sample_comes_once() -> None:
    order = _order(Mix()).at(range(100))
    assert sorted(order) == list(range(100))
    assert order != sorted(order)
    # Sources are mixed, not one after the other.
    assert len({SOURCES[index] for index in order[:20]}) > 1


def test_weights_and_temperature_share_an_epoch() -> None:
    assert _counts(Mix(weights={"a": 0.5})) == {
        "a": 43,
        "b": 43,
        "c": 14,
    }
    assert _counts(Mix(weights={"a": 0})) == {"b": 30, "c": 10}
    # Square roots of 60, 30 and 10 are 7.75, 5.48 and 3.16: 94.5, 66.9 and 38.6 of 200.
    mix = Mix(temperature=2, size=200)
    assert _counts(mix) == {"a": 94, "b": 67, "c": 39}


def test_what_a_cap_takes_goes_to_the_others() -> None:
    mix = Mix(caps={"a": 10}, size=50)
    assert _counts(mix) == {"a": 10, "b": 30, "c": 10}
    capped = Mix(caps={"a": 5, "b": 5, "c": 5}, size=50)
    assert _order(capped).epoch_size == 15


def test_epochs_show_samples_equally_often() -> None:
    # A third of source a an epoch: after three epochs each of its samples came once.
    order = _order(Mix(caps={"a": 20}, size=60))
    shown = Counter[int]()
    for epoch in range(3):
        shown.update(order.epoch(epoch).tolist())
    assert {shown[index] for index in range(60)} == {1}


def test_a_seed_is_an_order() -> None:
    first = _order(Mix()).at(range(100))
    assert _order(Mix()).at(range(100)) == first
    assert _order(Mix(), seed=1).at(range(100)) != first
    # The same on every machine and in every version of numpy.
    assert first[:8] == [96, 26, 90, 45, 15, 44, 47, 64]


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 7))
def test_a_position_is_enough(first: int, count: int, stride: int) -> None:
    mix = Mix(temperature=3, weights={"c": 3})
    whole = _order(mix).at(range(first + count))
    assert _order(mix).at(range(first, first + count, stride)) == whole[first::stride]


def test_a_mix_may_name_sources_that_are_elsewhere() -> None:
    mix = Mix(weights={"x": 2.0})
    assert Order(SOURCES, mix, 0, known=["x", "a"]).quotas["x"] == 0


def test_wrong_settings_are_told() -> None:
    with pytest.raises(UnknownNameError, match=r"'x'.*Known: a, b, c"):
        _order(Mix(weights={"x": 1}))
    with pytest.raises(SettingsError, match="No source of the mix"):
        _order(Mix(weights=dict.fromkeys("abc", 0.0)))
    for wrong in ({"temperature": 0.5}, {"weights": {"a": -1}}, {"caps": {"a": -1}}):
        with pytest.raises(ValidationError):
            Mix.model_validate(wrong)
