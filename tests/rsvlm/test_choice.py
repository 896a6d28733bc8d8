"""Which task a question means."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from rsvlm.choice import RULES, choose_task
from rsvlm.tasks import TASKS

PHRASINGS = tomllib.loads((Path(__file__).parent / "phrasings.toml").read_text("utf-8"))
TABLE = [
    (question, images, task)
    for images, tasks in ((1, PHRASINGS["one"]), (2, PHRASINGS["two"]))
    for task, questions in tasks.items()
    for question in questions
]


@pytest.mark.parametrize(("question", "images", "task"), TABLE)
def test_the_task_is_chosen(question: str, images: int, task: str) -> None:
    chosen, reason = choose_task(question, images)
    assert chosen == task, reason


def test_every_task_is_tested_and_every_rule_leads_to_a_task() -> None:
    assert {task for _, _, task in TABLE} == set(TASKS)
    assert {rule.task for rule in RULES} == set(TASKS)


@pytest.mark.parametrize(
    ("question", "images", "reason"),
    [
        ("Please tell me how many ships there are", 1, "'how many' asks for a number."),
        ("Segment the lake.", 1, "'segment' asks for an outline."),
        ("What changed?", 2, "'changed' asks for the changes."),
        (
            "What changed?",
            1,
            "'changed' asks for the changes, but there is one image.",
        ),
        ("Is it urban or rural?", 1, "'urban ... rural' are classes to choose from."),
        ("Bonjour tout le monde !", 1, "No word asks for another kind of answer."),
        ("  ", 1, "There is no question, so the image is described."),
    ],
)
def test_the_reason_quotes_the_words(question: str, images: int, reason: str) -> None:
    assert choose_task(question, images)[1] == reason


@pytest.mark.parametrize(
    "change",
    [str.lower, str.upper, lambda q: f"  {q.rstrip('.?!')} ", "Please, {}".format],
)
def test_case_and_marks_do_not_matter(change: Callable[[str], str]) -> None:
    for question in ("Where are the ships?", "Segment the lake.", "How many cars?"):
        assert choose_task(change(question))[0] == choose_task(question)[0]


def test_the_reason_stays_one_short_line() -> None:
    question = "Could you\n write " + "very " * 100 + "long report, please?"
    task, reason = choose_task(question)
    assert task == "caption"
    assert len(reason) < 100
    assert "\n" not in reason


@pytest.mark.parametrize(
    "text", ["the " * 5000, "a or " * 5000, "(" * 5000, "which, " * 5000, "\x00\ud800"]
)
def test_any_text_is_read_quickly(text: str) -> None:
    assert choose_task(text)[0] in TASKS  # seconds to minutes if a pattern backtracks


@pytest.mark.parametrize(
    "question",
    [
        "Where did the ponds grow?",
        "Where has the forest disappeared?",
        "Which fields were flooded?",
        "What was lost?",
    ],
)
def test_what_things_did_between_two_dates_is_compared(question: str) -> None:
    assert choose_task(question, 2)[0] == "compare"
    assert choose_task(question, 1)[0] != "compare"
    assert choose_task("Where were the ships?", 2)[0] == "ground"
