"""Changes of radar pictures that another acquisition could have made.

Speckle multiplies intensity by gamma-distributed noise whose shape is the number of
looks; another product is scaled and clipped otherwise, and another polarisation has
another contrast. Colours mean nothing in a gray radar picture, so none are changed; of
a composite each channel is a measurement of its own and is varied by itself.

Source:
    Multi-look speckle as gamma noise: Goodman 1976; Oliver and Quegan,
    "Understanding Synthetic Aperture Radar Images", chapter 4.
"""

import numpy as np
from numpy.typing import NDArray

#: Fewest and most looks of the added noise; more looks are less noise.
LOOKS = (3.0, 40.0)
#: Exponent of the gray curve, drawn log-evenly: what is 8-bit here may have been
#: amplitude, its root, or dB.
CURVE = (0.6, 1.6)
#: Factor on brightness: products are clipped at other percentiles.
GAIN = (0.75, 1.35)


def speckle(
    picture: NDArray[np.uint8], rng: np.random.Generator, chance: float = 0.8
) -> NDArray[np.uint8]:
    """Return a radar picture as another acquisition might have shown it.

    Args:
        picture: Gray levels in three channels, equal or each its own, shape (H, W, 3);
            levels are taken as amplitude.
        rng: Source of randomness.
        chance: Share of pictures that get more speckle; all get another curve and gain.

    Returns:
        The same shape.
    """
    gray = bool((picture == picture[..., :1]).all())
    channels = picture[..., :1] if gray else picture
    values = channels.astype(np.float32) / 255
    count = channels.shape[-1]
    if rng.random() < chance:
        looks = float(_log_even(LOOKS, 1, rng)[0])
        # Noise of intensity; its root is that of amplitude.
        noise = rng.gamma(looks, 1 / looks, size=values.shape).astype(np.float32)
        values = values * np.sqrt(noise)
    curve, gain = _log_even(CURVE, count, rng), _log_even(GAIN, count, rng)
    values = np.clip(values, 0, 1) ** curve * gain
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, picture.shape))


def _log_even(
    ends: tuple[float, float], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    low, high = np.log(ends)
    return np.exp(rng.uniform(low, high, size=count)).astype(np.float32)
