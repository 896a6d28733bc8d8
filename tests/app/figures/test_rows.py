"""The table: its rows name what there is, and goals are read the right way."""

from pathlib import Path

import pytest

from rsvlm.app.figures.rows import Row, read_table
from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import load


def test_rows_of_the_project_name_benchmarks_and_protocols() -> None:
    table = read_table()
    by_eval = {part.name for part in table.part if part.by == "eval"}
    for row in table.row:
        if row.part in by_eval:
            protocols = {protocol.id for protocol in load(row.benchmark).protocols}
            assert row.protocol in protocols, row.title
    titles = [row.title for row in table.row]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("goal", "value", "is_met", "words"),
    [
        ({"at_least": 0.9}, 0.9, True, ">= 0.90"),
        ({"at_least": 0.9}, 0.89, False, ">= 0.90"),
        ({"at_most": 0.05}, 0.05, True, "<= 0.05"),
        ({"at_most": 8, "unit": "s"}, 8.1, False, "<= 8.0 s"),
        ({"times_chance": 5}, 0.2, True, ">= 5 x chance"),
        ({"times_chance": 5}, 0.19, False, ">= 5 x chance"),
        ({}, 0.2, None, ""),
    ],
)
def test_goals(
    goal: dict[str, float], value: float, is_met: bool | None, words: str
) -> None:
    fields = {"title": "T", "part": "p", "benchmark": "b", "protocol": "x"}
    row = Row.model_validate(fields | goal)
    assert row.is_met(value, 0.04) is is_met
    assert row.goal == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("part = [", "no TOML"),
        ("row = []", "part"),
        ('[[part]]\nname = "a"\n[[part]]\nname = "a"\nrow = []', "Correct"),
        (
            'row = [{title="T", part="b", benchmark="x", protocol="y"}]\n[[part]]\nname = "a"',
            "is of no part: 'b'",
        ),
    ],
)
def test_a_faulty_table_names_the_fault(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "table.toml"
    file.write_text(text)
    with pytest.raises(ParseError, match=words):
        read_table(file)
    with pytest.raises(ParseError, match="There is no table"):
        read_table(tmp_path / "none.toml")
