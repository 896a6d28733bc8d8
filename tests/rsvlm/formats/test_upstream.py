"""Files of others: what is read, and how faults name the place."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.upstream import (
    Fields,
    found,
    read_csv,
    read_json,
    read_objects,
    split_named,
)


def test_a_fault_names_file_entry_and_key(tree: Any) -> None:
    path = tree.json("a.json", [{"name": "x"}, {"other": 1}])
    _, second = read_objects(path)
    with pytest.raises(ParseError, match=r"a\.json\[1\]: 'name' is missing\. Fetch"):
        second.text("name")


@pytest.mark.parametrize("value", [None, True, [], {}, "", "  "])
def test_only_texts_and_numbers_are_texts(value: object) -> None:
    with pytest.raises(ParseError, match="'name' is"):
        Fields({"name": value}, "a.json").text("name")


def test_a_number_is_read_as_text() -> None:
    assert Fields({"id": 7}, "a").text("id") == "7"


def test_the_first_key_that_is_there_counts() -> None:
    assert Fields({"raw": "a", "sent": "b"}, "a").text("raw", "sent") == "a"
    assert Fields({"sent": "b"}, "a").text("raw", "sent") == "b"


@pytest.mark.parametrize(
    "value", [[1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, True], [1, 2, 3, float("nan")], None]
)
def test_numbers_are_as_many_finite_ones(value: object) -> None:
    with pytest.raises(ParseError, match=r"not 4 numbers|not a list"):
        Fields({"box": value}, "a").numbers("box", 4)


def test_json_faults_name_the_line(tree: Any) -> None:
    path = tree.text("a.json", '{"a": 1,\n"b": }')
    with pytest.raises(ParseError, match=r"a\.json, line 2"):
        read_json(path)


def test_lines_of_json_are_read_as_well_as_a_list(tree: Any) -> None:
    listed = tree.json("a.json", [{"n": 1}, {"n": 2}])
    lined = tree.text("b.jsonl", '{"n": 1}\n\n{"n": 2}')
    for path in (listed, lined):
        assert [entry.raw("n") for entry in read_objects(path)] == [1, 2]


def test_a_broken_line_is_named(tree: Any) -> None:
    path = tree.text("a.jsonl", '{"n": 1}\n{"n": \n')
    with pytest.raises(ParseError, match=r"a\.jsonl, line 2"):
        list(read_objects(path))


def test_deep_nesting_is_refused(tree: Any) -> None:
    path = tree.text("a.json", "[" * 200_000)
    with pytest.raises(ParseError, match=r"a\.json"):
        read_json(path)


def test_a_byte_order_mark_is_dropped(tree: Any) -> None:
    path = tree.at("a.json")
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}


def test_other_encodings_are_refused(tree: Any) -> None:
    path = tree.at("a.json")
    path.write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(ParseError, match="not UTF-8"):
        read_json(path)


def test_a_missing_file_says_which_folder_to_name(tree: Any) -> None:
    with pytest.raises(ParseError, match=r"'a\.json'.*Name the folder"):
        read_json(tree.root / "a.json")


def test_a_table_has_keys_in_lower_case_and_quoted_line_breaks(tree: Any) -> None:
    path = tree.text("a.csv", 'Image,Caption\nx.png,"one,\ntwo"\n\ny.png,three\n')
    rows = list(read_csv(path))
    assert [row.text("caption") for row in rows] == ["one,\ntwo", "three"]
    assert rows[1].where == "a.csv, line 5"


def test_a_row_that_is_too_long_is_a_fault(tree: Any) -> None:
    path = tree.text("a.csv", "image,caption\nx.png,one,two\n")
    with pytest.raises(ParseError, match="line 2: 3 values for 2 columns"):
        list(read_csv(path))


def test_splits_by_any_of_their_names() -> None:
    assert split_named("RestVal", "a") == "train"
    assert split_named("dev", "a") == "val"
    with pytest.raises(ParseError, match="unknown split 'extra'"):
        split_named("extra", "a")


def test_nothing_found_names_the_pattern(tree: Any) -> None:
    tree.text("x/b.json", "{}")
    assert [path.name for path in found(tree.root, "a*.json", "b*.json")] == ["b.json"]
    with pytest.raises(ParseError, match=r"a\*\.json"):
        found(tree.root, "a*.json")
