"""What an answer writes is what GDAL reads: one place, one area, one number."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Geod
from shapely import from_wkb

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.findings import ShapeKind
from rsvlm.outputs import write_geojson, write_mask
from rsvlm.raster import Raster
from tests.rsvlm.test_assistant import SHIPS, FakeFinder, write


@pytest.mark.parametrize("shape", ["hbb", "mask"])
def test_geojson_and_mask_agree_in_gdal(tmp_path: Path, shape: ShapeKind) -> None:
    from pyogrio import raw

    with Raster.open(write(tmp_path / "port.tif")) as raster:
        assistant = Assistant(StubEngine([]), FakeFinder(SHIPS))
        answer = assistant.ask([raster], "Segment the ships.", shape=shape)
        write_geojson(tmp_path / "a.geojson", answer)
        write_mask(tmp_path / "a.tif", answer.to_regions(0), raster)
    meta, _, geometries, fields = raw.read(tmp_path / "a.geojson")
    assert meta["crs"] == "EPSG:4326"
    read = dict(zip(meta["fields"], fields, strict=True))
    assert list(read["label"]) == ["ship", "ship"]
    assert answer.text.startswith(f"Found {len(geometries)} ships")
    assert answer.count == len(geometries) == len(answer.regions)
    geod = Geod(ellps="WGS84")
    areas = [abs(geod.geometry_area_perimeter(from_wkb(g))[0]) for g in geometries]
    assert areas == pytest.approx(list(read["area_m2"]), rel=1e-3)
    with (
        rasterio.open(tmp_path / "port.tif") as image,
        rasterio.open(tmp_path / "a.tif") as mask,
    ):
        assert (mask.transform, mask.crs, mask.shape) == (
            image.transform, image.crs, image.shape,
        )  # fmt: skip
        covered = np.count_nonzero(mask.read(1))
    assert covered == pytest.approx(sum(areas), rel=5e-3)  # of the grid, of the ground
