"""METEOR and the Java tokenizer: the formula, what is missing, and the real programs."""

import shutil
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from rsvlm.errors import EngineError, MissingExtraError, SettingsError
from rsvlm.eval.metrics import caption_peers
from rsvlm.eval.metrics.caption_peers import (
    Meteor,
    meteor,
    ptb_java,
    unavailable,
)

HYPOTHESES = [
    "some green trees are near a river",
    "a tree",
    "a tree a tree",
    "",
    "zzz",
    "lots of building close to the large pond",
]
REFERENCES = [
    ["a large green tree near the river", "many trees"],
    ["a tree"],
    ["a tree"],
    ["a tree"],
    ["the river bank"],
    ["many buildings are near a big lake"],
]
#: What METEOR 1.5 wrote for these: counts, and the scores it made of them.
COUNTS = """
7 7 3 2 3 3 1 1 1 1 0 0 0 0 0 0 0 0 0 0 4 5 5
2 2 1 1 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 1 2 2
4 2 2 1 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 1 2 2
0 2 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
1 3 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
8 7 3 2 0 0 0 0 1 1 0 0 0 0 0 0 2 2 1 2 2 4 5
"""
SCORES = [0.3011391797297329, 1, 0.4153649234976744, 0, 0, 0.1855843466330604]


def recorded() -> Meteor:
    rows = [line.split() for line in COUNTS.strip().splitlines()]
    return Meteor(np.array(rows, dtype=np.float64))


def test_scores_are_those_that_meteor_makes_of_its_counts() -> None:
    assert recorded().sentences().tolist() == pytest.approx(SCORES, abs=1e-12)


def test_the_value_of_a_corpus_comes_from_summed_counts() -> None:
    counts = recorded()
    # With a seventh caption of one wrong word against two, METEOR's own value.
    seventh = np.zeros((1, 23))
    seventh[0, :4] = 1, 2, 1, 1
    whole = Meteor(np.vstack([counts.counts, seventh]))
    assert whole.corpus() == pytest.approx(0.22350557511651103, abs=1e-12)
    assert counts.corpus([1, 1]) == pytest.approx(1)
    assert counts.corpus([2]) == pytest.approx(SCORES[2])
    with pytest.raises(SettingsError, match="METEOR of 0 samples"):
        counts.corpus([])


def test_spice_is_unavailable_and_others_need_nothing() -> None:
    assert "SPICE is unavailable" in str(unavailable("spice"))
    assert unavailable("cider-d") is None


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_peers, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"rsvlm\[coco\]"):
        meteor(["a"], [["a"]])
    assert "rsvlm[coco]" in str(unavailable("meteor-1.5"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pycocoevalcap with empty programs, and a folder for a made-up java."""
    for path in (caption_peers._METEOR, caption_peers._PTB):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    spec = ModuleSpec("pycocoevalcap", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(caption_peers, "find_spec", lambda name: spec)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin" / "java"


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_missing_java_is_said(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(SettingsError, match=r"meteor-1\.5\.jar runs on Java"):
        meteor(["a"], [["a"]])
    assert "Install a Java runtime" in str(unavailable("meteor-1.5"))


def test_what_goes_to_meteor_is_one_line_a_caption(program: Path) -> None:
    seen = program.parent / "seen"
    line = COUNTS.strip().splitlines()[0]
    write(program, f"tee '{seen}' | while read -r _; do echo {line}; done")
    found = meteor(["a ||| tree", "  "], [["the\ntree", "trees"], ["b"]])
    assert (
        seen.read_text()
        == "SCORE ||| the tree ||| trees ||| a tree\nSCORE ||| b ||| \n"
    )
    assert found.counts.shape == (2, 23)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cat >/dev/null; echo out of memory >&2; exit 1", "0 of 2 lines: out of mem"),
        ("cat >/dev/null; echo 1 2 3", "answered 1 of 2 lines"),
        ("cat >/dev/null; echo 1 2; echo 1 2 3", "something else than counts"),
        ("cat >/dev/null; echo x; echo y", "something else than counts"),
    ],
)
def test_a_failing_program_is_an_error(
    program: Path, script: str, message: str
) -> None:
    write(program, script)
    with pytest.raises(EngineError, match=message):
        meteor(["a", "b"], [["a"], ["b"]])


def test_tokens_of_the_program_lose_their_punctuation(program: Path) -> None:
    write(program, "cat")
    texts = ["a 's ( -lrb- . , ... -- `` ''", "", "a\nb"]
    assert ptb_java(texts) == [["a", "'s", "(", "-lrb-"], [], ["a", "b"]]
    assert ptb_java([]) == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_the_real_meteor_writes_what_was_recorded() -> None:
    pytest.importorskip("pycocoevalcap.meteor")
    found = meteor(HYPOTHESES, REFERENCES)
    assert found.counts.tolist() == recorded().counts.tolist()
