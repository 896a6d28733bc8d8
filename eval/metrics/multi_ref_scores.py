"""Scores of several boxes: everything that one expression means."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import multi_ref
from rsvlm.eval.metrics.checks import check_pairs
from rsvlm.eval.metrics.overlaps import Floats, Indices
from rsvlm.eval.metrics.parts import known_word, parts
from rsvlm.eval.metrics.pool import Pool
from rsvlm.eval.metrics.record_shapes import (
    Shape,
    is_read,
    listed,
    prediction_pool,
    reference_pool,
    whole_images,
)
from rsvlm.eval.metrics.spaces import space_warnings
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample


def multi_reference(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    threshold: float = 0.5,
    value: Literal["f1", "perfect", "precision"] = "f1",
    rule: Literal["one-to-one", "earthdial"] = "one-to-one",
    overlap: Literal["iou", "generalised"] = "iou",
    shape: Shape = "obb",
    strict: bool = False,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score all boxes that one expression means; without a target, none is right.

    Labels are not compared. A failed or unread reply finds nothing, and is wrong even
    where there is nothing to find.

    Args:
        samples: Samples with any number of targets.
        predictions: Their predictions, in the same order.
        protocol: Id of the protocol.
        threshold: Smallest IoU of a match, in (0, 1].
        value: Micro F1, share of samples with F1 = 1, or micro precision.
        rule: ``earthdial`` lets a reference match any number of predictions, and asks
            for ``value: precision``.
        overlap: ``generalised`` compares generalised IoU, as RSCoVLM's scorer does.
        shape: ``obb`` compares four corners, ``hbb`` the boxes around them.
        strict: A match must exceed the threshold.
        group_by: Fields of the sample to split by.

    Raises:
        SettingsError: If there is no sample, or the boxes are not pixels.
        UnknownNameError: If a parameter has no such value.
    """
    known_word("value", value, ("f1", "perfect", "precision"))
    known_word("rule", rule, ("one-to-one", "earthdial"))
    known_word("overlap", overlap, ("iou", "generalised"))
    known_word("shape", shape, ("hbb", "obb"))
    if rule == "earthdial" and value != "precision":
        raise SettingsError(
            f"The rule 'earthdial' has no {value!r}: one reference may match many "
            "predictions. Use value: precision, or rule: one-to-one."
        )
    check_pairs(predictions, samples, protocol)
    boxes = listed(predictions)
    warnings = space_warnings(samples, predictions, boxes)
    true = reference_pool(samples, None, shape)
    given, odd = prediction_pool(boxes, None, shape)

    def count(regions: Pool) -> multi_ref.Counts:
        if rule == "earthdial":
            return multi_ref.any_reference(
                regions, true, len(samples), threshold, strict=strict
            )
        return multi_ref.one_to_one(
            regions,
            true,
            len(samples),
            threshold,
            strict=strict,
            generalised=overlap == "generalised",
        )

    def score(counts: multi_ref.Counts, read: Floats) -> float:
        if value == "perfect":
            return float((counts.perfect * read).mean())
        pooled = multi_ref.micro(counts)
        return pooled.f1 if value == "f1" else pooled.precision

    counts = count(given)
    read = np.array([is_read(prediction) for prediction in predictions], dtype=float)
    single = read * getattr(counts, value)
    everywhere = np.ones(len(samples))
    whole = count(whole_images(samples, shape))
    nothing = counts._replace(right=0 * everywhere, predicted=0 * everywhere)

    def on(rows: Sequence[int] | Indices) -> float:
        part = np.asarray(rows, dtype=np.intp)
        return score(counts.take(part), read[part])

    pooled = multi_ref.micro(counts)
    said_none = (counts.references == 0) & (counts.predicted == 0) & (read > 0)
    one_to_one = rule == "one-to-one"
    return Scored(
        value=score(counts, read),
        rows=tuple(
            row(
                sample,
                prediction,
                protocol,
                float(single[index]),
                parse_ok=bool(read[index]),
                group_by=group_by,
                right=int(counts.right[index]),
                predicted=int(counts.predicted[index]),
                references=int(counts.references[index]),
            )
            for index, (sample, prediction) in enumerate(
                zip(samples, predictions, strict=True)
            )
        ),
        groups=parts(samples, group_by, on),
        details={
            "precision": pooled.precision,
            "recall": pooled.recall if one_to_one else None,
            "f1": pooled.f1 if one_to_one else None,
            "perfect": float((read * counts.perfect).mean()) if one_to_one else None,
            "rightly_empty": int(said_none.sum()),
            "unparsed_rate": float(1 - read.mean()),
            "invalid_polygons": int(odd.sum()),
            "warnings": warnings,
        },
        resample=None if value == "perfect" else on,
        baselines={
            "whole image": score(whole, everywhere),
            "nothing": score(nothing, everywhere),
        },
    )
