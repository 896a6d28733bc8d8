"""Values on parts of a benchmark: one type of question, one class."""

from collections.abc import Callable, Sequence

import numpy as np

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.overlaps import Indices
from rsvlm.eval.scored import value_of
from rsvlm.samples import Sample


def parts(
    samples: Sequence[Sample],
    group_by: Sequence[str],
    value: Callable[[Indices], float],
) -> dict[str, float]:
    """Return "field=value" -> value on the samples that have it, in sorted order.

    Parts on which the value is undefined (it raises :class:`SettingsError`) are left
    out.

    Args:
        samples: All samples.
        group_by: Fields, or entries of ``meta``.
        value: Value on the samples of some indices.
    """
    found: dict[str, float] = {}
    for name in group_by:
        rows: dict[str, list[int]] = {}
        for index, sample in enumerate(samples):
            rows.setdefault(str(value_of(sample, name)), []).append(index)
        for key in sorted(rows):
            try:
                found[f"{name}={key}"] = value(np.array(rows[key], dtype=np.intp))
            except SettingsError:
                continue
    return found


def known_word(parameter: str, word: str, known: Sequence[str]) -> None:
    """Refuse a word of a protocol that the metric does not know.

    Raises:
        UnknownNameError: If it is none of these.
    """
    if word not in known:
        raise UnknownNameError(parameter, str(word), known)
