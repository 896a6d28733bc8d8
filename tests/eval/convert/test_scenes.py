"""Scene classes by folder: names as words, number of classes, splits above them."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import scenes
from rsvlm.formats.class_folders import spelled


def _eurosat(tree: Any, above: str = "") -> None:
    names = ["AnnualCrop", "SeaLake", "PermanentCrop", *(f"Class{i}" for i in range(7))]
    for name in names:
        tree.image(f"{above}2750/{name}/{name}_1.jpg", 4, 4)


def test_a_folder_is_a_class(tree: Any) -> None:
    _eurosat(tree)
    samples = list(scenes.eurosat(tree.root))
    assert len(samples) == 10
    first = samples[0]
    assert first.answers == ("annual crop",)
    assert first.options[0] == "annual crop"
    assert len(first.options) == 10
    assert first.meta == {"folder": "AnnualCrop"}
    assert (first.split, first.images[0].gsd_m) == ("test", 10.0)
    assert first.images[0].path == "2750/AnnualCrop/AnnualCrop_1.jpg"


def test_a_split_folder_above_the_class_counts(tree: Any) -> None:
    _eurosat(tree, "train/")
    assert {s.split for s in scenes.eurosat(tree.root)} == {"train"}


def test_another_number_of_classes_is_another_data_set(tree: Any) -> None:
    _eurosat(tree)
    with pytest.raises(ParseError, match="has 10 folders of images, aid has 30"):
        list(scenes.aid(tree.root))


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("MediumResidential", "medium residential"), ("ground_track_field",) * 2,
        ("BareLand", "bare land"), ("denseresidential",) * 2, ("SeaLake", "sea lake"),
        ("storage-tanks", "storage tanks"),
    ],
)  # fmt: skip
def test_folders_are_spelled_as_words(folder: str, words: str) -> None:
    assert spelled(folder) == words.replace("_", " ")
