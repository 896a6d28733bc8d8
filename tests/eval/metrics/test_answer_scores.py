"""Short answers and multiple choice, from samples to a scored protocol."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.text_scores import mcq_accuracy, vqa_accuracy
from rsvlm.eval.records import Prediction
from rsvlm.samples import ImageRef, Sample


def sample(number: int, *answers: str, kind: str | None = None, **more: Any) -> Sample:
    return Sample(
        id=f"q{number}",
        images=(ImageRef(path=f"{number // 2}.tif", width=8, height=8),),
        task="vqa",
        answers=answers,
        type=kind,
        source="test",
        licence="CC0",
        split="test",
        **more,
    )


def said(samples: Sequence[Sample], *texts: str | None) -> list[Prediction]:
    return [
        Prediction(id=s.id, raw=text or "", status="ok" if text else "empty")
        for s, text in zip(samples, texts, strict=True)
    ]


RSVQA = [
    sample(0, "yes", kind="presence"),
    sample(1, "no", kind="presence"),
    sample(2, "yes", kind="presence"),
    sample(3, "7", kind="count"),
    sample(4, "rural", kind="rural_urban"),
]
REPLIES = ("Yes.", "yes", None, "9", "rural")


def test_average_over_questions_and_over_types() -> None:
    predictions = said(RSVQA, *REPLIES)
    scored = vqa_accuracy(RSVQA, predictions, "p", group_by=["type"])
    assert [row.score for row in scored.rows] == [1, 0, 0, 0, 1]
    assert scored.value == pytest.approx(2 / 5)
    assert scored.resample is None  # the mean of the rows
    assert scored.details["AA"] == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert scored.details["by_type"]["presence"] == pytest.approx(1 / 3)
    assert scored.details["n_by_type"] == {"presence": 3, "count": 1, "rural_urban": 1}
    assert scored.details["invalid_rate"] == pytest.approx(1 / 5)
    assert scored.groups["type=presence"] == pytest.approx(1 / 3)
    assert [row.parse_ok for row in scored.rows] == [True, True, False, True, True]
    assert scored.rows[3].cluster == "1.tif"
    averaged = vqa_accuracy(RSVQA, predictions, "p", average="AA")
    assert averaged.value == scored.details["AA"]
    assert averaged.resample is not None
    assert averaged.resample([0, 0, 4]) == pytest.approx(1.0)
    assert averaged.resample([0, 1, 3]) == pytest.approx((0.5 + 0) / 2)


def test_bins_make_near_counts_right() -> None:
    scored = vqa_accuracy(RSVQA, said(RSVQA, *REPLIES), "p", bins="rsvqa_lr")
    assert [row.score for row in scored.rows] == [1, 0, 0, 1, 1]
    in_words = said(RSVQA, "no", "no", "no", "between 1 and 10", "urban")
    scored = vqa_accuracy(RSVQA, in_words, "p", bins="rsvqa_lr")
    assert [row.score for row in scored.rows] == [0, 1, 0, 1, 0]
    # HR bins areas only.
    scored = vqa_accuracy(RSVQA, said(RSVQA, *REPLIES), "p", bins="rsvqa_hr")
    assert scored.rows[3].score == 0


def test_only_some_types() -> None:
    scored = vqa_accuracy(
        RSVQA, said(RSVQA, *REPLIES), "p", types=["presence", "count"]
    )
    assert [row.id for row in scored.rows] == ["q0", "q1", "q2", "q3"]
    assert scored.value == pytest.approx(1 / 4)
    with pytest.raises(SettingsError, match="type area; there are: count, presence"):
        vqa_accuracy(RSVQA, said(RSVQA, *REPLIES), "p", types=["area"])


def test_trivial_answers_stand_beside() -> None:
    scored = vqa_accuracy(RSVQA, said(RSVQA, *REPLIES), "p")
    # Majority of each type: yes (2 of 3), 7 (1 of 1), rural (1 of 1).
    assert scored.baselines["majority"] == pytest.approx(4 / 5)
    assert scored.baselines["always-yes"] == pytest.approx(2 / 5)
    # Presence has two answers, the other types one.
    assert scored.baselines["random"] == pytest.approx((3 * 0.5 + 1 + 1) / 5)
    averaged = vqa_accuracy(RSVQA, said(RSVQA, *REPLIES), "p", average="AA")
    assert averaged.baselines["majority"] == pytest.approx((2 / 3 + 1 + 1) / 3)


def test_majority_of_counts_is_one_of_bins() -> None:
    counts = [
        sample(i, n, kind="count") for i, n in enumerate(["3", "8", "500", "500"])
    ]
    predictions = said(counts, "1", "1", "1", "1")
    exact = vqa_accuracy(counts, predictions, "p", match="exact")
    binned = vqa_accuracy(counts, predictions, "p", bins="rsvqa_lr")
    assert exact.baselines["majority"] == 0.5  # 500
    assert exact.baselines["random"] == pytest.approx(1 / 3)
    assert binned.value == 0.5
    assert binned.baselines["majority"] == 0.5  # 1-10, first by name
    assert binned.baselines["random"] == 0.5
    assert "always-yes" not in exact.baselines


def test_majority_is_written_as_the_data_write_it() -> None:
    words = [sample(i, "Two") for i in range(3)]
    scored = vqa_accuracy(words, said(words, "2", "two", "3"), "p", match="exact")
    assert scored.value == pytest.approx(1 / 3)
    assert scored.baselines["majority"] == 1


def test_relative_error_counts_numbers_apart() -> None:
    data = [sample(0, "12.5mm"), sample(1, "0.2"), sample(2, "Gothic")]
    predictions = said(data, "13 mm", "0.3", "gothic")
    scored = vqa_accuracy(data, predictions, "p", match="rel-error<10%")
    assert [row.score for row in scored.rows] == [1, 0, 1]
    assert scored.details["n_numeric"] == 2
    assert scored.details["numeric_accuracy"] == 0.5


def test_what_was_read_counts_and_abstentions_say_nothing() -> None:
    data = [sample(i, "no") for i in range(5)]
    predictions = [
        Prediction(id="q0", raw="<think>yes</think> no", parsed="no"),
        Prediction(id="q1", raw="no", status="timeout"),
        Prediction(id="q2", raw="no evidence", abstained=True),
        Prediction(id="q3", raw="no", status="truncated"),
        Prediction(id="q4", raw="no", parsed=""),
    ]
    scored = vqa_accuracy(data, predictions, "p", match="contains")
    assert [row.score for row in scored.rows] == [1, 0, 0, 1, 0]
    assert [row.parse_ok for row in scored.rows] == [True, False, False, True, False]


def test_wrong_settings_are_named() -> None:
    predictions = said(RSVQA, *REPLIES)
    with pytest.raises(UnknownNameError, match="set of bins 'rsvqa'"):
        vqa_accuracy(RSVQA, predictions, "p", bins="rsvqa")
    with pytest.raises(UnknownNameError, match="match 'exakt'"):
        vqa_accuracy(RSVQA, predictions, "p", match="exakt")
    with pytest.raises(SettingsError, match="average 'XX' is unknown"):
        vqa_accuracy(RSVQA, predictions, "p", average="XX")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="4 predictions for 5"):
        vqa_accuracy(RSVQA, predictions[:4], "p")


@given(st.permutations(range(5)))
def test_order_does_not_matter(order: list[int]) -> None:
    predictions = said(RSVQA, *REPLIES)
    mixed = vqa_accuracy(
        [RSVQA[i] for i in order], [predictions[i] for i in order], "p", average="AA"
    )
    scored = vqa_accuracy(RSVQA, predictions, "p", average="AA")
    assert mixed.value == pytest.approx(scored.value)
    assert mixed.baselines == pytest.approx(scored.baselines)


COLOURS = ("Red", "Blue", "Grey", "Green")
CHOICES = [
    sample(0, "A", kind="colour", options=COLOURS),
    sample(1, "B", "C", kind="colour", options=COLOURS),  # either is accepted
    sample(2, "A", "C", kind="land", options=COLOURS, meta={"multi": True}),
    sample(3, "ACD", kind="land", options=COLOURS),
]


def test_single_accepted_and_multiple_letters() -> None:
    predictions = said(CHOICES, "(A)", "grey", "A, C", "A, C")
    scored = mcq_accuracy(CHOICES, predictions, "p", group_by=["type"])
    assert [row.score for row in scored.rows] == [1, 1, 1, 0]
    assert [row.details["chosen"] for row in scored.rows] == ["A", "C", "AC", "AC"]
    assert scored.value == 0.75
    assert scored.groups == {"type=colour": 1, "type=land": 0.5}
    # One letter of two is not the set.
    assert mcq_accuracy(CHOICES, said(CHOICES, *"ABAA"), "p").rows[2].score == 0


def test_extractors_differ() -> None:
    predictions = said(CHOICES, "A road", "The Best is grey", "A and C", "a, c, d")
    robust = mcq_accuracy(CHOICES, predictions, "p")
    legacy = mcq_accuracy(CHOICES, predictions, "p", extractor="mme-realworld")
    assert [row.score for row in robust.rows] == [0, 0, 1, 1]
    assert [row.score for row in legacy.rows] == [1, 1, 0, 0]
    assert [row.parse_ok for row in robust.rows] == [False, False, True, True]


def test_macro_average_over_a_fixed_number_of_types() -> None:
    predictions = said(CHOICES, "A", "B", "D", "D")
    present = mcq_accuracy(CHOICES, predictions, "p", average="AA")
    fixed = mcq_accuracy(CHOICES, predictions, "p", average="AA", n_types=13)
    assert present.value == pytest.approx(1 / 2)
    assert fixed.value == pytest.approx(1 / 13)


def test_letters_by_chance() -> None:
    scored = mcq_accuracy(CHOICES, said(CHOICES, *"AAAA"), "p")
    # Each set is one of 15 that are not empty.
    assert scored.baselines["random"] == pytest.approx((1 / 4 + 2 / 4 + 2 / 15) / 4)
    # Majority of colour: A, B and C once each, so A; of land: AC before ACD.
    assert scored.baselines["majority"] == pytest.approx((1 + 0 + 1 + 0) / 4)


def test_resamples_agree_with_the_value() -> None:
    random = np.random.default_rng(0)
    data = [sample(i, "A", kind=str(i % 3), options=COLOURS) for i in range(60)]
    letters = random.choice(list("ABCD"), 60).tolist()
    scored = mcq_accuracy(data, said(data, *letters), "p", average="AA")
    assert scored.resample is not None
    assert scored.resample(range(60)) == scored.value
