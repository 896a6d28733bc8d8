"""Random fields for ground that looks grown: clouds of a slope, and blobs of a size.

Fields are cut out of large ones that are made once a process; these wrap around, so
that any cut is as good as another.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

#: Rows and columns of a large field, px: more than any scene has.
LARGE = 1024
#: Sizes of blobs are rounded to powers of this.
STEP = 1.25


def clouds(rng: np.random.Generator, side: int, slope: float) -> Field:
    """Return a field of about mean 0 and deviation 1, shape (side, side).

    Args:
        rng: Source of the randomness.
        side: Rows and columns, px.
        slope: Amplitudes fall with the frequency to this power: 0 is white, 1 natural
            ground, 2 rolling hills.
    """
    return _cut(rng, _clouds(slope), side)


def blobs(rng: np.random.Generator, side: int, size: float) -> Field:
    """Return a field as :func:`clouds` does, of blobs about ``size`` px wide."""
    power = round(np.log(max(size, 2.0)) / np.log(STEP))
    return _cut(rng, _blobs(power), side)


def shifted(field: Field, x: float, y: float) -> Field:
    """Return the field moved by whole pixels, what leaves re-entering opposite."""
    return np.roll(field, (round(y), round(x)), (0, 1))


def _cut(rng: np.random.Generator, large: Field, side: int) -> Field:
    """Return a random window of a large field, turned and mirrored at random."""
    row, column = (int(v) for v in rng.integers(0, LARGE - side, 2))
    window: Field = large[row : row + side, column : column + side]
    window = np.rot90(window, int(rng.integers(4)))
    return window.T if rng.integers(2) else window


@lru_cache(maxsize=4)
def _clouds(slope: float) -> Field:
    return _shaped((_frequencies() + 1 / LARGE) ** -slope)


@lru_cache(maxsize=16)
def _blobs(power: int) -> Field:
    ratio = _frequencies() * 2 * STEP**power
    return _shaped(np.exp(-((np.log(ratio + 1e-6)) ** 2) / 0.5))


def _frequencies() -> NDArray[np.float64]:
    """Return cycles per pixel of the half spectrum, shape (LARGE, LARGE // 2 + 1)."""
    rows, columns = np.fft.fftfreq(LARGE)[:, None], np.fft.rfftfreq(LARGE)[None]
    frequencies: NDArray[np.float64] = np.hypot(rows, columns)
    return frequencies


def _shaped(gain: NDArray[np.float64]) -> Field:
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft2(rng.standard_normal((LARGE, LARGE), np.float32)) * gain
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (LARGE, LARGE))
    scaled: Field = (field / (field.std() + 1e-9)).astype(np.float32)
    return scaled
