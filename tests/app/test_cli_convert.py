import json
from pathlib import Path

from click.testing import CliRunner

from rsvlm.app.cli import main

ROW = {"text": "ship [100,200,300,400]", "width": 50, "height": 50}


def test_a_file_is_rewritten(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text(json.dumps(ROW) + "\n")
    done = CliRunner().invoke(
        main, ["convert-answers", str(source), str(out), "--from", "rsvlm", "--to", "json-1000"]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 answers, 1 regions, 0 faulty lines" in done.output
    row = json.loads(out.read_text())
    assert json.loads(row["text"]) == [
        {"bbox_2d": [100, 200, 300, 400], "label": "ship"}
    ]


def test_faulty_lines_are_told_and_good_ones_written(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text("{\n" + json.dumps(ROW) + "\n")
    done = CliRunner().invoke(
        main, ["convert-answers", str(source), str(out), "--from", "rsvlm"]
    )
    assert done.exit_code == 3
    assert "line 1: Invalid JSON" in done.output
    assert len(out.read_text().splitlines()) == 1


def test_an_unknown_dialect_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text("")
    done = CliRunner().invoke(
        main, ["convert-answers", str(source), "-", "--from", "klingon"]
    )
    assert done.exit_code == 1
    assert "klingon" in done.output
