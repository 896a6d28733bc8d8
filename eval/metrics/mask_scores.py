"""Scores of masks: referring and reasoning segmentation, with and without a target.

Masks are compared at the size of the original image. A reply that was read and has no
mask says that nothing is there; a reply that could not be read is wrong.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.grounding import accuracy_over_thresholds, reaches
from rsvlm.eval.metrics.masks import areas, ious, overlaps
from rsvlm.eval.metrics.overlaps import Floats, Overlaps
from rsvlm.eval.metrics.parts import parts
from rsvlm.eval.metrics.record_shapes import is_read
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.geometry import HBB, Mask
from rsvlm.samples import ImageRef, MaskRle, Sample

#: Values that are no share of samples above an IoU.
_VALUES = ("giou", "miou", "ciou", "n_acc")
#: IoU at which the share of samples is listed beside every value.
_PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9)

#: Value on the samples of some indices.
_OnPart = Callable[[NDArray[np.intp]], float]


def segmentation(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    value: str = "giou",
    both_empty: float | None = None,
    strict: bool = False,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score one mask a sample.

    Args:
        samples: Samples with ``mask``, or with targets that have polygons; with neither
            where the image shows no such object.
        predictions: Their predictions, in the same order, at the size of the image.
        protocol: Id of the protocol.
        value: ``giou``: mean IoU with two empty masks worth 1; ``miou``: worth 0;
            ``ciou``: summed intersections over summed unions; ``p@0.5`` and so on:
            share of samples of at least that IoU; ``n_acc``: share of samples without
            target whose mask is empty.
        both_empty: IoU of two empty masks, instead of 0 for ``miou`` and 1 elsewhere.
        strict: IoU must exceed the threshold of ``p@``.
        group_by: Fields of the sample to split by.

    Raises:
        SettingsError: If there is no sample, a mask has not the size of its image, or
            the value is undefined on these samples.
        UnknownNameError: If the value is none of those.
    """
    threshold = _threshold(value)
    check_pairs(predictions, samples, protocol)
    given = [
        _predicted(sample, prediction)
        for sample, prediction in zip(samples, predictions, strict=True)
    ]
    true = [reference_mask(sample) for sample in samples]
    wanted = areas(true)
    empty = wanted == 0
    worth = (0.0 if value == "miou" else 1.0) if both_empty is None else both_empty

    def evaluate(
        overlap: Overlaps, read: NDArray[np.bool_], right: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, _OnPart]:
        """Return IoU and score of each sample, and the value on a part of them.

        Args:
            overlap: Of one mask a sample with the reference.
            read: Whether there is a mask, shape (N,).
            right: Whether it is empty, shape (N,).
        """
        iou = ious(read, overlap, worth)
        single = iou
        if threshold is not None:
            single = reaches(iou, threshold, strict)
        elif value == "n_acc":
            single = np.where(empty, right.astype(float), iou)

        def on(rows: NDArray[np.intp]) -> float:
            if value == "ciou":
                union = overlap.union[rows].sum()
                return float(overlap.shared[rows].sum() / union) if union else 0.0
            if value == "n_acc":
                asked = rows[empty[rows]]
                if not len(asked):
                    raise undefined("N-acc", "0 samples without target")
                return float(right[asked].mean())
            return float(single[rows].mean())

        return iou, single, on

    missing = np.array([mask is None for mask in given])
    iou, single, on = evaluate(overlaps(given, true), ~missing, areas(given) == 0)
    pixels = np.array([s.images[0].width * s.images[0].height for s in samples], float)
    everything, yes = np.arange(len(samples)), np.ones(len(samples), dtype=bool)
    _, _, whole = evaluate(Overlaps(wanted, pixels), yes, ~yes)
    _, _, nothing = evaluate(Overlaps(0 * wanted, wanted), yes, yes)
    return Scored(
        value=on(everything),
        rows=tuple(
            row(
                sample,
                prediction,
                protocol,
                float(single[index]),
                parse_ok=not missing[index],
                group_by=group_by,
                iou=float(iou[index]),
                target=not empty[index],
            )
            for index, (sample, prediction) in enumerate(
                zip(samples, predictions, strict=True)
            )
        ),
        groups=parts(samples, group_by, on),
        details={
            **{f"p@{t}": float(reaches(iou, t, strict).mean()) for t in _PRECISIONS},
            "mean_iou": float(iou.mean()),
            "both_empty": worth,
            "without_target": int(empty.sum()),
            "unparsed_rate": float(missing.mean()),
        },
        resample=(
            (lambda rows: on(np.asarray(rows, dtype=np.intp)))
            if value in ("ciou", "n_acc")
            else None
        ),
        plots={"acc_iou": accuracy_over_thresholds(iou, strict)},
        baselines={
            "whole image": whole(everything),
            "nothing": nothing(everything),
        },
    )


def reference_mask(sample: Sample) -> Mask:
    """Return what is to be found, over the whole image; empty where there is nothing.

    A pixel belongs to a polygon when its centre does.

    Raises:
        SettingsError: If the mask has not the size of the image, or a target has no
            polygon.
    """
    image = sample.images[0]
    if sample.mask is not None:
        return _checked(sample.mask, image, f"The mask of sample {sample.id!r}")
    if not sample.targets:
        return _filled(image, False)
    from rasterio.features import rasterize

    outlines = []
    for target in sample.targets:
        if not target.polygons:
            raise SettingsError(
                f"Sample {sample.id!r} has a target {target.label!r} without polygon. "
                "Give polygons or a mask; a box is scored by the metric grounding."
            )
        for flat in target.polygons:
            ring = np.reshape(flat, (-1, 2)).tolist()
            outlines.append({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    size = (image.height, image.width)
    drawn: Any = rasterize(outlines, out_shape=size, dtype="uint8")
    return Mask.from_array(drawn.astype(bool))


def _predicted(sample: Sample, prediction: Prediction) -> Mask | None:
    """Return the mask of a reply; None where the reply could not be read."""
    image = sample.images[0]
    if prediction.answered and prediction.mask is not None:
        name = f"The mask of prediction {prediction.id!r}"
        return _checked(prediction.mask, image, name)
    # Boxes say that something is there: a reply of boxes alone is no empty mask.
    none = is_read(prediction) and not prediction.boxes
    return _filled(image, False) if none else None


def _checked(rle: MaskRle, image: ImageRef, name: str) -> Mask:
    if rle.size != (image.height, image.width):
        raise SettingsError(
            f"{name} has {rle.size[0]} rows and {rle.size[1]} columns, its image "
            f"{image.height} and {image.width}. Masks are compared at the size of the "
            "original image: scale it when the reply is read."
        )
    mask = Mask(rle.counts, rle.size, HBB(0, 0, image.width, image.height))
    from rsvlm.outputs import RunLengths

    try:
        ends = RunLengths(mask).ends
    except (ParseError, ValueError, IndexError):
        ends = np.array([1, 0])
    # The C code of pycocotools trusts the runs and would read past them.
    if (np.diff(ends, prepend=0) < 0).any():
        raise SettingsError(
            f"{name} is no compressed COCO run-length code of {rle.size[0]} x "
            f"{rle.size[1]} pixels. Encode it with pycocotools.mask.encode."
        )
    return mask


def _filled(image: ImageRef, full: bool) -> Mask:
    """Return a mask of the whole image, or one without a pixel."""
    from pycocotools import mask

    size, pixels = (image.height, image.width), image.height * image.width
    runs = [0, pixels] if full else [pixels]
    rle = mask.frPyObjects({"counts": runs, "size": list(size)}, *size)
    return Mask(rle["counts"].decode(), size, HBB(0, 0, image.width, image.height))


def _threshold(value: str) -> float | None:
    """Return the IoU of a ``p@`` value, None for the others.

    Raises:
        UnknownNameError: If there is no such value.
    """
    if value in _VALUES:
        return None
    head, _, number = value.partition("@")
    try:
        threshold = float(number)
    except ValueError:
        threshold = 0.0
    if head != "p" or not 0 < threshold <= 1:
        raise UnknownNameError("value", value, (*_VALUES, "p@0.5"))
    return threshold
