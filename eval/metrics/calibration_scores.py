"""The metric of confidences: calibration of any metric that says right or wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics import calibration as measures
from rsvlm.eval.metrics.answer_scores import mcq_accuracy, vqa_accuracy
from rsvlm.eval.metrics.assemble import Floats, Indices, in_scope, scored
from rsvlm.eval.metrics.box_scores import grounding
from rsvlm.eval.metrics.class_scores import classify, presence
from rsvlm.eval.metrics.number_scores import count
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Metric, Scored, row
from rsvlm.samples import Sample

Value = Literal["ece", "brier", "aurc"]

#: Metrics that say whether a reply is right.
JUDGES: Mapping[str, Metric] = {
    "vqa_accuracy": vqa_accuracy,
    "mcq_accuracy": mcq_accuracy,
    "classify": classify,
    "presence": presence,
    "count": count,
    "grounding": grounding,
}


def _ece(bins: int, edges: measures.Edges) -> Callable[[Floats, Floats], float]:
    def measure(sure: Floats, right: Floats) -> float:
        return measures.expected_calibration_error(sure, right, bins, edges)

    return measure


def calibration(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    of: str = "vqa_accuracy",
    value: Value = "ece",
    match: str = "exact-canonical",
    bins: int = 10,
    edges: measures.Edges = "width",
    risk: float = 0.05,
    types: Sequence[str] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score how well confidences tell right from wrong; lower is better.

    Only replies with a confidence count; a failed one without is left to the failure
    rate. Rows hold whether a reply is right, so their mean is an accuracy, not the
    value.

    Args:
        samples: Questions.
        predictions: Replies with ``confidence``, in the same order.
        protocol: Id of the protocol.
        of: Metric of :data:`JUDGES` that says what is right.
        value: Expected calibration error, Brier score, or area under the risk-coverage
            curve.
        match: How ``vqa_accuracy`` compares; other metrics use their first settings.
        bins: Number of bins of the expected calibration error.
        edges: ``width``: bins of equal width. ``mass``: of as many samples.
        risk: Error rate at which ``coverage_at_risk`` is told.
        types: Only questions of these types; None: all.
        group_by: Fields whose values are scored apart.

    Returns:
        Details hold all three values, accuracy, mean confidence and coverage; plots
        ``reliability`` and ``risk_coverage``.

    Raises:
        SettingsError: If there is no reply with a confidence, or the lengths differ.
        UnknownNameError: If there is no such metric or value.
    """
    if of not in JUDGES:
        raise UnknownNameError("metric to calibrate", of, JUDGES)
    values: dict[str, Callable[[Floats, Floats], float]] = {
        "ece": _ece(bins, edges),
        "brier": measures.brier,
        "aurc": measures.area_under_risk_coverage,
    }
    if value not in values:
        raise UnknownNameError("value", value, values)
    kept, replies = in_scope(samples, predictions, types)
    options = {"match": match} if of == "vqa_accuracy" else {}
    judged = JUDGES[of](kept, replies, protocol, **options)
    rows = [
        row(
            sample, prediction, protocol, one.score,
            parse_ok=one.parse_ok and prediction.confidence is not None,
            group_by=group_by, confidence=prediction.confidence,
        )
        for sample, prediction, one in zip(kept, replies, judged.rows, strict=True)
    ]  # fmt: skip
    sure = np.array(
        [np.nan if p.confidence is None else p.confidence for p in replies], dtype=float
    )
    right = np.array([one.score for one in rows])
    known = ~np.isnan(sure)
    if not known.any():
        raise SettingsError(
            "No reply has a confidence, so calibration cannot be told. Run a model that "
            "gives one, or leave this protocol out."
        )

    def statistic(indices: Indices) -> float:
        with_one = indices[known[indices]]
        return values[value](sure[with_one], right[with_one])

    said, true = sure[known], right[known]
    table = measures.reliability(said, true, bins, edges)
    coverage, curve = measures.risk_coverage(said, true)
    # A hundred points draw the curve; the last one is the error rate.
    step = np.unique(np.linspace(0, len(curve) - 1, 100).astype(int))
    accuracy = float(true.mean())
    constant = np.full_like(said, accuracy)
    return scored(
        rows,
        statistic=statistic,
        details={
            **{name: measure(said, true) for name, measure in values.items()},
            "accuracy": accuracy,
            "mean_confidence": float(said.mean()),
            "coverage_at_risk": measures.coverage_at_risk(said, true, risk),
            "n_with_confidence": int(known.sum()),
            "lower_is_better": True,
        },
        plots={
            "reliability": {
                "confidence": table.confidence.tolist(),
                "accuracy": table.accuracy.tolist(),
                "count": table.count.tolist(),
            },
            "risk_coverage": {
                "coverage": coverage[step].tolist(),
                "risk": curve[step].tolist(),
            },
        },
        # Always as sure as the accuracy is perfectly calibrated, and tells nothing.
        baselines={
            "constant": values[value](constant, true),
            "always-sure": values[value](np.ones_like(said), true),
        },
    )
