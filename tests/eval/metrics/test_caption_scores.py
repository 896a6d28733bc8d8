"""Caption protocols: values, baselines, groups, and what must not be hidden."""

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest

from rsvlm.errors import MissingExtraError, SettingsError, UnknownNameError
from rsvlm.eval.metrics import caption_scores
from rsvlm.eval.metrics.caption_peers import Meteor
from rsvlm.eval.metrics.caption_scores import CaptionMetric, caption_metric
from rsvlm.eval.records import Prediction
from rsvlm.samples import ImageRef, Sample

REFERENCES = (
    ("A river near trees.", "a river", ""),
    ("Two tennis courts.", "a river"),
    ("The green park.", "The green park."),
)


def sample(number: int, captions: Sequence[str], **fields: Any) -> Sample:
    values: dict[str, Any] = {
        "id": f"s{number}",
        "images": (ImageRef(path=f"{number}.png", width=8, height=8),),
        "task": "caption",
        "answers": tuple(captions),
        "type": ("short", "long")[number % 2],
        "source": "made up",
        "licence": "CC0-1.0",
        "split": "test",
    }
    return Sample(**(values | fields))


SAMPLES = [sample(number, captions) for number, captions in enumerate(REFERENCES)]


def said(*texts: str | None) -> list[Prediction]:
    return [
        Prediction(id=f"s{i}", status="error")
        if text is None
        else Prediction(id=f"s{i}", raw=text)
        for i, text in enumerate(texts)
    ]


RIGHT = said("a river near trees", "two tennis courts", "the green park")


def test_rows_keep_order_group_and_image() -> None:
    result = caption_metric(
        SAMPLES, RIGHT, "cider-d", group_by=("type",), metric="rougeL-coco"
    )
    assert [row.id for row in result.rows] == ["s0", "s1", "s2"]
    assert [row.score for row in result.rows] == pytest.approx([1, 1, 1])
    assert [row.cluster for row in result.rows] == ["0.png", "1.png", "2.png"]
    assert result.rows[1].group == {"type": "long"}
    assert result.groups == pytest.approx({"type=long": 1, "type=short": 1})
    assert result.resample is None  # the mean of the rows


def test_a_missing_reply_scores_0_and_stays() -> None:
    replies = [*said("a river near trees", None), Prediction(id="s2", raw=" . ")]
    for metric in get_args(CaptionMetric):
        if metric in ("meteor-1.5", "spice"):
            continue
        result = caption_metric(SAMPLES, replies, "p", metric=metric)
        assert [row.score for row in result.rows][1:] == [0, 0]
        assert [row.parse_ok for row in result.rows] == [True, False, False]
        assert result.value > 0
        assert result.details["x100"] == pytest.approx(100 * result.value)


def test_what_was_read_counts_not_what_was_written() -> None:
    reply = Prediction(id="s0", raw="I think: a river", parsed="a river")
    result = caption_metric(SAMPLES[:1], [reply], "p", metric="rougeL-coco")
    assert result.value == pytest.approx(1)


def test_bleu_is_of_the_corpus_and_resamples_as_such() -> None:
    replies = said("a river near trees", "two courts", "a park")
    result = caption_metric(
        SAMPLES, replies, "p", metric="bleu1-coco", group_by=("type",)
    )
    # 4 of 4, 2 of 2, 1 of 2 words; lengths 4, 2, 2 against the closest 4, 2, 3.
    assert result.value == pytest.approx(7 / 8 * math.exp(1 - 9 / 8))
    assert result.resample is not None
    assert result.resample([0, 0, 1]) == pytest.approx(1)
    assert result.groups["type=long"] == pytest.approx(1)
    assert result.groups["type=short"] == pytest.approx(5 / 6 * math.exp(1 - 7 / 6))


def test_the_tokenizer_is_part_of_the_protocol() -> None:
    replies = said("A river near trees", "Two tennis courts", "The green park")
    exact = caption_metric(SAMPLES, replies, "p", metric="bleu4-coco")
    legacy = caption_metric(
        SAMPLES, replies, "p", metric="bleu4-coco", tokenizer="lower-split"
    )
    assert exact.value > legacy.value  # "trees." is another word there
    assert (exact.details["tokenizer"], legacy.details["tokenizer"]) == (
        "ptb",
        "lower-split",
    )


def test_the_baseline_is_one_caption_for_all() -> None:
    # "a river" and "The green park." both occur twice; the first by name is taken.
    result = caption_metric(SAMPLES, RIGHT, "p", metric="rougeL-coco")
    constant = caption_metric(
        SAMPLES, said(*["The green park."] * 3), "p", metric="rougeL-coco"
    )
    assert result.baselines == {
        "most frequent reference": pytest.approx(constant.value)
    }
    assert constant.value == pytest.approx(1 / 3)


def test_details_tell_lengths_and_repeats() -> None:
    details = caption_metric(SAMPLES, RIGHT, "p").details
    assert details["words"] == pytest.approx(10 / 3)
    assert details["reference_words"] == pytest.approx((4 + 2 + 3 + 2 + 3 + 3) / 6)
    assert details["repeated_references"] == pytest.approx(1 / 6)


def test_cider_of_a_part_is_marked() -> None:
    whole = caption_metric(SAMPLES, RIGHT, "p")
    assert (whole.details["subset"], whole.details["warnings"]) == (False, [])
    part = caption_metric(SAMPLES[:2], RIGHT[:2], "p", subset=True)
    assert part.details["subset"] is True
    assert "references of these 2 samples" in part.details["warnings"][0]
    alone = caption_metric(SAMPLES[:1], RIGHT[:1], "p")
    assert alone.value == 0
    assert "0 by definition" in alone.details["warnings"][0]


def test_spice_is_unavailable_and_never_0() -> None:
    with pytest.raises(SettingsError, match="SPICE is unavailable"):
        caption_metric(SAMPLES, RIGHT, "p", metric="spice")


def counted(*matches: int) -> Meteor:
    """Return counts of captions of four words, so many of which match in one chunk."""
    counts = np.zeros((len(matches), 23))
    counts[:, :2] = 4
    counts[:, 4:6] = counts[:, 21:23] = np.array(matches)[:, None]
    counts[:, 20] = np.array(matches) > 0
    return Meteor(counts)


def test_meteor_scores_replies_and_constant_in_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def fake(hypotheses: list[str], references: list[list[str]]) -> Meteor:
        asked.append((hypotheses, references))
        return counts

    counts = counted(1, 4, 2, 0, 0, 3)
    monkeypatch.setattr(caption_scores, "meteor", fake)
    result = caption_metric(SAMPLES, RIGHT, "p", metric="meteor-1.5")
    ((hypotheses, references),) = asked
    assert hypotheses[:3] == [
        "a river near trees",
        "two tennis courts",
        "the green park",
    ]
    assert hypotheses[3:] == ["the green park"] * 3
    assert references[:3] == references[3:]
    assert references[0] == ["a river near trees", "a river"]
    assert result.value == pytest.approx(counts.corpus([0, 1, 2]))
    assert [row.score for row in result.rows] == counts.sentences()[:3].tolist()
    assert result.baselines["most frequent reference"] == pytest.approx(
        counts.corpus([3, 4, 5])
    )
    assert result.resample is not None
    assert result.resample([1, 1]) == pytest.approx(1)


def test_meteor_without_its_package_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rsvlm.eval.metrics.caption_peers.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        caption_metric(SAMPLES, RIGHT, "p", metric="meteor-1.5")


def test_unknown_names_are_refused() -> None:
    wrong: Any = "cider-x"
    with pytest.raises(UnknownNameError, match="cider-d"):
        caption_metric(SAMPLES, RIGHT, "p", metric=wrong)
    with pytest.raises(UnknownNameError, match="lower-split"):
        caption_metric(SAMPLES, RIGHT, "p", tokenizer=wrong)


@pytest.mark.parametrize("captions", [(), ("", " "), ("...",)])
def test_a_sample_without_reference_is_named(captions: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="Sample s9 has no reference"):
        caption_metric([sample(9, captions)], said("a"), "p")


def test_pairs_must_fit() -> None:
    with pytest.raises(SettingsError, match="2 predictions for 3"):
        caption_metric(SAMPLES, RIGHT[:2], "p")
    with pytest.raises(SettingsError, match="0 references"):
        caption_metric([], [], "p")
