"""BigEarthNet and So2Sat through torchgeo, on two tiny patches each."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.io import MemoryFile

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.sources import SOURCES, torchgeo_sets
from rsvlm.errors import MissingExtraError, ParseError

has_torchgeo = importlib.util.find_spec("torchgeo") is not None
needs_torchgeo = pytest.mark.skipif(not has_torchgeo, reason="the extra torchgeo")
#: Importing a training framework warns about this and that.
pytestmark = pytest.mark.filterwarnings("ignore")

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")  # fmt: skip


def _band(path: Path, side: int, value: int) -> None:
    import rasterio

    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=side, width=side, dtype="uint16"
    ) as dataset:
        dataset.write(np.full((1, side, side), value, np.uint16))


def _bigearthnet(tree: Any) -> None:
    for split in ("train", "val", "test"):
        tree.text(f"bigearthnet-{split}.csv", f"S2_{split},S1_{split}\n")
        folder = tree.root / "BigEarthNet-v1.0" / f"S2_{split}"
        folder.mkdir(parents=True)
        for number, band in enumerate(BANDS):
            _band(folder / f"S2_{split}_{band}.tif", 120, 100 * number)
        labels = ["Pastures", "Water bodies"]
        tree.json(
            f"BigEarthNet-v1.0/S2_{split}/S2_{split}_labels_metadata.json",
            {"labels": labels},
        )


@needs_torchgeo
def test_a_patch_has_its_bands_and_questions(tree: Any) -> None:
    _bigearthnet(tree)
    (record,) = SOURCES["bigearthnet"].read(tree.root, "train")
    assert (record.name, record.sensor, record.width) == (
        "S2_train.tif",
        "multispectral",
        120,
    )
    with MemoryFile(record.image) as memory, memory.open() as dataset:
        assert dataset.descriptions == torchgeo_sets.BANDS["bigearthnet"]
        assert dataset.read()[:, 0, 0].tolist() == [100 * n for n in range(12)]
    first, *others = record.questions
    assert first.answers == ("pastures and inland waters",)
    assert sorted(q.answers for q in others) == [("no",)] * 2 + [("yes",)] * 2
    assert len(compose(record, "train")) == 5


@needs_torchgeo
def test_a_damaged_patch_is_named(tree: Any) -> None:
    _bigearthnet(tree)
    tree.text("BigEarthNet-v1.0/S2_train/S2_train_labels_metadata.json", "{")
    with pytest.raises(
        ParseError, match="bigearthnet, patch S2_train: JSONDecodeError"
    ):
        list(SOURCES["bigearthnet"].read(tree.root, "train"))


@needs_torchgeo
@pytest.mark.parametrize("damage", ["empty", "cut", "no tiff"])
def test_a_damaged_band_names_the_patch(tree: Any, damage: str) -> None:
    _bigearthnet(tree)
    path = tree.root / "BigEarthNet-v1.0/S2_train/S2_train_B05.tif"
    data = path.read_bytes()
    cut = {"empty": b"", "cut": data[: len(data) // 2], "no tiff": b"hello " * 99}
    path.write_bytes(cut[damage])
    with pytest.raises(ParseError, match=r"patch S2_train: .*Fetch its files again"):
        list(SOURCES["bigearthnet"].read(tree.root, "train"))


@needs_torchgeo
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_damaged_so2sat_file_is_named(tree: Any, keep: float) -> None:
    h5py = pytest.importorskip("h5py")
    path = tree.at("validation.h5")
    with h5py.File(path, "w") as file:
        file["sen1"] = np.zeros((2, 32, 32, 8))
        file["sen2"] = np.full((2, 32, 32, 10), 0.25)
        file["label"] = np.eye(17)[[3, 16]]
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(ParseError, match=r"validation\.h5"):
        list(SOURCES["so2sat"].read(tree.root, "val"))


@needs_torchgeo
@pytest.mark.parametrize("name", ["bigearthnet", "so2sat"])
def test_a_missing_data_set_says_where(tree: Any, name: str) -> None:
    tree.root.mkdir(parents=True)
    with pytest.raises(ParseError, match=r"torchgeo cannot read .*data"):
        list(SOURCES[name].read(tree.root, "train"))


@needs_torchgeo
def test_so2sat_has_one_class_a_patch(tree: Any) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tree.at("validation.h5"), "w") as file:
        file["sen1"] = np.zeros((2, 32, 32, 8))
        file["sen2"] = np.full((2, 32, 32, 10), 0.25)
        file["label"] = np.eye(17)[[3, 16]]
    first, second = SOURCES["so2sat"].read(tree.root, "val")
    assert (first.label, second.label) == ("open high rise", "water")
    assert len(first.scenes) == 17
    with MemoryFile(first.image) as memory, memory.open() as dataset:
        assert (dataset.count, dataset.read().max()) == (10, 2500)


@pytest.mark.parametrize("name", ["bigearthnet", "so2sat"])
def test_without_torchgeo_the_pip_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in ("torchgeo", "torchgeo.datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"rsvlm\[torchgeo\]"):
        list(SOURCES[name].read(tmp_path, "train"))
