"""Follow-ups by a labelled list, then the parts that the list does not reach."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.answer import TraceStep
from rsvlm.choice import choose_task
from rsvlm.focus import Focus
from rsvlm.followup import Resolved, Turn, resolve
from rsvlm.geometry import HBB, Region
from rsvlm.measures import measure_of
from rsvlm.questions import plain
from rsvlm.referring import referring
from rsvlm.rounds import images_named
from rsvlm.subjects import subject

CASES = tomllib.loads((Path(__file__).parent / "followups.toml").read_text())
#: Phrase, meaning, numbers of the regions, name of the conversation.
Case = tuple[str, str, list[int], str]
SENSORS = ["optical", "sar"]
#: Share of the held-out phrasings that were read rightly when the rules were done, and
#: questions of their own that were touched.
LEAST_HELD_OUT, MOST_TOUCHED = 0.9, 2


def turns(name: str) -> tuple[list[Turn], list[Region]]:
    """Return a conversation of the list, and its regions by their number."""
    found: list[Turn] = []
    first: list[Region] = []
    for turn in CASES["history"][name]:
        regions = tuple(
            Region(HBB(30 * i, 0, 30 * i + 20, 10 + i), label, 0.9)
            for i, label in enumerate(turn["labels"])
        )
        if "numbers" in turn:
            regions = tuple(first[number - 1] for number in turn["numbers"])
        first = first or list(regions)
        found.append(Turn(turn["question"], turn["text"], regions, turn["task"], 0.9))
    return found, first


def sense(question: str) -> tuple[Any, ...]:
    """Return what the assistant reads in a question: two of the same are one."""
    about, text = subject(question), plain(question)
    meant = referring(about.phrase, question) if about else None
    measure = measure_of(question)
    return (
        choose_task(question, 2)[0],
        about and about.label,
        meant and (meant.rank, meant.towards, meant.colour, meant.kind, meant.unused),
        measure and measure.kind,
        images_named(text, SENSORS),
    )


def fits(phrase: str, meaning: str, numbers: list[int], name: str) -> bool:
    history, regions = turns(name)
    found = resolve(phrase, history)
    if meaning in ("explain", "doubt"):
        return found.task == meaning and found.reply is not None
    if meaning == "own":
        return found == Resolved(phrase)
    about = [focus.region for focus in found.focus]
    same = about == [regions[number - 1] for number in numbers]
    return bool(found.note) and same and sense(found.question) == sense(meaning)


def listed() -> list[Case]:
    follow: list[Case] = [
        (phrase, meaning, numbers, name)
        for name, cases in CASES["follow"].items()
        for phrase, meaning, numbers in cases
    ]
    own: list[Case] = [
        (p, "own", [], name) for name, ps in CASES["own"].items() for p in ps
    ]
    return follow + own


HELD_OUT = listed()[2::3]
SEEN = [case for i, case in enumerate(listed()) if i % 3 != 2]


def misread(cases: list[Case]) -> list[str]:
    return [case[0] for case in cases if not fits(*case)]


def test_the_list_is_long_enough_and_mostly_follow_ups() -> None:
    own = sum(map(len, CASES["own"].values()))
    assert len(listed()) >= 150
    assert 0.25 <= own / len(listed()) <= 0.4


def test_the_seen_phrasings_are_read_rightly() -> None:
    assert misread(SEEN) == []


def test_a_question_of_its_own_is_never_touched() -> None:
    own = [case for case in listed() if case[1] == "own"]
    wrong = misread(own)
    assert len(wrong) <= MOST_TOUCHED, wrong


def test_the_held_out_phrasings_are_mostly_read_rightly() -> None:
    wrong = misread(HELD_OUT)
    assert 1 - len(wrong) / len(HELD_OUT) >= LEAST_HELD_OUT, wrong


def test_questions_that_a_review_found_misread_are_left_alone() -> None:
    own = CASES["reviewed"]["own"]
    after = [(phrase, name) for phrase in own for name in ("ships", "largest")]
    assert misread([(phrase, "own", [], name) for phrase, name in after]) == []


def test_follow_ups_that_look_like_them_are_still_read() -> None:
    follow = [(*case, "ships") for case in CASES["reviewed"]["follow"]]
    assert misread(follow) == []


DRAWN = Focus(0, HBB(400, 300, 500, 350))


@pytest.mark.parametrize(
    ("phrase", "meaning", "places"),
    [
        ("How large is it?", "How large is it?", ["drawn"]),
        ("Outline it.", "Outline it.", ["drawn"]),
        ("Outline the second one.", "Outline the second one.", ["drawn"]),
        ("How many bridges are there?", "How many bridges are there?", ["drawn"]),
        ("and the bridges?", "Where are the bridges?", ["drawn"]),
        ("Is it larger than this?", "Is this ship larger than this?", [1, "drawn"]),
        ("Is this larger than it?", "Is this larger than this ship?", ["drawn", 1]),
        ("Is the second one smaller than this?", "Is this ship smaller than this?", [2, "drawn"]),
        ("How far is the second ship from here?", "How far is this ship from here?", [2, "drawn"]),
    ],
)  # fmt: skip
def test_it_is_what_was_drawn_unless_it_is_measured_against_this(
    phrase: str, meaning: str, places: list[int | str]
) -> None:
    history, regions = turns("ships")
    found = resolve(phrase, history, drawn=[DRAWN])
    old = {Focus.of(region): number for number, region in enumerate(regions, 1)}
    assert found.question == meaning
    assert [old.get(place, "drawn") for place in found.focus] == places
    several = phrase.split()[1] in ("it", "this") and len(places) == 2
    assert ("the first is taken" in found.warning) == several


def test_a_drawn_place_needs_no_history() -> None:
    assert resolve("Outline it.", [], drawn=[DRAWN]).focus == (DRAWN,)


@pytest.mark.parametrize(
    "phrase",
    [
        "Find the ship and outline it",
        "Where is the largest ship and how large is it?",
        "Outline the ships and count them",
        "how many cars are next to it?",
        "yes",
        "ok",
        "",
        "and?",
    ],
)
def test_what_points_within_itself_or_nowhere_is_left_alone(phrase: str) -> None:
    history, _ = turns("planes")
    assert resolve(phrase, history) == Resolved(phrase)


def test_without_a_conversation_nothing_is_a_follow_up() -> None:
    assert resolve("and the second one?", []) == Resolved("and the second one?")


def words_only(*questions: str) -> list[Turn]:
    return [Turn(question, "...") for question in questions]


@pytest.mark.parametrize(
    ("history", "phrase", "meaning"),
    [
        (["How many ships are there?"], "where are they?", "Where are the ships?"),
        (["How many ships are there?"], "outline them", "Outline the ships."),
        (["Where is the largest ship?"], "how large is it?", "How large is the largest ship?"),
        (["How many ships are there?", "and bridges?"], "and tanks?", "How many tanks are there?"),
        (["How many white ships are at the pier?"], "and cars?", "How many cars are at the pier?"),
        (["Are there any bridges?"], "and a harbor?", "Is there a harbor?"),
        (["How many cars are in image 1?", "and in image 2?"], "and ships?", "How many ships are in image 2?"),
        (["How many ships are there?", "and the second one?"], "and cars?", "How many cars are there?"),
        (["Where are the ships?", "why?"], "how many?", "How many ships are there?"),
    ],
)  # fmt: skip
def test_words_alone_are_enough_where_no_region_is_pointed_to(
    history: list[str], phrase: str, meaning: str
) -> None:
    found = resolve(phrase, words_only(*history))
    assert (found.question, found.focus) == (meaning, ())


def test_regions_that_are_not_known_are_found_again_once() -> None:
    history, regions = turns("planes")
    asked = []

    def again(index: int) -> Turn:
        asked.append(index)
        return history[index]

    found = resolve("and the second one?", words_only(history[0].question), again)
    assert [focus.region for focus in found.focus] == [regions[1]]
    assert asked == [0]
    # What was found is known, though it is nothing: no answer changes by asking again.
    resolve("outline it", [Turn("Where is the ship?", "...", (), "ground", 0.9)], again)
    resolve("How many ships are there?", words_only("Describe it."), again)
    assert asked == [0]


def test_a_property_is_asked_of_the_next_thing_as_well() -> None:
    history, regions = turns("planes")
    first = Turn("How large is the first one?", "...", (regions[0],), "segment", 0.9)
    found = resolve("and the second?", [*history, first])
    assert found.question == "How large is this airplane?"
    assert [focus.region for focus in found.focus] == [regions[1]]
    assert (
        resolve("and the ships?", [*history, first]).question
        == "How large are the ships?"
    )


def test_a_new_subject_ends_what_it_means() -> None:
    history, _ = turns("planes")
    nothing = Turn("How many ships are there?", "No ship was found.", (), "count", 0.9)
    found = resolve("where are they?", [*history, nothing])
    assert (found.question, found.focus) == ("Where are the ships?", ())


def test_one_word_for_several_regions_is_said() -> None:
    history, _ = turns("ships")
    assert "3 regions" in resolve("outline it", history).warning
    assert resolve("outline them", history).warning == ""
    water, _ = turns("water")  # two pieces of one thing
    assert resolve("outline it", water).warning == ""


def test_a_place_that_was_asked_about_can_be_pointed_to() -> None:
    step = TraceStep(step="focus", image=0, window=(5, 6, 25, 36))
    history = [Turn("What is this?", "A roof.", (), "caption", 0.5, (step,))]
    found = resolve("how large is it?", history)
    assert found.question == "How large is this object?"
    assert [focus.box for focus in found.focus] == [HBB(5, 6, 25, 36)]


def test_a_long_conversation_is_read_from_its_end() -> None:
    history = words_only("How many ships are there?", *["Describe the scene."] * 40)
    assert resolve("and the bridges?", history).question == "Where are the bridges?"


@given(st.text(max_size=80), st.sampled_from(sorted(CASES["history"])))
def test_any_text_is_read_without_an_error(text: str, name: str) -> None:
    found = resolve(text, turns(name)[0])
    assert found == Resolved(text) or found.note


@given(st.sampled_from(listed()), st.sampled_from(["", "please ", "So, "]))
def test_manners_and_case_change_nothing(case: Case, opening: str) -> None:
    phrase, _, _, name = case
    history, _ = turns(name)
    once, twice = (resolve(p, history) for p in (phrase, opening + phrase.upper()))
    assert bool(once.note) == bool(twice.note) or opening
    if once.note and twice.note:
        assert once.focus == twice.focus


def test_all_of_them_are_those_of_the_list() -> None:
    history, regions = turns("second")
    found = resolve("outline all of them", history)
    assert [focus.region for focus in found.focus] == regions
