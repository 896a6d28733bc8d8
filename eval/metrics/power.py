"""Power: which difference n samples can show, and how many samples one needs.

For a comparison of two runs on the same samples, ``sd`` is the standard deviation of
the difference of their scores (:func:`paired_sd`), which is smaller than that of
either. Samples in clusters count for less: pass their :func:`design_effect`.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.paired import Clusters, clt_stderr, clustered_stderr


def power(
    n: int, difference: float, sd: float, *, alpha: float = 0.05, effect: float = 1.0
) -> float:
    """Return the chance that a two-sided test on n samples shows a true difference.

    Args:
        n: Number of samples.
        difference: The true difference.
        sd: Standard deviation of one sample's difference.
        alpha: Chance of an alarm where there is no difference.
        effect: Design effect of clusters, 1 without.

    Raises:
        SettingsError: If n, sd, alpha or the design effect is out of range.

    >>> round(power(785, 0.05, 0.5), 2)  # 80 % for 5 points at sd 0.5
    0.8
    """
    _check(sd=sd, alpha=alpha, effect=effect)
    if n < 1:
        raise undefined("power", "0 samples")
    if sd == 0:
        return 1.0 if difference else alpha
    shift = abs(difference) / (sd * math.sqrt(effect / n))
    limit = NormalDist().inv_cdf(1 - alpha / 2)
    return NormalDist().cdf(shift - limit) + NormalDist().cdf(-shift - limit)


def n_for_difference(
    difference: float,
    sd: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    effect: float = 1.0,
) -> int:
    """Return how many samples show a difference with that power.

    Args:
        difference: The true difference, not 0.
        sd: Standard deviation of one sample's difference.
        power: Chance that the test shows it.
        alpha: Chance of an alarm where there is no difference.
        effect: Design effect of clusters, 1 without.

    Raises:
        SettingsError: If the difference is 0, or a share is out of range.

    >>> n_for_difference(0.05, 0.5)  # (1.96 + 0.84)^2 * 0.25 / 0.0025
    785
    """
    _check(sd=sd, alpha=alpha, effect=effect, power=power)
    if difference == 0:
        raise SettingsError(
            "No number of samples shows a difference of 0. Name the smallest "
            "difference that would matter, such as 0.02."
        )
    return max(1, math.ceil(effect * (_width(power, alpha) * sd / difference) ** 2))


def detectable_difference(
    n: int, sd: float, *, power: float = 0.8, alpha: float = 0.05, effect: float = 1.0
) -> float:
    """Return the smallest difference that n samples show with that power.

    Args:
        n: Number of samples.
        sd: Standard deviation of one sample's difference.
        power: Chance that the test shows it.
        alpha: Chance of an alarm where there is no difference.
        effect: Design effect of clusters, 1 without.

    Raises:
        SettingsError: If there is no sample, or a share is out of range.

    >>> round(detectable_difference(785, 0.5), 3)
    0.05
    """
    _check(sd=sd, alpha=alpha, effect=effect, power=power)
    if n < 1:
        raise undefined("the detectable difference", "0 samples")
    return _width(power, alpha) * sd * math.sqrt(effect / n)


def paired_sd(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the standard deviation of the difference of two runs, sample by sample.

    Raises:
        SettingsError: If there are fewer than two samples, or the lengths differ.
    """
    check_pairs(a, b, "the standard deviation")
    stderr = clt_stderr([x - y for x, y in zip(a, b, strict=True)])
    if stderr is None:
        raise undefined("the standard deviation", "1 sample")
    return stderr * math.sqrt(len(a))


def discordant_sd(discordant: float, difference: float = 0.0) -> float:
    """Return that standard deviation from the share of pairs that disagree.

    Args:
        discordant: Share of samples that only one of two 0/1 runs gets right.
        difference: Difference of the two accuracies.

    Raises:
        SettingsError: If the share is not in 0..1 or smaller than the difference.

    >>> discordant_sd(0.2)  # sqrt(0.2)
    0.4472135954999579
    """
    if not abs(difference) <= discordant <= 1:
        raise SettingsError(
            f"A share of {discordant} that disagrees does not fit a difference of "
            f"{difference}. It lies between the difference and 1."
        )
    return math.sqrt(discordant - difference**2)


def design_effect(values: Sequence[float], clusters: Clusters) -> float:
    """Return by how much clusters inflate the variance of the mean; 1 if they do not.

    Raises:
        SettingsError: If there is no sample, or the lengths differ.

    >>> round(design_effect([0, 0, 1, 1], ["x", "x", "y", "y"]), 2)  # 7/48 by 4/48
    1.75
    """
    plain, clustered = clt_stderr(values), clustered_stderr(values, clusters)
    if not plain or clustered is None:
        return 1.0
    return (clustered / plain) ** 2


def _width(power: float, alpha: float) -> float:
    """Return the distance from 0 in standard errors that gives that power."""
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)


def _check(**shares: float) -> None:
    for name, value in shares.items():
        top = 1.0 if name in ("alpha", "power") else math.inf
        if not (0 < value < top or (name == "sd" and value == 0)):
            raise SettingsError(
                f"{name} = {value} is out of range. Use a number above 0"
                + (" and below 1." if top == 1 else ".")
            )
