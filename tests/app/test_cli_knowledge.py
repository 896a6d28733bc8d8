"""The commands of knowledge bases, with the encoder replaced by a small one."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rsvlm.app.cli import main


class Words:
    """Vectors of the letters of a text."""

    name, width, limit = "letters", 32, 60

    def __init__(self, asset: object = None) -> None:
        pass

    def count(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text)) + 2

    def encode(self, texts: Sequence[str]) -> Any:
        out = np.full((len(texts), self.width), 1e-3, np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()):
                row[sum(map(ord, word.rstrip("s"))) % self.width] += 1
        return out / np.linalg.norm(out, axis=1, keepdims=True)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("rsvlm.retrieval.encoders.SentenceEncoder", Words)
    monkeypatch.setattr("rsvlm.retrieval.wiring.SentenceEncoder", Words)

    def command(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["knowledge", *map(str, arguments)])

    return command


def test_build_search_verify_rebuild(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "kb"
    built = run("build", "smoke", "--out", folder, "--json")
    assert built.exit_code == 0, built.output
    assert json.loads(built.stdout)["passages"] >= 180
    record = json.loads((folder / "run.json").read_text())
    assert record["config"]["name"] == "smoke"
    assert str(tmp_path) not in json.dumps(record)
    again = run("build", "smoke", "--out", folder)
    assert "(0 new, 0 removed, 0 encoded)" in again.stdout

    told = run("search", folder, "What is NDVI?")
    assert told.stdout.startswith("NDVI, the normalised difference vegetation index")
    assert "Apache-2.0" in told.stdout
    asked = json.loads(run("search", folder, "speckle of radar", "--json").stdout)
    assert asked["answer"] is None
    assert asked["passages"][0]["id"] == 1
    nothing = run("search", folder, "Who won the football cup?")
    assert nothing.stdout == "No evidence found.\n"

    assert "ok (" in run("verify", folder).stdout
    next(iter(folder.glob("vectors-*.f32"))).write_bytes(b"")
    broken = run("verify", folder)
    assert broken.exit_code == 1
    assert "vectors-" in broken.stdout
    refused = run("search", folder, "speckle")
    assert refused.exit_code == 1
    assert "rsvlm knowledge rebuild" in refused.stderr
    assert run("rebuild", folder).exit_code == 0
    assert run("verify", folder).exit_code == 0


def test_user_errors_are_one_line(run: Any, tmp_path: Path) -> None:
    for arguments in (
        ("build", "wrold", "--out", tmp_path / "a"),
        ("search", tmp_path, "x"),
        ("verify", tmp_path / "none"),
        ("rebuild", tmp_path / "none"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("Error: ")
