"""Which way of looking a question needs."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from rsvlm.choice import choose_task
from rsvlm.zoom import Look, Zoom
from rsvlm.zooming_route import RoutedZoom, route_zoom

PHRASINGS = tomllib.loads(
    (Path(__file__).parent / "zoom_phrasings.toml").read_text(encoding="utf-8")
)


@dataclass
class Size:
    width: int = 20_000
    height: int = 20_000
    gsd: float | None = None


def test_there_are_enough_phrasings() -> None:
    assert sum(map(len, PHRASINGS.values())) >= 120
    assert set(PHRASINGS) == {"overview", "tiles", "search", "chain"}


@pytest.mark.parametrize("route", PHRASINGS)
def test_questions_are_routed(route: str) -> None:
    wrong = {}
    for question in PHRASINGS[route]:
        found, why = route_zoom(question, Size(), choose_task(question, 1)[0])
        assert why
        if found != route:
            wrong[question] = (found, why)
    assert not wrong


@pytest.mark.parametrize("question", [q for qs in PHRASINGS.values() for q in qs][::9])
def test_a_small_image_is_seen_whole(question: str) -> None:
    task = choose_task(question, 1)[0]
    assert route_zoom(question, Size(900, 700), task)[0] == "overview"


def test_the_task_goes_before_the_words() -> None:
    assert route_zoom("ships", Size(), "count")[0] == "tiles"
    assert route_zoom("the ship at the pier", Size(), "caption")[0] == "overview"
    assert route_zoom("the ship at the pier", Size(), "ground")[0] == "search"


def test_the_reason_names_the_words() -> None:
    _, why = route_zoom("How much of it is water?", Size(), "vqa")
    assert why == "asks for an amount: 'how much'"


@dataclass
class Named:
    """A policy that notes that it was asked."""

    name: str
    asked: list[str]

    def next(self, look: Look) -> Sequence[Zoom]:
        self.asked.append(self.name)
        return ()


@pytest.mark.parametrize(
    ("question", "parts", "expected"),
    [
        ("Where is the airplane?", ("search", "chain"), ["search"]),
        ("What is parked next to the airplane?", ("search", "chain"), ["chain"]),
        ("What is parked next to the airplane?", ("search",), ["search"]),
        ("Where is the airplane?", ("chain",), ["chain"]),
        ("How many airplanes are there?", ("search", "chain"), []),
        ("Describe this scene.", ("search", "chain"), []),
    ],
)
def test_a_question_goes_to_the_policy_it_needs(
    question: str, parts: tuple[str, ...], expected: list[str]
) -> None:
    asked: list[str] = []
    policies = {name: Named(name, asked) for name in parts}
    policy = RoutedZoom(policies.get("search"), policies.get("chain"))
    task = choose_task(question, 1)[0]
    look = Look(question, task, Size(), [])  # type: ignore[arg-type]
    policy.next(look)
    policy.next(look)
    assert asked == expected * 2
    (step,) = look.trace
    assert step.step == "route"
    assert step.note is not None
