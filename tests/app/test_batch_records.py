"""Questions that are read and answers that are written, line by line."""

import json
from pathlib import Path

import pytest

from rsvlm.answer import Answer, ModelInfo
from rsvlm.app.batch_asking import grouped
from rsvlm.app.batch_records import (
    AnswerFile,
    BatchQuestion,
    BatchResult,
    Failure,
    read_questions,
)
from rsvlm.errors import ParseError, SettingsError
from tests.conftest import Tree

PLAIN = {"id": "a", "images": ["x.tif"], "question": "What is it?"}


def test_questions_are_read_as_tables_write_them(tree: Tree) -> None:
    full = {**PLAIN, "id": 2, "task": None, "shape": "obb", "sensor": "sar"}
    text = f"\ufeff{json.dumps(PLAIN)}\r\n\n{json.dumps(full)}"
    first, second = read_questions(tree.text("q.jsonl", text))
    assert (first.id, first.task, first.shape) == ("a", "auto", None)
    assert (second.id, second.task, second.shape) == (2, "auto", "obb")
    assert (first.sensor, second.sensor) == ("auto", "sar")


def test_every_faulty_line_is_named(tree: Tree) -> None:
    lines = [
        json.dumps(PLAIN),
        "{no json",
        json.dumps({**PLAIN, "id": "b", "qestion": "?"}),
        json.dumps({**PLAIN, "id": "c", "task": "grond"}),
        json.dumps({**PLAIN, "id": "d", "images": []}),
        json.dumps(PLAIN),
        json.dumps({**PLAIN, "id": "e", "question": "  "}),
    ]
    with pytest.raises(ParseError) as caught:
        read_questions(tree.text("q.jsonl", "\n".join(lines)))
    said = str(caught.value)
    assert "line 2: Invalid JSON" in said
    assert "line 3: Unknown field 'qestion'. Did you mean 'question'?" in said
    assert "line 4: task: Unknown task 'grond'. Did you mean 'ground'?" in said
    assert "line 5: images" in said
    assert "line 6: the id 'a' stands in line 1 too; and 1 more" in said


def test_a_number_and_its_digits_are_one_id(tree: Tree) -> None:
    lines = [{**PLAIN, "id": 1}, {**PLAIN, "id": "1"}]
    with pytest.raises(ParseError, match="line 2: the id '1' stands in line 1 too"):
        read_questions(tree.jsonl("q.jsonl", lines))


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_questions_is_refused(tree: Tree, text: str) -> None:
    with pytest.raises(SettingsError, match="holds no question"):
        read_questions(tree.text("q.jsonl", text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.jsonl"):
        read_questions(tmp_path / "none.jsonl")


def test_questions_of_an_image_stand_together() -> None:
    def asked(id: str, *images: str) -> BatchQuestion:
        return BatchQuestion(id=id, images=images, question="?")

    questions = [
        asked("1", "b"), asked("2", "a"), asked("3", "b", "a"), asked("4", "b"),
        asked("5", "a"),
    ]  # fmt: skip
    assert [q.id for q in grouped(questions)] == ["1", "4", "3", "2", "5"]


def good(id: str) -> BatchResult:
    answer = Answer(
        task="vqa", question="What?", text="A port. \u2028 é", confidence=1.0,
        model=ModelInfo(name="m", revision="1", engine="stub"),
    )  # fmt: skip
    return BatchResult(id=id, status="ok", answer=answer)


def bad(id: str) -> BatchResult:
    failure = Failure(type="ImageError", message="It is broken.")
    return BatchResult(id=id, status="error", error=failure)


def test_wherever_a_kill_cuts_only_the_last_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswerFile(path) as file:
        file.add(good("x"))
        file.add(bad("y"))
        file.add(good("z"))
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    near = {end + step for end in (0, *ends) for step in (-1, 0, 1, 2)}
    for cut in sorted({*range(0, len(data), 29), *near} & {*range(len(data) + 1)}):
        path.write_bytes(data[:cut])
        whole = sum(end - 1 <= cut for end in ends)  # the end of a line may be missing
        with AnswerFile(path) as file:
            known = [file.status(id) for id in "xyz"]
            file.add(good("new"))
        assert known == ["ok", "error", "ok"][:whole] + [None] * (3 - whole)
        lines = path.read_text(encoding="utf-8").split("\n")
        assert [json.loads(line)["id"] for line in lines[:-1]] == [
            *"xyz"[:whole], "new",
        ]  # fmt: skip


def test_the_later_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswerFile(path) as file:
        file.add(bad("x"))
        file.add(good("x"))
    with AnswerFile(path) as file:
        assert file.status("x") == "ok"


def test_a_strange_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\nof a year\n")
    with pytest.raises(ParseError, match="line 1 is no answer"):
        AnswerFile(path)
    assert path.read_text() == "my notes\nof a year\n"


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"FeatureCollection","features":[]}',
        '{"type":"Feature',
        "my notes",
        json.dumps(PLAIN),
        json.dumps(PLAIN)[:-5],
        json.dumps(PLAIN, separators=(",", ":")),
        json.dumps(PLAIN, separators=(",", ":"))[:-5],
        '{"id":null',
        '{"id":1,"status":"open"}',
        good("x").to_line() + '\n{"type":"Feature"}',
    ],
)
def test_a_strange_end_without_a_newline_is_left_as_it_is(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "result.geojson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParseError, match=r"result\.geojson, line .* is no answer"):
        AnswerFile(path)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("id", ["x", 'a "b\\', "", 7, -3, "\u2028é"])
def test_every_beginning_of_a_record_is_repaired(tmp_path: Path, id: str | int) -> None:
    path = tmp_path / "a.jsonl"
    failure = Failure(type="ImageError", message="It is broken.")
    record = BatchResult(id=id, status="error", error=failure)
    line = record.to_line().encode()
    for zeros in (b"", b"\0\0"):
        for cut in range(len(line)):
            path.write_bytes(line[:cut] + zeros)
            with AnswerFile(path) as file:
                assert file.status(id) is None
            assert path.read_bytes() == b""


def test_a_result_is_one_of_both() -> None:
    with pytest.raises(ValueError, match="belong together"):
        BatchResult(id="x", status="ok")
