"""A place comes from the file alone, and what is odd about it is told."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import ArrayLike, NDArray
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import Affine

from rsvlm.raster import Raster

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_000_000)

Write = Callable[..., Path]


def scene(count: int = 3, height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return generator.integers(1, 255, (count, height, width), dtype=np.uint8)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A writer of bands, shape (C, H, W); ``edit`` may change the open file."""

    def write_image(
        name: str,
        bands: ArrayLike,
        driver: str = "GTiff",
        edit: Callable[[Any], object] = lambda file: None,
        **profile: Any,
    ) -> Path:
        array = np.asarray(bands)
        profile = {"dtype": array.dtype, **profile}
        size = dict(zip(("count", "height", "width"), array.shape, strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(
                tmp_path / name, "w", driver=driver, **size, **profile
            ) as file:
                file.write(array)
                edit(file)
        return tmp_path / name

    return write_image


def test_a_turned_image(write: Write) -> None:
    transform = (
        Affine.translation(500_000, 4e6) @ Affine.rotation(30) @ Affine.scale(10, -10)
    )
    path = write("a.tif", scene(), crs="EPSG:32631", transform=transform)
    with Raster.open(path) as raster:
        assert raster.georeference is not None
        assert raster.georeference.transform == pytest.approx(tuple(transform)[:6])
        assert raster.gsd == pytest.approx(10, rel=1e-3)
        assert any("turned" in warning for warning in raster.warnings)


def test_a_south_up_image(write: Write) -> None:
    transform = Affine(10, 0, 500_000, 0, 10, 4_000_000)
    path = write("a.tif", scene(), crs="EPSG:32631", transform=transform)
    with Raster.open(path) as raster:
        assert any("south-up" in warning for warning in raster.warnings)
        assert raster.georeference is not None
        top, bottom = raster.georeference.lonlat([(0, 0), (0, 40)])
        assert bottom[1] > top[1]


def test_a_missing_crs_is_not_guessed(write: Write) -> None:
    path = write("a.tif", scene(), transform=NORTH_UP)
    with Raster.open(path) as raster:
        assert (raster.georeference, raster.gsd, raster.crs) == (None, None, None)
        assert any("no CRS" in warning for warning in raster.warnings)
    path = write("b.tif", scene(), crs="EPSG:32631")
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert any("not where" in warning for warning in raster.warnings)


MARS = (
    'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,'
    '169.89444722361179]],PRIMEM["Greenwich",0],UNIT["Decimal_Degree",'
    "0.0174532925199433]]"
)


@pytest.mark.parametrize("crs", [MARS, 'LOCAL_CS["site grid",UNIT["metre",1]]'])
def test_a_crs_that_is_not_of_the_earth_gives_no_place(write: Write, crs: str) -> None:
    path = write("a.tif", scene(), crs=crs, transform=NORTH_UP)
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert any("does not lead to" in warning for warning in raster.warnings)


def test_control_points_are_fitted(write: Write) -> None:
    transform = Affine(10, 1, 500_000, 1, -10, 4_000_000)
    points = [
        GroundControlPoint(row, column, *(transform @ (column, row)))
        for row, column in [(0, 0), (0, 60), (40, 0), (40, 60), (20, 30)]
    ]
    points[-1].x += 10  # one pixel off

    def declare(file: Any) -> None:
        file.gcps = points, rasterio.CRS.from_epsg(32631)

    with Raster.open(write("a.tif", scene(), edit=declare)) as raster:
        assert raster.georeference is not None
        assert raster.georeference.transform == pytest.approx(
            tuple(transform)[:6], abs=2.1
        )
        assert raster.crs == "EPSG:32631"
        assert any("5 ground control points" in w for w in raster.warnings)
        assert any("up to 0.8 pixels" in w for w in raster.warnings)


def test_a_sensor_model_gives_no_place(write: Write) -> None:
    model = RPC(
        height_off=0,
        height_scale=500,
        lat_off=35,
        lat_scale=0.1,
        line_den_coeff=[1.0] + [0.0] * 19,
        line_num_coeff=[0.0, 0.0, -1.0] + [0.0] * 17,
        line_off=20,
        line_scale=20,
        long_off=-118,
        long_scale=0.1,
        samp_den_coeff=[1.0] + [0.0] * 19,
        samp_num_coeff=[0.0, 1.0] + [0.0] * 18,
        samp_off=30,
        samp_scale=30,
        err_bias=None,
        err_rand=None,
    )
    path = write("a.tif", scene(), rpcs=model)
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert any("RPC" in warning for warning in raster.warnings)


@pytest.mark.parametrize(("driver", "world"), [("PNG", ".pgw"), ("GTiff", ".tfw")])
def test_files_beside_the_image_are_not_read(
    tmp_path: Path, write: Write, driver: str, world: str
) -> None:
    path = write("a.img", scene(), driver)
    (tmp_path / "a").with_suffix(world).write_text("1\n0\n0\n-1\n100\n200\n")
    (tmp_path / "a.wld").write_text("1\n0\n0\n-1\n100\n200\n")
    Path(f"{path}.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:32631</SRS><GeoTransform>0,9,0,0,0,-9</GeoTransform>"
        "<Metadata><MDI key='SENSOR'>Sentinel-1 SAR</MDI></Metadata></PAMDataset>"
    )
    shutil.copy(write("m", scene(1) * 0), f"{path}.msk")
    shutil.copy(write("o", scene(3, 20, 30) * 0), f"{path}.ovr")
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert (raster.sensor, raster.warnings) == ("optical", [])
        assert raster.preview(15).pixels.any()
        assert raster.preview().valid is None
