"""Benchmarks on built samples: they find them, and a perfect model scores 1."""

from pathlib import Path

import pytest

from rsvlm.data_engine.build import RECIPES, Recipe, build
from rsvlm.eval.benchmark import load
from rsvlm.eval.gallery import members
from rsvlm.eval.protocols import apply
from rsvlm.eval.records import Prediction
from rsvlm.eval.selection import load_samples
from rsvlm.samples import Sample


@pytest.fixture
def built(
    tmp_path: Path, optical_sar: Path, sar_acd: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Build the recipe of the benchmarks from tiny sets, without the flood."""
    assert optical_sar.parent == sar_acd.parent == tmp_path
    recipe = Recipe(name="both", sources=("optical_sar", "sar_acd"))
    monkeypatch.setitem(RECIPES, "both", recipe)
    build("both", tmp_path, tmp_path / "out")
    return tmp_path / "out" / "test.jsonl"


def _said(sample: Sample) -> Prediction:
    return Prediction(id=sample.id, raw=sample.answers[0])


@pytest.mark.parametrize(
    ("name", "types", "count"),
    [
        # 6 chips of 3 groups of the test list.
        ("sar-acd", {None}, 6),
        # 4 pieces, each asked of one sensor, the other and both.
        ("san-antonio-cover", {"optical", "sar", "both"}, 12),
    ],
)
def test_classes_are_found_and_scored(
    built: Path, name: str, types: set[str | None], count: int
) -> None:
    benchmark = load(name)
    samples = load_samples(benchmark, built)
    assert len(samples) == count
    assert {sample.type for sample in samples} == types
    for protocol in benchmark.protocols:
        found = apply(protocol, samples, [_said(s) for s in samples])
        assert [row.score for row in found.rows] == [1.0] * count
    clusters = {row.cluster for row in found.rows}
    assert clusters == ({"g012", "g013", "g014"} if name == "sar-acd" else {"219"})


def test_words_search_the_pieces_of_their_sensor(built: Path) -> None:
    benchmark = load("san-antonio-text")
    samples = load_samples(benchmark, built)
    queries = [sample for sample in samples if sample.relevant]
    # Sea and town, for each of two sensors.
    assert [query.type for query in queries] == ["text to optical"] * 2 + [
        "text to sar"
    ] * 2
    for query in queries:
        gallery = members(samples, query)
        assert len(gallery) == 4
        assert {f"text to {sample.type}" for sample in gallery} == {query.type}
        assert set(query.relevant) < {sample.id for sample in gallery}
    predictions = [
        Prediction(id=s.id, raw="-", meta={"scores": dict(s.relevant)}) for s in samples
    ]
    for protocol in benchmark.protocols:
        found = apply(protocol, samples, predictions)
        assert [row.score for row in found.rows] == [1.0] * 4
