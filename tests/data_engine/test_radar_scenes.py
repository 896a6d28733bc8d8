"""Radar scenes: points of xView3 cut out of them, flood chips with their lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import SOURCES
from rsvlm.errors import ParseError


def _read(name: str, root: Path, split: Split = "train") -> list[Record]:
    return list(SOURCES[name].read(root, split))


def _tiff(path: Path, values: Any, size: float = 10.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.asarray(values).reshape(-1, *np.shape(values)[-2:])
    with rasterio.open(
        path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1],
        count=len(bands), dtype=bands.dtype, crs="EPSG:32631",
        transform=Affine(size, 0, 500000, 0, -size, 5000000),
    ) as dataset:  # fmt: skip
        dataset.write(bands)


XVIEW = "scene_id,detect_scene_row,detect_scene_column,is_vessel,is_fishing,vessel_length_m,confidence,top,left,bottom,right\n"


@pytest.fixture
def xview3(tmp_path: Path) -> Path:
    """Two scenes of 1000 x 900 px whose values are the number of the column."""
    for scene in ("aaaav", "bbbbv"):
        for band in ("VV_dB.tif", "VH_dB.tif"):
            columns = np.tile(np.arange(1000, dtype=np.float32), (900, 1))
            _tiff(tmp_path / "validation" / scene / band, columns)
    rows = [
        "aaaav,10,20,True,False,100,HIGH,,,,",
        "aaaav,850,990,False,,,MEDIUM,840,980,860,1000",
        "aaaav,20,900,True,,50,LOW,,,,",  # the window of an uncertain object
        "bbbbv,5,7,True,,,HIGH,,,,",
    ]
    (tmp_path / "validation.csv").write_text(XVIEW + "\n".join(rows) + "\n")
    return tmp_path


def test_xview3_windows_hold_every_sure_object(xview3: Path) -> None:
    train, val = _read("xview3", xview3), _read("xview3", xview3, "val")
    records = {r.name: r for r in (*train, *val)}
    assert set(records) == {"aaaav-0-0.tif", "aaaav-1-1.tif", "bbbbv-0-0.tif"}
    assert (
        len({r.meta["cluster"] for r in train} & {r.meta["cluster"] for r in val}) == 0
    )
    first = records["aaaav-0-0.tif"]
    assert first.targets[0].label == "ship"
    assert first.targets[0].hbb == (15.5, 5.5, 25.5, 15.5)  # 100 m are 10 px
    corner = records["aaaav-1-1.tif"]
    assert (corner.width, corner.height) == (200, 100)
    assert corner.targets[0].label == "offshore structure"
    assert corner.targets[0].hbb == (180, 40, 200, 60)
    with rasterio.MemoryFile(corner.image) as file, file.open() as dataset:
        assert dataset.count == 2
        assert dataset.read(1)[0, 0] == 800
        assert dataset.transform.c == 500000 + 8000
        assert dataset.descriptions == ("VV", "VH")


def test_xview3_names_the_line_of_a_point_outside(xview3: Path) -> None:
    table = xview3 / "validation.csv"
    table.write_text(XVIEW + "aaaav,10,5000,True,,,HIGH,,,,\n")
    with pytest.raises(ParseError, match=r"validation\.csv, line 2: .*outside"):
        _read("xview3", xview3)
    table.write_text(XVIEW + "ccccv,10,50,True,,,HIGH,,,,\n")
    with pytest.raises(ParseError, match=r"line 2: there is no ccccv/VV_dB\.tif"):
        _read("xview3", xview3)


@pytest.fixture
def sen1floods11(tmp_path: Path) -> Path:
    """One radar chip a list; that of training has its optical chip beside it."""
    hand = tmp_path / "v1.1/data/flood_events/HandLabeled"
    water = np.zeros((8, 8), np.int16)
    water[:, :4] = 1
    for part, stem in (
        ("train", "Ghana_1"), ("valid", "Spain_2"), ("test", "India_3"),
        ("bolivia", "Bolivia_4"),
    ):  # fmt: skip
        _tiff(hand / f"S1Hand/{stem}_S1Hand.tif", np.full((2, 8, 8), -12, np.float32))
        _tiff(hand / f"LabelHand/{stem}_LabelHand.tif", water)
        lists = tmp_path / "v1.1/splits/flood_handlabeled"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"flood_{part}_data.csv").write_text(
            f"{stem}_S1Hand.tif,{stem}_LabelHand.tif\n"
        )
    _tiff(hand / "S2Hand/Ghana_1_S2Hand.tif", np.full((13, 8, 8), 900, np.int16))
    return tmp_path


def test_sen1floods11_lists_are_the_splits(sen1floods11: Path) -> None:
    optical, radar = _read("sen1floods11", sen1floods11)
    assert (optical.sensor, radar.sensor) == ("multispectral", "sar")
    assert optical.partner == radar
    assert radar.meta["water"] == 0.5
    assert radar.meta["event"] == "Ghana"
    assert set(radar.masks) == {"water"}
    assert [r.name for r in _read("sen1floods11", sen1floods11, "val")] == [
        "Spain_2_S1Hand.tif"
    ]
    assert len(_read("sen1floods11", sen1floods11, "test")) == 2


def test_sen1floods11_names_the_line_of_a_fault(sen1floods11: Path) -> None:
    path = next(sen1floods11.rglob("flood_train_data.csv"))
    path.write_text(path.read_text() + "Ghana_9.tif\n")
    with pytest.raises(ParseError, match=r"flood_train_data\.csv, line 2: 'Ghana_9"):
        _read("sen1floods11", sen1floods11)
    path.write_text("Ghana_9_S1Hand.tif,Ghana_9_LabelHand.tif\n")
    with pytest.raises(ParseError, match=r"line 1: there is no S1Hand/Ghana_9"):
        _read("sen1floods11", sen1floods11)
