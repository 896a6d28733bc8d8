"""Class names read from replies, and the scores of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion,
    mean_per_class,
    out_of_list_rate,
    per_class_accuracy,
    read_class,
)

CLASSES = ["MediumResidential", "Residential", "Forest", "River", "storage_tanks"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("MediumResidential", "MediumResidential"),
        ("medium residential", "MediumResidential"),
        ("Medium-Residential.", "MediumResidential"),
        ("mediumresidential", "MediumResidential"),
        ("  The answer is: a forest.", "Forest"),
        ("forests", "Forest"),
        ("woodland", "Forest"),  # synonym
        ("water body", "River"),  # "river or lake": the only water class here
        ("storage tank", "storage_tanks"),
        ("'Oil tank'", "storage_tanks"),
        ("dense residential", None),  # contains a class and is another
        ("not a forest", None),
        ("This is a forest.", None),
        ("forest, river", None),
        ("giraffe", None),
        ("", None),
        (None, None),
    ],
)
def test_a_whole_reply_names_a_class(reply: str | None, expected: str | None) -> None:
    assert read_class(reply, CLASSES) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("This image shows a dense Forest with clouds.", "Forest"),
        ("It is a medium residential area", "MediumResidential"),
        ("Woodlands and a forest", "Forest"),
        ("A forest beside a river", None),
        ("This is not a forest", None),
        ("It isn't a river", None),
        ("deforested land", None),
        ("", None),
    ],
)
def test_a_sentence_names_a_class(reply: str, expected: str | None) -> None:
    assert read_class(reply, CLASSES, match="named") == expected


def test_a_synonym_of_two_classes_decides_nothing() -> None:
    classes = ["River", "Lake"]
    assert read_class("water body", classes) is None
    assert read_class("lake", classes) == "Lake"
    assert read_class("rivers", classes) == "River"


def test_a_class_name_outranks_a_synonym() -> None:
    # "pier" is a synonym of "harbor" unless the list has it as a class.
    assert read_class("pier", ["Harbor", "Forest"]) == "Harbor"
    assert read_class("pier", ["Harbor", "Pier"]) == "Pier"
    assert read_class("trees", ["Tree", "Trees"]) == "Trees"


def test_one_of_a_class_in_the_plural_is_that_class() -> None:
    assert read_class("solar panel", ["SolarPanels", "River"]) == "SolarPanels"


def test_a_class_has_no_synonyms_of_a_word_inside_it() -> None:
    assert read_class("woodland", ["Forest fire", "River"]) is None


def test_a_class_list_that_repeats_itself_is_refused() -> None:
    with pytest.raises(SettingsError, match="spelling only"):
        read_class("river", ["River", "river"])


@given(st.sampled_from(CLASSES))
def test_every_class_reads_as_itself(name: str) -> None:
    for reply in (name, name.upper().replace("_", " "), f"The {name}."):
        assert read_class(reply, CLASSES) == name
    assert read_class(f"It shows the {name}.", CLASSES, match="named") == name


def test_accuracy_by_hand() -> None:
    predictions = ["a", "a", None, "b", "c"]
    references = ["a", "a", "a", "a", "b"]
    assert accuracy(predictions, references) == pytest.approx(2 / 5)
    assert per_class_accuracy(predictions, references) == {"a": 0.5, "b": 0.0}
    assert mean_per_class(predictions, references) == 0.25


def test_balanced_accuracy_by_hand() -> None:
    references = [True] * 4 + [False]
    assert balanced_accuracy([True, True, True, None, False], references) == 0.875
    assert balanced_accuracy([True] * 5, references) == 0.5  # the majority answer
    assert balanced_accuracy([None] * 5, references) == 0.0


def test_balanced_accuracy_needs_both_sides() -> None:
    with pytest.raises(SettingsError, match="0 references that are False"):
        balanced_accuracy([True], [True])


def test_confusion_by_hand() -> None:
    table = confusion(["a", "b", None, "x", "b"], ["a", "a", "a", "b", "b"], ["a", "b"])
    assert table.tolist() == [[1, 1, 1], [0, 1, 1]]
    with pytest.raises(UnknownNameError, match="class 'c'"):
        confusion(["a"], ["c"], ["a", "b"])


def test_out_of_list_rate() -> None:
    assert out_of_list_rate(["a", None, "x", "b"], ["a", "b"]) == 0.5
    with pytest.raises(SettingsError, match="0 predictions"):
        out_of_list_rate([], ["a"])


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 references"):
        accuracy([], [])
    with pytest.raises(SettingsError, match="2 predictions for 1 references"):
        mean_per_class(["a", "b"], ["a"])


labels = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(labels | st.none(), labels), min_size=1))
def test_scores_agree_with_the_confusion_table_in_any_order(
    pairs: list[tuple[str | None, str]],
) -> None:
    predictions, references = [p for p, _ in pairs], [r for _, r in pairs]
    table = confusion(predictions, references, ["a", "b", "c"])
    right, present = np.diag(table), table.sum(axis=1)
    assert accuracy(predictions, references) == pytest.approx(right.sum() / len(pairs))
    recall = right[present > 0] / present[present > 0]
    assert mean_per_class(predictions, references) == pytest.approx(recall.mean())
    assert accuracy(predictions[::-1], references[::-1]) == accuracy(
        predictions, references
    )
    assert accuracy(references, references) == mean_per_class(references, references)
    assert accuracy(references, references) == 1.0
