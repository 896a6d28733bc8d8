"""Notices boxes that are in another coordinate space than the file is read in.

One set of predictions scored 85.36 % as 0-1 numbers under a rule made for pixels, and
11.91 % after scaling; so what cannot be in the stated space is said and not scored.
"""

from collections.abc import Sequence

from rsvlm.eval.formats.boxes import bounds_of
from rsvlm.eval.records import Prediction
from rsvlm.samples import Sample

#: Metrics that compare boxes.
BOX_METRICS = frozenset(
    {"grounding", "rotated_grounding", "multi_reference", "detection"}
)
#: Share of boxes that may leave the image before their space is doubted.
MAY_LEAVE = 0.05
#: How far an upright box, and a turned one, may leave it, as a part of its size:
#: turned boxes of objects at the border reach far out.
SLACK, SLACK_TURNED = 0.05, 0.5
#: Predictions that all end in this part of the image, while references do not, were
#: written in a smaller unit.
CORNER = 0.15


def space_complaint(
    samples: Sequence[Sample], predictions: Sequence[Prediction]
) -> str | None:
    """Return why the boxes cannot be scored; None where nothing speaks against them.

    Args:
        samples: Samples with targets in raster pixels.
        predictions: Their predictions, in the same order, with boxes in raster pixels.
    """
    outside = total = 0
    reach = reference = 0.0
    space = next((p.coord_space for p in predictions if p.coord_space), "pixel")
    for sample, prediction in zip(samples, predictions, strict=True):
        image = sample.images[0]
        for box in prediction.boxes:
            bounds = bounds_of(box.points)
            slack = SLACK if len(box.points) == 2 else SLACK_TURNED
            left, right = bounds.x0 / image.width, bounds.x1 / image.width
            top, bottom = bounds.y0 / image.height, bounds.y1 / image.height
            outside += min(left, top) < -slack or max(right, bottom) > 1 + slack
            total += 1
            reach = max(reach, right, bottom)
        for target in sample.targets:
            _, _, x1, y1 = target.hbb
            reference = max(reference, x1 / image.width, y1 / image.height)
    if not total:
        return None
    if outside > MAY_LEAVE * total:
        return (
            f"Predicted boxes that leave the image when they are read as {space}: "
            f"{outside} of {total}, so that they are in another space. Not scored: state "
            "the space with --coords."
        )
    if reach <= CORNER and reference > 0.5:
        return (
            f"All predicted boxes ({total}) end in the first {max(reach, 0):.1%} of the "
            f"image when they are read as {space}, the references do not: the numbers "
            "are in a smaller unit, such as 0-1. Not scored: state the space with "
            "--coords."
        )
    return None
