"""The text metrics under the names that protocols use."""

from rsvlm.eval.metrics.answer_scores import mcq_accuracy, vqa_accuracy
from rsvlm.eval.metrics.calibration_scores import calibration
from rsvlm.eval.metrics.class_scores import classify, presence
from rsvlm.eval.metrics.number_scores import count
from rsvlm.eval.metrics.ranking_scores import rag, retrieval

__all__ = [
    "calibration",
    "classify",
    "count",
    "mcq_accuracy",
    "presence",
    "rag",
    "retrieval",
    "vqa_accuracy",
]
