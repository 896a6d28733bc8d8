"""Chips of aircraft: groups stay together, doubtful labels stay out."""

import os
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from rsvlm.data_engine.records import SPLITS
from rsvlm.data_engine.sources import sar_acd as source
from rsvlm.errors import ParseError, SettingsError


def test_groups_are_whole_and_conflicts_are_left_out(sar_acd: Path) -> None:
    groups = {
        split: Counter(r.meta["group"] for r in source.read(sar_acd, split))
        for split in SPLITS
    }
    # 12 training groups: the sixth and the twelfth are kept; chip 23 is in the latter.
    assert groups["val"] == {"g005": 2, "g011": 1}
    assert set(groups["test"]) == {"g012", "g013", "g014"}
    assert len(groups["train"]) == 10
    assert set(groups["train"].values()) == {2}


def test_chips_come_as_stored_with_names_as_people_write_them(sar_acd: Path) -> None:
    records = list(source.read(sar_acd, "train"))
    first = records[0]
    assert (first.name, first.label) == ("A220-000.jpg", "A220")
    assert {r.label for r in records} <= set(first.aircraft)
    assert "A320/A321" in first.aircraft
    assert "Boeing 787" in first.aircraft
    assert (first.sensor, first.gsd_m) == ("sar", 1.0)
    with Image.open(BytesIO(first.image)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (50, 40))
    assert (first.width, first.height) == (50, 40)


def test_faults_are_told(sar_acd: Path) -> None:
    labels = sar_acd / "labels.csv"
    text = labels.read_text()
    labels.write_text(text.replace("A330,", "A340,"))
    with pytest.raises(ParseError, match=r"labels\.csv, line 6: 'class' is 'A340'"):
        list(source.read(sar_acd, "train"))
    labels.write_text(text.replace("group", "grp"))
    with pytest.raises(ParseError, match=r"labels\.csv, line 2: 'group' is missing"):
        list(source.read(sar_acd, "train"))
    labels.write_text(text.replace("A220/000.jpg", "A220/999.jpg"))
    with pytest.raises(ParseError, match=r"no file 'A220/999\.jpg'"):
        list(source.read(sar_acd, "train"))
    labels.write_text(text)
    (sar_acd / "images.tar.gz").write_bytes(b"no tar")
    with pytest.raises(ParseError, match="no readable tar"):
        list(source.read(sar_acd, "train"))
    (sar_acd / "images.tar.gz").unlink()
    with pytest.raises(SettingsError, match=r"images\.tar\.gz"):
        list(source.read(sar_acd, "train"))


def test_the_real_chips_are_split_by_groups() -> None:
    data = Path(os.environ.get("RSVLM_DATA", Path(__file__).parents[3] / "shared/data"))
    if not data.is_dir():
        pytest.skip("the datasets are not there")
    rows = {split: source._rows(data / "sar_acd/labels.csv", split) for split in SPLITS}
    assert {split: len(part) for split, part in rows.items()} == {
        "train": 2050,
        "val": 358,
        "test": 520,
    }
    groups = [{row["group"] for row in part} for part in rows.values()]
    assert len(set().union(*groups)) == sum(map(len, groups))
    assert all(
        {r["class"] for r in part} == set(source.TYPES) for part in rows.values()
    )
