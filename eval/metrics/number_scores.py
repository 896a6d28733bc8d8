"""The metric of counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.assemble import Floats, in_scope, scored, text_of
from rsvlm.eval.metrics.checks import undefined
from rsvlm.eval.metrics.quantities import read_quantity
from rsvlm.eval.metrics.vqa import canonicalise
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

CountValue = Literal["exact", "within10", "mae", "rmse", "relative"]

#: Words for no object at all.
_NONE = frozenset({"none", "no", "nothing", "nil", "there are none", "there is none"})


def _exact(said: Floats, true: Floats) -> float:
    return float((said == true).mean())


def _is_near(said: Floats, true: Floats) -> NDArray[np.bool_]:
    # The margin is for rounding: 10 % of 7 is 0.7000000000000001. NaN is not near.
    return np.asarray(np.abs(said - true) <= 0.1 * true + 1e-9)


def _within10(said: Floats, true: Floats) -> float:
    return float(_is_near(said, true).mean())


def _mae(said: Floats, true: Floats) -> float:
    return float(np.abs(np.nan_to_num(said) - true).mean())


def _rmse(said: Floats, true: Floats) -> float:
    return float(np.sqrt(((np.nan_to_num(said) - true) ** 2).mean()))


def _relative(said: Floats, true: Floats) -> float:
    # Of all objects together: a share of no object would mean nothing.
    total = float(true.sum())
    if not total:
        raise undefined("the relative error", "0 objects")
    return float(np.abs(np.nan_to_num(said) - true).sum()) / total


#: Value -> measure of read (NaN: none) and true counts.
VALUES: Mapping[str, Callable[[Floats, Floats], float]] = {
    "exact": _exact,
    "within10": _within10,
    "mae": _mae,
    "rmse": _rmse,
    "relative": _relative,
}


def read_count(text: str | None) -> float | None:
    """Return the number of a reply; None where it names none, or several.

    >>> read_count("There are twelve ships."), read_count("2 or 3"), read_count("None")
    (12.0, None, 0.0)
    """
    if text is None:
        return None
    if canonicalise(text) in _NONE:
        return 0.0
    found = read_quantity(text)
    return None if found is None else found.value


def count(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    value: CountValue = "exact",
    types: Sequence[str] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score counts; a reply without a number is wrong, and 0 where errors are measured.

    Rows hold whether a count is right (``within10``: near), also where the value is an
    error, so that a higher row is a better one throughout.

    Args:
        samples: Questions whose answer is a number.
        predictions: Replies, in the same order.
        protocol: Id of the protocol.
        value: Share that is exact; within 10 % of the true count; mean absolute error
            or root mean square error, in objects; absolute errors as a share of all
            objects.
        types: Only questions of these types; None: all.
        group_by: Fields whose values are scored apart.

    Returns:
        Rows hold the count that was read and the true one; details all values and
        ``lower_is_better``.

    Raises:
        SettingsError: If there is no question, the lengths differ, or a true answer is
            no number.
        UnknownNameError: If there is no such value.
    """
    if value not in VALUES:
        raise UnknownNameError("value", value, VALUES)
    kept, replies = in_scope(samples, predictions, types)
    truth = [_true_count(sample) for sample in kept]
    said = [read_count(text_of(prediction)) for prediction in replies]
    given = np.array([np.nan if read is None else read for read in said])
    true_counts = np.array(truth)
    near = _is_near if value == "within10" else np.equal
    right = near(given, true_counts).astype(float)
    rows = [
        row(
            sample, prediction, protocol, score,
            parse_ok=read is not None, group_by=group_by, read=read, truth=true,
        )
        for sample, prediction, score, read, true in zip(
            kept, replies, right.tolist(), said, truth, strict=True
        )
    ]  # fmt: skip
    measure = VALUES[value]
    levels, often = np.unique(true_counts, return_counts=True)
    # The median is the best constant of an absolute error.
    constants = {
        "majority": float(levels[often.argmax()]),
        "median": float(np.median(true_counts)),
        "always-0": 0.0,
    }
    return scored(
        rows,
        statistic=None
        if value in ("exact", "within10")
        else lambda indices: measure(given[indices], true_counts[indices]),
        details={
            **{
                name: f(given, true_counts)
                for name, f in VALUES.items()
                if name != "relative" or true_counts.any()
            },
            "bias": float((np.nan_to_num(given) - true_counts).mean()),
            "lower_is_better": value in ("mae", "rmse", "relative"),
        },
        baselines={
            name: measure(np.full_like(true_counts, number), true_counts)
            for name, number in constants.items()
        },
    )


def _true_count(sample: Sample) -> float:
    number = read_count(sample.answers[0]) if sample.answers else None
    if number is None:
        raise SettingsError(
            f"The answer of sample {sample.id!r} is {sample.answers!r}, no number. "
            "Score it with vqa_accuracy."
        )
    return number
