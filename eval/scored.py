"""What a protocol makes of all predictions of a benchmark.

The seam between metrics and the rest: a metric maps samples and predictions to a
:class:`Scored`; intervals, baselines and reports need nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rsvlm.eval.records import Prediction, ScoreRow
from rsvlm.samples import Sample


@dataclass(frozen=True)
class Scored:
    """The outcome of one protocol.

    Attributes:
        value: The headline number, in 0-1 unless the metric says otherwise.
        rows: One row a sample, in their order.
        groups: "field=value" -> value on that part, such as ``type=count``.
        details: Further numbers, such as ``{"AA": .., "OA": .., "invalid_rate": ..}``.
        resample: Value on the samples of these indices (with repeats), for the
            bootstrap; None: the mean of the rows' scores is the value.
        plots: Data for a report, by kind: ``"confusion"``: ``{"labels", "counts"}``,
            ``"acc_iou"``: ``{"thresholds", "accuracy"}``, ``"reliability"``:
            ``{"confidence", "accuracy", "count"}``.
        baselines: Value of trivial answers, by name.
    """

    value: float
    rows: tuple[ScoreRow, ...]
    groups: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    resample: Callable[[Sequence[int]], float] | None = None
    plots: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, float] = field(default_factory=dict)


#: A metric: samples, their predictions in the same order, id of the protocol, and its
#: parameters by name.
Metric = Callable[..., Scored]


def row(
    sample: Sample,
    prediction: Prediction,
    protocol: str,
    score: float,
    *,
    parse_ok: bool = True,
    group_by: Sequence[str] = (),
    **details: Any,
) -> ScoreRow:
    """Return the row of one sample; groups and cluster come from the sample.

    The cluster is its first image, unless ``meta.cluster`` names what belongs together,
    such as the copies of one picture or the pieces of a tile.
    """
    group = {name: str(value_of(sample, name)) for name in group_by}
    images = [image.path for image in sample.images]
    return ScoreRow(
        id=prediction.id,
        protocol=protocol,
        score=score,
        details=details,
        parse_ok=parse_ok and prediction.answered,
        group=group,
        cluster=str(sample.meta.get("cluster") or images[0]) if images else None,
    )


def value_of(sample: Sample, name: str) -> Any:
    """Return a field of a sample, or else an entry of its ``meta``; None if neither."""
    if name in type(sample).model_fields and name != "meta":
        return getattr(sample, name)
    return sample.meta.get(name)
