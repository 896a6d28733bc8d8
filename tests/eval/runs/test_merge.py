import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.merge import merge
from rsvlm.eval.run import Job, Options
from rsvlm.eval.selection import select
from rsvlm.eval.session import run_jobs, score_run
from rsvlm.eval.shards import Shard, interleave, merge_by_id
from rsvlm.samples import Sample

FILES = ("scores.jsonl", "metrics.json", "samples.jsonl", "failures.jsonl")


@pytest.mark.parametrize("text", ["3/3", "1/0", "-1/2", "1", "a/b", "", "1/2/3", "0/"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="0/3"):
        Shard.parse(text)


@given(st.lists(st.integers()), st.integers(1, 9), st.randoms())
def test_shards_make_up_the_whole(items: list[int], count: int, random: Any) -> None:
    parts = [(Shard(i, count), Shard(i, count).take(items)) for i in range(count)]
    lengths = [len(part) for _, part in parts]
    assert max(lengths) - min(lengths) <= 1
    random.shuffle(parts)
    assert interleave(parts) == items


def test_a_sample_in_two_runs_is_named() -> None:
    with pytest.raises(SettingsError, match="'s1' is in 'a' and in 'b'"):
        merge_by_id({"a": {"s0": 0, "s1": 1}, "b": {"s1": 1}})


def answer(sample: Sample, seed: int | None) -> str:
    return "yes" if int(sample.id[1:]) % 4 else ""


def run(
    made: Any, out: Path, text: str | None, repeats: int = 1, model: str = "made"
) -> Path:
    shard = Shard.parse(text) if text else Shard()
    samples = [made.sample(number) for number in range(20)]
    chosen = tuple(select(samples, shard=shard))
    job = Job(made.benchmark(), chosen, Path("."), subset=len(chosen) < 20)
    asker = made.asker(answer, name=model)
    run_jobs([job], asker, out, Options(shard=shard, repeats=repeats))
    return out


@pytest.mark.parametrize("repeats", [1, 2])
def test_merged_shards_equal_the_whole(made: Any, tmp_path: Path, repeats: int) -> None:
    whole = run(made, tmp_path / "whole", None, repeats)
    parts = [run(made, tmp_path / f"part{i}", f"{i}/3", repeats) for i in (2, 0, 1)]
    merge(parts, tmp_path / "merged")
    score_run(tmp_path / "merged")
    for name in FILES:
        there = tmp_path / "merged/made" / name
        assert there.read_bytes() == (whole / "made" / name).read_bytes()
    manifests = [
        json.loads((tmp_path / name / "run.json").read_text())["benchmarks"]
        for name in ("whole", "merged")
    ]
    assert manifests[0] == manifests[1]
    metrics = json.loads((tmp_path / "merged/made/metrics.json").read_text())
    assert metrics["protocols"][0]["subset"] is False


def test_a_missing_shard_leaves_a_part(made: Any, tmp_path: Path) -> None:
    parts = [run(made, tmp_path / f"part{i}", f"{i}/3") for i in (0, 2)]
    merge(parts, tmp_path / "merged")
    (done,) = score_run(tmp_path / "merged")
    assert done.results[0].subset
    assert done.results[0].n == 13


def test_the_same_shard_twice_is_refused(made: Any, tmp_path: Path) -> None:
    parts = [run(made, tmp_path / name, "0/3") for name in ("a", "b")]
    with pytest.raises(SettingsError, match="'s0' is in 'a' and in 'b'"):
        merge(parts, tmp_path / "merged")
    assert not (tmp_path / "merged/run.json").exists()


def test_runs_of_two_models_are_no_whole(made: Any, tmp_path: Path) -> None:
    a = run(made, tmp_path / "a", "0/2")
    b = run(made, tmp_path / "b", "1/2", model="other")
    with pytest.raises(SettingsError, match="eval compare"):
        merge([a, b], tmp_path / "merged")


def test_a_folder_with_a_run_is_not_overwritten(made: Any, tmp_path: Path) -> None:
    parts = [run(made, tmp_path / f"part{i}", f"{i}/2") for i in (0, 1)]
    with pytest.raises(SettingsError, match="holds a run already"):
        merge(parts, parts[0])
    with pytest.raises(SettingsError, match="one run"):
        merge(parts[:1], tmp_path / "merged")
