"""The table of scores."""

import pytest
from pydantic import ValidationError

from rsvlm.eval.report import Score, markdown

SCORE = Score(
    name="VHR-10 detection",
    protocol="ap50-voc-area",
    value=0.61249,
    n=200,
    ci95=(0.55, 0.671),
    baseline={"random": 0.0123, "constant": 0.0},
    groups={"ship": 0.7, "bridge": 0.5},
    failure_rate=0.015,
)


def test_table_by_hand() -> None:
    plain = Score(name="counts", protocol="mae", value=12.0, n=3)
    assert markdown([SCORE, plain]) == (
        "| score | protocol | value | 95 % interval | n | failed | baselines |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
        "| VHR-10 detection | `ap50-voc-area` | 0.612 | 0.550 to 0.671 | 200 | 1.5% "
        "| random 0.012, constant 0.000 |\n"
        "| counts | `mae` | 12.000 | - | 3 | - | - |\n"
        "\n"
        "- VHR-10 detection (`ap50-voc-area`): ship 0.700, bridge 0.500\n"
    )


def test_a_table_without_groups_ends_after_its_rows() -> None:
    text = markdown([Score(name="counts", protocol="mae", value=1.0, n=3)])
    assert text.endswith("| - |\n")
    assert markdown([]) == "No scores.\n"


def test_a_name_cannot_break_the_table() -> None:
    odd = Score(name="a | b\nc", protocol="p", value=0.0, n=1)
    lines = markdown([odd]).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("| a \\| b c | `p` |")


def test_a_score_survives_json() -> None:
    assert Score.model_validate_json(SCORE.model_dump_json()) == SCORE


@pytest.mark.parametrize(
    "change",
    [
        {"n": 0},
        {"value": float("nan")},
        {"ci95": (0.7, 0.6)},
        {"protocol": ""},
        {"failure_rate": 1.5},
        {"valeu": 1.0},
    ],
)
def test_a_score_that_says_nothing_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Score.model_validate(SCORE.model_dump() | change)


def test_a_score_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SCORE.__setattr__("value", 1.0)
