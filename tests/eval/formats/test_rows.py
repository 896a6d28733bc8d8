"""Records of JSON and JSONL files, and what is said of broken ones."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import ParseError
from rsvlm.eval.formats.rows import list_of, load_rows, text_of


def test_lines_and_lists_are_read_alike(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text('\ufeff{"x": 1}\n\n{"x": "a\u2028b"}\n', encoding="utf-8")
    rows = load_rows(lines).rows
    assert [row.fields for row in rows] == [{"x": 1}, {"x": "a\u2028b"}]
    assert [row.id for row in rows] == ["a:0", "a:2"]
    listed = tmp_path / "b.json"
    listed.write_text('[{"x": 1}, {"x": 2}]', encoding="utf-8")
    assert [row.id for row in load_rows(listed).rows] == ["b:0", "b:1"]


def test_a_last_line_that_was_cut_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": 1}\n{"x": ', encoding="utf-8")
    found = load_rows(path)
    assert len(found.rows) == 1
    assert "cut" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no records"),
        ("[]", "holds no records"),
        ('{"x": 1}\nnonsense\n{"x": 1}\n', "a.jsonl, line 2"),
        ('[{"x": 1}', "starts a JSON list"),
        ("3\n", "is no JSON object"),
        ("[3]", "record 1"),
        ("[" * 100_000, "starts a JSON list"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParseError, match=message):
        load_rows(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ParseError, match="no UTF-8 text"):
        load_rows(path)
    with pytest.raises(ParseError, match="Check the path"):
        load_rows(tmp_path / "absent.jsonl")


def test_a_missing_key_names_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": null, "y": 2}\n', encoding="utf-8")
    row = load_rows(path).rows[0]
    assert row.text("x") == ""
    assert row.first("z", "y") == "2"
    assert row.rest("x") == {"y": 2}
    with pytest.raises(ParseError, match=r"line 1: there is no 'z' \(keys: x, y\)"):
        row.first("z", "q")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['a']", ["a"]),
        ([1], [1]),
        ("[[1, 2]]", [[1, 2]]),
        ("a, b", None),
        ("[a]", None),
        ("[1, 2][3]", None),
        ("[__import__('os')]", None),
        (None, None),
        (3, None),
    ],
)
def test_lists_in_strings(value: Any, expected: list[Any] | None) -> None:
    assert list_of(value) == expected


@given(st.text(alphabet="[]'\"(){}a1,: ", max_size=40))
def test_no_text_breaks_the_reading_of_lists(text: str) -> None:
    assert list_of(text) is None or isinstance(list_of(text), list)


def test_numbers_as_text() -> None:
    assert [text_of(v) for v in (3.0, 3.5, True, None, float("inf"), [1])] == [
        "3",
        "3.5",
        "True",
        "",
        "inf",
        "[1]",
    ]
