import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rsvlm.app import build, eval_data
from rsvlm.app.cli import main
from rsvlm.app.eval_data import ensure, locate, state
from rsvlm.app.eval_models import with_settings
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import EngineError, SettingsError
from rsvlm.eval.benchmark import load, load_all

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

BENCHMARK = """
name: made
version: 1
title: Ships or not, made up
source: these tests
task: vqa
data:
  file: test.jsonl
  build: smoke
  license: none
  where: {kind: presence}
prompt: {id: plain, user: "{question}\\nAnswer yes or no."}
parse: yes_no
group_by: [label]
protocols:
  - {id: yes-no, metric: presence, value: balanced, primary: true}
  - {id: exact, metric: vqa_accuracy, match: exact}
  - {id: gt-in-pred, metric: vqa_accuracy, match: contains, legacy: true}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RSVLM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    # The cache is empty: a model that is not a stub would be fetched.
    monkeypatch.setattr("rsvlm.app.progress.asset_progress", nullcontext)
    monkeypatch.setattr(build, "build_assistant", _no_model)


def _no_model(model: str) -> Assistant:
    raise AssertionError(f"a test wants the model {model}")


@pytest.fixture
def include(tmp_path: Path) -> str:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "made.yaml").write_text(BENCHMARK)
    return str(folder)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> StubEngine:
    stub = StubEngine(["yes"])
    monkeypatch.setattr(build, "build_assistant", lambda *_: Assistant(stub))
    monkeypatch.setattr("rsvlm.app.evaluate.checkpoint_of", lambda model: None)
    return stub


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["eval", *arguments])


def test_the_benchmarks_are_listed(include: str) -> None:
    result = run("list", "--include", include)
    assert result.exit_code == 0, result.output
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert "made" in names
    assert "vhr10-ref" in names
    entries = json.loads(run("list", "--include", include, "--json").stdout)
    assert {entry["name"] for entry in entries} == set(names)
    (made,) = [entry for entry in entries if entry["name"] == "made"]
    assert made["data"] == "makes itself"


def test_every_benchmark_that_ships_can_be_shown() -> None:
    from rsvlm.eval.protocols import checked

    for benchmark in load_all():
        result = run("show", benchmark.name)
        assert result.exit_code == 0, result.output
        for protocol in benchmark.protocols:
            checked(protocol)  # its metric exists and knows the parameters
            assert protocol.id in result.stdout


def test_a_run_is_asked_scored_continued_and_scored_again(
    include: str, engine: StubEngine, tmp_path: Path
) -> None:
    arguments = ("run", "-b", "made", "--out", "runs/a", "--include", include)
    result = run(*arguments, "--limit", "4")
    assert result.exit_code == 0, result.output
    assert "`yes-no` *" in result.stdout
    assert "4 (a part)" in result.stdout
    asked = len(engine.calls)
    assert run(*arguments, "--limit", "4").exit_code == 0
    assert len(engine.calls) == asked
    result = run("score", "runs/a", "--include", include, "--json")
    assert result.exit_code == 0, result.output
    ((entry),) = json.loads(result.stdout)
    assert [p["protocol"] for p in entry["protocols"]] == [
        "yes-no", "exact", "gt-in-pred",
    ]  # fmt: skip
    result = run("score", "runs/a", "--protocol", "exact")
    assert "gt-in-pred" not in result.stdout
    text = (tmp_path / "runs/a/run.json").read_text()
    assert str(tmp_path) not in text


def test_a_dry_run_asks_nothing(include: str, engine: StubEngine) -> None:
    result = run(
        "run", "-b", "made", "--out", "runs/a", "--include", include, "--dry-run"
    )
    assert result.exit_code == 0, result.output
    assert "protocols: yes-no, exact, gt-in-pred" in result.stdout
    assert engine.calls == []
    assert not Path("runs").exists()


def test_only_predictions(include: str, engine: StubEngine) -> None:
    result = run(
        "run", "-b", "made", "--out", "runs/a", "--include", include, "--limit", "2",
        "--predict-only",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert Path("runs/a/made/predictions.jsonl").is_file()
    assert not Path("runs/a/made/scores.jsonl").exists()


def test_the_reference_scores_one_and_can_be_replayed(include: str) -> None:
    arguments = ("run", "-b", "made", "--include", include, "--json")
    result = run(*arguments, "--model", "echo", "--out", "runs/a")
    assert result.exit_code == 0, result.output
    values = [p["value"] for p in json.loads(result.stdout)[0]["protocols"]]
    assert values == [1, 1, 1]
    replay = "replay:runs/a/made/predictions.jsonl"
    again = run(*arguments, "--model", replay, "--out", "runs/b")
    assert json.loads(again.stdout) == json.loads(result.stdout)
    assert run(*arguments, "--model", "replay:none", "--out", "c").exit_code == 1


def test_shards_merge_to_the_whole(include: str) -> None:
    arguments = ("run", "-b", "made", "--model", "echo", "--include", include)
    for name, shard in (("w", "0/1"), ("a", "0/2"), ("b", "1/2")):
        result = run(*arguments, "--out", name, "--shard", shard)
        assert result.exit_code == 0, result.output
    result = run("merge", "b", "a", "--out", "m")
    assert result.exit_code == 0, result.output
    for file in ("scores.jsonl", "metrics.json"):
        assert Path("m/made", file).read_bytes() == Path("w/made", file).read_bytes()


def test_failed_samples_are_status_3(
    include: str, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = StubEngine.generate

    def fails(self: StubEngine, messages: Any, **options: Any) -> Any:
        if len(self.calls) == 1:
            self.calls.append(list(messages))
            raise EngineError("The server is away. Start it.")
        return real(self, messages, **options)

    monkeypatch.setattr(StubEngine, "generate", fails)
    arguments = ("run", "-b", "made", "--include", include, "--limit", "3")
    result = run(*arguments, "--out", "a")
    assert result.exit_code == 3, result.output
    assert "1 samples have no reply" in result.stderr
    assert "| 1 |" in result.stdout  # and is scored nevertheless
    assert run("score", "a").exit_code == 3
    assert run("score", "a", "--allow-failures").exit_code == 0
    assert run(*arguments, "--out", "a").exit_code == 0  # asked again


def test_a_judge_is_a_column_of_its_own(include: str, engine: StubEngine) -> None:
    engine.replies = ["no", "right"]
    result = run(
        "run", "-b", "made", "--include", include, "--limit", "1", "--out", "a",
        "--judge", "other",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "judge:stub@" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-b", "mad"], "Did you mean 'made'?"),
        (["-b", "made", "--shard", "2/2"], "0/3"),
        (["-b", "made", "--coords", "percent"], "SPACE is norm1000"),
        (["-b", "made", "--coords", "norm1000"], "--through model"),
        (["-b", ","], "There is no benchmark"),
    ],
)
def test_a_user_error_is_one_line_and_status_1(
    arguments: list[str], words: str, include: str, engine: StubEngine
) -> None:
    result = run("run", *arguments, "--include", include, "--out", "a")
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert engine.calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["score"],
        ["score", ".", "--predictions", "own"],
        ["score", ".", "--format", "rswk"],
        ["run", "-b", "made"],
        ["run", "-b", "made", "--out", "a", "--limit", "0"],
        ["convert", "rsicd"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_file_of_another_project_is_scored_by_all_protocols(tmp_path: Path) -> None:
    line = {"question": "[vqa] [hr_rgb_0.5] <image> \n Is there a road?",
            "answer": "not sure", "annotation": "no", "vqa_type": "presence"}  # fmt: skip
    folder = tmp_path / "rs_vqa/results"
    folder.mkdir(parents=True)
    (folder / "LR.jsonl").write_text(json.dumps(line) + "\n")
    result = run(
        "score", "--predictions", str(folder / "LR.jsonl"), "--format", "earthdial",
        "--out", "scored", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    values = {p["protocol"]: p["value"] for p in found["protocols"]}
    assert set(values.values()) == {0.0, 1.0}  # "no" stands in "not sure"
    assert Path("scored/metrics.json").is_file()


def test_the_converters_are_listed() -> None:
    result = run("convert")
    assert result.exit_code == 0
    assert "rsicd" in result.stdout


def test_reports_and_comparisons_are_written(include: str) -> None:
    for name in ("a", "b"):
        run("run", "-b", "made", "--model", "echo", "--include", include, "--out", name)
    result = run("report", "a", "--html", "out", "--include", include)
    assert result.exit_code == 0, result.output
    assert Path("out/report.html").is_file()
    result = run("compare", "a", "b", "--html", "c.html", "--md", "c.md")
    assert result.exit_code == 0, result.output
    assert Path("c.html").is_file()
    assert "made" in result.stdout


def test_benchmarks_are_exported_for_another_harness(include: str) -> None:
    result = run(
        "export", "made", "--out", "lmms", "--include", include, "--limit", "2"
    )
    assert result.exit_code == 0, result.output
    (path,) = result.stdout.splitlines()
    docs = Path(path).with_suffix(".jsonl").read_text().splitlines()
    assert len(docs) == 2


def test_what_a_model_was_trained_on_is_refused_or_marked(
    include: str, engine: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = load("made", [Path(include)])
    files = ensure(benchmark, None, [Path(include)])
    line = json.loads(files.file.read_text().splitlines()[0])
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "train-images.txt").write_text(line["images"][0]["sha256"] + "\n")
    monkeypatch.setattr("rsvlm.app.evaluate.checkpoint_of", lambda model: checkpoint)
    arguments = ("run", "-b", "made", "--include", include, "--out", "a")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "--allow-leak" in result.stderr
    result = run(*arguments, "--allow-leak", "--limit", "3")
    assert result.exit_code == 0, result.output
    assert "trained on" in result.stderr
    (entry,) = json.loads(Path("a/run.json").read_text())["benchmarks"]
    assert "trained on" in entry["leakage"]


# --- data --------------------------------------------------------------------------


def test_data_are_made_once(include: str, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = load("made", [Path(include)])
    lines: list[str] = []
    first = ensure(benchmark, None, [Path(include)], lines.append)
    assert first.file.is_file()
    assert lines
    lines.clear()
    assert ensure(benchmark, None, [Path(include)], lines.append) == first
    assert lines == []
    assert state(benchmark) == "ready"


def test_a_folder_that_was_built_is_taken_as_it_is(
    include: str, tmp_path: Path
) -> None:
    from rsvlm.data_engine.build import build as build_data

    benchmark = load("made", [Path(include)])
    build_data("smoke", tmp_path, tmp_path / "built")
    found = locate(benchmark, str(tmp_path / "built"))
    assert found is not None
    assert found.file.parent == tmp_path / "built"
    # The same file name of another recipe is another thing.
    (tmp_path / "built/run.json").write_text('{"recipe": {"name": "tiny"}}')
    assert locate(benchmark, str(tmp_path / "built")) is None


def test_data_that_need_consent_are_asked_for() -> None:
    names = [b for b in load_all() if b.data.convert and not eval_data._is_ours(b)]
    for benchmark in names[:2]:
        assert state(benchmark) == "convert first"
        with pytest.raises(SettingsError, match=r"rsvlm eval convert"):
            ensure(benchmark)


def test_settings_join_a_query() -> None:
    own = {"timeout": 9.5, "retries": 4, "concurrency": None}
    assert with_settings("http://h/v1#m", own) == "http://h/v1?timeout=9.5&retries=4#m"
    assert with_settings("http://h/v1?timeout=1#m", own) == (
        "http://h/v1?timeout=1&retries=4#m"
    )
    assert with_settings("http://h/v1", {}) == "http://h/v1"
    assert with_settings("tiny", own) == "tiny"
