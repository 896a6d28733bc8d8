"""Shards: the same records and images come back, in order, in equal bytes."""

import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from rsvlm.data_engine.shards import write_shards
from rsvlm.errors import ParseError, SettingsError
from rsvlm.samples import ImageRef, Sample, read_shard


def _sample(number: int, *paths: str) -> Sample:
    return Sample(
        id=f"s/{number}", task="caption", source="s", licence="l", split="train",
        images=tuple(ImageRef(path=p, width=8, height=6) for p in paths),
        answers=(f"caption {number} \u00e9",),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, name in enumerate(("a.png", "b.PNG", "c.tif")):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / "images" / name)
    return tmp_path


SAMPLES = [
    _sample(0, "images/a.png"),
    _sample(1, "images/a.png"),
    _sample(2, "images/a.png", "images/b.PNG"),
    _sample(3, "images/b.PNG"),
    _sample(4, "images/c.tif"),
]


def test_records_and_images_come_back(folder: Path) -> None:
    (path,) = write_shards(SAMPLES, folder, folder / "out", "train")
    assert path.name == "train-000000.tar"
    groups = list(read_shard(path))
    assert [s for group in groups for s in group.samples] == SAMPLES
    assert [len(group.samples) for group in groups] == [3, 1, 1]
    for group in groups:
        for name, data in group.files.items():
            assert data == (folder / name).read_bytes()


def test_members_are_named_as_webdataset_groups_them(folder: Path) -> None:
    (path,) = write_shards(SAMPLES, folder, folder / "out", "train")
    with tarfile.open(path) as tar:
        names = tar.getnames()
        assert {(m.mtime, m.uid, m.uname) for m in tar} == {(0, 0, "")}
    assert names == [
        "000000.0.png", "000000.1.png", "000000.json",
        "000001.0.png", "000001.json", "000002.0.tif", "000002.json",
    ]  # fmt: skip


def test_a_full_shard_is_followed_by_another_and_bytes_are_equal(folder: Path) -> None:
    first = write_shards(SAMPLES, folder, folder / "one", "a", shard_bytes=1)
    again = write_shards(SAMPLES, folder, folder / "two", "a", shard_bytes=1)
    assert [p.name for p in first] == [f"a-{n:06d}.tar" for n in range(3)]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    found = [s for p in first for g in read_shard(p) for s in g.samples]
    assert found == SAMPLES
    # A shorter run leaves nothing of the longer one behind.
    write_shards(SAMPLES[:1], folder, folder / "one", "a")
    assert len(list((folder / "one").iterdir())) == 1


def test_a_missing_image_is_named(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"image 'z\.png'"):
        write_shards([_sample(0, "images/z.png")], folder, folder / "out", "a")
    assert list((folder / "out").glob("*.tar")) == []


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"0.json": b"{"}, r"a\.tar, 0\.json"),
        ({"0.json": b"[]"}, r"a\.tar, 0\.json"),
        ({"0.json": b'{"images": {"a": "0.0.png"}, "samples": []}'}, "0.0.png"),
        ({"0.json": b'{"images": {}, "samples": [{"id": 1}]}'}, r"0\.json\[0\]: "),
        ({"0.0.png": b""}, "0.0.png: no samples follow"),
    ],
)
def test_an_incomplete_group_is_named(
    tmp_path: Path, files: dict[str, bytes], what: str
) -> None:
    with pytest.raises(ParseError, match=what):
        list(read_shard(_tar(tmp_path / "a.tar", files)))


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100])
def test_what_is_no_tar_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(ParseError, match=r"a\.tar is no readable tar"):
        list(read_shard(path))
