from pathlib import Path

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.records import Prediction
from rsvlm.eval.store import PredictionStore, read_predictions


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep/predictions.jsonl"
    with PredictionStore(path) as store:
        store.add(Prediction(id="a", raw="x"))
        assert path.read_text().count("\n") == 1
        assert store.is_done("a")
        assert not store.is_done("b")


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("ok", True), ("truncated", True), ("refused", True),
        ("error", False), ("timeout", False), ("empty", False),
    ],
)  # fmt: skip
def test_what_is_asked_again(status: str, done: bool, tmp_path: Path) -> None:
    with PredictionStore(tmp_path / "p.jsonl") as store:
        store.add(Prediction.model_validate({"id": "a", "status": status}))
        assert store.is_done("a") is done


@pytest.mark.parametrize(
    "rest", ["{", '{"schema":"rsvlm.prediction/1","id":"b"', "\xe9"]
)
def test_a_cut_line_is_dropped_before_the_next(rest: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with PredictionStore(path) as store:
        store.add(Prediction(id="a", raw="x" * 70000))  # longer than what is looked at
    with path.open("a") as file:
        file.write(rest * 3)
    with PredictionStore(path) as store:
        assert set(store.known) == {"a"}
        store.add(Prediction(id="c"))
    assert set(read_predictions(path)) == {"a", "c"}


def test_a_file_of_one_cut_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"schema":')
    with PredictionStore(path) as store:
        store.add(Prediction(id="a"))
    assert set(read_predictions(path)) == {"a"}


def test_a_later_line_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with PredictionStore(path) as store:
        store.add(Prediction(id="a", status="error"))
        store.add(Prediction(id="a", raw="x", attempt=2))
    with PredictionStore(path) as store:
        assert (store.is_done("a"), store.attempts("a")) == (True, 2)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": 1}\n')
    with pytest.raises(ParseError, match="line 1"):
        PredictionStore(path)
    assert read_predictions(tmp_path / "none.jsonl") == {}
