"""Building a folder: files, counts, reproducible bytes, failures."""

import json
import os
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from rsvlm.data_engine.build import RECIPES, Recipe, build
from rsvlm.data_engine.records import SPLITS, hold_out
from rsvlm.data_engine.sources import SOURCES, synthetic
from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.samples import Sample, read_samples

Write = Callable[..., Path]


def _all(out: Path) -> list[Sample]:
    return [s for split in SPLITS for s in read_samples(out / f"{split}.jsonl")]


def _bytes(out: Path) -> dict[str, bytes]:
    """Return every file but ``run.json``, which tells the time."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.fixture
def tiny(tmp_path: Path, vhr10: Write, rsscn7: Write) -> Path:
    """A data folder for the recipe ``tiny``."""
    vhr10([f"{n:03d}" for n in range(60)], ["901", "902"])
    rsscn7(30)
    return tmp_path


def test_a_build_is_whole(tiny: Path) -> None:
    out = tiny / "out"
    lines: list[str] = []
    build("tiny", tiny, out, progress=lines.append)
    samples = _all(out)
    assert len({s.id for s in samples}) == len(samples)
    for sample in samples:
        image = (out / sample.images[0].path).read_bytes()
        assert sha256(image).hexdigest() == sample.images[0].sha256
        with Image.open(BytesIO(image)) as picture:
            size = (sample.images[0].width, sample.images[0].height)
            assert picture.size == size
        assert sample.licence == SOURCES[sample.source].licence
    images = {s.images[0].path for s in samples}
    assert len(images) == 60 + 2 + 3 * 30 + 3 * 2
    assert set(_bytes(out)) == images | {f"{split}.jsonl" for split in SPLITS}
    assert "vhr10 val: 52 images" in lines


def test_no_image_is_in_two_splits(tiny: Path) -> None:
    build("tiny", tiny, tiny / "out")
    splits = Counter(
        path for path, _ in {(s.images[0].path, s.split) for s in _all(tiny / "out")}
    )
    assert set(splits.values()) == {1}


def test_run_json_tells_what_was_built(tiny: Path) -> None:
    out = tiny / "out"
    build("tiny", tiny, out, seed=5)
    text = (out / "run.json").read_text()
    run = json.loads(text)
    sources = [{"kind": "vhr10"}, {"kind": "rsscn7"}]
    assert run["recipe"] == {"name": "tiny", "sources": sources}
    assert run["filters"] is None
    assert run["terms"]["vhr10"]["use"] == "research"
    assert run["seed"] == 5
    labels = (tiny / "rsscn7" / "labels.csv").read_bytes()
    assert run["inputs"]["rsscn7/labels.csv"] == sha256(labels).hexdigest()
    assert len(run["inputs"]) == 7
    # 2 test images of a class, 3 classes: one question with and one without options.
    assert run["counts"]["test"]["rsscn7"] == {"caption": 6, "classify": 12, "vqa": 12}
    assert run["counts"]["test"]["vhr10"]["detect"] == 2
    found = Counter((s.split, s.source, s.task) for s in _all(out))
    for (split, source, task), count in found.items():
        assert run["counts"][split][source][task] == count
    assert run["packages"]["pydantic"]
    assert run["start"] <= run["end"]
    assert str(tiny) not in text


def test_the_same_seed_gives_the_same_bytes(tiny: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build("tiny", tiny, tiny / name, seed=seed)
    a, b, c = (_bytes(tiny / name) for name in "abc")
    assert a == b
    assert {name for name in a if a[name] != c[name]} == {
        f"{split}.jsonl" for split in SPLITS
    }


def test_absent_classes_are_drawn_as_often_as_the_split_shows_them(tiny: Path) -> None:
    # Odd images lack storage tanks, shown by the even ones, and bridges, never shown.
    build("tiny", tiny, tiny / "out")
    asked = Counter(
        s.meta["label"]
        for s in read_samples(tiny / "out" / "val.jsonl")
        if s.meta["kind"] == "presence"
        and s.answers == ("no",)
        and int(s.id.split("/")[1]) % 2
    )
    assert asked["storage tank"] > 20
    assert asked["bridge"] < 4


def test_names_are_canonical(tiny: Path) -> None:
    build("tiny", tiny, tiny / "out")
    labels = {target.label for s in _all(tiny / "out") for target in s.targets}
    assert labels == {"ship", "storage tank"}
    classes = {s.answers for s in _all(tiny / "out") if s.task == "classify"}
    assert classes == {("forest",), ("river or lake",), ("grassland",)}


def test_smoke_needs_no_data(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build("smoke", tmp_path / "nowhere", out)
    samples = _all(out)
    tasks = {
        "caption",
        "classify",
        "count",
        "detect",
        "ground",
        "retrieve",
        "segment",
        "vqa",
        "zoom",
    }
    for split in SPLITS:
        assert {s.task for s in samples if s.split == split} == tasks
    assert len(list((out / "images" / "synthetic").iterdir())) == 40
    assert len(list((out / "images" / "synthetic_pairs").iterdir())) == 40
    assert json.loads((out / "run.json").read_text())["inputs"] == {}


def test_pairs_bring_both_images_and_the_cover_that_is_drawn(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build("smoke", tmp_path, out)
    samples = [s for s in _all(out) if s.source == "synthetic_pairs"]
    pairs = [s for s in samples if s.task == "retrieve"]
    assert len(pairs) == 20
    captions = {s.images[0].path: s for s in samples if s.task == "caption"}
    for pair in pairs:
        optical, sar = pair.images
        assert (optical.sensor, sar.sensor) == ("optical", "sar")
        assert (optical.width, optical.height) == (sar.width, sar.height)
        for image in pair.images:
            data = (out / image.path).read_bytes()
            assert sha256(data).hexdigest() == image.sha256
        one, other = captions[optical.path], captions[sar.path]
        assert set(one.answers) == set(other.answers)
    masks = [s for s in samples if s.meta["kind"] == "cover-mask"]
    waters = [s for s in masks if s.meta["label"] == "water"]
    assert len(waters) > 10
    for sample in waters:
        assert sample.mask is not None
        with Image.open(out / sample.images[0].path) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(float)
        rle = {"size": sample.mask.size, "counts": sample.mask.counts}
        inside = coco.decode(rle).astype(bool)
        # Drawn water is blue for the camera and dark for the radar.
        blue = pixels[..., 2] - pixels[..., 0]
        dark = 255 - pixels[..., 0]
        seen = blue if sample.images[0].sensor == "optical" else dark
        assert seen[inside].mean() > seen[~inside].mean() + 20


def test_a_build_of_sensors_is_whole(
    tmp_path: Path, optical_sar: Path, sar_acd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert optical_sar.parent == sar_acd.parent == tmp_path
    recipe = Recipe(name="both", sources=("optical_sar", "sar_acd"))
    monkeypatch.setitem(RECIPES, "both", recipe)
    out = tmp_path / "out"
    build("both", tmp_path, out)
    samples = _all(out)
    assert len({s.id for s in samples}) == len(samples)
    shown = {image.path: image for s in samples for image in s.images}
    for path, image in shown.items():
        data = (out / path).read_bytes()
        assert sha256(data).hexdigest() == image.sha256
        with Image.open(BytesIO(data)) as picture:
            assert picture.size == (image.width, image.height)
    found = {f"images/{p.relative_to(out / 'images').as_posix()}" for p in
             (out / "images").rglob("*.*")}  # fmt: skip
    assert found == set(shown)
    # 3 tiles of 2 x (1 + 4) images, 29 chips without a conflict.
    assert len(found) == 3 * 10 + 29
    run = json.loads((out / "run.json").read_text())
    assert run["counts"]["train"]["optical_sar"]["caption"] == 8
    # The pair of the test tile, 8 items, and a query a sensor for each of 2 texts.
    assert run["counts"]["test"]["optical_sar"]["retrieve"] == 1 + 8 + 2 * 2


def test_drawn_objects_fill_their_boxes() -> None:
    records = [r for split in SPLITS for r in synthetic.read(Path(), split)]
    targets = 0
    for record in records:
        with Image.open(BytesIO(record.image)) as image:
            bright = np.asarray(image).min(axis=2) > 185
        expected = np.zeros_like(bright)
        for target in record.targets:
            x0, y0, x1, y1 = map(int, target.hbb)
            part = bright[y0:y1, x0:x1]
            # An object touches all four sides of its box.
            assert part.any(axis=0)[[0, -1]].all()
            assert part.any(axis=1)[[0, -1]].all()
            expected[y0:y1, x0:x1] = part
            points = np.array(target.polygons[0]).reshape(-1, 2)
            assert [*points.min(0), *points.max(0)] == pytest.approx(
                target.hbb, abs=0.2
            )
            targets += 1
        if record.objects:
            assert (bright == expected).all()  # and nothing bright lies outside
    assert targets > 30


def test_a_missing_folder_says_where_it_looked_and_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        build("tiny", tmp_path / "data", tmp_path / "out")
    message = str(caught.value)
    assert f"There is no 'vhr10' in '{tmp_path / 'data'}'." in message
    assert "--data" in message
    assert "\n" not in message
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_found_before_anything_is_written(tiny: Path) -> None:
    (tiny / "rsscn7" / "images_test.tar").unlink()
    with pytest.raises(SettingsError, match=r"images_test\.tar"):
        build("tiny", tiny, tiny / "out")
    assert not (tiny / "out").exists()


def test_a_failed_build_does_not_look_complete(tiny: Path) -> None:
    out = tiny / "out"
    (tiny / "rsscn7" / "images_test.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(ParseError):
        build("tiny", tiny, out)
    assert not (out / "run.json").exists()
    assert not [path for path in out.rglob("*") if path.name.endswith(".part")]


def test_the_real_sets_have_the_known_sizes() -> None:
    data = Path(os.environ.get("RSVLM_DATA", Path(__file__).parents[3] / "shared/data"))
    if not data.is_dir():
        pytest.skip("the datasets are not there")
    sizes = {}
    for name in ("vhr10", "rsscn7"):
        images = [
            {record.image for record in SOURCES[name].read(data / name, split)}
            for split in SPLITS
        ]
        sizes[name] = [len(part) for part in images]
        assert len(set[bytes]().union(*images)) == sum(sizes[name])
    # 520 training images but one; 28 of 320 training images in each of 7 classes.
    assert sizes == {"vhr10": [467, 52, 65], "rsscn7": [2044, 196, 280]}


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SettingsError, match="is a file"):
        build("smoke", tmp_path, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        build("tinny", Path(), Path())


def test_every_recipe_names_known_sources() -> None:
    for recipe in RECIPES.values():
        assert {entry.kind for entry in recipe.sources} <= set(SOURCES)


def test_a_group_is_held_out_as_a_whole_or_not_at_all() -> None:
    groups = [["a", "b", "c"], ["d"], ["e", "f"], ["g"]]
    for count in range(8):
        chosen = hold_out(groups, count, "salt")
        assert len(chosen) <= count
        assert all(set(g) <= chosen or not set(g) & chosen for g in groups)
    assert hold_out(groups, 7, "salt") == set("abcdefg")
    singles = [[name] for name in "abcdefghij"]
    assert hold_out(singles, 5, "one") != hold_out(singles, 5, "two")
