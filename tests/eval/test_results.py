"""Reading a run back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.results import Result, finite, read_results, read_run, write_results


def result(**fields: Any) -> Result:
    values = {"benchmark": "toy", "protocol": "exact", "n": 4, "value": 0.5}
    return Result(**(values | fields))


def test_results_come_back(tmp_path: Path) -> None:
    first = result(primary=True, ci95=(0.1, 0.9), baselines={"majority": 0.25})
    second = result(protocol="raw", value=None, details={"note": "no Java"})
    write_results(tmp_path / "metrics.json", [first, second])
    assert read_results(tmp_path / "metrics.json") == [first, second]
    text = (tmp_path / "metrics.json").read_text()
    assert list(json.loads(text)) == ["benchmark", "protocols"]
    assert not list(tmp_path.glob(".*"))  # no draft stays


def test_a_list_and_a_single_object_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    one = {"benchmark": "toy", "protocol": "exact", "n": 1, "value": 1.0}
    for content in (one, [one]):
        path.write_text(json.dumps(content))
        assert read_results(path)[0].value == 1.0


def test_results_of_two_benchmarks_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\['other', 'toy'\]"):
        write_results(tmp_path / "m.json", [result(), result(benchmark="other")])
    with pytest.raises(SettingsError, match="one benchmark"):
        write_results(tmp_path / "m.json", [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("7", "holds no results"),
        ('[{"benchmark": "toy", "protocol": "exact", "n": -1, "value": 1}]', "n: "),
        ('{"benchmark": "toy", "protocols": [7]}', "holds no results"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(ParseError, match=words):
        read_results(path)


def test_rates_by_hand() -> None:
    assert result(n_failed=1, n_unparsed=2).failure_rate == 0.25
    assert result(n_failed=1, n_unparsed=2).unparsed_rate == 0.5
    assert result(n=0).failure_rate == 0.0


def test_numbers_that_json_lacks_become_null() -> None:
    given = {"a": float("nan"), "b": np.float32(0.5), "c": np.arange(2), 3: (1, None)}
    expected = {"a": None, "b": 0.5, "c": [0, 1], "3": [1, None]}
    assert finite(given) == expected
    assert json.loads(json.dumps(finite(given))) == expected


def test_a_run_is_read_whole(make_run: Any) -> None:
    folder = make_run("a", [1, 0, 1, 1], groups={"type=even": 1.0, "type=odd": 0.5})
    run = read_run(folder)
    assert (run.name, run.model) == ("a", "model-a")
    part = run.benchmarks["toy"]
    assert part.primary.value == 0.75
    assert [row.score for row in part.rows["exact"]] == [1, 0, 1, 1]
    assert list(part.predictions) == list(part.samples) == ["s0", "s1", "s2", "s3"]
    assert read_run(folder / "toy").benchmarks["toy"].primary == part.primary


def test_parts_have_an_interval_only_where_the_value_is_a_mean(make_run: Any) -> None:
    groups = {"type=even": 0.5, "type=odd": 0.9, "type=none": 0.1}
    folder = make_run("a", [1, 0, 0, 1, 1, 1, 0, 0], groups=groups)
    part = read_run(folder).benchmarks["toy"]
    even, odd, other = part.parts(part.primary)
    assert (even.name, even.value, even.n) == ("type=even", 0.5, 4)
    assert even.ci95 is not None
    assert even.ci95[0] < 0.5 < even.ci95[1]
    assert (odd.n, odd.ci95) == (4, None)  # 0.9 is not the mean of 0, 1, 1, 0
    assert (other.n, other.ci95) == (None, None)


def test_all_right_is_not_certain(make_run: Any) -> None:
    folder = make_run("a", [1, 1, 1, 1], groups={"type=even": 1.0})
    part = read_run(folder).benchmarks["toy"]
    (even,) = part.parts(part.primary)
    # Wilson of 2 of 2 images: 2 / (2 + 1.96^2).
    assert even.ci95 == pytest.approx((0.3424, 1.0), abs=1e-4)


def test_primary_is_the_primary_one_else_no_legacy(make_run: Any) -> None:
    folder = make_run("a", [1.0])
    path = folder / "toy" / "metrics.json"
    old, new = result(protocol="old", legacy=True), result(protocol="new")
    write_results(path, [old, new])
    assert read_run(folder).benchmarks["toy"].primary.protocol == "new"
    write_results(path, [new, old.model_copy(update={"primary": True})])
    assert read_run(folder).benchmarks["toy"].primary.protocol == "old"


def test_notes_say_what_must_be_known(make_run: Any) -> None:
    leak = {"benchmarks": [{"name": "toy", "leakage": "Trained on 2 images."}]}
    details = {"note": "odd", "warnings": ["6 % outside", "6 % outside"]}
    folder = make_run("a", [1.0], manifest=leak, subset=True, details=details)
    assert read_run(folder).notes("toy") == [
        "Trained on 2 images.",
        "Only some samples of the benchmark were asked.",
        "exact: odd",
        "exact: 6 % outside",
    ]


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no scores"):
        read_run(tmp_path)
