"""Mixing sources: shares, caps, epochs, shards, resuming."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rsvlm.data_engine.mix import Mix, Sampler
from rsvlm.errors import SettingsError, UnknownNameError

SOURCES = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


def _counts(sampler: Sampler, epoch: int = 0) -> Counter[str]:
    return Counter(SOURCES[index] for index in sampler.epoch(epoch))


def test_without_settings_every_sample_comes_once() -> None:
    sampler = Sampler(SOURCES, Mix())
    order = list(sampler)
    assert sorted(order) == list(range(100))
    assert order != sorted(order)
    # Sources are mixed, not one after the other.
    assert len({SOURCES[index] for index in order[:20]}) > 1


def test_weights_and_temperature_share_an_epoch() -> None:
    assert _counts(Sampler(SOURCES, Mix(weights={"a": 0.5}))) == {
        "a": 43,
        "b": 43,
        "c": 14,
    }
    assert _counts(Sampler(SOURCES, Mix(weights={"a": 0}))) == {"b": 30, "c": 10}
    # Square roots of 60, 30 and 10 are 7.75, 5.48 and 3.16: 94.5, 66.9 and 38.6 of 200.
    mix = Mix(temperature=2, size=200)
    assert _counts(Sampler(SOURCES, mix)) == {"a": 94, "b": 67, "c": 39}


def test_what_a_cap_takes_goes_to_the_others() -> None:
    mix = Mix(caps={"a": 10}, size=50)
    assert _counts(Sampler(SOURCES, mix)) == {"a": 10, "b": 30, "c": 10}
    capped = Mix(caps={"a": 5, "b": 5, "c": 5}, size=50)
    assert Sampler(SOURCES, capped).epoch_size == 15


def test_epochs_show_samples_equally_often() -> None:
    # A third of source a an epoch: after three epochs each of its samples came once.
    sampler = Sampler(SOURCES, Mix(caps={"a": 20}, size=60))
    shown = Counter[int]()
    for epoch in range(3):
        shown.update(sampler.epoch(epoch).tolist())
    assert {shown[index] for index in range(60)} == {1}


def test_a_seed_is_an_order() -> None:
    first = list(Sampler(SOURCES, Mix()))
    assert list(Sampler(SOURCES, Mix())) == first
    assert list(Sampler(SOURCES, Mix(seed=1))) != first
    # The same on every machine and in every version of numpy.
    assert first[:8] == [96, 26, 90, 45, 15, 44, 47, 64]


@given(st.integers(1, 5), st.floats(0.3, 3), st.integers(0, 3))
def test_ranks_share_the_samples(ranks: int, epochs: float, seed: int) -> None:
    mix = Mix(epochs=epochs, seed=seed, weights={"c": 3})
    whole = list(Sampler(SOURCES, mix))
    parts = [list(Sampler(SOURCES, mix, rank, ranks)) for rank in range(ranks)]
    assert len({len(part) for part in parts}) == 1
    woven = [index for step in zip(*parts, strict=True) for index in step]
    assert woven == whole[: len(woven)]
    assert len(whole) - len(woven) < ranks


@given(st.integers(0, 240))
def test_a_state_continues_where_it_was_taken(taken: int) -> None:
    mix = Mix(epochs=2.5, temperature=3)
    whole = list(Sampler(SOURCES, mix))
    sampler = Sampler(SOURCES, mix)
    begun = list(islice(sampler, taken))
    other = Sampler(SOURCES, mix)
    other.resume(sampler.state())
    assert begun + list(other) == whole


def test_a_state_of_another_mix_is_refused() -> None:
    state = Sampler(SOURCES, Mix()).state()
    for sampler in (
        Sampler(SOURCES, Mix(seed=1)),
        Sampler(SOURCES[:-1], Mix()),
        Sampler(SOURCES, Mix(), 0, 2),
    ):
        with pytest.raises(SettingsError, match="The state was taken with"):
            sampler.resume(state)


def test_wrong_settings_are_told() -> None:
    with pytest.raises(UnknownNameError, match=r"'x'.*Known: a, b, c"):
        Sampler(SOURCES, Mix(weights={"x": 1}))
    with pytest.raises(SettingsError, match="No source of the mix"):
        Sampler(SOURCES, Mix(weights=dict.fromkeys("abc", 0.0)))
    with pytest.raises(SettingsError, match="rank is 2 of 2"):
        Sampler(SOURCES, Mix(), 2, 2)
    for wrong in ({"temperature": 0.5}, {"weights": {"a": -1}}, {"caps": {"a": -1}}):
        with pytest.raises(ValidationError):
            Mix.model_validate(wrong)
