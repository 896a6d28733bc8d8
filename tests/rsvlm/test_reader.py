"""Pixels without data are found, and values are what the file means."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from rsvlm.errors import ImageError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster

#: See conftest.py.
Write = Callable[..., Path]
Scene = Callable[..., NDArray[np.uint8]]


def test_a_pixel_is_missing_where_all_bands_are_nodata(
    write: Write, scene: Scene
) -> None:
    bands = scene(4)
    bands[3, 5, 6] = 0  # near infrared of clear water
    bands[:, 7, 8] = 0
    path = write("a.tif", bands, nodata=0, photometric="MINISBLACK")
    with Raster.open(path) as raster:
        valid = raster.preview(rendering="false-colour").valid
        assert valid is not None
        assert np.argwhere(~valid).tolist() == [[7, 8]]
        near_infrared = raster.read(HBB(0, 0, 60, 40), 60, 40, ["nir"])
        assert np.argwhere(np.ma.getmaskarray(near_infrared)[0]).tolist() == [[7, 8]]


def test_255_is_a_colour(write: Write, scene: Scene) -> None:
    bands = scene()
    bands[:, 3, 4] = 255
    with Raster.open(write("a.tif", bands, nodata=255)) as raster:
        view = raster.preview()
        assert view.pixels[3, 4].tolist() == [255, 255, 255]
        assert view.valid is None
        assert any("255 as nodata" in warning for warning in raster.warnings)


@pytest.mark.parametrize("nodata", [np.nan, None])
def test_not_a_number_is_missing(write: Write, nodata: float | None) -> None:
    bands = np.random.default_rng(0).uniform(-25, -5, (2, 32, 32)).astype(np.float32)
    bands[:, :, :8] = np.nan
    bands[0, 0, 9] = np.inf
    with Raster.open(write("a.tif", bands, nodata=nodata)) as raster:
        assert raster.guess.domain == "dB"
        view = raster.preview()
        assert view.valid is not None
        assert not view.valid[:, :8].any()
        assert not view.valid[0, 9]
        assert view.valid.sum() == 32 * 24 - 1


@pytest.mark.parametrize(("value", "nodata"), [(np.nan, None), (-9999, -9999)])
def test_an_image_without_data_has_no_view(
    write: Write, value: float, nodata: float | None
) -> None:
    bands = np.full((2, 16, 16), value, dtype=np.float32)
    path = write("a.tif", bands, nodata=nodata)
    with (
        Raster.open(path) as raster,
        pytest.raises(ImageError, match=r"a\.tif holds no valid pixel"),
    ):
        raster.preview()


def test_an_empty_part_of_an_image_can_be_seen(write: Write, scene: Scene) -> None:
    bands = scene()
    bands[:, :20] = 0
    with Raster.open(write("a.tif", bands, nodata=0)) as raster:
        view = raster.view(HBB(0, 0, 60, 20), 60, 20)
        assert view.valid is not None
        assert not view.valid.any()


def test_alpha_is_a_mask_and_no_band(write: Write, scene: Scene) -> None:
    def declare(file: Any) -> None:
        names = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        file.colorinterp = (*names, ColorInterp.alpha)

    bands = scene(4)
    bands[3] = 255
    bands[3, :, :30] = 0
    tiff = write("a.tif", bands, edit=declare)
    png = write("a.png", bands, "PNG")
    for path in (tiff, png):
        with Raster.open(path) as raster:
            assert (raster.count, raster.bands) == (
                4,
                {"red": 1, "green": 2, "blue": 3},
            )
            valid = raster.preview().valid
            assert valid is not None
            assert valid[:, 30:].all()
            assert not valid[:, :30].any()
            assert raster.read(HBB(0, 0, 60, 40), 60, 40).shape[0] == 3


def test_near_infrared_called_alpha_is_a_band(write: Write, scene: Scene) -> None:
    path = write("a.tif", scene(4))  # GDAL calls the fourth band alpha
    with Raster.open(path) as raster:
        assert raster.bands["nir"] == 4
        assert raster.preview().valid is None
        assert any("calls a band alpha" in warning for warning in raster.warnings)


def test_a_mask_in_the_file_is_used(write: Write, scene: Scene) -> None:
    mask = np.full((40, 60), 255, dtype=np.uint8)
    mask[:10] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        path = write("a.tif", scene(), edit=lambda f: f.write_mask(mask))
    with Raster.open(path) as raster:
        valid = raster.preview().valid
        assert valid is not None
        assert np.array_equal(valid, mask > 0)
