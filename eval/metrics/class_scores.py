"""The metrics of classes: one class of a list, and presence by yes or no."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.assemble import (
    Floats,
    Indices,
    Statistic,
    in_scope,
    mean_of_means,
    scored,
    text_of,
)
from rsvlm.eval.metrics.classification import confusion, out_of_list_rate, read_class
from rsvlm.eval.metrics.vqa import normalise, parse_yes_no
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

Read = Literal["canonical", "named", "raw", "contains"]
ClassValue = Literal["accuracy", "mean_per_class", "macro_f1"]


class _Question(NamedTuple):
    """What a class is read against: the true one as the list and as the data write it."""

    classes: tuple[str, ...]
    truth: str
    written: str


Reader = Callable[[str, _Question], str | None]


def _canonical(text: str, question: _Question) -> str | None:
    return read_class(text, question.classes)


def _named(text: str, question: _Question) -> str | None:
    return read_class(text, question.classes, match="named")


def _raw(text: str, question: _Question) -> str | None:
    said = text.strip()
    if said == question.written:
        return question.truth
    return said if said in question.classes and said != question.truth else None


def _contains(text: str, question: _Question) -> str | None:
    """Credit the true class if its letters stand anywhere (RSCoVLM's rule)."""
    if normalise(question.written) in normalise(text):
        return question.truth
    said = read_class(text, question.classes)
    return said if said != question.truth else None


#: Ways to read a class; ``raw`` and ``contains`` reproduce published scores.
READS: Mapping[str, Reader] = {
    "canonical": _canonical,
    "named": _named,
    "raw": _raw,
    "contains": _contains,
}


def classify(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    read: Read = "canonical",
    value: ClassValue = "accuracy",
    types: Sequence[str] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score class names.

    The class list is what the samples offer as options, and beside it every true class
    that is missing there. A true class is written as the list writes it.

    Args:
        samples: Questions with the true class and, where it is known, the class list.
        predictions: Replies, in the same order.
        protocol: Id of the protocol.
        read: How a class is read: ``canonical``: the reply is a class name in any
            spelling. ``named``: a sentence may stand around it. ``raw``: equal letters.
            ``contains``: the true name's letters stand somewhere.
        value: Accuracy, mean of the classes' accuracies, or macro F1.
        types: Only samples of these types; None: all.
        group_by: Fields whose values are scored apart.

    Returns:
        Rows hold the class that was read; details ``out_of_list_rate``, the three
        values and each class; the plot ``confusion`` has a last column for none.

    Raises:
        SettingsError: If there is no sample, the lengths differ, or two classes differ
            in spelling only.
        UnknownNameError: If there is no such way to read or value.
    """
    if read not in READS:
        raise UnknownNameError("way to read a class", read, READS)
    if value not in VALUES:
        raise UnknownNameError("value", value, VALUES)
    kept, replies = in_scope(samples, predictions, types)
    classes, truth = _class_list(kept)
    seen: dict[tuple[str, str], str | None] = {}
    said: list[str | None] = []
    for sample, prediction, true in zip(kept, replies, truth, strict=True):
        text, written = text_of(prediction), sample.answers[0]
        if text is not None and (text, written) not in seen:
            question = _Question(classes, true, written)
            seen[text, written] = READS[read](text, question)
        said.append(None if text is None else seen[text, written])
    rows = [
        row(
            sample, prediction, protocol, float(read_ == true),
            parse_ok=read_ is not None, group_by=group_by, read=read_, truth=true,
        )
        for sample, prediction, read_, true in zip(
            kept, replies, said, truth, strict=True
        )
    ]  # fmt: skip
    number = {name: position for position, name in enumerate(classes)}
    true_codes = np.array([number[name] for name in truth])
    said_codes = np.array([-1 if name is None else number[name] for name in said])
    statistics = {name: make(true_codes, said_codes) for name, make in VALUES.items()}
    every = np.arange(len(rows))
    right = np.array([r.score for r in rows])
    counts = confusion(said, truth, classes)
    return scored(
        rows,
        # Accuracy is the mean of the rows: it needs no resampling of its own.
        statistic=None if value == "accuracy" else statistics[value],
        details={
            "out_of_list_rate": out_of_list_rate(said, classes),
            **{name: statistic(every) for name, statistic in statistics.items()},
            "per_class": {
                name: float(right[true_codes == position].mean())
                for position, name in enumerate(classes)
                if (true_codes == position).any()
            },
        },
        plots={"confusion": {"labels": list(classes), "counts": counts.tolist()}},
        baselines=_class_baselines(true_codes, len(classes), VALUES[value]),
    )


def _class_list(samples: Sequence[Sample]) -> tuple[tuple[str, ...], list[str]]:
    """Return the class list, and the true class of each sample as it is written there."""
    lists = dict.fromkeys(sample.options for sample in samples)
    classes = list(dict.fromkeys(name for options in lists for name in options))
    written: dict[str, str] = {}
    for sample in samples:
        if not sample.answers:
            raise SettingsError(
                f"The sample {sample.id!r} has no class. Give it one in 'answers'."
            )
        name = sample.answers[0]
        if name not in written:
            listed = name if name in classes else read_class(name, classes)
            if listed is None:
                classes.append(name)
            written[name] = listed or name
    return tuple(classes), [written[sample.answers[0]] for sample in samples]


def _accuracy(true: Indices, said: Indices) -> Statistic:
    return lambda indices: float((true[indices] == said[indices]).mean())


def _mean_per_class(true: Indices, said: Indices) -> Statistic:
    return mean_of_means((true == said).astype(float), true, None)


def _macro_f1(true: Indices, said: Indices) -> Statistic:
    size = int(max(true.max(), said.max())) + 1

    def statistic(indices: Indices) -> float:
        given, read = true[indices], said[indices]
        total = np.bincount(given, minlength=size)
        predicted = np.bincount(read[read >= 0], minlength=size)
        right = np.bincount(given[given == read], minlength=size)
        held = total > 0
        return float((2 * right[held] / (total + predicted)[held]).mean())

    return statistic


#: Value -> what makes its statistic of true and read class numbers (-1: none read).
VALUES: Mapping[str, Callable[[Indices, Indices], Statistic]] = {
    "accuracy": _accuracy,
    "mean_per_class": _mean_per_class,
    "macro_f1": _macro_f1,
}


def _class_baselines(
    true: Indices, classes: int, make: Callable[[Indices, Indices], Statistic]
) -> dict[str, float]:
    """Score the most frequent class, and a class drawn from the list."""
    every = np.arange(len(true))
    constant = np.full_like(true, np.bincount(true).argmax())
    # Expected counts of a uniform draw; for macro F1 the ratio of expected counts.
    share = np.bincount(true) / len(true)
    share = share[share > 0]
    random = 1 / classes
    if make is _macro_f1:
        random = float((2 * share / classes / (share + 1 / classes)).mean())
    return {"majority": make(true, constant)(every), "random": random}


def presence(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    value: Literal["balanced", "accuracy"] = "balanced",
    types: Sequence[str] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score yes/no questions; a reply that is neither is wrong.

    Args:
        samples: Questions whose answer is yes or no.
        predictions: Replies, in the same order.
        protocol: Id of the protocol.
        value: ``balanced``: mean of the accuracies on "yes" and on "no" questions,
            where a constant reply scores 0.5; on one side alone, its accuracy, with a
            warning. ``accuracy``: share of all questions.
        types: Only questions of these types; None: all.
        group_by: Fields whose values are scored apart.

    Raises:
        SettingsError: If there is no question, the lengths differ, or a true answer is
            neither yes nor no.
    """
    if value not in ("balanced", "accuracy"):
        raise UnknownNameError("value", value, ("balanced", "accuracy"))
    kept, replies = in_scope(samples, predictions, types)
    truth = [_side(sample) for sample in kept]
    said = [parse_yes_no(text_of(prediction)) for prediction in replies]
    rows = [
        row(
            sample, prediction, protocol, float(read is true),
            parse_ok=read is not None, group_by=group_by,
        )
        for sample, prediction, read, true in zip(
            kept, replies, said, truth, strict=True
        )
    ]  # fmt: skip
    sides = np.array(truth, dtype=np.int64)
    scores = np.array([r.score for r in rows])
    every = np.arange(len(rows))

    def measured(values: Floats) -> float:
        if value == "accuracy":
            return float(values.mean())
        return mean_of_means(values, sides, None)(every)

    details: dict[str, Any] = {
        "accuracy": float(scores.mean()),
        "balanced": mean_of_means(scores, sides, None)(every),
        "yes_rate": float(np.mean([read is True for read in said])),
        "true_yes_rate": float(sides.mean()),
    }
    if len(set(truth)) == 1:
        details["warnings"] = ["all true answers are the same: a constant is right"]
    return scored(
        rows,
        statistic=mean_of_means(scores, sides, None) if value == "balanced" else None,
        details=details,
        baselines={
            "always-yes": measured(sides.astype(float)),
            "always-no": measured((1 - sides).astype(float)),
            "random": 0.5,
        },
    )


def _side(sample: Sample) -> bool:
    side = parse_yes_no(sample.answers[0]) if sample.answers else None
    if side is None:
        raise SettingsError(
            f"The answer of sample {sample.id!r} is {sample.answers!r}, neither yes nor "
            "no. Score it with vqa_accuracy."
        )
    return side
