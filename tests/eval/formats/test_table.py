"""The table of formats, and our own prediction files."""

from pathlib import Path

import pytest

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.formats.table import FORMATS, read_foreign
from rsvlm.eval.records import Prediction, to_line

SAMPLE = make_sample("a", "vqa", "t", answers=["yes"])


def test_every_format_of_the_command_line_is_there() -> None:
    assert set(FORMATS) == {
        "rsvlm",
        "earthdial",
        "rswk",
        "mme-realworld",
        "lrs-gro",
        "llava-answers",
        "rscovlm",
        "lmms-eval",
        "vlmevalkit",
    }
    assert all(
        form.samples in ("inside", "needed", "either") for form in FORMATS.values()
    )


def test_our_predictions_are_joined_and_the_last_attempt_counts(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    attempts = [
        Prediction(id="a", status="error", error="timeout"),
        Prediction(id="a", raw="yes", attempt=2),
    ]
    path.write_text("".join(f"{to_line(attempt)}\n" for attempt in attempts))
    found = read_foreign(path, "rsvlm", {"a": SAMPLE})
    assert found.predictions[0].raw == "yes"
    assert "1 earlier attempt left out" in found.notes[0]
    with pytest.raises(SettingsError, match="--samples"):
        read_foreign(path, "rsvlm")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n")
    with pytest.raises(UnknownNameError, match="Did you mean 'earthdial'"):
        read_foreign(path, "earthdail")
    with pytest.raises(ParseError, match=r"no file 'b\.jsonl'"):
        read_foreign(tmp_path / "b.jsonl", "earthdial")
    with pytest.raises(SettingsError, match="part of the format 'earthdial'"):
        read_foreign(path, "earthdial", coords=Coords(space="norm100"))
    with pytest.raises(SettingsError, match="hold their questions"):
        read_foreign(path, "earthdial", {"a": SAMPLE})
    with pytest.raises(SettingsError, match="samples is empty"):
        read_foreign(path, "rsvlm", {})
