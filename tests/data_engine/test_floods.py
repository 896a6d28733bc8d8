"""Sen1Floods11: the chip as it is, and its water as a mask."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pycocotools import mask as coco
from rasterio import Affine

from rsvlm.data_engine.build import build
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.sources import SOURCES, floods
from rsvlm.errors import ParseError, SettingsError


def _write(root: Path, name: str, values: NDArray[np.generic]) -> None:
    root.mkdir(exist_ok=True)
    bands = values.reshape(-1, *values.shape[-2:])
    with rasterio.open(
        root / name,
        "w",
        driver="GTiff",
        width=bands.shape[2],
        height=bands.shape[1],
        count=len(bands),
        dtype=values.dtype,
        crs="EPSG:4326",
        # 10 m to the north, 10 m * cos(60) to the east.
        transform=Affine(0.0000898, 0, 10, 0, -0.0000898, 60),
    ) as dataset:
        dataset.write(bands)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Write a chip of 8 x 6 px whose two left columns are water."""
    root = tmp_path / "scenes"
    image, label = floods.FILES
    _write(root, image, np.full((2, 6, 8), -12.5, np.float32))
    water = np.zeros((6, 8), np.int16)
    water[:, :2] = 1
    water[0, 7] = -1  # not labelled
    _write(root, label, water)
    return root


def test_the_chip_is_copied_and_its_water_drawn(scenes: Path) -> None:
    (record,) = floods.read(scenes, "val")
    assert record.image == (scenes / floods.FILES[0]).read_bytes()
    assert (record.width, record.height, record.sensor) == (8, 6, "sar")
    assert record.gsd_m == pytest.approx(10 * 0.5**0.5, rel=0.01)
    drawn = coco.decode({"size": [6, 8], "counts": record.masks["water"].counts})
    assert drawn.sum() == 12
    assert drawn[:, :2].all()
    assert record.meta["water"] == 0.25
    assert {s.task for s in compose(record, "val")} == {"segment", "vqa"}


def test_it_serves_validation_only(scenes: Path) -> None:
    assert not list(floods.read(scenes, "train"))
    assert not list(floods.read(scenes, "test"))


def test_faults_are_told(scenes: Path) -> None:
    label = floods.FILES[1]
    _write(scenes, label, np.zeros((5, 8), np.int16))
    with pytest.raises(ParseError, match="Fetch both files again"):
        list(floods.read(scenes, "val"))
    (scenes / label).write_bytes(b"no image")
    with pytest.raises(ParseError, match=label):
        list(floods.read(scenes, "val"))
    (scenes / label).unlink()
    with pytest.raises(SettingsError, match=label):
        list(floods.read(scenes, "val"))


def test_its_folder_has_another_name(tmp_path: Path) -> None:
    source = SOURCES["floods"]
    assert source.root(tmp_path) == tmp_path / "scenes"
    assert SOURCES["vhr10"].root(tmp_path) == tmp_path / "vhr10"
    (tmp_path / "optical_sar").mkdir()
    with pytest.raises(SettingsError):
        build("sensors", tmp_path, tmp_path / "out")


def test_the_real_chip_has_the_known_water() -> None:
    data = Path(os.environ.get("RSVLM_DATA", Path(__file__).parents[3] / "shared/data"))
    if not data.is_dir():
        pytest.skip("the scenes are not there")
    (record,) = floods.read(data / "scenes", "val")
    area = coco.area({"size": [512, 512], "counts": record.masks["water"].counts})
    assert int(area) == 70035
