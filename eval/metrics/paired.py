"""Two runs on the same samples, and the standard error of one.

The paired difference is what a comparison should rest on: it cancels how hard the
samples are, so it sees differences that two separate intervals hide. Questions about
one image succeed and fail together; ``clusters`` names the image of each sample.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.resampling import cluster_numbers, mean_ci

#: Discordant pairs up to which McNemar's test is exact; the sum stays cheap.
EXACT_UP_TO = 10_000

Clusters = Sequence[Hashable] | None


@dataclass(frozen=True)
class Paired:
    """How run ``a`` differs from run ``b`` on the same samples.

    Attributes:
        difference: Mean of ``a`` minus mean of ``b``; above 0: ``a`` is better.
        ci95: Its 95 % bootstrap interval, clusters drawn; None with one cluster only.
        p_mcnemar: Two-sided p of McNemar's test; None unless all scores are 0 or 1.
        n: Number of samples.
        better: Samples on which ``a`` scores more than ``b``.
        worse: Samples on which ``a`` scores less.
        stderr: Clustered standard error of the difference; None below two samples.
    """

    difference: float
    ci95: tuple[float, float] | None
    p_mcnemar: float | None
    n: int
    better: int = 0
    worse: int = 0
    stderr: float | None = None


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Clusters = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Paired:
    """Compare the scores of two runs, sample by sample.

    Args:
        a: One score a sample.
        b: Scores of the other run, of the same samples in the same order.
        clusters: The image of each sample. None, or an entry None: the sample stands
            alone.
        resamples: Number of bootstrap resamples.
        seed: Seed of the draws.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or a score is not
            finite.

    >>> paired = paired_difference([1, 1, 1, 0], [1, 0, 0, 0])
    >>> paired.difference, paired.p_mcnemar, paired.better, paired.worse
    (0.5, 0.5, 2, 0)
    """
    check_pairs(a, b, "the paired difference")
    first, second = _scores(a), _scores(b)
    change = first - second
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    binary = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
    return Paired(
        difference=float(change.mean()),
        ci95=mean_ci(change, clusters, resamples, seed),
        p_mcnemar=mcnemar(better, worse) if binary else None,
        n=len(change),
        better=better,
        worse=worse,
        stderr=clustered_stderr(change, clusters),
    )


def mcnemar(better: int, worse: int, exact: bool | None = None) -> float:
    """Return the two-sided p-value of McNemar's test.

    Only pairs on which the runs disagree count: if neither run is better, either side
    wins such a pair with probability 1/2.

    Source:
        Q. McNemar, 1947, https://doi.org/10.1007/BF02295996; the continuity
        correction of A. L. Edwards, 1948, https://doi.org/10.1007/BF02289261.

    Args:
        better: Pairs that only the one run gets right.
        worse: Pairs that only the other gets right.
        exact: Binomial test, or chi-squared with continuity correction; None: exact
            up to ``EXACT_UP_TO`` such pairs.

    Raises:
        SettingsError: If a number is negative.

    >>> mcnemar(1, 5)  # 2 * (1 + 6) / 2**6
    0.21875
    """
    if better < 0 or worse < 0:
        raise SettingsError(
            f"{better} and {worse} are not numbers of pairs. Count the pairs that only "
            "one run gets right."
        )
    pairs = better + worse
    if pairs == 0:
        return 1.0
    if exact if exact is not None else pairs <= EXACT_UP_TO:
        return min(1.0, 2 * _binomial_tail(min(better, worse), pairs))
    statistic = max(abs(better - worse) - 1, 0) ** 2 / pairs
    return math.erfc(math.sqrt(statistic / 2))  # upper tail of chi-squared, 1 degree


def clt_stderr(values: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Return the standard error of a mean of independent samples.

    Args:
        values: One score a sample.

    Returns:
        s / sqrt(n) with s of n - 1; None below two samples.

    Raises:
        SettingsError: If there is no sample, or a score is not finite.

    >>> clt_stderr([0, 1, 0, 1])  # sqrt(1 / 3 / 4)
    0.28867513459481287
    """
    scores = _scores(values)
    if len(scores) < 2:
        return None
    return float(scores.std(ddof=1)) / math.sqrt(len(scores))


def clustered_stderr(
    values: Sequence[float] | NDArray[np.float64], clusters: Clusters
) -> float | None:
    """Return the standard error of a mean whose samples come in clusters.

    Its square is s^2 / n plus the sum of r_i r_j over the pairs i != j of each
    cluster, by n^2, with r the distance to the mean.

    Source:
        E. Miller, 2024, https://arxiv.org/abs/2411.00640, equation 4.

    Args:
        values: One score a sample.
        clusters: The image of each sample. None, or an entry None: the sample stands
            alone.

    Returns:
        The standard error, 0 or more; None below two samples.

    Raises:
        SettingsError: If there is no sample, a score is not finite, or the lengths
            differ.

    >>> clustered_stderr([0, 1, 0, 1], ["x", "y", "x", "y"])  # sqrt(1/12 + 1/16)
    0.38188130791298663
    """
    scores = _scores(values)
    if clusters is not None:
        check_pairs(range(len(scores)), clusters, "the clustered standard error")
    n = len(scores)
    if n < 2:
        return None
    residuals = scores - scores.mean()
    squares = float((residuals**2).sum())
    sums = np.bincount(cluster_numbers(clusters, n), weights=residuals)
    pairs = float((sums**2).sum()) - squares
    # Anti-correlated clusters can push the estimate below 0 by more than rounding.
    return math.sqrt(max(squares / (n - 1) / n + pairs / n**2, 0.0))


def _scores(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores as numbers, shape (n,)."""
    scores = np.asarray(values, dtype=np.float64)
    if len(scores) == 0:
        raise undefined("the standard error", "0 samples")
    if not np.isfinite(scores).all():
        raise SettingsError(
            f"The score of sample {int(np.argmin(np.isfinite(scores)))} is not finite. "
            "Give a wrong or missing reply the score 0."
        )
    return scores


def _binomial_tail(k: int, n: int) -> float:
    """Return P(X <= k) for n fair coins, summed in whole numbers."""
    ways = total = 1
    for i in range(k):
        ways = ways * (n - i) // (i + 1)
        total += ways
    return total / (1 << n)
