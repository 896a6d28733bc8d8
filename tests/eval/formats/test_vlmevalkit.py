"""Prediction tables of VLMEvalKit, in every form; contents are made up."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import MissingExtraError, ParseError, SettingsError
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.formats.tables import load_table
from rsvlm.eval.formats.vlmevalkit import read

Write = Callable[..., Path]

COLUMNS = ["index", "question", "A", "B", "C", "answer", "category", "prediction"]
ROWS: list[list[Any]] = [
    [1, "What is it, there?", "pier", "ship", "", "B", "object", "The answer is B."],
    [2, "What\nis it?", "red", "blue", "grey", "C", "colour", ""],
    [3, "What?", "1", "2", "3", "A", "count", "Failed to obtain answer via API."],
]


def write_rows(path: Path, rows: list[list[Any]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t")])
def test_delimited_tables(tmp_path: Path, name: str, separator: str) -> None:
    found = read(write_rows(tmp_path / name, [COLUMNS, *ROWS], separator))
    check(found)


def check(found: Any) -> None:
    assert [s.id for s in found.samples] == ["1", "2", "3"]
    assert [s.options for s in found.samples] == [
        ("pier", "ship"),
        ("red", "blue", "grey"),
        ("1", "2", "3"),
    ]
    assert [s.answers for s in found.samples] == [("B",), ("C",), ("A",)]
    assert [s.type for s in found.samples] == ["object", "colour", "count"]
    assert [p.status for p in found.predictions] == ["ok", "empty", "error"]
    assert found.group_by == ("type",)
    assert not found.clusters_known
    assert "names no images" in found.notes[0]


def test_sheets(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [COLUMNS, *ROWS]:
        book.active.append([cell or None for cell in row])
    book.save(tmp_path / "a.xlsx")
    check(read(tmp_path / "a.xlsx"))
    (tmp_path / "b.xlsx").write_text("no zip")
    with pytest.raises(ParseError, match="no XLSX table"):
        read(tmp_path / "b.xlsx")


def test_sheets_without_openpyxl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)  # as if it were not installed
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(MissingExtraError, match="pip install 'rsvlm"):
        read(tmp_path / "a.xlsx")


def test_images_cluster_where_all_are_named(tmp_path: Path) -> None:
    rows = [["index", "question", "answer", "prediction", "image_path"],
            ["1", "How many?", "3", "3", "['a.png', 'b.png']"],
            ["2", "Urban?", "yes", "no", "a.png"]]  # fmt: skip
    found = read(write_rows(tmp_path / "a.csv", rows))
    assert found.clusters_known
    assert [s.images[0].path for s in found.samples] == ["a.png", "a.png"]
    assert {s.task for s in found.samples} == {"vqa"}


def test_options_may_stand_in_the_question(tmp_path: Path) -> None:
    rows = [["index", "question", "answer", "prediction"],
            ["1", "What?\nA. pier\nB. ship", "A", "A"]]  # fmt: skip
    found = read(write_rows(tmp_path / "a.csv", rows))
    assert found.samples[0].options == ("pier", "ship")


def test_tables_without_answers_need_samples(tmp_path: Path) -> None:
    rows = [["index", "question", "prediction"], ["7", "Urban?", "yes"]]
    path = write_rows(tmp_path / "a.csv", rows)
    with pytest.raises(ParseError, match="no column 'answer'"):
        read(path)
    sample = make_sample("x", "vqa", "t", answers=["yes"], meta={"index": 7})
    assert read(path, {"x": sample}).predictions[0].raw == "yes"


def test_long_cells_and_records(tmp_path: Path, write: Write) -> None:
    before = csv.field_size_limit()
    long = "A" * 200_000
    path = write_rows(tmp_path / "a.tsv", [["index", "image"], ["1", long]], "\t")
    assert load_table(path).rows[0].text("image") == long
    assert csv.field_size_limit() == before
    assert load_table(write("a.json", [{"index": 1}])).rows[0].text("index") == "1"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b\n1,2,3\n", "row 2: 3 cells under 2"),
        ("a.csv", "a,b\n", "holds no rows"),
        ("a.csv", "", "holds no rows"),
        ("a.pkl", "x", "is no table"),
        ("absent.csv", None, "Check the path"),
    ],
)
def test_broken_tables(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises((ParseError, SettingsError), match=message):
        load_table(tmp_path / name)
