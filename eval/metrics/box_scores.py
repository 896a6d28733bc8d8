"""Scores of one box: horizontal by its sides, turned by its corners.

Boxes are raster pixels of the original image. Boxes that cannot be pixels are refused,
and whatever else looks like another coordinate space stands in ``details["warnings"]``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import rotated
from rsvlm.eval.metrics.checks import check_pairs
from rsvlm.eval.metrics.grounding import accuracy_over_thresholds, reaches
from rsvlm.eval.metrics.overlaps import (
    Floats,
    Indices,
    Overlaps,
    Rule,
    box_overlaps,
    polygon_overlaps,
)
from rsvlm.eval.metrics.parts import known_word, parts
from rsvlm.eval.metrics.record_shapes import bounds_of, listed, single_targets
from rsvlm.eval.metrics.spaces import space_warnings
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

Value = Literal["acc", "miou", "cumiou"]
Unparsed = Literal["zero", "drop-from-cum"]


def grounding(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    iou: Rule = "continuous",
    unparsed: Unparsed = "zero",
    threshold: float = 0.5,
    value: Value = "acc",
    strict: bool = False,
    mean_box: Sequence[float] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score one horizontal box a sample; of several boxes the first counts.

    Args:
        samples: Samples with one target each.
        predictions: Their predictions, in the same order.
        protocol: Id of the protocol.
        iou: ``plus1`` counts corner pixels as inside, as VOC's scorer did.
        unparsed: ``drop-from-cum`` leaves unread replies out of the cumulative IoU, as
            VRSBench's scorer does.
        threshold: Smallest IoU that counts as found, in (0, 1].
        value: Share found, mean IoU, or summed intersections over summed unions.
        strict: IoU must exceed the threshold.
        mean_box: Mean box of a training set, x0, y0, x1, y1 in 0-1, as a baseline.
        group_by: Fields of the sample to split by.

    Raises:
        SettingsError: If there is no sample, a sample has not one target, or the boxes
            are not pixels.
        UnknownNameError: If a parameter has no such value.
    """
    known_word("iou", iou, ("continuous", "plus1"))
    check_pairs(predictions, samples, protocol)
    boxes = listed(predictions)
    warnings = space_warnings(samples, predictions, boxes)
    targets = bounds_of(single_targets(samples, "hbb"))
    scoring = _Scoring(threshold, value, strict, unparsed)
    scoring.check()
    return _scored(
        samples,
        predictions,
        protocol,
        scoring,
        box_overlaps(bounds_of(boxes.first()), targets, iou),
        boxes.counts,
        {"warnings": warnings},
        {
            name: scoring.of(box_overlaps(bounds_of(corners), targets, iou))
            for name, corners in _constant(samples, mean_box).items()
        },
        group_by,
    )


def rotated_grounding(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    invalid: rotated.Invalid = "resort",
    unparsed: Unparsed = "zero",
    threshold: float = 0.5,
    value: Value = "acc",
    strict: bool = False,
    mean_box: Sequence[float] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score one turned box a sample by polygon IoU; a horizontal box is one at 0 degrees.

    Args:
        samples: Samples with one target each; its four corners count where it has them.
        predictions: Their predictions, in the same order.
        protocol: Id of the protocol.
        invalid: What becomes of corners that form no quadrilateral: put in order and
            flagged, or worth nothing.
        unparsed: As :func:`grounding`.
        threshold: Smallest IoU that counts as found, in (0, 1].
        value: As :func:`grounding`.
        strict: IoU must exceed the threshold.
        mean_box: As :func:`grounding`.
        group_by: Fields of the sample to split by.

    Raises:
        SettingsError: As :func:`grounding`.
        UnknownNameError: Likewise.
    """
    known_word("invalid", invalid, ("resort", "zero"))
    check_pairs(predictions, samples, protocol)
    boxes = listed(predictions)
    warnings = space_warnings(samples, predictions, boxes)
    targets, strange = rotated.polygons(single_targets(samples, "obb"))
    scoring = _Scoring(threshold, value, strict, unparsed)
    scoring.check()
    given = boxes.first()
    read = boxes.counts > 0
    made, odd = rotated.polygons(np.where(read[:, None, None], given, 0.0), invalid)
    odd &= read  # what stands in for a missing box is no fault of the reply
    return _scored(
        samples,
        predictions,
        protocol,
        scoring,
        polygon_overlaps(made, targets),
        boxes.counts,
        {
            "warnings": warnings,
            "invalid_polygons": int(odd.sum()),
            "invalid_references": int(strange.sum()),
        },
        {
            name: scoring.of(polygon_overlaps(rotated.polygons(corners)[0], targets))
            for name, corners in _constant(samples, mean_box).items()
        },
        group_by,
        odd,
    )


class _Scoring(NamedTuple):
    """How the overlaps of one box a sample become a number."""

    threshold: float
    value: Value
    strict: bool
    unparsed: Unparsed

    def check(self) -> None:
        """Refuse parameters that mean nothing."""
        known_word("value", self.value, ("acc", "miou", "cumiou"))
        known_word("unparsed", self.unparsed, ("zero", "drop-from-cum"))
        if not 0 < self.threshold <= 1:
            raise SettingsError(
                f"The IoU threshold {self.threshold} is not in (0, 1]. Use 0.5, the "
                "usual one."
            )

    def single(self, overlaps: Overlaps) -> Floats:
        """Return the score of each sample, shape (N,)."""
        iou = overlaps.iou
        return reaches(iou, self.threshold, self.strict) if self.value == "acc" else iou

    def of(self, overlaps: Overlaps) -> float:
        """Return the value on all of these samples; 0 where nothing is covered."""
        if self.value != "cumiou":
            return float(self.single(overlaps).mean())
        union = float(overlaps.union.sum())
        return float(overlaps.shared.sum()) / union if union else 0.0


def _scored(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    scoring: _Scoring,
    overlaps: Overlaps,
    counts: Indices,
    details: Mapping[str, Any],
    baselines: Mapping[str, float],
    group_by: Sequence[str],
    odd: NDArray[np.bool_] | None = None,
) -> Scored:
    """Return the outcome, from the overlap of each sample's box with its target."""
    read = counts > 0
    iou, single = overlaps.iou.tolist(), scoring.single(overlaps).tolist()
    counted = overlaps
    if scoring.unparsed == "drop-from-cum":
        counted = Overlaps(overlaps.shared * read, overlaps.union * read)

    def on(rows: Sequence[int] | Indices) -> float:
        part = np.asarray(rows, dtype=np.intp)
        return scoring.of(Overlaps(counted.shared[part], counted.union[part]))

    marks: tuple[dict[str, Any], ...] = ({}, {"resorted": True})
    flags = np.zeros(len(read), dtype=bool) if odd is None else odd
    return Scored(
        value=scoring.of(counted),
        rows=tuple(
            row(
                sample,
                prediction,
                protocol,
                score,
                parse_ok=number > 0,
                group_by=group_by,
                iou=overlap,
                boxes=number,
                **marks[flag],
            )
            for sample, prediction, score, overlap, number, flag in zip(
                samples,
                predictions,
                single,
                iou,
                counts.tolist(),
                flags.tolist(),
                strict=True,
            )
        ),
        groups=parts(samples, group_by, on),
        details={
            **{
                f"acc@{level}": float(
                    reaches(overlaps.iou, level, scoring.strict).mean()
                )
                for level in (0.25, 0.5, 0.7)
            },
            "mean_iou": float(overlaps.iou.mean()),
            "unparsed_rate": float(1 - read.mean()),
            "several_boxes": int((counts > 1).sum()),
            **details,
        },
        resample=on if scoring.value == "cumiou" else None,
        plots={"acc_iou": accuracy_over_thresholds(overlaps.iou, scoring.strict)},
        baselines=baselines,
    )


def _constant(
    samples: Sequence[Sample], mean_box: Sequence[float] | None
) -> dict[str, Floats]:
    """Return one box for every image, by name: the whole image, the mean box."""
    images = [sample.images[0] for sample in samples]
    sizes = np.array([(image.width, image.height) * 2 for image in images], dtype=float)
    shares = {"whole image": (0.0, 0.0, 1.0, 1.0)}
    if mean_box is not None:
        x0, y0, x1, y1 = mean_box if len(mean_box) == 4 else (1.0, 1.0, 0.0, 0.0)
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise SettingsError(
                f"mean_box {list(mean_box)} is no box in 0-1. Give x0, y0, x1, y1 as "
                "shares of width and height."
            )
        shares["mean box"] = (x0, y0, x1, y1)
    return {
        name: rotated.from_bounds(sizes * np.array(share))
        for name, share in shares.items()
    }
