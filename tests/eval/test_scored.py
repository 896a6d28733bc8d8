"""Rows of scores: what belongs together is one cluster."""

from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import row
from rsvlm.samples import ImageRef, Sample


def _cluster(**meta: str) -> str | None:
    sample = Sample(
        id="chips/1",
        images=(ImageRef(path="images/1.jpg", width=8, height=8, sensor="sar"),),
        task="classify",
        source="chips",
        licence="terms",
        split="test",
        meta=meta,
    )
    prediction = Prediction(id=sample.id, raw="A220")
    return row(sample, prediction, "accuracy", 1.0).cluster


def test_questions_about_one_image_are_one_cluster() -> None:
    assert _cluster() == "images/1.jpg"


def test_copies_of_one_chip_are_one_cluster() -> None:
    assert _cluster(cluster="g007") == "g007"
