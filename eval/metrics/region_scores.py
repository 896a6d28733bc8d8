"""Metrics of regions, by the names that benchmarks use.

Each maps samples and their predictions, in the same order, to a
:class:`~rsvlm.eval.scored.Scored`.
"""

from rsvlm.eval.metrics.box_scores import grounding, rotated_grounding
from rsvlm.eval.metrics.detection_scores import detection
from rsvlm.eval.metrics.mask_scores import segmentation
from rsvlm.eval.metrics.multi_ref_scores import multi_reference
from rsvlm.eval.metrics.region_calibration import region_calibration

__all__ = [
    "detection",
    "grounding",
    "multi_reference",
    "region_calibration",
    "rotated_grounding",
    "segmentation",
]
