"""Error bars: 95 % intervals of proportions and of any other statistic.

Questions about one image succeed and fail together, so the bootstrap draws whole
images; drawing questions would make intervals too narrow.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs, undefined

_T = TypeVar("_T")
_Key = TypeVar("_Key", bound=Hashable)

#: 97.5th percentile of the normal distribution.
_Z95 = 1.959963984540054


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a proportion.

    It stays inside [0, 1] and keeps a width at 0 and at n successes. Use it where
    samples are independent: one question an image.

    Source:
        E. B. Wilson, 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Args:
        successes: Number of samples that are right.
        n: Number of samples.

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        SettingsError: If there is no sample, or successes are not in 0..n.
    """
    if n < 1:
        raise undefined("the interval", "0 samples")
    if not 0 <= successes <= n:
        raise SettingsError(
            f"{successes} successes of {n} samples is not a proportion. "
            "Count each sample once."
        )
    share, z2 = successes / n, _Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    spread = share * (1 - share) / n + z2 / (4 * n * n)
    half = _Z95 * math.sqrt(spread) / (1 + z2 / n)
    # Exact at the ends, where rounding would leave 1e-17.
    low = 0.0 if successes == 0 else max(middle - half, 0.0)
    high = 1.0 if successes == n else min(middle + half, 1.0)
    return low, high


def by_cluster(values: Sequence[_T], clusters: Sequence[_Key]) -> dict[_Key, list[_T]]:
    """Collect the values of each cluster.

    Args:
        values: One value a sample: a score, or a (prediction, reference) pair.
        clusters: The image of each sample, in the same order.

    Raises:
        SettingsError: If there is no value, or the lengths differ.

    >>> by_cluster([1, 0, 1], ["a.tif", "b.tif", "a.tif"])
    {'a.tif': [1, 1], 'b.tif': [0]}
    """
    check_pairs(values, clusters, "the interval")
    groups: dict[_Key, list[_T]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster, []).append(value)
    return groups


def bootstrap_ci(
    values: Mapping[_Key, Sequence[_T]],
    statistic: Callable[[Sequence[_T]], float],
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval, clusters drawn with replacement.

    The same values and seed give the same interval, in whatever order the clusters
    come. Resamples on which the statistic is undefined (it raises
    :class:`SettingsError`, such as a class without samples) are left out.

    Args:
        values: The values of each cluster (image); see :func:`by_cluster`.
        statistic: Maps the values of a resample to a number.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Returns:
        Lower and upper end, or None where clusters cannot tell: fewer than two of
        them, or a statistic undefined on every resample.

    Raises:
        SettingsError: If there is no cluster, or less than one resample.

    >>> bootstrap_ci({"a": [1.0], "b": [1.0]}, lambda values: sum(values) / len(values))
    (1.0, 1.0)
    """
    if not values:
        raise undefined("the interval", "0 clusters")
    if resamples < 1:
        raise SettingsError(f"{resamples} resamples give no interval. Use 1000.")
    if len(values) == 1:
        return None
    groups = [values[key] for key in sorted(values, key=repr)]
    draws = np.random.default_rng(seed).integers(
        len(groups), size=(resamples, len(groups))
    )
    results = []
    for draw in draws:
        drawn = [value for index in draw for value in groups[index]]
        try:
            results.append(statistic(drawn))
        except SettingsError:
            continue
    if not results:
        return None
    low, high = np.percentile(results, [2.5, 97.5])
    return float(low), float(high)
