"""Samples of files and shards, in one folder or several, with the images they name."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel, ValidationError

from rsvlm.data_engine.shards import write_shards
from rsvlm.errors import ImageError, ParseError, SettingsError
from rsvlm.samples import ImageRef, Sample, read_samples, to_json
from rsvlm.training.augment import load_picture
from rsvlm.training.features import picture_hash
from rsvlm.training.reading import (
    Names,
    file_names,
    find_files,
    image_bytes,
    read_split,
)


def _sample(number: int, *paths: str) -> Sample:
    return Sample(
        id=f"s/{number}", task="caption", source="s", licence="l", split="train",
        images=tuple(ImageRef(path=p, width=8, height=6) for p in paths),
        answers=(f"caption {number}",),
    )  # fmt: skip


SAMPLES = [
    _sample(0, "images/a.png"),
    _sample(1, "images/b.png", "images/a.png"),
    _sample(2, "images/a.png"),
]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    (folder / "images").mkdir(parents=True)
    for level, name in enumerate(("a.png", "b.png")):
        Image.new("RGB", (8, 6), (level, 2, 3)).save(folder / "images" / name)
    text = "".join(to_json(sample) + "\n" for sample in SAMPLES)
    (folder / "train.jsonl").write_text(text)
    return folder


def _levels(data: Path, samples: list[Sample]) -> list[list[int]]:
    """Return the red level of every image, which tells which one was read."""
    return [
        [int(load_picture(data / image.path)[0, 0, 0]) for image in sample.images]
        for sample in samples
    ]


def test_a_built_folder_is_read_as_it_is(built: Path) -> None:
    samples = read_split(built, [built / "train.jsonl"])
    assert samples == list(read_samples(built / "train.jsonl"))
    assert _levels(built, samples) == [[0], [1, 0], [0]]


@pytest.mark.parametrize("shard_bytes", [1, 1 << 20])  # one group a shard, or all
def test_shards_hold_the_same_samples_and_images(
    built: Path, tmp_path: Path, shard_bytes: int
) -> None:
    data = tmp_path / "data"
    written = write_shards(SAMPLES, built, data / "shards", "train", shard_bytes)
    assert len(written) == (3 if shard_bytes == 1 else 1)
    files = find_files(data, {"train": ["shards/train-*.tar"]})
    assert files == {"train": written}
    samples = read_split(data, files["train"])
    assert [sample.id for sample in samples] == [sample.id for sample in SAMPLES]
    assert _levels(data, samples) == [[0], [1, 0], [0]]
    # One image is one path, however many groups hold a copy of it.
    assert samples[0].images[0].path == "shards/train-000000.tar/000000.0.png"
    assert samples[2].images[0].path == samples[0].images[0].path
    for sample, plain in zip(samples, SAMPLES, strict=True):
        for image, known in zip(sample.images, plain.images, strict=True):
            stored = (built / known.path).read_bytes()
            assert image_bytes(data / image.path) == stored
            assert picture_hash(image, data) == hashlib.sha256(stored).hexdigest()


def test_several_folders_are_one_split(built: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    Image.new("RGB", (8, 6), (9, 2, 3)).save(other / "images" / "a.png")
    (other / "train.jsonl").write_text(to_json(SAMPLES[0]) + "\n")
    write_shards(SAMPLES[1:2], built, tmp_path / "shards", "train")
    names = ["train.jsonl", "../other/train.jsonl", "../shards/train-*.tar"]
    files = find_files(built, {"train": names})
    samples = read_split(built, files["train"])
    assert [s.id for s in samples] == ["s/0", "s/1", "s/2", "s/0", "s/1"]
    assert _levels(built, samples) == [[0], [1, 0], [0], [9], [1, 0]]
    assert samples[3].images[0].path == "../other/images/a.png"
    assert file_names(files) == {
        f"train/{number}": path for number, path in enumerate(files["train"])
    }


def test_a_recipe_names_one_file_or_several() -> None:
    class Recipe(BaseModel):
        train: Names

    assert Recipe.model_validate({"train": "a"}).train == ("a",)
    assert Recipe.model_validate({"train": ["a", "b"]}).train == ("a", "b")
    with pytest.raises(ValidationError):
        Recipe.model_validate({"train": []})


def test_missing_files_are_named(built: Path) -> None:
    files = find_files(built, {"train": ["train.jsonl"]})
    assert file_names(files) == {"train": built / "train.jsonl"}
    for name in ("val.jsonl", "val-*.tar"):
        with pytest.raises(SettingsError, match=r"val.* is missing\. Build"):
            find_files(built, {"train": ["train.jsonl"], "val": [name]})
    with pytest.raises(ImageError, match=r"gone\.png: No such file"):
        image_bytes(built / "gone.png")


def test_damaged_shards_are_named(built: Path, tmp_path: Path) -> None:
    (shard,) = write_shards(SAMPLES, built, tmp_path, "train")
    with pytest.raises(ImageError, match=r"7\.0\.png: no such member"):
        image_bytes(shard / "7.0.png")
    whole = shard.read_bytes()
    cut = tmp_path / "cut.tar"
    with tarfile.open(shard) as tar:
        last = tar.getmembers()[-1]
    cut.write_bytes(whole[: last.offset_data + 5])
    with pytest.raises(ParseError, match=r"cut\.tar is no readable tar"):
        read_split(tmp_path, [cut])
    noise = tmp_path / "noise.tar"
    noise.write_bytes(np.random.default_rng(0).bytes(2048))
    with pytest.raises(ParseError, match=r"noise\.tar is no readable tar"):
        image_bytes(noise / "000000.0.png")
