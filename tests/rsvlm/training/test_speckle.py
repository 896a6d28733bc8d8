"""Speckle on radar pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.training.speckle import speckle


@given(st.integers(0, 50))
def test_gray_stays_gray(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 255, (16, 20, 1), dtype=np.uint8).repeat(3, axis=2)
    changed = speckle(gray, rng)
    assert changed.shape == gray.shape
    assert changed.dtype == np.uint8
    assert (changed == changed[..., :1]).all()


def test_noise_multiplies() -> None:
    """Bright ground gets more noise than dark ground, as speckle does."""
    picture = np.full((64, 128, 3), 40, np.uint8)
    picture[:, 64:] = 160
    ratios = []
    for seed in range(40):
        changed = speckle(picture, np.random.default_rng(seed), 1.0)[..., 0].astype(
            float
        )
        dark, bright = changed[:, :64], changed[:, 64:]
        if bright.max() < 255:
            ratios.append((bright.std() / bright.mean()) / (dark.std() / dark.mean()))
    assert len(ratios) > 5
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_channels_of_a_composite_are_measurements_of_their_own() -> None:
    rng = np.random.default_rng(0)
    picture = np.full((32, 32, 3), 120, np.uint8)
    picture[0, 0] = (1, 2, 3)  # not gray
    means = [
        speckle(picture, np.random.default_rng(s), 0.0).mean((0, 1)) for s in range(9)
    ]
    assert max(np.ptp(mean) for mean in means) > 10
    same = [speckle(picture, np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], speckle(picture, rng))
