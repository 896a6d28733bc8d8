"""Synonyms from index files that the test writes in WordNet's layout."""

from pathlib import Path

import pytest

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.metrics import wordnet
from rsvlm.eval.metrics.matching import match_score

NOUNS = """\
  1 This software and database is being provided under a licence.
car n 2 2 @ ~ 2 1 00000010 00000020
auto n 1 1 @ 1 1 00000010
ship n 1 1 @ 1 1 00000030
vessel n 2 1 @ 2 1 00000040 00000030
church n 1 0 1 0 00000050
man n 1 0 1 0 00000060
goose n 1 0 1 0 00000070
storage_tank n 1 1 @ 1 1 00000080
tank n 1 1 @ 1 1 00000080
"""
VERBS = "ship v 1 0 1 0 00000030\nbuild v 1 0 1 0 00000090\nmake v 1 0 1 0 00000090\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "index.noun").write_text(NOUNS)
    (tmp_path / "index.verb").write_text(VERBS)
    (tmp_path / "index.adj").write_text("small a 1 0 1 0 00000100\n")
    (tmp_path / "index.adv").write_text("")
    (tmp_path / "noun.exc").write_text("geese goose\n")
    monkeypatch.setenv(wordnet.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("car", "auto", True),
        ("Cars", "autos", True),
        ("ship", "vessel", True),  # one meaning in common is enough
        ("churches", "church", True),
        ("men", "man", True),
        ("geese", "goose", True),
        ("building", "makes", True),  # build and make, as verbs
        ("smaller", "small", True),
        ("car", "ship", False),
        ("ship", "00000030", False),
        # Offsets of nouns and verbs are apart.
        ("vessels", "shipped", False),
        # The published scripts look up "storage tank" as it is written, in vain.
        ("storage tank", "tank", False),
        ("unheard", "unheard", False),
        ("mak", "build", False),  # endings come off, none is added
    ],
)
def test_synonyms(folder: Path, one: str, other: str, same: bool) -> None:
    dictionary = wordnet.WordNet(folder)
    assert dictionary.are_synonyms(one, other) is same
    assert dictionary.are_synonyms(other, one) is same


def test_the_rule_accepts_equal_texts_and_synonyms(folder: Path) -> None:
    assert match_score("Autos.", ["car"], "wordnet>0.8") == 1
    assert match_score("storage tank", ["storage tank"], "wordnet>0.8") == 1
    assert match_score("river", ["car"], "wordnet>0.8") == 0
    assert match_score("", ["car"], "wordnet>0.8") == 0


def test_nltk_data_is_found(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "nltk" / "corpora" / "wordnet"
    inner.parent.mkdir(parents=True)
    inner.symlink_to(folder)
    monkeypatch.delenv(wordnet.VARIABLE)
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    assert wordnet.find_folder() == inner


def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv(wordnet.VARIABLE, str(empty))
    monkeypatch.setenv("NLTK_DATA", "")
    monkeypatch.setattr(Path, "home", lambda: empty)
    monkeypatch.setattr(wordnet, "SYSTEM", empty)
    with pytest.raises(SettingsError, match="set RSVLM_WORDNET to the folder"):
        match_score("car", ["auto"], "wordnet>0.8")
    # Equal texts need no dictionary.
    assert match_score("car", ["car"], "wordnet>0.8") == 1
    (empty / "index.noun").write_text("car n 1 1 @ 1 1 00000010\n")
    with pytest.raises(SettingsError, match=r"index\.verb is missing"):
        wordnet.WordNet(empty)
    (empty / "index.noun").write_text("car\n")
    with pytest.raises(ParseError, match=r"index\.noun, line 1"):
        wordnet.WordNet(empty)
