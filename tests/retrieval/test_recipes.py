"""Recipes: shipped ones, files, faults, fingerprints."""

from pathlib import Path

import pytest

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.retrieval.recipes import SHIPPED, load_recipe, sources

MINE = """
name = "mine"
[[source]]
kind = "files"
path = "notes"
licence = "CC0-1.0"
"""


def test_the_shipped_recipes_are_valid() -> None:
    for name in SHIPPED:
        recipe, _ = load_recipe(name)
        assert recipe.name == name
    found = sources(*load_recipe("smoke"))
    assert [source.name for source in found] == ["handbook", "glossary"]
    assert len(list(found[0].read())) >= 60


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "notes/deep").mkdir(parents=True)
    (tmp_path / "notes/a.md").write_text("# A\nText a.\n")
    (tmp_path / "notes/deep/b.txt").write_text("Text b.")
    (tmp_path / "notes/c.docx").write_text("no")
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def test_a_folder_is_read_with_all_below_it(mine: Path) -> None:
    (source,) = sources(*load_recipe(str(mine)))
    assert [passage.text for passage in source.read()] == ["Text a.", "Text b."]


def test_a_fingerprint_follows_files_and_settings(mine: Path) -> None:
    def fingerprint() -> str:
        return sources(*load_recipe(str(mine)))[0].fingerprint

    first = fingerprint()
    assert fingerprint() == first
    (mine.parent / "notes/a.md").write_text("# A\nText c.\n")
    second = fingerprint()
    mine.write_text(MINE.replace("CC0-1.0", "MIT"))
    assert len({first, second, fingerprint()}) == 3


def test_an_area_leaves_out_what_lies_elsewhere(mine: Path) -> None:
    csv = mine.parent / "notes/p.csv"
    csv.write_text("name,lon,lat\nIn,10,10\nOut,50,50\n")
    mine.write_text(MINE.replace("notes", "notes/p.csv") + "area = [9, 9, 11, 11]\n")
    (source,) = sources(*load_recipe(str(mine)))
    assert [passage.title for passage in source.read()] == ["In"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINE + "colour = 1\n", "colour"),
        (MINE.replace("files", "flies"), "source.0"),
        (MINE + "[[", "no TOML"),
        ('name = "x"\nsource = []\n', "source"),
        (MINE.replace('"notes"', '"none"'), "names no file"),
    ],
)
def test_faults_are_told(mine: Path, text: str, told: str) -> None:
    mine.write_text(text)
    with pytest.raises(SettingsError, match=told):
        sources(*load_recipe(str(mine)))


def test_an_unknown_recipe_names_the_shipped_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'world'"):
        load_recipe("wrold")
