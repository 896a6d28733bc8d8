"""Whether predicted boxes are in the pixels of their images, or in some other numbers.

The worst fault of the field is a box in 0-1, 0-100 or 0-1000 that is scored as pixels,
or the reverse. Nothing is mapped here: what looks wrong is said, and boxes that cannot
be pixels at all are not scored.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.overlaps import UNIT, Floats, box_overlaps, in_unit
from rsvlm.eval.metrics.record_shapes import Listed, bounds_of, boxes_of, listed
from rsvlm.eval.metrics.rotated import from_bounds
from rsvlm.eval.records import Prediction
from rsvlm.samples import Sample

#: Share of boxes that may lie outside their image before it is said.
_OUTSIDE = 0.05
#: Fewest pairs of one box and one target that another space is judged on.
_FEWEST = 5
#: Mean IoU that another space must add before it is named.
_GAIN = 0.2
#: Full scale of the spaces that models write boxes in.
_SCALES = {"0-1": 1.0, "0-100": 100.0, "0-999": 999.0, "0-1000": 1000.0}


def check_space(
    samples: Sequence[Sample], predictions: Sequence[Prediction]
) -> str | None:
    """Return a sentence on what speaks against boxes being pixels of their images.

    Args:
        samples: The samples, whose first image gives the size.
        predictions: Their replies, in the same order.

    Returns:
        The gravest finding; None where nothing is wrong.

    Raises:
        SettingsError: If a box has a wrong number of points, or a coordinate that is
            not a finite number.
    """
    found = _findings(samples, predictions, listed(predictions))
    return found[0] if found else None


def space_warnings(
    samples: Sequence[Sample], predictions: Sequence[Prediction], boxes: Listed
) -> list[str]:
    """Return what a score must be read with; refuse boxes that cannot be pixels.

    Args:
        samples: The samples, whose first image gives the size.
        predictions: Their replies, in the same order.
        boxes: The boxes of these replies.

    Returns:
        Sentences, the gravest first.

    Raises:
        SettingsError: If every coordinate is at most 1.5 while the images are larger.
    """
    found = _findings(samples, predictions, boxes)
    if found and in_unit(boxes.corners):
        raise SettingsError(found[0])
    undeclared = sum(bool(boxes_of(p)) and p.coord_space is None for p in predictions)
    if undeclared:
        found.append(
            f"{undeclared} of {len(predictions)} replies have boxes and do not say in "
            "which space they were read; they are scored as pixels of the image."
        )
    return found


def _findings(
    samples: Sequence[Sample], predictions: Sequence[Prediction], boxes: Listed
) -> list[str]:
    corners, owner = boxes.corners, boxes.owner
    if not len(corners):
        return []
    bounds = bounds_of(corners)
    images = [sample.images[0] for sample in samples]
    sizes = np.array([(image.width, image.height) for image in images], dtype=float)
    hint = _better_space(samples, predictions, boxes, sizes)
    if in_unit(bounds) and sizes[owner].min() > 2 * UNIT:
        width, height = sizes[owner].max(axis=0)
        fault = (
            f"All {len(bounds)} boxes have coordinates of at most {bounds.max():g}, and "
            f"images are up to {width:.0f} x {height:.0f} px: these are fractions, not "
            f"pixels, so they are not scored.{hint} Declare coords: space: norm1, or "
            "map them when the replies are read."
        )
        return [fault]
    outside = _outside(corners, sizes[owner])
    if outside.mean() > _OUTSIDE:
        fault = (
            f"{int(outside.sum())} of {len(bounds)} boxes leave their image, so their "
            f"numbers may not be pixels.{hint} Check the declared coordinate space."
        )
    elif hint:
        fault = (
            f"The boxes may not be pixels of their images.{hint} Check the declared "
            "coordinate space."
        )
    else:
        return []
    return [fault]


def _outside(corners: Floats, sizes: Floats) -> NDArray[np.bool_]:
    """Return which boxes leave their image: upright (B, 4, 2) by more than rounding.

    The corners of a turned box at the border reach out by right, so that its middle
    counts.
    """
    bounds = bounds_of(corners)
    size = np.tile(sizes, 2)  # (B, 4)
    slack = 0.01 * size + 0.5
    reaching = ((bounds < -slack) | (bounds > size + slack)).any(axis=1)
    straight = (corners == from_bounds(bounds)).reshape(-1, 8)
    upright = straight.all(axis=1)
    middle = corners.mean(axis=1)
    away = ((middle < 0) | (middle > sizes)).any(axis=1)
    return np.where(upright, reaching, away)


def _better_space(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    boxes: Listed,
    sizes: Floats,
) -> str:
    """Return a sentence on the space in which boxes fit far better; else nothing."""
    targets = np.array([len(sample.targets) for sample in samples])
    rows = np.flatnonzero((targets == 1) & (boxes.counts == 1)).tolist()
    if len(rows) < _FEWEST:
        return ""
    given = bounds_of(boxes.first()[rows])
    true = np.array([samples[row].targets[0].hbb for row in rows], dtype=float)
    now = float(box_overlaps(given, true).iou.mean())
    tried = {
        name: float(
            box_overlaps(given * np.tile(sizes[rows], 2) / scale, true).iou.mean()
        )
        for name, scale in _SCALES.items()
    }
    sent = [_sent(predictions[row]) for row in rows]
    if all(sent):
        factor = sizes[rows] / np.array(sent, dtype=float)
        resized = box_overlaps(given * np.tile(factor, 2), true).iou
        tried["pixels of the image as it was sent"] = float(resized.mean())
    name, best = max(tried.items(), key=lambda pair: pair[1])
    if best < now + _GAIN:
        return ""
    return f" Read as {name}, their mean IoU would be {best:.2f} instead of {now:.2f}."


def _sent(prediction: Prediction) -> tuple[float, float] | None:
    """Return the width and height that the first image was sent at, if recorded."""
    if not prediction.images_sent:
        return None
    record = prediction.images_sent[0]
    width, height = (record.get(key) for key in ("w", "h"))
    if not isinstance(width, int | float) or not isinstance(height, int | float):
        return None
    return (width, height) if width > 0 and height > 0 else None
