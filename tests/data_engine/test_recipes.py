"""A user's own recipe: sources by format and folder, terms, tiles, filters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.data_engine.build import build
from rsvlm.data_engine.licences import TERMS
from rsvlm.data_engine.recipes import RECIPES, find_recipe, taken
from rsvlm.data_engine.records import SPLITS
from rsvlm.data_engine.sources import SOURCES
from rsvlm.data_engine.validate import Counts, validate
from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.samples import Sample, read_samples

RECIPE = """
[[sources]]
kind = "dota"
path = "mine"
name = "harbours"
licence = "CC-BY-4.0"
use = "commercial"
attribution = "The harbour office"
gsd_m = 0.3
"""


def _picture(
    tree: Any, path: str, seed: int, width: int = 64, height: int = 64
) -> None:
    cells = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize((width, height), Image.Resampling.BILINEAR)
    image.save(tree.at(path))


@pytest.fixture
def mine(tree: Any) -> Any:
    """DOTA labels: two training images of which one is broken, one for validation."""
    for split, stem, seed in (("train", "a", 1), ("train", "b", 2), ("val", "c", 3)):
        _picture(tree, f"mine/{split}/images/{stem}.png", seed)
        tree.text(
            f"mine/{split}/labelTxt/{stem}.txt",
            "10 10 20 10 20 20 10 20 ship 0\n"
            + ("60 10 90 10 90 20 60 20 ship 0\n" if stem == "b" else ""),
        )
    tree.text("my.toml", RECIPE)
    return tree


def _build(tree: Any, **options: Any) -> tuple[list[Sample], dict[str, Any]]:
    out = tree.root / "out"
    build(str(tree.root / "my.toml"), tree.root / "nowhere", out, **options)
    samples = [s for split in SPLITS for s in read_samples(out / f"{split}.jsonl")]
    for split in SPLITS:
        if (out / f"{split}.jsonl").stat().st_size:
            assert list(validate(out / f"{split}.jsonl", Counts())) == []
    return samples, json.loads((out / "run.json").read_text())


def test_own_labels_become_conversations(mine: Any) -> None:
    samples, run = _build(mine, use="commercial")
    assert {s.source for s in samples} == {"harbours"}
    assert {s.licence for s in samples} == {"CC-BY-4.0"}
    assert {s.split for s in samples} == {"train", "val"}
    assert {"count", "detect", "ground", "vqa"} <= {s.task for s in samples}
    assert {image.gsd_m for s in samples for image in s.images} == {0.3}
    assert all(s.sha256 for s in samples)
    assert run["recipe"]["name"] == "my"
    assert run["use"] == "commercial"
    assert run["terms"] == {
        "harbours": {
            "spdx": "CC-BY-4.0",
            "use": "commercial",
            "attribution": "The harbour office",
        }
    }
    assert list(run["inputs"]) == ["harbours/**/label*/**/*.txt"]
    # Only a seventh of the second ship of "b" is in the image.
    assert run["filters"] == {"object left out": {"harbours": {"train": 1}}}
    (count,) = {s.answers for s in samples if "/train-images-b/count" in s.id
                and s.meta["label"] == "ship"}  # fmt: skip
    assert count == ("1",)


def test_filters_can_be_turned_off(mine: Any) -> None:
    mine.text("my.toml", RECIPE + "[filters]\ngeometry = false\n")
    with pytest.raises(AssertionError, match="leaves the image"):
        _build(mine)


def test_leaks_are_left_out_and_listed(mine: Any) -> None:
    mine.text("my.toml", RECIPE + "\n[filters]\nnear = 0.9\n")
    _picture(mine, "mine/train/images/b.png", 3)  # the image of validation
    samples, run = _build(mine)
    assert not [s for s in samples if s.split == "train" and "images-b" in s.id]
    assert run["filters"]["leak"] == {"harbours": {"train": 1}}
    rows = (mine.root / "out/dropped.jsonl").read_text().splitlines()
    (row,) = map(json.loads, rows)
    assert row["name"] == "train-images-b.png"
    assert row["twin"] == "val/harbours/val-images-c.png"
    assert not (mine.root / "out/images/harbours/train-images-b.png").exists()


def test_two_builds_are_equal_and_follow_labels(mine: Any) -> None:
    _, first = _build(mine)
    lines = (mine.root / "out/train.jsonl").read_bytes()
    (mine.root / "out").rename(mine.root / "first")
    _, second = _build(mine)
    assert (mine.root / "out/train.jsonl").read_bytes() == lines
    assert first["inputs"] == second["inputs"]
    mine.text("mine/train/labelTxt/a.txt", "10 10 20 10 20 20 10 20 plane 0\n")
    with pytest.raises(SettingsError, match="holds a build with other input files"):
        _build(mine)
    (mine.root / "out").rename(mine.root / "second")
    _, third = _build(mine)
    assert third["inputs"] != first["inputs"]


def test_large_images_are_cut_into_tiles(mine: Any) -> None:
    mine.text("my.toml", RECIPE + "tile = 128\n")
    _picture(mine, "mine/train/images/a.png", 1, 300, 200)
    mine.text(
        "mine/train/labelTxt/a.txt",
        "10 10 20 10 20 20 10 20 ship 0\n280 180 300 180 300 200 280 200 ship 0\n",
    )
    samples, _ = _build(mine)
    detect = {s.images[0].path: s for s in samples if s.task == "detect"}
    first = detect["images/harbours/train-images-a-0-0.png"]
    assert first.targets[0].hbb == (10, 10, 20, 20)
    corner = detect["images/harbours/train-images-a-172-72.png"]
    assert corner.targets[0].hbb == (108, 108, 128, 128)
    assert corner.targets[0].polygons[0][:4] == (108, 108, 128, 108)
    assert (corner.images[0].width, corner.images[0].height) == (128, 128)
    whole = np.asarray(Image.open(mine.root / "mine/train/images/a.png"))
    tile = np.asarray(Image.open(mine.root / "out" / corner.images[0].path))
    assert np.array_equal(tile, whole[72:, 172:])
    # A tile without an object is no image of the build, a small image stays whole.
    assert len([path for path in detect if "-a-" in path]) == 2
    assert "images/harbours/train-images-b.png" in detect


def test_tiles_do_not_fit_what_is_about_whole_images(tree: Any) -> None:
    tree.text("my.toml", '[[sources]]\nkind = "synthetic_pairs"\ntile = 64\n')
    with pytest.raises(SettingsError, match="'tile' does not fit the source"):
        _build(tree)


@pytest.mark.parametrize(
    ("text", "error", "what"),
    [
        ("sources = []", SettingsError, "sources"),
        ('sources = ["vhr01"]', UnknownNameError, "source 'vhr01'.*vhr10"),
        ('sources = ["smoke"', SettingsError, "is no TOML"),
        ('sources = ["synthetic"]\nfilter = 1', UnknownNameError, "setting 'filter'"),
        ('sources = [{kind = "synthetic", tile = 3}]', SettingsError, "tile"),
        (
            'sources = ["synthetic", "synthetic"]',
            SettingsError,
            "Two sources are called",
        ),
        ('sources = [{kind = "coco", path = "x"}]', SettingsError, "states no licence"),
        (
            'sources = [{kind = "synthetic", use = "commercial"}]',
            SettingsError,
            "states a use but no licence",
        ),
        (
            'sources = [{kind = "dota", path = "none"}]',
            SettingsError,
            "no 'none' in",
        ),
    ],
)
def test_a_fault_of_a_recipe_is_one_line(
    tree: Any, text: str, error: type[Exception], what: str
) -> None:
    tree.text("my.toml", text)
    with pytest.raises(error, match=what) as caught:
        _build(tree)
    assert "\n" not in str(caught.value)


def test_a_damaged_label_names_file_and_line(mine: Any) -> None:
    mine.text("mine/val/labelTxt/c.txt", "10 10 20 10 20 20 10 20 ship 0\n1 2 3\n")
    with pytest.raises(ParseError, match=r"c\.txt, line 2: 3 values"):
        _build(mine)
    assert not (mine.root / "out/run.json").exists()


def test_there_is_no_recipe_of_that_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'smoke'"):
        find_recipe("smok")


@pytest.mark.parametrize("use", ["commercial", "research"])
def test_a_use_that_terms_do_not_allow_is_refused(mine: Any, use: Any) -> None:
    text = '\n[[sources]]\nkind = "dota"\npath = "mine"\n'
    mine.text("my.toml", RECIPE + text)
    if use == "research":
        _, run = _build(mine, use=use)
        # The same images a second time.
        assert run["filters"]["duplicate"] == {"dota": {"train": 2, "val": 1}}
        return
    with pytest.raises(SettingsError, match=r"--use commercial does not fit dota \("):
        _build(mine, use=use)
    assert not (mine.root / "out").exists()


def test_a_source_without_known_terms_fits_no_stated_use(
    tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.text("my.toml", 'sources = ["synthetic"]')
    monkeypatch.delattr("rsvlm.data_engine.licences.TERMS", raising=False)
    monkeypatch.setattr("rsvlm.data_engine.recipes.TERMS", {})
    with pytest.raises(SettingsError, match=r"synthetic \(terms not known\)"):
        _build(tree, use="research")


def test_every_source_of_a_shipped_recipe_has_terms(tmp_path: Path) -> None:
    for recipe in RECIPES.values():
        for source in taken(recipe, Path(), tmp_path):
            assert source.terms is not None
    assert set(TERMS) <= set(SOURCES)


def test_expressions_and_reasons_become_valid_samples(tree: Any) -> None:
    _picture(tree, "phrases/images/7.tif", 1)
    tree.mask("phrases/masks/7.tif", 255 * np.eye(64, dtype=np.uint8))
    tree.text("phrases/output_phrase_train.txt", "7 road markings\n")
    for stem, answers, seed in (("a", ["It is the pier."], 2), ("b", [], 3)):
        _picture(tree, f"reasons/train/images/{stem}.png", seed)
        tree.mask(f"reasons/train/labels/{stem}.png", np.eye(64))
        value = {"questions": ["Where do boats land?"], "answer": answers}
        tree.json(f"reasons/train/QAs/{stem}.json", value)
    tree.text(
        "my.toml",
        'sources = [{kind = "refsegrs", path = "phrases"}, '
        '{kind = "earthreason", path = "reasons"}]',
    )
    samples, run = _build(tree, use="research")
    asked = {s.id: s for s in samples}
    phrase = asked["refsegrs/images-7/asked-0"]
    assert "road markings" in phrase.conversation[0].text
    assert phrase.mask is not None
    there, not_there = (asked[f"earthreason/train-images-{s}/asked-0"] for s in "ab")
    assert there.conversation[1].text == "It is the pier."
    assert (there.mask is None, not_there.mask) == (False, None)
    assert {s.task for s in samples} == {"segment"}
    assert run["filters"] == {}
