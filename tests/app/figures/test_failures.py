"""The gallery of failures: the surest wrong answers, one a picture, in words."""

from pathlib import Path
from typing import Any

import pytest

from rsvlm.app.figures.failures import failures
from rsvlm.app.figures.measure import Asked
from rsvlm.app.figures.report import failures_text
from rsvlm.app.figures.rows import Row
from rsvlm.eval.records import Box, Prediction, ScoreRow, to_line
from rsvlm.eval.results import BenchmarkRun, Run

ROW = Row(
    title="T", part="answers", benchmark="made", protocol="acc", failures=2, unit=""
)


def sample(number: int, **fields: Any) -> dict[str, Any]:
    """Return a question for the place of two ships."""
    target = {"label": "ship", "hbb": [10, 20, 30.4, 40]}
    return {
        "schema": "rsvlm.sample/1", "id": f"s{number}", "task": "ground",
        "images": [{"path": f"p{number}.webp", "width": 64, "height": 64}],
        "conversation": [{"role": "user", "text": f"Where are the ships | {number}?"}],
        "targets": [target] * 3, "source": "made", "licence": "none", "split": "test",
    } | fields  # fmt: skip


@pytest.fixture
def asked(tree: Any) -> Asked:
    """Six answers: the first right, the others wrong, each surer than the last."""
    box = Box(points=((1, 2), (3, 4)), label="ship")
    said = [
        Prediction(id="s0", boxes=(box,), confidence=0.99),
        Prediction(id="s1", boxes=(box,), confidence=0.1),
        Prediction(id="s2", abstained=True, confidence=0.2),
        Prediction(id="s3", status="error", confidence=0.3),
        Prediction(id="s4", boxes=(box,), confidence=0.8),
        Prediction(id="s5", raw="here " * 40, confidence=0.9),
    ]
    scores = [
        ScoreRow(id=p.id, protocol="acc", score=float(p.id == "s0"), cluster=p.id)
        for p in said
    ]
    # The surest of all shows the picture of the one before.
    scores[4] = scores[4].model_copy(update={"cluster": "s5"})
    tree.jsonl("made/samples.jsonl", [sample(n) for n in range(6)])
    for name, records in (("predictions", said), ("scores", scores)):
        tree.text(f"made/{name}.jsonl", "".join(f"{to_line(r)}\n" for r in records))
    run = BenchmarkRun("made", (), tree.root / "made")
    return Asked(Path("answers-1"), Run("made", {}, {"made": run}), {})


def test_the_surest_failures_of_different_pictures_are_told(asked: Asked) -> None:
    first, second = failures([ROW], asked)
    assert (first.sample, first.confidence) == ("s5", 0.9)
    assert len(first.answer) <= 90
    assert first.answer.endswith("...")
    assert first.truth == "ship at 10, 20, 30, 40; ship at 10, 20, 30, 40; 1 more"
    assert (second.sample, second.answer) == ("s3", "no reply")


def test_rows_that_want_none_and_benchmarks_without_a_run_have_none(
    asked: Asked,
) -> None:
    assert failures([ROW.model_copy(update={"failures": 0})], asked) == []
    assert failures([ROW.model_copy(update={"benchmark": "other"})], asked) == []
    assert failures([ROW], Asked(Path("answers-1"), None, {})) == []


def test_the_text_is_a_table_and_the_way_to_draw_them(asked: Asked) -> None:
    text = failures_text(failures([ROW], asked), ["runs/answers-1"])
    assert "| made | `s5` | p5.webp | Where are the ships \\| 5? |" in text
    assert "rsvlm eval report runs/answers-1 --out runs/report" in text
    assert failures_text([], []) == "No wrong answer is known."
