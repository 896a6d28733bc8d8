"""Pictures for zoom-in chains: small objects of real images, canvases, windows."""

import csv
import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from rsvlm.data_engine.records import Record
from rsvlm.data_engine.sources import chains, rsscn7, vhr10
from rsvlm.errors import SettingsError

#: Images of the tiny VHR-10; one in ten is kept for validation.
IMAGES = 20


def _tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))


def _webp(pixels: "np.typing.NDArray[np.uint8]") -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, format="WEBP", lossless=True)
    return data.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One red object of 20 x 10 px in each image of 300 x 300 px."""
    root = tmp_path_factory.mktemp("data")
    for name in ("vhr10", "rsscn7", "scenes"):
        (root / name).mkdir()
    files, images, notes = {}, [], []
    for i in range(IMAGES):
        pixels = np.full((300, 300, 3), 90 + i, np.uint8)
        pixels[100:110, 150:170] = (250, 10, 10)
        files[f"{i:03d}.webp"] = _webp(pixels)
        images.append(
            {"id": i, "file_name": f"{i:03d}.webp", "width": 300, "height": 300}
        )
        ring = [150, 100, 169, 100, 169, 109, 150, 109]
        notes.append(
            {"id": i, "image_id": i, "category_id": 1 + i % 2,
             "bbox": [150, 100, 20, 10], "segmentation": [ring]}
        )  # fmt: skip
    names = [{"id": 1, "name": "airplane"}, {"id": 2, "name": "storage_tank"}]
    about = {"images": images, "annotations": notes, "categories": names}
    (root / "vhr10/instances_train.json").write_text(json.dumps(about))
    _tar(root / "vhr10/images_train.tar", files)
    scenes = {f"a{i:03d}.webp": _webp(np.full((256, 256, 3), 60, np.uint8)) for i in range(40)}  # fmt: skip
    _tar(root / "rsscn7/images_train.tar", scenes)
    with (root / "rsscn7/labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "class", "split"])
        writer.writerows([name, "grass", "train"] for name in scenes)
    for number, name in enumerate(chains.GROUNDS):
        pixels = np.full((3, 400, 300), 100 + number, np.uint8)
        pixels[:, 320:] = 200  # what validation sees
        with rasterio.open(
            root / "scenes" / name, "w", driver="GTiff", width=300, height=400,
            count=3, dtype="uint8",
        ) as file:  # fmt: skip
            file.write(pixels)
    return root


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make few canvases, and hold few images out."""
    monkeypatch.setattr(chains, "COUNTS", {"train": 4, "val": 2, "test": 0})
    monkeypatch.setattr(vhr10, "VAL_IMAGES", 4)
    monkeypatch.setattr(rsscn7, "VAL_PER_CLASS", 4)


def red(record: Record) -> tuple[float, float, float, float]:
    """Return the box of what is red in an image."""
    with Image.open(BytesIO(record.image)) as image:
        assert image.size == (record.width, record.height)
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rows, columns = np.nonzero(pixels[..., 0] > pixels[..., 1] + 60)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_objects_lie_where_they_are_said_to(root: Path) -> None:
    records = list(chains.read(root, "train"))
    real = [r for r in records if r.meta["labels"] == "upstream"]
    canvases = [r for r in records if r.width == chains.SIDE]
    windows = [r for r in records if r.name.endswith("-window.jpg")]
    assert len(real) == IMAGES - 4
    assert len(canvases) == 4
    assert len(windows) == 2  # of every third
    assert all(r.chain for r in records)
    assert len({r.name for r in records}) == len(records)
    for record in records:
        assert {t.label for t in record.targets} <= {"airplane", "storage tank"}
        boxes = np.array([t.hbb for t in record.targets])
        around = (*boxes[:, :2].min(0), *boxes[:, 2:].max(0))
        assert red(record) == pytest.approx(around, abs=3)
    for record in canvases:
        longest = [t.hbb[2] - t.hbb[0] for t in record.targets]
        assert max(longest) <= chains.SHARES[1] * chains.SIDE + 1
    side = max(t.hbb[2] - t.hbb[0] for t in windows[0].targets)
    assert side > max(longest)  # at the resolution of the object


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_splits_share_nothing_and_the_test_split_is_empty(root: Path) -> None:
    train, val = (list(chains.read(root, split)) for split in ("train", "val"))
    assert list(chains.read(root, "test")) == []
    assert not {r.image for r in train} & {r.image for r in val}
    again = list(chains.read(root, "val"))
    assert [r.image for r in again] == [r.image for r in val]
    dark, light = (
        np.median(np.asarray(Image.open(BytesIO(records[-1].image))))
        for records in (train, val)
    )
    assert light > 180 > dark  # grounds from another part of the scenes


def test_a_missing_scene_is_named(root: Path, tmp_path: Path) -> None:
    for name in ("vhr10", "rsscn7"):
        (tmp_path / name).symlink_to(root / name)
    with pytest.raises(SettingsError, match=r"la_s2\.tif"):
        list(chains.read(tmp_path, "train"))
