"""Scores of detection: every object of every class.

Scorers of the field differ in what they do with scores that are equal or absent, so the
variant is part of the protocol; see :func:`detection`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics import coco
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.curves import rank, weights_of
from rsvlm.eval.metrics.multi_ref import counts_of
from rsvlm.eval.metrics.overlaps import Floats
from rsvlm.eval.metrics.parts import known_word, parts
from rsvlm.eval.metrics.pool import Pool, match
from rsvlm.eval.metrics.record_shapes import (
    Names,
    Shape,
    is_read,
    listed,
    prediction_pool,
    reference_pool,
)
from rsvlm.eval.metrics.spaces import space_warnings
from rsvlm.eval.metrics.unscored import Unscored, ordered
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

Variant = Literal["voc50", "coco", "ap_nc", "mf1", "ordered"]

#: Share of predictions with equal scores from which COCO's AP is said to be unsure.
_TIED = 0.05


class _Outcome(NamedTuple):
    """What a variant makes of matched boxes.

    Attributes:
        found: Whether each prediction is right, shape (P,), for the score of images.
        per_label: Value of each label, shape (L,), NaN where it has no reference, with
            these weights of images.
        details: What else there is to say.
    """

    found: NDArray[np.bool_]
    per_label: Callable[[Floats | None], Floats]
    details: dict[str, Any]


def detection(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    variant: Variant = "voc50",
    threshold: float = 0.5,
    shape: Shape = "hbb",
    names: Names = "canonical",
    strict: bool = False,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score all boxes of all classes; the value is a mean over classes with references.

    ``voc50`` is the area under the raised precision-recall curve at one threshold, as
    of VOC 2010 and DOTA, with equal scores as one point. ``coco`` is COCO's AP without
    its cap of 100 boxes an image, where equal scores count in the order of listing.
    ``ap_nc`` and ``mf1`` look at no scores: precision times recall, and F1, order-free.
    ``ordered`` is the mean of ``voc50`` over ten random orders of listing.

    Args:
        samples: Samples whose targets are every object of their classes.
        predictions: Their predictions, in the same order.
        protocol: Id of the protocol.
        variant: Which of the above.
        threshold: Smallest IoU of a match, in (0, 1]; ``coco`` has ten of its own.
        shape: ``obb`` compares four corners, ``hbb`` the boxes around them.
        names: ``raw`` compares labels as they stand.
        strict: A match must exceed the threshold; not with ``coco``.
        group_by: Fields of the sample to split by, beside the classes.

    Raises:
        SettingsError: If there is no sample or no reference, or the boxes are not
            pixels.
        UnknownNameError: If a parameter has no such value.
    """
    known_word("variant", variant, tuple(_VARIANTS))
    known_word("shape", shape, ("hbb", "obb"))
    known_word("names", names, ("canonical", "raw"))
    check_pairs(predictions, samples, protocol)
    boxes = listed(predictions)
    warnings = space_warnings(samples, predictions, boxes)
    index: dict[str, int] = {}
    true = reference_pool(samples, index, shape, names)
    asked = len(index)
    given, odd = prediction_pool(boxes, index, shape, names)
    labels = list(index)
    outcome = _VARIANTS[variant](given, true, len(labels), threshold, strict)
    per_label, details = outcome.per_label, outcome.details

    def value(weights: Floats | None = None) -> float:
        values = per_label(weights)
        if np.isnan(values).all():
            raise undefined("detection", "0 references")
        return float(np.nanmean(values))

    def on(rows: Sequence[int] | NDArray[np.intp]) -> float:
        return value(weights_of(rows, len(samples)))

    tied = details.get("tied_share", 0.0)
    if tied > _TIED:
        warnings.append(
            f"{tied:.0%} of the boxes share their score with another one, so that this "
            "AP depends on the order of listing. Compare with ap_nc, which does not."
        )
    by_label = dict(zip(labels, per_label(None).tolist(), strict=True))
    counts = counts_of(given, true, len(samples), outcome.found)
    f1 = counts.f1
    read = [is_read(prediction) for prediction in predictions]
    return Scored(
        value=value(),
        rows=tuple(
            row(
                sample,
                prediction,
                protocol,
                float(f1[i]) * read[i],
                parse_ok=read[i],
                group_by=group_by,
                right=int(counts.right[i]),
                predicted=int(counts.predicted[i]),
                references=int(counts.references[i]),
            )
            for i, (sample, prediction) in enumerate(
                zip(samples, predictions, strict=True)
            )
        ),
        groups={
            **{
                f"label={label}": by_label[label]
                for label in sorted(by_label)
                if not np.isnan(by_label[label])
            },
            **parts(samples, group_by, on),
        },
        details={
            **details,
            "boxes": len(given),
            "references": len(true),
            "boxes_of_other_labels": int((given.label >= asked).sum()),
            "invalid_polygons": int(odd.sum()),
            "unparsed_rate": 1 - sum(read) / len(read),
            "row_score": "F1 of the image",
            "warnings": warnings,
        },
        resample=on,
        baselines={"nothing": 0.0},
    )


def _voc(
    given: Pool, true: Pool, labels: int, threshold: float, strict: bool
) -> _Outcome:
    found = match(given, true, (threshold,), strict=strict)
    ranking = rank(given, true, found, labels)
    return _Outcome(found[0], lambda weights: ranking.areas(weights)[0], {})


def _coco(
    given: Pool, true: Pool, labels: int, threshold: float, strict: bool
) -> _Outcome:
    found = match(given, true, coco.THRESHOLDS, order="coco")
    ranking = rank(given, true, found, labels)
    values = ranking.interpolated()
    details: dict[str, Any] = {"tied_share": ranking.tied()}
    if not np.isnan(values).all():
        summary = coco.summary(values, [str(label) for label in range(labels)])
        details |= {"ap50": summary.at_50, "ap75": summary.at_75}
    sizes = coco.by_size(given, true)
    details |= {f"ap_{name}": area for name, area in sizes.items()}
    return _Outcome(
        found[0], lambda weights: ranking.interpolated(weights).mean(axis=0), details
    )


def _unscored_details(matched: Unscored) -> dict[str, Any]:
    scores = matched.scores()
    precision, recall, f1 = matched.micro()
    return {
        "precision": _mean(scores.precision),
        "recall": _mean(scores.recall),
        "f1": _mean(scores.f1),
        "micro_precision": precision,
        "micro_recall": recall,
        "micro_f1": f1,
        "f1_with_background": matched.with_background(),
    }


def _ap_nc(
    given: Pool, true: Pool, labels: int, threshold: float, strict: bool
) -> _Outcome:
    matched = Unscored.match(given, true, labels, threshold, strict)
    details = _unscored_details(matched)
    return _Outcome(matched.found, lambda weights: matched.scores(weights).ap, details)


def _mf1(
    given: Pool, true: Pool, labels: int, threshold: float, strict: bool
) -> _Outcome:
    matched = Unscored.match(given, true, labels, threshold, strict)
    details = _unscored_details(matched)
    return _Outcome(matched.found, lambda weights: matched.scores(weights).f1, details)


def _ordered(
    given: Pool, true: Pool, labels: int, threshold: float, strict: bool
) -> _Outcome:
    rankings = ordered(given, true, labels, threshold, strict)

    def areas(weights: Floats | None) -> Floats:
        return np.stack([ranking.areas(weights)[0] for ranking in rankings])

    means = [_mean(values) for values in areas(None)]
    details = {
        "orders": len(means),
        "std": float(np.std(means)),
        "lowest": min(means),
        "highest": max(means),
    }
    matched = Unscored.match(given, true, labels, threshold, strict)
    return _Outcome(matched.found, lambda weights: areas(weights).mean(axis=0), details)


def _mean(values: Floats) -> float:
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))


#: Name of each variant -> its value on each label, and what else it says.
_VARIANTS: Mapping[
    str,
    Callable[[Pool, Pool, int, float, bool], _Outcome],
] = {
    "voc50": _voc,
    "coco": _coco,
    "ap_nc": _ap_nc,
    "mf1": _mf1,
    "ordered": _ordered,
}
