"""Names of metrics, and how a protocol of a benchmark is applied.

A metric is imported when a protocol asks for it, so that listing benchmarks loads no
numeric library. A new metric is a function with the signature of
:data:`rsvlm.eval.scored.Metric` and one line of :data:`METRICS`.
"""

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Protocol
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Metric, Scored
from rsvlm.samples import Sample

#: Name in a benchmark file -> module and function.
METRICS: dict[str, str] = {
    "caption_metric": "rsvlm.eval.metrics.caption_scores:caption_metric",
    "vqa_accuracy": "rsvlm.eval.metrics.text_scores:vqa_accuracy",
    "mcq_accuracy": "rsvlm.eval.metrics.text_scores:mcq_accuracy",
    "classify": "rsvlm.eval.metrics.text_scores:classify",
    "count": "rsvlm.eval.metrics.text_scores:count",
    "presence": "rsvlm.eval.metrics.text_scores:presence",
    "retrieval": "rsvlm.eval.metrics.text_scores:retrieval",
    "rag": "rsvlm.eval.metrics.text_scores:rag",
    "calibration": "rsvlm.eval.metrics.text_scores:calibration",
    "grounding": "rsvlm.eval.metrics.region_scores:grounding",
    "rotated_grounding": "rsvlm.eval.metrics.region_scores:rotated_grounding",
    "multi_reference": "rsvlm.eval.metrics.region_scores:multi_reference",
    "detection": "rsvlm.eval.metrics.region_scores:detection",
    "segmentation": "rsvlm.eval.metrics.region_scores:segmentation",
    "region_calibration": "rsvlm.eval.metrics.region_scores:region_calibration",
}

#: What every metric gets; a protocol cannot set them.
_GIVEN = frozenset({"samples", "predictions", "protocol", "group_by", "subset"})


def find_metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    module, function = METRICS[name].split(":")
    return cast(Metric, getattr(import_module(module), function))


def apply(
    protocol: Protocol,
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    *,
    group_by: Sequence[str] = (),
    subset: bool = False,
) -> Scored:
    """Score predictions under one protocol.

    Args:
        protocol: Metric and parameters. A parameter that the metric calls ``metric``
            is written ``variant`` there, since ``metric`` names the metric itself.
        samples: What was asked.
        predictions: Replies to them, in the same order.
        group_by: Fields of a sample whose values are scored apart.
        subset: Whether the samples are not all of the benchmark; told to metrics that
            look at the whole, such as CIDEr.

    Raises:
        UnknownNameError: If there is no such metric.
        SettingsError: If it has no such parameter, or samples and predictions differ
            in number.
    """
    if len(samples) != len(predictions):
        raise SettingsError(
            f"{len(predictions)} predictions do not fit {len(samples)} samples. "
            "Give one prediction a sample."
        )
    metric = find_metric(protocol.metric)
    arguments = checked(protocol, metric)
    if subset and "subset" in inspect.signature(metric).parameters:
        arguments["subset"] = True
    return metric(samples, predictions, protocol.id, group_by=group_by, **arguments)


def checked(protocol: Protocol, metric: Metric | None = None) -> dict[str, Any]:
    """Return a protocol's parameters by the names of its metric.

    Raises:
        UnknownNameError: If there is no such metric.
        SettingsError: If the metric has no such parameter.
    """
    function = metric or find_metric(protocol.metric)
    known = set(inspect.signature(function).parameters) - _GIVEN
    arguments = {}
    for name, value in protocol.params.items():
        inner = "metric" if name == "variant" and name not in known else name
        if inner not in known:
            shown = sorted("variant" if word == "metric" else word for word in known)
            close = get_close_matches(name, shown, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise SettingsError(
                f"Protocol {protocol.id!r}: the metric {protocol.metric!r} has no "
                f"parameter {name!r}.{hint} Known: {', '.join(shown) or 'none'}."
            )
        # YAML has lists; parameters are hashable.
        arguments[inner] = tuple(value) if isinstance(value, list) else value
    return arguments
