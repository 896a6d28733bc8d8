"""Rankings and citations, from samples to a scored protocol."""

import json
import math
from typing import Any

import pytest

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.text_scores import rag, retrieval
from rsvlm.eval.records import Prediction
from rsvlm.samples import ImageRef, Sample, Turn


def sample(name: str, kind: str, text: str = "", **relevant: float) -> Sample:
    return Sample(
        id=name,
        images=(ImageRef(path="a.tif", width=8, height=8),),
        task="retrieve",
        conversation=(Turn(role="user", text=text),) if text else (),
        relevant=relevant,
        type=kind,
        source="test",
        licence="CC0",
        split="test",
    )


def ranked(name: str, *items: str, **meta: Any) -> Prediction:
    return Prediction(id=name, meta={"ranking": list(items), **meta})


QUERIES = [
    sample("t0", "text-to-image", i0=1),
    sample("t1", "text-to-image", i1=1),
    sample("i0", "image-to-text", t0=1),
]
RANKINGS = [
    ranked("t0", "i0", "i1"),
    ranked("t1", *(f"x{i}" for i in range(6)), "i1"),
    ranked("i0", "t9", "t0"),
]


def test_values_by_hand() -> None:
    scored = retrieval(QUERIES, RANKINGS, "p", value="r@1", group_by=["type"])
    assert [row.score for row in scored.rows] == [1, 0, 0]
    assert [row.details["rank"] for row in scored.rows] == [1, 7, 2]
    assert scored.value == pytest.approx(1 / 3)
    assert scored.groups == {"type=image-to-text": 0, "type=text-to-image": 0.5}
    assert scored.details["r@5"] == pytest.approx(2 / 3)
    assert scored.details["median_rank"] == 2
    assert scored.details["map"] == pytest.approx((1 + 1 / 7 + 1 / 2) / 3)
    assert scored.details["ndcg@10"] == pytest.approx(
        (1 + 1 / math.log2(8) + 1 / math.log2(3)) / 3
    )


def test_mean_recall_weighs_both_directions_alike() -> None:
    scored = retrieval(QUERIES, RANKINGS, "p", value="mR")
    # To images: 1/2, 1/2, 1; to texts: 0, 1, 1.
    assert scored.value == pytest.approx((0.5 + 0.5 + 1 + 0 + 1 + 1) / 6)
    assert [row.score for row in scored.rows] == pytest.approx([1, 1 / 3, 2 / 3])
    assert scored.resample is not None
    assert scored.resample([0, 0, 1]) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # Three queries by text, one by image: 5/9 and 2/3 weigh alike.
    assert scored.resample([0, 1, 1, 2]) == pytest.approx((5 / 9 + 2 / 3) / 2)


def test_a_ranking_is_found_wherever_it_stands() -> None:
    query = [sample("q", "text-to-image", a=1)]
    for prediction in (
        ranked("q", "b", "a"),
        Prediction(id="q", meta={"scores": {"a": 0.5, "b": 0.7}}),
        Prediction(
            id="q", trace=({"id": "b", "score": 2.0}, {"id": "a", "score": 0.0})
        ),
        Prediction(id="q", trace=({"id": "b", "score": 0}, {"id": "a", "score": None})),
        Prediction(id="q", raw=json.dumps(["b", "a"])),
        Prediction(id="q", raw="b\na\n"),
    ):
        assert retrieval(query, [prediction], "p", value="map").value == 0.5


def test_ties_and_failures_do_not_pay() -> None:
    query = [sample("q", "text-to-image", a=1)] * 2
    constant = Prediction(id="q", meta={"scores": {"a": 1.0, "b": 1.0, "c": 1.0}})
    failed = Prediction(id="q", status="timeout", meta={"ranking": ["a"]})
    scored = retrieval(query, [constant, failed], "p", value="r@1")
    assert scored.value == 0
    assert [row.details["rank"] for row in scored.rows] == [3, None]
    assert [row.parse_ok for row in scored.rows] == [True, False]


def test_equal_texts_are_one_when_merged() -> None:
    # Two images share a caption; each caption finds the second of them.
    queries = [
        sample("t0", "text-to-image", "a river", i0=1),
        sample("t1", "text-to-image", "a river", i1=1),
        sample("i1", "image-to-text", "Which text fits?", t1=1),
    ]
    rankings = [
        ranked("t0", "i1", "i0"),
        ranked("t1", "i1", "i0"),
        Prediction(id="i1", meta={"scores": {"t0": 0.9, "t1": 0.9, "t2": 0.1}}),
    ]
    apart = retrieval(queries, rankings, "p", value="r@1")
    merged = retrieval(queries, rankings, "p", value="r@1", dedup=True)
    assert apart.value == pytest.approx(1 / 3)
    assert merged.value == 1
    assert [row.id for row in merged.rows] == ["t0", "i1"]
    assert merged.details["n_queries"] == 2


def test_chance_needs_the_size_of_the_gallery() -> None:
    assert retrieval(QUERIES, RANKINGS, "p", value="r@1").baselines == {}
    scored = retrieval(QUERIES, RANKINGS, "p", value="mR", gallery=20)
    assert scored.baselines["random"] == pytest.approx((1 + 5 + 10) / 20 / 3)
    scored = retrieval(QUERIES, RANKINGS, "p", value="r@5", gallery=20)
    assert scored.baselines["random"] == pytest.approx(5 / 20)
    # One relevant item of grade 1: each of the places holds it equally often.
    scored = retrieval(QUERIES, RANKINGS, "p", value="ndcg@1", gallery=20)
    assert scored.baselines["random"] == pytest.approx(1 / 20)
    assert retrieval(QUERIES, RANKINGS, "p", value="map", gallery=20).baselines == {}


def test_wrong_settings_are_named() -> None:
    with pytest.raises(UnknownNameError, match="value 'r@2'"):
        retrieval(QUERIES, RANKINGS, "p", value="r@2")
    lost = [ranked("t0"), ranked("t1"), ranked("i0")]
    with pytest.raises(SettingsError, match="median rank is unknown"):
        retrieval(QUERIES, lost, "p", value="median_rank")
    assert retrieval(QUERIES, lost, "p", value="mR").value == 0
    # In a gallery of known size what is not listed comes last.
    found = retrieval(QUERIES, lost, "p", value="median_rank", gallery=20)
    assert found.value == 20
    assert found.rows[0].details["rank"] is None
    assert retrieval(QUERIES, lost, "p", value="r@10", gallery=5).value == 0


def asked(name: str, roi: tuple[float, ...] | None = None, *sources: str) -> Sample:
    fields = sample(name, "place").model_dump(by_alias=True)
    return Sample.model_validate(
        {**fields, "relevant": dict.fromkeys(sources, 1.0), "roi": roi}
    )


EVIDENCE = [{"id": 1, "source": "castle.md"}, {"id": 2, "source": "river.md"}]


def test_citations_of_answers() -> None:
    samples = [asked("a", None, "castle.md"), asked("b", None, "wall.md"), asked("c")]
    predictions = [
        Prediction(id="a", raw="Old [1] and wet [2].", meta={"evidence": EVIDENCE}),
        Prediction(id="b", raw="Old [7].", trace=tuple(EVIDENCE)),
        Prediction(id="c", raw="No evidence was found."),
    ]
    scored = rag(samples, predictions, "p", value="citation_precision")
    assert [row.score for row in scored.rows] == [0.5, 0, 1]
    assert scored.rows[1].details["dangling"] == [7]
    assert scored.details["citation_recall"] == pytest.approx((1 + 0 + 1) / 3)
    assert scored.details["evidence_recall"] == pytest.approx((1 + 0 + 1) / 3)
    assert scored.details["dangling_rate"] == pytest.approx(1 / 3)
    assert scored.baselines == pytest.approx({"cite-nothing": 1 / 3})


def test_a_failed_answer_cites_nothing_rightly() -> None:
    failed = Prediction(id="c", status="error")
    assert rag([asked("c")], [failed], "p").value == 0


def test_coverage_of_the_region() -> None:
    samples = [asked("a", (0, 0, 10, 10)), asked("b", (0, 0, 10, 10))]
    predictions = [
        Prediction(id="a", raw="B", trace=({"window": [0, 0, 5, 10], "step": "look"},)),
        Prediction(id="b", raw="B"),
    ]
    scored = rag(samples, predictions, "p", value="roi_coverage")
    assert [row.score for row in scored.rows] == [0.5, 0]
    assert scored.baselines == {}
    with pytest.raises(SettingsError, match="No sample has a region of interest"):
        rag([asked("c")], [Prediction(id="c")], "p", value="roi_coverage")
    with pytest.raises(UnknownNameError, match="value 'f1'"):
        rag([asked("c")], [Prediction(id="c")], "p", value="f1")
