"""The metric of the confidences of regions: is a region of .8 an object in 8 of 10?

Every region of every reply counts, right where it has a labelled object of its own. What
is left out of the replies is not seen: a model that shows all its candidates has many
surely wrong ones, and looks well calibrated by them.
"""

from collections.abc import Sequence

import numpy as np

from rsvlm.eval.metrics import calibration as measures
from rsvlm.eval.metrics.assemble import Floats, Indices, scored
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.pool import match
from rsvlm.eval.metrics.record_shapes import (
    is_read,
    listed,
    prediction_pool,
    reference_pool,
)
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample


def region_calibration(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    threshold: float = 0.5,
    bins: int = 10,
    edges: measures.Edges = "width",
    group_by: Sequence[str] = (),
) -> Scored:
    """Score how well confidences of regions tell right from wrong; lower is better.

    Args:
        samples: Samples whose targets are every object of their classes.
        predictions: Their predictions, in the same order.
        protocol: Id of the protocol.
        threshold: Smallest IoU of a box with an object of its label, in (0, 1].
        bins: Number of bins of the expected calibration error.
        edges: ``width``: bins of equal width. ``mass``: of as many regions.
        group_by: Fields whose values are scored apart.

    Returns:
        The expected calibration error over all regions. Rows hold the share of the
        regions of an image that are right; details Brier score, share that is right,
        mean confidence and number of regions.

    Raises:
        SettingsError: If there is no sample or no region, or the boxes are not pixels.
    """
    check_pairs(predictions, samples, protocol)
    boxes = listed(predictions)
    index: dict[str, int] = {}
    true = reference_pool(samples, index, "hbb")
    given, _ = prediction_pool(boxes, index, "hbb")
    if not len(given):
        raise undefined("calibration of regions", "0 regions")
    right = match(given, true, (threshold,))[0].astype(float)
    sure = given.score.clip(0, 1)
    members = [np.flatnonzero(given.image == i) for i in range(len(samples))]

    def error(said: Floats, truth: Floats) -> float:
        return measures.expected_calibration_error(said, truth, bins, edges)

    def statistic(indices: Indices) -> float:
        chosen = np.concatenate([members[int(i)] for i in indices])
        if not len(chosen):
            raise undefined("calibration of regions", "0 regions")
        return error(sure[chosen], right[chosen])

    rows = [
        row(
            sample, prediction, protocol,
            float(right[own].mean()) if len(own) else 0.0,
            parse_ok=is_read(prediction), group_by=group_by, regions=len(own),
        )
        for sample, prediction, own in zip(samples, predictions, members, strict=True)
    ]  # fmt: skip
    table = measures.reliability(sure, right, bins, edges)
    share = float(right.mean())
    return scored(
        rows,
        statistic=statistic,
        details={
            "brier": measures.brier(sure, right),
            "accuracy": share,
            "mean_confidence": float(sure.mean()),
            "regions": len(given),
            "lower_is_better": True,
        },
        plots={
            "reliability": {
                "confidence": table.confidence.tolist(),
                "accuracy": table.accuracy.tolist(),
                "count": table.count.tolist(),
            }
        },
        baselines={
            "constant": error(np.full_like(sure, share), right),
            "always-sure": error(np.ones_like(sure), right),
        },
    )
