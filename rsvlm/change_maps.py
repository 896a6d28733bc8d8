"""Maps of change between two dates: numbers on one grid in, what became of it out.

:mod:`rsvlm.changes` reads the rasters and turns the maps into regions and words. Water
and vegetation are told by an index in each date with a threshold of its own, because
8-bit pictures are stretched differently; what is left is compared in brightness after
both dates were brought to one scale.

Source:
    Threshold: Otsu, IEEE TSMC 1979. Water index with short-wave infrared (MNDWI): Xu,
    IJRS 2006. Scaling on the least-changed pixels: after IR-MAD, Nielsen, IEEE TIP
    2007.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Layer = NDArray[np.floating]  # shape (H, W), nan where there is no data
Cover = NDArray[np.bool_]  # shape (H, W)
#: One date: what a layer measures ("blue", "green", "red", "nir", "swir", "gray") or
#: its polarisation -> the layer.
Layers = Mapping[str, Layer]

#: Lowest and highest threshold of an index, and how far the means of its two sides
#: must lie apart for the threshold to mean anything.
WATER = (0.0, 0.5, 0.3)
PLANTS, PLANTS_COLOUR = (0.1, 0.6, 0.15), (0.03, 0.3, 0.06)
#: Least change of the water index, and of the vegetation index beyond its general
#: change: with near infrared, and from colours.
WATER_STEP, PLANTS_STEP, PLANTS_STEP_COLOUR = 0.2, 0.15, 0.06
#: Spreads (robust standard deviations) that a change of vegetation and of brightness
#: must exceed. The spread of an unchanged surface is at least SPREAD of the range.
PLANTS_SPREADS, SURFACE_SPREADS, SPREAD = 3.0, 5.0, 0.02
#: Least change of a radar echo in dB, and in spreads; side of the square of pixels
#: that is averaged first, because a single one is mostly speckle.
ECHO_STEP, ECHO_SPREADS, LOOKS = 3.0, 3.5, 5
#: Pixels that scales are fitted on, rounds of it, and the share that is kept.
SAMPLE, ROUNDS, KEPT = 100_000, 6, 0.5


@dataclass(frozen=True, slots=True)
class ChangeMap:
    """Where one kind of change happened.

    Attributes:
        label: Such as ``"water gained"``.
        cover: Where, shape (H, W).
        strength: Change as a multiple of the least that counts, shape (H, W).
    """

    label: str
    cover: Cover
    strength: Layer


def light_changes(before: Layers, after: Layers, valid: Cover) -> list[ChangeMap]:
    """Compare two optical or multispectral images.

    Args:
        before: Layers of the first date.
        after: The same layers of the second date, on the same grid.
        valid: Where both have data, shape (H, W).

    Returns:
        Maps that do not overlap: water, then vegetation, then brightness.
    """
    maps: list[ChangeMap] = []
    land = valid
    old, new = _water_index(before), _water_index(after)
    if old is not None and new is not None:
        levels = thresholds(old[valid], new[valid], *WATER)
        was, now = (old > levels[0]) & valid, (new > levels[1]) & valid
        step = (new - levels[1]) - (old - levels[0])
        strength = np.abs(step) / WATER_STEP
        clear = strength > 1
        maps += [
            ChangeMap("water gained", now & ~was & clear, strength),
            ChangeMap("water lost", was & ~now & clear, strength),
        ]
        land = valid & ~was & ~now
    old, new = _plant_index(before), _plant_index(after)
    if old is not None and new is not None and land.any():
        bounds = PLANTS if "nir" in before else PLANTS_COLOUR
        levels = thresholds(old[land], new[land], *bounds)
        was, now = (old > levels[0]) & land, (new > levels[1]) & land
        step = new - old
        middle, spread = robust(step[land])
        floor = PLANTS_STEP if "nir" in before else PLANTS_STEP_COLOUR
        least = max(floor, PLANTS_SPREADS * spread)
        step = (step - middle) / least
        maps += [
            ChangeMap("vegetation gained", now & ~was & (step > 1), np.abs(step)),
            ChangeMap("vegetation lost", was & ~now & (step < -1), np.abs(step)),
        ]
    rest = land.copy()
    for found in maps:
        rest &= ~found.cover
    step = _brightness_step(before, after, land) / SURFACE_SPREADS
    return [
        *maps,
        ChangeMap("surface brighter", rest & (step > 1), np.abs(step)),
        ChangeMap("surface darker", rest & (step < -1), np.abs(step)),
    ]


def echo_changes(before: Layers, after: Layers, valid: Cover) -> list[ChangeMap]:
    """Compare two radar images by the ratio of their echoes.

    Args:
        before: Backscatter of the first date in dB, by polarisation.
        after: The same of the second date.
        valid: Where both have data, shape (H, W).

    Returns:
        Maps of stronger and of weaker echo; the mean over polarisations decides.
    """
    steps = []
    for name, layer in before.items():
        step = _averaged(after[name], valid) - _averaged(layer, valid)
        steps.append(step - robust(step[valid])[0])
    step = np.mean(steps, axis=0, dtype=np.float32)
    _, spread = robust(step[valid])
    step = step / max(ECHO_STEP, ECHO_SPREADS * spread)
    return [
        ChangeMap("radar echo stronger", valid & (step > 1), np.abs(step)),
        ChangeMap("radar echo weaker", valid & (step < -1), np.abs(step)),
    ]


def thresholds(
    old: Layer, new: Layer, low: float, high: float, apart: float
) -> tuple[float, float]:
    """Return a threshold of an index for each of two dates.

    Each date has its own where its values fall into two groups; else the one of both
    dates together is taken, else the highest.

    Args:
        old: Values of the first date, shape (N,).
        new: Values of the second date, shape (M,).
        low: Lowest threshold.
        high: Highest threshold.
        apart: Least difference of the means above and below.
    """
    both = otsu(np.concatenate([old, new]), low, high, apart)
    common = high if both is None else both
    first, second = (otsu(values, low, high, apart) for values in (old, new))
    return (
        common if first is None else first,
        common if second is None else second,
    )


def otsu(values: Layer, low: float, high: float, apart: float) -> float | None:
    """Return the threshold in [low, high] that parts values of -1 to 1 best.

    None when the means above and below it differ by less than ``apart``.
    """
    counts, edges = np.histogram(values, bins=400, range=(-1.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middles)
    above = total - below
    inside = (edges[1:] >= low) & (edges[1:] <= high) & (below > 0) & (above > 0)
    if not inside.any():
        return None
    mean_low = sums / np.maximum(below, 1)
    mean_high = (sums[-1] - sums) / np.maximum(above, 1)
    between = np.where(inside, below * above * (mean_high - mean_low) ** 2, -1.0)
    best = np.flatnonzero(between == between.max())
    at = int(best[len(best) // 2])  # the middle of a gap
    return float(edges[at + 1]) if mean_high[at] - mean_low[at] >= apart else None


def scale_onto(
    before: NDArray[np.float32], after: NDArray[np.float32]
) -> list[tuple[float, float]]:
    """Fit gain and offset of each layer that bring one date to the scale of another.

    The pixels that differ least are kept and the fit is repeated, so that changes do
    not bend it. Spreads are matched rather than errors in one date minimised, which
    would flatten the other.

    Args:
        before: Pixels of the first date, shape (B, N).
        after: The same pixels of the second date, shape (B, N).

    Returns:
        Gain and offset of each layer.
    """
    kept = np.ones(before.shape[1], dtype=bool)
    fits: list[tuple[float, float]] = []
    for turn in range(ROUNDS):
        fits, distance = [], np.zeros(before.shape[1])
        for old, new in zip(before, after, strict=True):
            # All pixels at first, so that changes must not count; then unchanged ones.
            measure = _mean if turn else robust
            (x, width), (y, height) = measure(old[kept]), measure(new[kept])
            gain = height / width if width > 0 and height > 0 else 1.0
            offset = y - gain * x
            miss = new - (gain * old + offset)
            distance += (miss / max(robust(miss[kept])[1], 1e-6)) ** 2
            fits.append((gain, offset))
        kept = distance <= np.quantile(distance, KEPT)
    return fits


def _mean(values: Layer) -> tuple[float, float]:
    """Return mean and standard deviation."""
    return float(values.mean()), float(values.std())


def robust(values: Layer) -> tuple[float, float]:
    """Return the median and the spread: 1.4826 x the median absolute deviation."""
    if not values.size:
        return 0.0, 0.0
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _difference(first: Layer, second: Layer) -> Layer:
    """Return the normalised difference, 0 where both are 0."""
    a, b = np.maximum(first, 0), np.maximum(second, 0)
    total = a + b
    out: Layer = np.divide(a - b, total, out=np.zeros_like(total), where=total > 0)
    return out


def _water_index(layers: Layers) -> Layer | None:
    """Return what is high over water: MNDWI, else NDWI.

    There is no rule for visible colours: on NAIP and Sentinel-2 none of eight that were
    tried (dark, blue, smooth, not green) reached an IoU of 0.6 with NDWI.
    """
    for name in ("swir", "nir"):
        if "green" in layers and name in layers:
            return _difference(layers["green"], layers[name])
    return None


def _plant_index(layers: Layers) -> Layer | None:
    """Return what is high over plants: NDVI, else how green a pixel is (GLI)."""
    if "red" in layers and "nir" in layers:
        return _difference(layers["nir"], layers["red"])
    if not {"red", "green", "blue"} <= set(layers):
        return None
    return _difference(2 * layers["green"], layers["red"] + layers["blue"])


def _brightness_step(before: Layers, after: Layers, where: Cover) -> Layer:
    """Return the change of brightness in spreads, after scaling, shape (H, W)."""
    names = [n for n in ("red", "green", "blue", "gray") if n in before] or list(before)
    old, new = (np.stack([date[n] for n in names]) for date in (before, after))
    points = np.flatnonzero(where)
    step = np.zeros(where.shape, dtype=np.float32)
    if len(points) < 2:
        return step
    points = points[:: max(1, len(points) // SAMPLE)]
    samples = [layers.reshape(len(names), -1)[:, points] for layers in (old, new)]
    fits = scale_onto(samples[0], samples[1])
    for (gain, offset), x, y in zip(fits, old, new, strict=True):
        miss = y - (gain * x + offset)
        middle, spread = robust(miss[where])
        low, high = np.percentile(y[where], (2, 98))
        step += (miss - middle) / max(spread, SPREAD * float(high - low), 1e-6)
    return np.where(where, step / len(names), 0).astype(np.float32)


def _averaged(layer: Layer, valid: Cover) -> Layer:
    """Average backscatter in dB over squares of ``LOOKS`` pixels, in linear power."""
    power = np.where(valid, 10 ** (np.where(valid, layer, 0) / 10), 0)
    total, count = (_box_sum(a.astype(np.float64)) for a in (power, valid))
    mean = total / np.maximum(count, 1)
    out: Layer = (10 * np.log10(np.maximum(mean, 1e-9))).astype(np.float32)
    return out


def _box_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the square around each pixel, shape (H, W)."""
    reach = LOOKS // 2
    for _ in range(2):  # rows, then columns: a square falls apart into lines
        padded = np.pad(values, ((reach + 1, reach), (0, 0)))
        sums = np.cumsum(padded, axis=0)
        values = (sums[LOOKS:] - sums[:-LOOKS]).T
    return values
