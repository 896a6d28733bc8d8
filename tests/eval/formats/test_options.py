"""Letters of references and options in prompts."""

import pytest

from rsvlm.eval.formats.options import filled, letters_of, options_of


@pytest.mark.parametrize(
    ("value", "letters"),
    [
        ("B", ("B",)),
        (" (C). ", ("C",)),
        ("A, C", ("AC",)),
        ("A and C", ("AC",)),
        ("ABD", ("ABD",)),
        (["B", "D"], ("B", "D")),
        ("['A', 'C']", ("A", "C")),
        ("CAB", None),
        ("AA", None),
        ("a", None),
        ("Boat", None),
        ("", None),
        (None, None),
        ([], None),
        (["A", "ship"], None),
        ("[0.1, 0.2]", None),
    ],
)
def test_letters(value: object, letters: tuple[str, ...] | None) -> None:
    assert letters_of(value) == letters


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("What?\nA. pier\nB. ship", ("pier", "ship")),
        ("What?\n(A) pier\n(B) ship: large\nAnswer.", ("pier", "ship: large")),
        ("A. x\nB. y\nC. z\n\nA. pier\nB. ship", ("pier", "ship")),
        ("What?\nA. pier\nC. ship", ()),
        ("What is it?", ()),
        ("", ()),
    ],
)
def test_options(prompt: str, options: tuple[str, ...]) -> None:
    assert options_of(prompt) == options


def test_letters_stand_for_options_that_are_not_known() -> None:
    assert filled((), ["C"]) == ("A", "B", "C")
    assert filled(("pier", "ship"), ["BD"]) == ("pier", "ship", "C", "D")
    assert filled(("pier",), []) == ("pier",)
