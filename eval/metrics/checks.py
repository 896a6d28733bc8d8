"""Checks that every metric makes of its input."""

from collections.abc import Sequence

from rsvlm.errors import SettingsError


def check_pairs(
    predictions: Sequence[object], references: Sequence[object], metric: str
) -> None:
    """Refuse input on which a metric is undefined.

    Args:
        predictions: One entry a sample.
        references: One entry a sample, in the same order.
        metric: What is computed, for the message.

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    if len(references) == 0:
        raise undefined(metric, "0 references")
    if len(predictions) != len(references):
        raise SettingsError(
            f"{metric} got {len(predictions)} predictions for {len(references)} "
            "references. Pair them by id, with None where a reply is missing."
        )


def undefined(metric: str, data: str) -> SettingsError:
    """Return the error that says that a metric has no value on such data."""
    return SettingsError(
        f"{metric} of {data} is undefined. Check the benchmark file and any limit "
        "on the number of samples."
    )
