"""Drawn and pasted scenes as records."""

from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.io import MemoryFile

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.sources import SOURCES, synth
from rsvlm.raster import Raster


def test_an_optical_record_holds_the_truth() -> None:
    record = synth.optical_record(6)
    assert record.image == synth.optical_record(6).image
    with Image.open(BytesIO(record.image)) as picture:
        assert picture.size == (record.width, record.height)
    assert {target.label for target in record.targets} <= set(record.objects)
    assert record.crs is not None
    assert record.crs == "EPSG:32703"
    assert record.transform is not None
    assert record.transform[0] == record.gsd_m
    assert "water" in record.masks
    assert record.captions[0].startswith("The image shows a harbour with")
    tasks = {sample.task for sample in compose(record, "train")}
    assert tasks >= {"vqa", "count", "ground", "detect", "caption"}


def test_a_radar_record_is_a_georeferenced_pair_of_bands(tmp_path: Path) -> None:
    record = synth.sar_record(0)
    assert record.sensor == "sar"
    with MemoryFile(record.image) as memory, memory.open() as dataset:
        bands = dataset.read()
        assert dataset.descriptions == ("VV", "VH")
        assert str(dataset.crs) == record.crs
        assert tuple(dataset.transform)[:6] == record.transform
    assert bands.shape == (2, record.height, record.width)
    assert np.median(bands[0]) > np.median(bands[1])
    path = tmp_path / record.name
    path.write_bytes(record.image)
    with Raster.open(path) as raster:
        assert raster.sensor == "sar"
        assert raster.preview(64).pixels.std() > 5
    tasks = {sample.task for sample in compose(record, "train")}
    assert tasks >= {"vqa", "count", "ground", "detect", "segment", "caption"}


@pytest.mark.parametrize("name", ["synth", "synth-sar", "pasted"])
def test_real_images_alone_are_for_tests(tmp_path: Path, name: str) -> None:
    assert list(SOURCES[name].read(tmp_path, "test")) == []


def test_splits_share_no_scene() -> None:
    for name in ("synth", "synth-sar"):
        read = SOURCES[name].read
        train = {r.name for r in islice(read(Path(), "train"), 2)}
        assert not train & {r.name for r in islice(read(Path(), "val"), 2)}


def test_captions_count_what_is_drawn() -> None:
    record = synth.optical_record(2)
    tanks = sum(target.label == "storage tank" for target in record.targets)
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")  # fmt: skip
    word = words[tanks] if tanks < len(words) else str(tanks)
    assert f"{word} storage tank" in record.captions[1]


def test_pasted_scenes_of_the_real_sets(data_folder: Path) -> None:
    from rsvlm.data_engine.sources import pasted

    records = list(islice(pasted.read(data_folder, "val"), 4))
    assert len({record.name for record in records}) == 4
    # Scenes and images of the objects' own set take turns.
    assert ["scene" in record.meta for record in records] == [True, False, True, False]
    for record in records:
        assert record.targets
        assert {t.label for t in record.targets} <= set(record.objects)
        assert record.meta.get("scene", "grass") in pasted.FITTING
        for target in record.targets:
            assert min(target.hbb) >= 0
            assert max(target.hbb) <= record.width
