import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import EngineError, EngineRefusedError, SettingsError
from rsvlm.eval.records import Prediction
from rsvlm.eval.run import HOPELESS, Job, Options, ask_all, pause
from rsvlm.eval.session import run_jobs, score_run
from rsvlm.eval.shards import Shard
from rsvlm.eval.store import read_predictions
from rsvlm.samples import Sample


def job(made: Any, count: int, **fields: Any) -> Job:
    samples = tuple(made.sample(number) for number in range(count))
    return Job(made.benchmark(**fields), samples, Path("."))


def yes(sample: Sample, seed: int | None) -> str:
    return "yes"


def test_every_sample_is_asked_once_and_scored(made: Any, tmp_path: Path) -> None:
    asker = made.asker(lambda s, seed: "yes" if s.id != "s2" else "no")
    (done,) = run_jobs([job(made, 4)], asker, tmp_path, Options())
    assert asker.asked == ["s0", "s1", "s2", "s3"]
    assert (done.failed, done.tally and done.tally.asked) == (0, 4)
    (result,) = done.results
    assert (result.value, result.n, result.n_failed) == (0.75, 4, 0)
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert manifest["model"]["name"] == "made"
    assert manifest["end"] is not None
    again = made.asker(yes)
    run_jobs([job(made, 4)], again, tmp_path, Options())
    assert again.asked == []


def test_a_failure_is_kept_and_asked_again(made: Any, tmp_path: Path) -> None:
    def broken(sample: Sample, seed: int | None) -> str:
        if sample.id == "s1":
            raise EngineError("The server is away. Start it.")
        return "yes"

    (done,) = run_jobs([job(made, 3)], made.asker(broken), tmp_path, Options())
    assert (done.failed, done.results[0].n_failed) == (1, 1)
    assert done.results[0].value == pytest.approx(2 / 3)  # wrong, not left out
    (failure,) = (tmp_path / "made/failures.jsonl").read_text().splitlines()
    assert json.loads(failure)["error"] == "The server is away. Start it."
    asker = made.asker(yes)
    (done,) = run_jobs([job(made, 3)], asker, tmp_path, Options())
    assert asker.asked == ["s1"]
    assert (done.failed, done.results[0].value) == (0, 1.0)
    kept = read_predictions(tmp_path / "made/predictions.jsonl")
    assert (kept["s1"].attempt, kept["s0"].attempt) == (2, 1)


def test_what_a_filter_refused_is_not_asked_again(made: Any, tmp_path: Path) -> None:
    def refused(sample: Sample, seed: int | None) -> str:
        raise EngineRefusedError("The server refuses. Ask something else.")

    asker = made.asker(refused)
    (done,) = run_jobs([job(made, 1)], asker, tmp_path, Options(retries=3, pause_s=0))
    assert asker.asked == ["s0"]
    assert done.results[0].n_failed == 1
    run_jobs([job(made, 1)], asker, tmp_path, Options())
    assert asker.asked == ["s0"]


def test_an_error_is_tried_again_at_once(made: Any, tmp_path: Path) -> None:
    tries: list[str] = []

    def second_time(sample: Sample, seed: int | None) -> str:
        tries.append(sample.id)
        if len(tries) < 3:
            raise EngineError("Busy.")
        return "yes"

    options = Options(retries=2, pause_s=0)
    tally = ask_all(job(made, 1), made.asker(second_time), tmp_path / "made", options)
    assert (len(tries), tally.failed) == (3, 0)


def test_a_bug_keeps_its_traceback_and_the_replies(made: Any, tmp_path: Path) -> None:
    def bug(sample: Sample, seed: int | None) -> str:
        if sample.id == "s1":
            raise KeyError("no such key")
        return "yes"

    with pytest.raises(KeyError):
        run_jobs([job(made, 2)], made.asker(bug), tmp_path, Options())
    assert set(read_predictions(tmp_path / "made/predictions.jsonl")) == {"s0"}


def test_a_dead_server_ends_the_run(made: Any, tmp_path: Path) -> None:
    def dead(sample: Sample, seed: int | None) -> str:
        raise EngineError("No server at h. Start it.")

    asker = made.asker(dead)
    with pytest.raises(EngineError, match=r"first 8 questions all failed.*No server"):
        run_jobs([job(made, 50)], asker, tmp_path, Options())
    assert len(asker.asked) == HOPELESS


def test_many_at_once_make_the_same_scores(made: Any, tmp_path: Path) -> None:
    def slow_start(sample: Sample, seed: int | None) -> str:
        time.sleep(0.02 if sample.id == "s0" else 0)
        return "yes" if int(sample.id[1:]) % 3 else "no"

    one = made.asker(slow_start)
    many = made.asker(slow_start, is_parallel=True)
    run_jobs([job(made, 30)], one, tmp_path / "one", Options())
    run_jobs([job(made, 30)], many, tmp_path / "many", Options(concurrency=8))
    order = (tmp_path / "many/made/predictions.jsonl").read_text()
    assert order.index('"s0"') > order.index('"s3"')  # replies came in another order
    for name in ("scores.jsonl", "metrics.json"):
        files = [tmp_path / run / "made" / name for run in ("one", "many")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_question_that_hangs_is_given_up(made: Any, tmp_path: Path) -> None:
    def hangs(sample: Sample, seed: int | None) -> str:
        if sample.id == "s1":
            time.sleep(60)
        return "yes"

    asker = made.asker(hangs, is_parallel=True)
    options = Options(concurrency=1, timeout_s=0.3)
    (done,) = run_jobs([job(made, 4)], asker, tmp_path, options)
    kept = read_predictions(tmp_path / "made/predictions.jsonl")
    assert [kept[f"s{i}"].status for i in range(4)] == ["ok", "timeout", "ok", "ok"]
    assert done.failed == 1


def test_repeats_are_averaged_by_sample(made: Any, tmp_path: Path) -> None:
    def by_seed(sample: Sample, seed: int | None) -> str:
        return "yes" if sample.id == "s0" or seed == 7 else "no"

    options = Options(repeats=2, seed=7)
    (done,) = run_jobs([job(made, 2)], made.asker(by_seed), tmp_path, options)
    (result,) = done.results
    assert result.value == 0.75
    assert result.details["repeats"] == [1.0, 0.5]
    rows = (tmp_path / "made/scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["score"] for line in rows] == [1.0, 0.5]


def test_another_model_or_benchmark_is_not_mixed_in(made: Any, tmp_path: Path) -> None:
    run_jobs([job(made, 2)], made.asker(yes), tmp_path, Options())
    other = made.asker(yes, name="other")
    with pytest.raises(SettingsError, match="model's name is 'made' there and 'other'"):
        run_jobs([job(made, 2)], other, tmp_path, Options())
    prompt = {"id": "q", "user": "{question}"}
    with pytest.raises(SettingsError, match="the prompt of made"):
        run_jobs([job(made, 2, prompt=prompt)], made.asker(yes), tmp_path, Options())
    changed = Job(made.benchmark(), (made.sample(0, answers=("no",)),), Path("."))
    with pytest.raises(SettingsError, match="another version of the sample 's0'"):
        run_jobs([changed], made.asker(yes), tmp_path, Options())
    run_jobs([changed], other, tmp_path, Options(), fresh=True)
    assert score_run(tmp_path)[0].results[0].value == 0.0


def test_a_second_benchmark_joins_the_run(made: Any, tmp_path: Path) -> None:
    run_jobs([job(made, 1)], made.asker(yes), tmp_path, Options())
    run_jobs([job(made, 1, name="more")], made.asker(yes), tmp_path, Options())
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert [entry["name"] for entry in manifest["benchmarks"]] == ["made", "more"]
    assert {done.name for done in score_run(tmp_path)} == {"made", "more"}


def test_a_longer_run_keeps_what_is_there(made: Any, tmp_path: Path) -> None:
    run_jobs([job(made, 2)], made.asker(yes), tmp_path, Options())
    asker = made.asker(yes)
    (done,) = run_jobs([job(made, 5)], asker, tmp_path, Options())
    assert asker.asked == ["s2", "s3", "s4"]
    assert done.results[0].n == 5


def test_the_shard_is_noted(made: Any, tmp_path: Path) -> None:
    options = Options(shard=Shard(1, 3))
    ask_all(job(made, 1), made.asker(yes), tmp_path / "made", options)
    kept = read_predictions(tmp_path / "made/predictions.jsonl")
    assert kept["s0"].shard == "1/3"


def test_the_pause_doubles_up_to_a_limit() -> None:
    assert 0.25 <= pause(0, 0.5) <= 0.5
    assert 1.0 <= pause(2, 0.5) <= 2.0
    assert pause(50, 0.5) <= 30.0


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import conftest
from rsvlm.eval.run import Job, Options
from rsvlm.eval.session import run_jobs
from rsvlm.eval import protocols
protocols.find_metric = lambda name: conftest.exact
def answer(sample, seed):
    time.sleep({pause})
    return "yes" if int(sample.id[1:]) % 3 else "no"
samples = tuple(conftest.sample(i) for i in range(40))
job = Job(conftest.benchmark(), samples, Path("."))
run_jobs([job], conftest.Asker(answer, {parallel}), Path({out!r}), Options({options}))
"""


def start(out: Path, pause: float, parallel: bool, options: str) -> list[str]:
    code = KILLED.format(
        tests=str(Path(__file__).parent), out=str(out), pause=pause,
        parallel=parallel, options=options,
    )  # fmt: skip
    return [sys.executable, "-c", code]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_and_resumed_scores_are_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(start(whole, 0, False, ""), check=True)
    child = subprocess.Popen(start(cut, 0.02, True, "concurrency=3"))
    predictions = cut / "made/predictions.jsonl"
    while not predictions.is_file() or predictions.read_bytes().count(b"\n") < 7:
        assert child.poll() is None
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = read_predictions(predictions)
    assert 7 <= len(done) < 40
    assert not (cut / "made/scores.jsonl").exists()
    with predictions.open("a") as file:
        file.write('{"schema":"rsvlm.pred')  # what a kill inside a write leaves
    subprocess.run(start(cut, 0, True, "concurrency=2"), check=True)
    assert len(predictions.read_text().splitlines()) == 40  # none was asked twice
    for name in ("scores.jsonl", "metrics.json", "samples.jsonl"):
        assert (cut / "made" / name).read_bytes() == (
            whole / "made" / name
        ).read_bytes()


def test_a_prediction_that_the_asker_made_keeps_its_status(
    made: Any, tmp_path: Path
) -> None:
    def empty(sample: Sample, seed: int | None) -> Prediction:
        return Prediction(id="any", status="empty")

    (done,) = run_jobs([job(made, 1)], made.asker(empty), tmp_path, Options())
    assert (done.failed, done.results[0].n_unparsed) == (1, 0)
    kept = read_predictions(tmp_path / "made/predictions.jsonl")
    assert kept["s0"].status == "empty"
