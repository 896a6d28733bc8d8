"""``rsvlm data``: build, validate, show, pack, licences, as a user calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rsvlm.app.cli import main
from rsvlm.data_engine.recipes import RECIPES, Recipe


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the recipe ``smoke``."""
    out = tmp_path_factory.mktemp("built") / "smoke"
    result = _run("build", "smoke", "--out", str(out), "--use", "commercial")
    assert result.exit_code == 0
    assert result.stdout == f"{out}\n"
    assert "synthetic train: 24 images" in result.stderr
    return out


def _run(*args: str) -> Result:
    return CliRunner().invoke(main, ["data", *args])


def test_a_build_is_valid(built: Path) -> None:
    result = _run("validate", str(built / "train.jsonl"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "samples of 56 images" in result.stderr
    assert "no faults" in result.stderr


def test_faults_are_printed_and_the_status_is_3(built: Path, tmp_path: Path) -> None:
    line = (built / "val.jsonl").read_text().splitlines()[0]
    path = tmp_path / "val.jsonl"
    path.write_text(f"{line}\n{{\n{line}\n")
    result = _run("validate", str(path), "--no-images")
    assert result.exit_code == 3
    places = [text.split(": ")[0] for text in result.stdout.splitlines()]
    assert places == ["val.jsonl:2", "val.jsonl:3"]
    result = _run("validate", str(path), "--no-images", "--json")
    assert result.exit_code == 3
    fields = json.loads(result.stdout)
    assert fields["samples"] == 3
    assert len(fields["faults"]) == 2


def test_shards_are_packed_validated_and_shown(built: Path, tmp_path: Path) -> None:
    result = _run("pack", str(built / "test.jsonl"), "--out", str(tmp_path / "s"))
    assert result.exit_code == 0
    (shard,) = map(Path, result.stdout.split())
    assert _run("validate", str(shard)).exit_code == 0
    page = tmp_path / "page.html"
    result = _run("show", str(shard), "--out", str(page), "--limit", "4")
    assert result.stdout == f"{page}\n"
    text = page.read_text()
    assert text.count('class="card"') == 4
    assert text.count("data:image/webp") >= 4


def test_the_page_of_a_build_shows_samples_and_numbers(built: Path) -> None:
    result = _run("show", str(built), "--limit", "24")
    assert result.exit_code == 0
    text = (built / "show.html").read_text()
    assert text.count('class="card"') == 24
    for words in ("Tasks", "Classes", "Sizes of objects", "Ground sampling", "Sensors",
                  "Licences", "storage tank", "16 to 32 px", "10 to 30 m/px", "CC0-1.0"):  # fmt: skip
        assert words in text
    assert "<polygon" in text  # a drawn region
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text


def test_the_page_tells_leaks_and_rewrites(built: Path, tmp_path: Path) -> None:
    (tmp_path / "val.jsonl").write_bytes((built / "val.jsonl").read_bytes())
    run = {
        "leaks": {"images": 1234, "left out": 5},
        "rewrites": {"kept": 30, "texts": 40},
    }
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert _run("show", str(tmp_path), "--limit", "1").exit_code == 0
    text = (tmp_path / "show.html").read_text()
    assert "5 left out of 1,234 images" in text
    assert "30 of 40 texts" in text


def test_samples_are_chosen(built: Path) -> None:
    out = built.parent / "some.html"
    file = str(built / "train.jsonl")
    for args, count in (
        (("--task", "detect"), 12),
        (("--source", "synthetic_pairs", "--task", "retrieve"), 12),
        (("--id", "synthetic/000/"), None),
    ):
        assert _run("show", file, "--out", str(out), *args).exit_code == 0
        text = out.read_text()
        if count is None:
            assert text.count('<p class="file">synthetic/000/') == text.count(
                'class="card"'
            )
        else:
            assert text.count('class="card"') == count
    result = _run("show", file, "--out", str(out), "--task", "sing")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: None of the ")


def test_text_of_a_sample_cannot_become_part_of_the_page(
    built: Path, tmp_path: Path
) -> None:
    line = (built / "train.jsonl").read_text().splitlines()[0]
    fields: Any = json.loads(line)
    fields["conversation"][0]["text"] = "<script>alert(1)</script>"
    fields["id"] = "<b>x</b>"
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(fields) + "\n")
    assert _run("show", str(path)).exit_code == 0
    text = (tmp_path / "a.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<b>x</b>" not in text
    assert "No picture" in text  # the image is not there, the page is


def test_licences_of_a_build(built: Path, tmp_path: Path) -> None:
    result = _run("licences", str(built))
    assert result.exit_code == 0
    assert "synthetic         commercial  CC0-1.0" in result.stdout
    assert "Nobody has to be named." in result.stdout
    fields = json.loads(_run("licences", str(built), "--json").stdout)
    kinds = {entry.kind for entry in RECIPES["smoke"].sources}
    assert {row["source"] for row in fields["sources"]} == kinds
    assert sum(row["samples"] for row in fields["sources"]) > 500
    result = _run("licences", str(tmp_path))
    assert result.exit_code == 1
    assert "There are no samples in" in result.stderr


def test_licences_of_all_sources() -> None:
    result = _run("licences")
    assert result.exit_code == 0
    assert "vhr10" in result.stdout
    assert "Contains modified Copernicus Sentinel data 2020." in result.stdout


def test_a_use_that_does_not_fit_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(name="mixed", sources=("synthetic", "vhr10"))
    monkeypatch.setitem(RECIPES, "mixed", recipe)
    result = _run("build", "mixed", "--out", str(tmp_path / "o"), "--use", "commercial")
    assert result.exit_code == 1
    assert "--use commercial does not fit vhr10 (" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["validate", "show", "licences", "pack"])
def test_a_missing_file_is_one_line(command: str, tmp_path: Path) -> None:
    args = ["--out", str(tmp_path / "x")] if command == "pack" else []
    result = _run(command, str(tmp_path / "none.jsonl"), *args)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "none.jsonl" in result.stderr
