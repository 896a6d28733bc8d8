"""Which single samples a report shows."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rsvlm.eval.records import Prediction, ScoreRow
from rsvlm.eval.sample_cards import PER_IMAGE, cards, extremes
from rsvlm.samples import Sample, Target

Make = Callable[..., Sample]


def rows_of(scores: list[float], images: int | None = None) -> list[ScoreRow]:
    return [
        ScoreRow(
            id=f"s{i}",
            protocol="p",
            score=score,
            cluster=f"{i % images}.png" if images else None,
        )
        for i, score in enumerate(scores)
    ]


def test_the_surest_errors_come_first() -> None:
    rows = rows_of([0, 0, 1, 1])
    said = {
        f"s{i}": Prediction(id=f"s{i}", confidence=sure)
        for i, sure in enumerate([0.2, 0.9, 0.3, 0.8])
    }
    best, worst = extremes(rows, said)
    assert [row.id for row in worst] == ["s1", "s0"]
    assert [row.id for row in best] == ["s3", "s2"]


def test_scores_decide_before_confidence() -> None:
    rows = rows_of([0.2, 0.1, 0.9, 0.8])
    said = {"s0": Prediction(id="s0", confidence=1.0)}
    best, worst = extremes(rows, said)
    assert [row.score for row in worst] == [0.1, 0.2]
    assert [row.score for row in best] == [0.9, 0.8]


def test_one_image_does_not_fill_the_page() -> None:
    # All errors are on image 0, as long as others are worse than nothing.
    rows = [r.model_copy(update={"cluster": "a"}) for r in rows_of([0.0] * 10)]
    rows += rows_of([0.5] * 10, images=10)
    best, worst = extremes(rows, {}, count=4)
    assert sum(row.cluster == "a" for row in worst) == PER_IMAGE
    assert not {id(row) for row in best} & {id(row) for row in worst}
    only = [r.model_copy(update={"cluster": "a"}) for r in rows_of([0.0] * 10)]
    assert len(extremes(only, {}, count=4)[1]) == 4


@given(
    st.lists(st.floats(0, 1), max_size=60),
    st.integers(1, 5),
    st.integers(0, 25),
)
def test_no_row_twice_and_the_order_of_samples_is_nothing(
    scores: list[float], images: int, count: int
) -> None:
    rows = rows_of(scores, images)
    best, worst = extremes(rows, {}, count)
    ids = [row.id for row in best + worst]
    assert len(set(ids)) == len(ids)
    assert len(worst) == min(count, (len(rows) + 1) // 2)
    assert len(best) == min(count, len(rows) - len(worst))
    assert [r.score for r in best] == sorted((r.score for r in best), reverse=True)
    assert [r.score for r in worst] == sorted(r.score for r in worst)
    again = extremes(rows[::-1], {}, count)
    assert [row.id for row in again[0]] == [row.id for row in best]


def test_a_card_says_what_was_asked_meant_and_said(make_sample: Make) -> None:
    sample = make_sample(0, options=("yes", "no"), answers=("yes", "Yes"))
    said = Prediction(id="s0", raw="I think so", parsed="no", confidence=0.75)
    (row,) = rows_of([0.0])
    row = row.model_copy(
        update={"details": {"iou": 0.125, "truth": 3.0, "matched": True, "list": [1]}}
    )
    text = cards([row], {"s0": said}, {"s0": sample})
    for words in (
        "Question 0? [yes, no]", "yes | Yes", "</span> no<", "0.750",
        "iou 0.125, truth 3, matched True<", "s0",
    ):  # fmt: skip
        assert words in text
    assert "<svg" not in text  # no folder of images


def test_failures_are_named(make_sample: Make) -> None:
    said = Prediction(id="s0", status="timeout", error="no reply within 60 s")
    text = cards(rows_of([0.0]), {"s0": said}, {"s0": make_sample(0)})
    assert "timeout</span> no reply within 60 s" in text
    assert "(no reply)" in cards(rows_of([0.0]), {}, {})


def test_references_of_places_are_counted(make_sample: Make) -> None:
    target = Target(label="ship", hbb=(0, 0, 1, 1))
    several = make_sample(0, answers=(), targets=(target, target))
    none = make_sample(0, answers=())
    assert "2 ship" in cards(rows_of([1.0]), {}, {"s0": several})
    assert "nothing of that kind" in cards(rows_of([1.0]), {}, {"s0": none})


def test_words_of_a_model_cannot_become_markup(
    make_sample: Make, image_folder: Path
) -> None:
    said = Prediction(id="s0", raw='<script>alert("x")</script>' * 50)
    text = cards(rows_of([0.0]), {"s0": said}, {"s0": make_sample(0)}, image_folder)
    assert "<script" not in text
    assert "&lt;script" in text
    assert text.count("&lt;script") < 50  # long texts are cut
