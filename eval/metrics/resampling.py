"""Bootstrap intervals of large runs: the draws of :mod:`intervals`, vectorised.

Where a score is a mean, a resample needs only the sum and the size of each cluster, so
1000 resamples of 100,000 samples take about a second.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs, undefined

#: Draws held in memory at once, 8 bytes each.
_CHUNK = 4_000_000


def cluster_numbers(clusters: Sequence[Hashable] | None, n: int) -> NDArray[np.int64]:
    """Return the number of each sample's cluster, shape (n,), from 0 on.

    Clusters are numbered in the order of their names' text, so that the draws do not
    depend on the order of the samples; those without a name follow, one a sample.

    Args:
        clusters: Name of each sample's cluster; None, or an entry None: it stands
            alone.
        n: Number of samples.

    >>> cluster_numbers(["b", "a", None, "b"], 4).tolist()
    [1, 0, 2, 1]
    """
    if clusters is None:
        return np.arange(n, dtype=np.int64)
    named = sorted({name for name in clusters if name is not None}, key=repr)
    number = {name: position for position, name in enumerate(named)}
    numbers = np.empty(n, dtype=np.int64)
    alone = len(number)
    for position, name in enumerate(clusters):
        if name is None:
            numbers[position] = alone
            alone += 1
        else:
            numbers[position] = number[name]
    return numbers


def mean_ci(
    values: Sequence[float] | NDArray[np.float64],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of a mean, clusters drawn.

    Args:
        values: One score a sample.
        clusters: The image of each sample. None, or an entry None: the sample stands
            alone.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Returns:
        Lower and upper end; None with one cluster only.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or there is less than
            one resample.

    >>> mean_ci([0.0, 1.0])
    (0.0, 1.0)
    """
    scores = np.asarray(values, dtype=np.float64)
    numbers = _checked(len(scores), clusters, resamples)
    sums, sizes = np.bincount(numbers, weights=scores), np.bincount(numbers)
    count = len(sizes)
    if count == 1:
        return None
    random = np.random.default_rng(seed)
    step = max(_CHUNK // count, 1)
    means = np.empty(resamples)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        drawn = random.integers(count, size=(stop - start, count))
        drawn_sizes = count if count == len(scores) else sizes[drawn].sum(axis=1)
        means[start:stop] = sums[drawn].sum(axis=1) / drawn_sizes
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def resample_ci(
    statistic: Callable[[Sequence[int]], float],
    n: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of any statistic, clusters drawn.

    Resamples on which the statistic is undefined (it raises :class:`SettingsError`,
    such as a class without samples) are left out.

    Args:
        statistic: Value on the samples of these indices, with repeats; see
            :attr:`rsvlm.eval.scored.Scored.resample`.
        n: Number of samples.
        clusters: The image of each sample. None, or an entry None: the sample stands
            alone.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Returns:
        Lower and upper end; None with one cluster only, or where the statistic is
        undefined on every resample.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or there is less than
            one resample.
    """
    numbers = _checked(n, clusters, resamples)
    order = np.argsort(numbers, kind="stable")
    sizes = np.bincount(numbers)
    count = len(sizes)
    if count == 1:
        return None
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    random = np.random.default_rng(seed)
    results = []
    for _ in range(resamples):
        drawn = random.integers(count, size=count)
        lengths = sizes[drawn]
        # Position inside the drawn cluster, for every drawn sample.
        inner = np.arange(lengths.sum()) - np.repeat(
            np.cumsum(lengths) - lengths, lengths
        )
        picked = order[np.repeat(starts[drawn], lengths) + inner]
        try:
            # An array: lists of 100,000 indices would take longer than the statistic.
            results.append(statistic(picked))
        except SettingsError:
            continue
    if not results:
        return None
    low, high = np.percentile(results, [2.5, 97.5])
    return float(low), float(high)


def _checked(
    n: int, clusters: Sequence[Hashable] | None, resamples: int
) -> NDArray[np.int64]:
    """Return the clusters' numbers after the checks that both intervals share."""
    if n == 0:
        raise undefined("the interval", "0 samples")
    if clusters is not None:
        check_pairs(range(n), clusters, "the interval")
    if resamples < 1:
        raise SettingsError(f"{resamples} resamples give no interval. Use 1000.")
    return cluster_numbers(clusters, n)
