"""Reading RSSCN7: labels, splits by class, broken files."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rsvlm.data_engine.sources import rsscn7 as source
from rsvlm.errors import ParseError, SettingsError

Write = Callable[..., Path]


def test_a_record_has_its_class_and_the_closed_list(rsscn7: Write) -> None:
    records = list(source.read(rsscn7(1), "test"))
    labels = {record.name: record.label for record in records}
    assert labels == {
        "a500.webp": "forest",
        "a501.webp": "forest",
        "b500.webp": "river_lake",
        "b501.webp": "river_lake",
        "c500.webp": "grass",
        "c501.webp": "grass",
    }
    first = records[0]
    assert (first.width, first.height) == (16, 12)
    assert first.scenes == ("forest", "grass", "river_lake")
    assert first.objects == ()
    assert "research only" in first.licence


def test_val_takes_28_of_each_class(rsscn7: Write) -> None:
    root = rsscn7(40)
    train, val = list(source.read(root, "train")), list(source.read(root, "val"))
    per_class = {"forest": 28, "river_lake": 28, "grass": 28}
    assert Counter(record.label for record in val) == per_class
    assert Counter(record.label for record in train) == dict.fromkeys(per_class, 12)
    assert not {record.name for record in train} & {record.name for record in val}


def test_the_hold_out_is_no_run_of_neighbours(rsscn7: Write) -> None:
    # Names follow the four map scales of the set: a run would hold one scale.
    val = [r.name for r in source.read(rsscn7(60), "val") if r.label == "forest"]
    numbers = [int(name[1:4]) for name in val]
    assert min(numbers) < 15
    assert max(numbers) >= 45


def test_the_hold_out_is_the_same_in_any_order_of_the_list(rsscn7: Write) -> None:
    root = rsscn7(30)
    before = {record.name for record in source.read(root, "val")}
    head, *rows = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join([head, *reversed(rows)]))
    assert {record.name for record in source.read(root, "val")} == before


def test_missing_labels_say_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"labels\.csv.*--data"):
        next(source.read(tmp_path / "rsscn7", "train"))


def test_a_missing_tar_says_where_and_what_to_do(rsscn7: Write) -> None:
    root = rsscn7(1)
    (root / "images_test.tar").unlink()
    with pytest.raises(SettingsError, match=r"images_test\.tar.*--data"):
        next(source.read(root, "test"))


def test_a_missing_column_is_named(rsscn7: Write) -> None:
    root = rsscn7(1)
    (root / "labels.csv").write_text("name,label\na500.webp,forest\n")
    with pytest.raises(ParseError, match=r"labels\.csv, line 2: 'split' is missing"):
        next(source.read(root, "test"))
