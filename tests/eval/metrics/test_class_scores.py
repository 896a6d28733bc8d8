"""Classes and presence, from samples to a scored protocol."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.class_scores import Read
from rsvlm.eval.metrics.classification import macro_f1, mean_per_class
from rsvlm.eval.metrics.text_scores import classify, presence
from rsvlm.eval.records import Prediction
from rsvlm.samples import ImageRef, Sample

CLASSES = ("dense residential", "medium residential", "river")


def sample(number: int, answer: str, options: Sequence[str] = CLASSES) -> Sample:
    return Sample(
        id=f"q{number}",
        images=(ImageRef(path=f"{number}.tif", width=8, height=8),),
        task="classify",
        answers=(answer,) if answer else (),
        options=tuple(options),
        source="test",
        licence="CC0",
        split="test",
        meta={"city": "Ulm" if number % 2 else "Rom"},
    )


def said(*texts: str) -> list[Prediction]:
    return [Prediction(id=f"q{i}", raw=text) for i, text in enumerate(texts)]


# The data write CamelCase, the list in the question has words.
AID = [
    sample(0, "MediumResidential"),
    sample(1, "MediumResidential"),
    sample(2, "River"),
    sample(3, "DenseResidential"),
]


@pytest.mark.parametrize(
    ("read", "scores"),
    [
        ("canonical", [1, 0, 1, 0]),
        ("named", [1, 1, 1, 0]),
        ("raw", [0, 0, 1, 0]),
        ("contains", [0, 0, 1, 0]),
    ],
)
def test_ways_to_read(read: Read, scores: list[int]) -> None:
    replies = said("medium residential", "It is medium residential.", "River", "forest")
    scored = classify(AID, replies, "p", read=read)
    assert [row.score for row in scored.rows] == scores


def test_contains_credits_what_it_should_not() -> None:
    data = [sample(0, "residential", ["residential", "dense residential"])]
    for text in ("dense residential", "not residential"):
        assert classify(data, said(text), "p", read="contains").value == 1
        assert classify(data, said(text), "p").value == 0


def test_values_confusion_and_rate_by_hand() -> None:
    replies = said("medium residential", "river", "a river", "desert")
    scored = classify(AID, replies, "p", group_by=["city"])
    assert scored.value == 0.5
    assert scored.resample is None
    assert scored.groups == {"city=Rom": 1, "city=Ulm": 0}
    assert scored.details["mean_per_class"] == pytest.approx((0 + 1 / 2 + 1) / 3)
    # medium: 2 * 1 / (2 + 1), river: 2 * 1 / (1 + 2), dense: 0
    assert scored.details["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scored.details["out_of_list_rate"] == 0.25
    assert scored.details["per_class"]["medium residential"] == 0.5
    assert scored.plots["confusion"] == {
        "labels": list(CLASSES),
        "counts": [[0, 0, 0, 1], [0, 1, 1, 0], [0, 0, 1, 0]],
    }
    assert scored.rows[0].details == {
        "read": "medium residential",
        "truth": "medium residential",
    }
    assert [row.parse_ok for row in scored.rows] == [True, True, True, False]


def test_other_values_resample() -> None:
    replies = said("medium residential", "river", "a river", "desert")
    mean = classify(AID, replies, "p", value="mean_per_class")
    macro = classify(AID, replies, "p", value="macro_f1")
    assert mean.value == pytest.approx(0.5)
    assert macro.value == pytest.approx(4 / 9)
    assert mean.resample is not None
    assert macro.resample is not None
    assert mean.resample([0, 0, 2]) == 1
    assert mean.resample([0, 1, 3]) == pytest.approx((0.5 + 0) / 2)
    assert macro.resample([0, 0]) == 1


def test_trivial_answers() -> None:
    replies = said("", "", "", "")
    scored = classify(AID, replies, "p")
    assert scored.baselines == pytest.approx({"majority": 1 / 2, "random": 1 / 3})
    mean = classify(AID, replies, "p", value="mean_per_class")
    assert mean.baselines["majority"] == pytest.approx(1 / 3)
    # Macro F1 of always medium: 2 * 2 / (2 + 4) for one of three classes.
    macro = classify(AID, replies, "p", value="macro_f1")
    assert macro.baselines["majority"] == pytest.approx(2 / 9)


def test_a_class_missing_from_the_list_is_added() -> None:
    # RSWK lists 14 classes and asks about 16.
    data = [sample(0, "Tower", ["Castle"]), sample(1, "Castle", ["Castle"])]
    scored = classify(data, said("tower", "castle"), "p")
    assert scored.value == 1
    assert scored.plots["confusion"]["labels"] == ["Castle", "Tower"]


def test_without_a_list_the_classes_are_those_asked_for() -> None:
    data = [sample(0, "River", ()), sample(1, "Forest", ())]
    scored = classify(data, said("rivers", "desert"), "p")
    assert [row.score for row in scored.rows] == [1, 0]
    assert scored.details["out_of_list_rate"] == 0.5


names = st.sampled_from(CLASSES)


@given(st.lists(st.tuples(names, st.sampled_from([*CLASSES, "?"])), min_size=1))
def test_values_equal_the_plain_metrics(pairs: list[tuple[str, str]]) -> None:
    data = [sample(i, truth) for i, (truth, _) in enumerate(pairs)]
    replies = said(*[text for _, text in pairs])
    read = [text if text in CLASSES else None for _, text in pairs]
    truth = [true for true, _ in pairs]
    mean = classify(data, replies, "p", value="mean_per_class")
    assert mean.value == pytest.approx(mean_per_class(read, truth))
    macro = classify(data, replies, "p", value="macro_f1")
    assert macro.value == pytest.approx(macro_f1(read, truth))
    assert 0 <= macro.baselines["random"] <= 1


def test_the_random_baseline_is_what_chance_reaches() -> None:
    random = np.random.default_rng(0)
    truth = random.choice(CLASSES, 3000, p=[0.7, 0.2, 0.1]).tolist()
    texts = random.choice(CLASSES, 3000).tolist()
    data = [sample(i, name) for i, name in enumerate(truth)]
    for value in ("accuracy", "mean_per_class", "macro_f1"):
        scored = classify(data, said(*texts), "p", value=value)
        assert scored.baselines["random"] == pytest.approx(scored.value, abs=0.03)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(UnknownNameError, match="way to read a class 'exact'"):
        classify(AID, said(*"abcd"), "p", read="exact")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="value 'f1'"):
        classify(AID, said(*"abcd"), "p", value="f1")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="'q0' has no class"):
        classify([sample(0, "")], said("a"), "p")


PRESENCE = [sample(i, answer) for i, answer in enumerate(["yes", "yes", "yes", "no"])]


def test_presence_is_balanced() -> None:
    scored = presence(PRESENCE, said("Yes.", "yes, two", "not sure", "Yes"), "p")
    assert [row.score for row in scored.rows] == [1, 1, 0, 0]
    assert [row.parse_ok for row in scored.rows] == [True, True, False, True]
    assert scored.value == pytest.approx((2 / 3 + 0) / 2)
    assert scored.details["accuracy"] == 0.5
    assert scored.details["yes_rate"] == 0.75
    assert scored.details["true_yes_rate"] == 0.75
    assert scored.baselines == {"always-yes": 0.5, "always-no": 0.5, "random": 0.5}
    assert scored.resample is not None
    assert scored.resample([0, 3]) == 0.5


def test_presence_as_plain_accuracy() -> None:
    scored = presence(PRESENCE, said("yes", "no", "no", "no"), "p", value="accuracy")
    assert scored.value == 0.5
    assert scored.baselines["always-yes"] == 0.75
    assert scored.resample is None


def test_one_side_alone_is_said() -> None:
    scored = presence(PRESENCE[:2], said("yes", "no"), "p")
    assert scored.value == 0.5
    assert scored.baselines["always-yes"] == 1
    assert "all true answers are the same" in scored.details["warnings"][0]


def test_an_answer_that_is_neither_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'q0' is \('river',\), neither"):
        presence([sample(0, "river")], said("yes"), "p")
    with pytest.raises(UnknownNameError, match="value 'f1'"):
        presence(PRESENCE, said(*"abcd"), "p", value="f1")  # type: ignore[arg-type]
