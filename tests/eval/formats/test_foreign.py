"""Ids, joins and statuses of foreign answers."""

import pytest

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import fresh, join, make_prediction, make_sample
from rsvlm.eval.formats.joined import joined
from rsvlm.eval.formats.protocols import OF_TASK, for_samples
from rsvlm.samples import Sample, Target


def sample(id: str, **fields: object) -> Sample:
    return make_sample(id, "vqa", "test", answers=["yes"], **fields)  # type: ignore[arg-type]


def box_sample(id: str, hbb: tuple[float, float, float, float]) -> Sample:
    return make_sample(
        id, "ground", "test", size=(200, 100), targets=[Target(label="x", hbb=hbb)]
    )


def test_statuses() -> None:
    assert make_prediction("a", "yes").status == "ok"
    assert make_prediction("a", "  ").status == "empty"
    failed = make_prediction("a", "Failed to obtain answer via API. ")
    assert (failed.status, failed.answered) == ("error", False)
    assert failed.error == "Failed to obtain answer via API."
    assert make_prediction("a", "", status="truncated").status == "truncated"


def test_empty_references_are_dropped() -> None:
    made = make_sample("a", "caption", "test", answers=["", " ", "a pier"])
    assert made.answers == ("a pier",)


def test_an_unanswered_sample_is_a_failure_and_a_stranger_is_left_out() -> None:
    samples = {"a": sample("a"), "b": sample("b")}
    answers = [make_prediction("b", "yes"), make_prediction("z", "no")]
    reading, notes = join(answers, samples, "f.jsonl")
    assert [p.id for p in reading.predictions] == ["a", "b"]
    assert [p.status for p in reading.predictions] == ["error", "ok"]
    assert "No answer to 1 of 2 samples" in notes[0]
    assert "1 answer without a sample" in notes[1]


def test_upstream_ids_join_where_they_name_one_sample() -> None:
    samples = {
        "a": sample("a", meta={"question_id": 7}),
        "b": sample("b", meta={"question_id": 8}),
        "c": sample("c", meta={"question_id": 8}),
    }
    reading, _ = join(
        [make_prediction("7", "yes"), make_prediction("8", "no")], samples, "f"
    )
    assert [p.status for p in reading.predictions] == ["ok", "error", "error"]


def test_two_answers_to_one_question_are_refused() -> None:
    answers = [make_prediction("a", "yes"), make_prediction("a", "no")]
    with pytest.raises(ParseError, match="answers 'a' twice"):
        join(answers, {"a": sample("a")}, "f.jsonl")


def test_ids_that_fit_nothing_are_refused() -> None:
    with pytest.raises(ParseError, match="No id of f"):
        join([make_prediction("x", "yes")], {"a": sample("a")}, "f")
    with pytest.raises(ParseError, match="none at all"):
        join([], {"a": sample("a")}, "f")


def test_repeated_ids_are_told_apart() -> None:
    seen: dict[str, int] = {}
    assert [fresh("a", seen) for _ in range(3)] == ["a", "a#2", "a#3"]
    assert fresh("a#2", seen) == "a#2#2"


def test_boxes_are_read_in_the_declared_space_only() -> None:
    samples = {"a": box_sample("a", (20, 10, 60, 20))}
    answers = [make_prediction("a", "[100, 100, 300, 200]")]
    with pytest.raises(SettingsError, match="--coords"):
        joined(answers, samples, "f")
    found = joined(answers, samples, "f", Coords(space="norm1000"))
    (prediction,) = found.predictions
    assert prediction.boxes[0].points == ((20, 10), (60, 20))
    assert prediction.coord_space == "norm1000"
    assert [p.id for p in found.protocols if p.primary] == ["acc@0.5"]


def test_texts_hold_no_masks() -> None:
    samples = {"a": make_sample("a", "segment", "t", size=(9, 9))}
    with pytest.raises(SettingsError, match="ask for masks, and f holds none"):
        joined([make_prediction("a", "the lake")], samples, "f")


def test_an_answer_that_is_cut_keeps_its_status() -> None:
    samples = {"a": box_sample("a", (20, 10, 60, 20))}
    answers = [make_prediction("a", "[100, 100, 300")]
    found = joined(answers, samples, "f", Coords(space="norm1000"))
    assert found.predictions[0].status == "truncated"
    assert found.predictions[0].parsed is None


def test_options_make_multiple_choice() -> None:
    chosen = {"a": sample("a", options=["x", "y"])}
    ids = [protocol.id for protocol in for_samples(list(chosen.values()), "f")]
    assert ids == ["letter", "mme-realworld-extractor", "xlrs-extractor"]
    typed = [sample(t, options=["x", "y"], type=t) for t in "ab"]
    assert for_samples(typed, "f") == OF_TASK["mcq"]
    two = [sample("a"), box_sample("b", (0, 0, 1, 1))]
    with pytest.raises(ParseError, match="of the tasks ground, vqa"):
        for_samples(two, "f")


@pytest.mark.parametrize("task", OF_TASK)
def test_every_table_has_one_primary_and_unlike_ids(task: str) -> None:
    ids = [protocol.id for protocol in OF_TASK[task]]
    assert len(set(ids)) == len(ids)
    assert [protocol.primary for protocol in OF_TASK[task]].count(True) == 1
