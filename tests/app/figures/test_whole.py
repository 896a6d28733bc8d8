"""The whole table at toy size: measured, kept, told, written into a card."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rsvlm.app import build
from rsvlm.app.figures import __main__ as command_line
from rsvlm.app.figures import measure
from rsvlm.app.figures.figure import Figure
from rsvlm.app.figures.rows import Part
from rsvlm.app.figures.whole import Whole, figures_of
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.asking import AssistantAsker

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

CARD = """# Card

<!-- figures: begin -->
stale words
<!-- figures: end -->

Kept.

<!-- failures: begin -->
<!-- failures: end -->
"""


def say(line: str) -> None:
    """Say nothing."""


def rows(whole: Whole) -> dict[str, Figure]:
    """Return title -> figure."""
    return {figure.title: figure for figure in whole.record.figures}


def test_every_row_is_a_figure_or_says_why_not(toy: Any) -> None:
    found = rows(figures_of(toy.table, toy.request, None, say))
    assert list(found) == [row.title for row in toy.table.row]
    made = found["Made"]
    assert made.value == pytest.approx(2 / 3)
    assert (made.n, made.n_failed, made.is_met) == (3, 0, True)
    assert made.groups == {"type=easy": 1.0, "type=hard": 0.0}
    assert made.ci95 is not None
    assert found["Made, right ones"].value == 1.0
    assert found["Made, right ones"].n == 2
    assert found["Made, right ones"].is_met is True
    assert found["Not there"].value is None
    assert "nowhere" in found["Not there"].missing
    assert "zoom_hits" in found["Needle"].missing
    assert found["Cold"].value == 8.5
    assert found["Cold"].ci95 == (7.0, 9.0)
    assert found["Cold"].is_met is False


def test_what_is_finished_is_not_asked_again(toy: Any) -> None:
    figures_of(toy.table, toy.request, None, say)
    asked = len(toy.engine.calls)
    assert asked == 3
    again = figures_of(toy.table, toy.request, None, say)
    assert len(toy.engine.calls) == asked
    assert rows(again)["Made"].value == pytest.approx(2 / 3)


@pytest.mark.parametrize("changed", ["weights", "code", "data", "limit"])
def test_other_weights_code_data_or_limits_are_asked(
    toy: Any, tmp_path: Path, changed: str
) -> None:
    figures_of(toy.table, toy.request, None, say)
    request = toy.request
    if changed == "weights":
        (toy.checkpoint / "model.safetensors").write_bytes(b"other")
    elif changed == "code":
        (tmp_path / "code.py").write_text("2\n")
    elif changed == "data":
        with (toy.own / "made.jsonl").open("a") as file:
            file.write("\n")
    else:
        request = replace(request, limit=2)
    found = rows(figures_of(toy.table, request, None, say))
    assert len(toy.engine.calls) == (5 if changed == "limit" else 6)
    assert found["Made"].is_subset is (changed == "limit")


def test_code_is_what_an_answer_passes_through() -> None:
    names = [path.as_posix() for path in measure.code()]
    for inside in ("rsvlm/assistant.py", "eval/benchmarks/rsscn7.yaml", "app/build.py"):
        assert sum(name.endswith(f"/{inside}") for name in names) == 1
    assert not any("/app/figures/" in name or "/app/chat/" in name for name in names)


def test_a_card_that_is_rewritten_changes_nothing(toy: Any) -> None:
    figures_of(toy.table, toy.request, None, say)
    (toy.checkpoint / "README.md").write_text("A card.")
    figures_of(toy.table, toy.request, None, say)
    assert len(toy.engine.calls) == 3


def test_parts_that_are_not_wanted_are_told_where_they_are_there(toy: Any) -> None:
    first = rows(figures_of(toy.table, toy.request, ["speed"], say))
    assert first["Made"].missing == "not measured"
    assert toy.engine.calls == []
    figures_of(toy.table, toy.request, ["answers"], say)
    then = rows(figures_of(toy.table, toy.request, ["needle"], say))
    assert then["Made"].value == pytest.approx(2 / 3)
    assert then["Cold"].value == 8.5
    with pytest.raises(UnknownNameError, match="anwsers"):
        figures_of(toy.table, toy.request, ["anwsers"], say)


def test_one_assistant_serves_all_parts(
    toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    made = build.build_assistant

    def load(model: str = "", **options: Any) -> Any:
        loaded.append(model)
        return made(model, **options)

    monkeypatch.setattr(build, "build_assistant", load)
    askers = measure.Askers(toy.request)
    plain = askers.of(Part(name="answers"))
    loose = askers.of(Part(name="candidates", least=0.01))
    assert loaded == [str(toy.checkpoint)]
    assert isinstance(plain, AssistantAsker)
    assert isinstance(loose, AssistantAsker)
    assert (plain.least, loose.least) == (None, 0.01)
    assert plain.assistant is loose.assistant
    assert askers.of(Part(name="words", through="model")).way == "model"
    with pytest.raises(SettingsError, match="no knowledge base"):
        askers.of(Part(name="places", knowledge=True))
    known = measure.Askers(replace(toy.request, knowledge=toy.own))
    known.of(Part(name="places", knowledge=True))
    assert loaded == [str(toy.checkpoint)] * 3


def test_pictures_that_were_trained_on_give_no_figure(toy: Any) -> None:
    toy.train_on("1.png")
    whole = figures_of(toy.table, toy.request, None, say)
    assert "was trained on 1 of 3" in rows(whole)["Made"].missing
    (leak,) = [x for x in whole.to_dict()["leaks"]["leaks"] if x["benchmark"] == "made"]
    assert leak["same_file"] == ["1.png"]
    assert "- made, same file: 1.png" in whole.texts["leaks"]


def test_answers_from_passages_are_marked_instead(toy: Any) -> None:
    toy.train_on("1.png")
    parts = [part.model_copy(update={"knowledge": True}) for part in toy.table.part[:1]]
    table = toy.table.model_copy(
        update={"part": tuple(parts), "row": toy.table.row[:1]}
    )
    request = replace(toy.request, knowledge=toy.own)
    whole = figures_of(table, request, None, say)
    assert rows(whole)["Made"].value == pytest.approx(2 / 3)
    assert "- Made: The model was trained on 1 of 3 images" in whole.texts["figures"]


def test_needles_are_shares_of_cases(toy: Any) -> None:
    cases = [{"method": "auto", "hit": True}] * 3 + [{"method": "auto", "hit": False}]
    cases += [{"method": "rule", "hit": False}, {"method": "auto, best", "hit": True}]
    lines = "".join(f"{json.dumps(case)}\n" for case in cases)
    toy.request.needle.write_text(lines)
    found = rows(figures_of(toy.table, toy.request, ["needle"], say))["Needle"]
    assert (found.value, found.n) == (0.75, 4)
    assert found.baselines == {"ImageRAG's rule": 0.0}
    assert found.is_met is False


def test_a_script_that_fails_is_told(
    toy: Any, script: Callable[[str], None], tmp_path: Path
) -> None:
    script("raise SystemExit('no model here')")
    whole = figures_of(toy.table, toy.request, ["speed"], say)
    assert "no model here" in rows(whole)["Cold"].missing
    (tmp_path / "answer_time.py").unlink()
    whole = figures_of(toy.table, toy.request, ["speed"], say)
    assert "in the repository only" in rows(whole)["Cold"].missing


def test_the_command_prints_and_writes(toy: Any, tmp_path: Path) -> None:
    (tmp_path / "CARD.md").write_text(CARD)
    arguments = [
        "--model", str(toy.checkpoint), "--out", "out", "--data", "data",
        "--table", "table.toml", "--include", "data/own",
    ]  # fmt: skip
    result = CliRunner().invoke(command_line.main, [*arguments, "--into", "CARD.md"])
    assert result.exit_code == 0, result.output
    assert "| Made | `made: exact` | **0.667** |" in result.stdout
    assert ">= 0.50: met" in result.stdout
    assert "rsvlm eval run -b made --model" in result.stdout
    card = (tmp_path / "CARD.md").read_text()
    assert result.stdout.strip() in card
    assert "stale" not in card
    assert "Kept." in card
    assert "| made | `test-1` | 1.png | Is it so, 1? | yes | no |" in card
    kept = json.loads((tmp_path / "out/figures.json").read_text())
    assert [figure["title"] for figure in kept["figures"]][:1] == ["Made"]
    assert str(tmp_path) not in (tmp_path / "out/figures.json").read_text()
    again = CliRunner().invoke(command_line.main, [*arguments, "--into", "CARD.md"])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "CARD.md").read_text() == card


def test_a_trial_is_written_nowhere(toy: Any, tmp_path: Path) -> None:
    (tmp_path / "CARD.md").write_text(CARD)
    arguments = ["--model", str(toy.checkpoint), "--limit", "1", "--into", "CARD.md"]
    result = CliRunner().invoke(command_line.main, arguments)
    assert result.exit_code == 2
    assert (tmp_path / "CARD.md").read_text() == CARD


def test_a_wrong_checkpoint_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(command_line.main, ["--model", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "is no checkpoint" in result.output
    assert "Traceback" not in result.output
