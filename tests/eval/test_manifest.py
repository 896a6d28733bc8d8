"""What run.json holds, and that it names no machine."""

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.manifest import (
    ModelEntry,
    benchmark_entry,
    differences,
    finish,
    host_free,
    manifest,
    read_manifest,
    write_manifest,
)
from rsvlm.samples import Sample

Make = Callable[..., Sample]

TOY = {
    "name": "toy",
    "version": 2,
    "title": "Toy",
    "source": "made up",
    "task": "vqa",
    "data": {"file": "toy.jsonl", "license": "CC0-1.0"},
    "prompt": {"id": "plain"},
    "protocols": [{"id": "exact", "metric": "vqa_accuracy", "primary": True}],
}


def toy(**fields: Any) -> Benchmark:
    return Benchmark.model_validate(TOY | fields)


def test_a_manifest_comes_back(tmp_path: Path, make_sample: Make) -> None:
    samples = [make_sample(0), make_sample(1)]
    entry = benchmark_entry(toy(), samples, subset=True, leakage="Trained on 1.")
    model = ModelEntry(name="m", spec="tiny", engine="local", revision="r1")
    content = manifest(model, [entry], {"seed": 3}, start=0, end=61)
    write_manifest(tmp_path, content)
    assert read_manifest(tmp_path) == content
    text = json.loads((tmp_path / "run.json").read_text())
    assert text["schema"] == "rsvlm.run/1"
    assert (text["start"], text["end"]) == (
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:01:01Z",
    )
    assert text["benchmarks"][0]["n"] == 2
    assert text["packages"]["python"] == platform.python_version()
    assert {"numpy", "rsvlm"} <= set(text["packages"])


def test_the_end_is_entered_later(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest(ModelEntry(name="m"), [], start=0))
    assert read_manifest(tmp_path).end is None
    finish(tmp_path, end=5)
    assert read_manifest(tmp_path).end == "1970-01-01T00:00:05Z"


def test_hashes_tell_what_changed(make_sample: Make) -> None:
    samples = [make_sample(0), make_sample(1)]
    entry = benchmark_entry(toy(), samples)
    other = benchmark_entry(toy(), [samples[0], make_sample(1, answers=("no",))])
    assert entry.ids_sha256 == other.ids_sha256
    assert entry.samples_sha256 != other.samples_sha256
    turned = benchmark_entry(toy(), samples[::-1])
    assert turned.ids_sha256 != entry.ids_sha256
    assert benchmark_entry(toy(version=3), samples).sha256 != entry.sha256


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://gpu7.example:8000/v1#Qwen/Qwen3-VL", "URL#Qwen/Qwen3-VL"),
        ("/home/me/checkpoints/tiny", "tiny"),
        ("../runs/a/", "a"),
        ("~/secret/x.jsonl", "x.jsonl"),
        ("C:\\Users\\me\\run", "run"),
        ("replay:/data/me/predictions.jsonl", "replay:predictions.jsonl"),
        ("org/model", "org/model"),
        ("tiny", "tiny"),
        ("one/two things", "one/two things"),
        (Path("/home/me/x"), "x"),
        (["/a/b", 3, None, True], ["b", 3, None, True]),
        ({"out": "/a/b"}, {"out": "b"}),
    ],
)
def test_no_host_and_no_folder(given: Any, expected: Any) -> None:
    assert host_free(given) == expected


def test_a_manifest_does_not_name_the_machine(tmp_path: Path) -> None:
    model = ModelEntry(
        name="m",
        spec="https://me:secret@gpu7:1/v1#m",
        served={"data": [{"id": "m", "root": "/models/m"}]},
    )
    content = manifest(model, [], {"out": tmp_path / "run", "cache": str(tmp_path)})
    text = content.model_dump_json()
    for word in ("gpu7", "secret", "/models", str(tmp_path.parent)):
        assert word not in text
    node = platform.node()
    assert not node or f'"{node}"' not in text


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="is missing"):
        read_manifest(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": "rsvlm.run/1"}')
    with pytest.raises(ParseError, match="model: Field required"):
        read_manifest(tmp_path)


def test_differences_are_told(make_sample: Make) -> None:
    model = ModelEntry(name="m")
    first = manifest(model, [benchmark_entry(toy(), [make_sample(0)])], {"seed": 0})
    changed = toy(prompt={"id": "other"})
    second = manifest(model, [benchmark_entry(changed, [make_sample(1)])], {"seed": 1})
    a, b = (content.model_dump(mode="json") for content in (first, second))
    a["modified"] = b["modified"] = False
    told = " ".join(differences(a, b))
    for words in ("the samples that were asked", "the prompts", "seed (0 and 1)"):
        assert words in told
    assert differences(a, a) == []
    b = a | {"revision": "another", "packages": {**a["packages"], "numpy": "0"}}
    told = " ".join(differences(a, b))
    assert "commits of the code" in told
    assert f"numpy ({a['packages']['numpy']} and 0)" in told
    assert "differs from its commit" in " ".join(differences(a, a | {"modified": True}))
