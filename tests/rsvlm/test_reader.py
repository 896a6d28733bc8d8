"""Pixels without data are found, and values are what the file means."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import ArrayLike, NDArray
from rasterio.enums import ColorInterp

from rsvlm.errors import ImageError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster

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


def test_a_pixel_is_missing_where_all_bands_are_nodata(write: Write) -> None:
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


def test_255_is_a_colour(write: Write) -> None:
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


def test_an_empty_part_of_an_image_can_be_seen(write: Write) -> None:
    bands = scene()
    bands[:, :20] = 0
    with Raster.open(write("a.tif", bands, nodata=0)) as raster:
        view = raster.view(HBB(0, 0, 60, 20), 60, 20)
        assert view.valid is not None
        assert not view.valid.any()


def test_alpha_is_a_mask_and_no_band(write: Write) -> None:
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


def test_near_infrared_called_alpha_is_a_band(write: Write) -> None:
    path = write("a.tif", scene(4))  # GDAL calls the fourth band alpha
    with Raster.open(path) as raster:
        assert raster.bands["nir"] == 4
        assert raster.preview().valid is None
        assert any("calls a band alpha" in warning for warning in raster.warnings)


def test_a_mask_in_the_file_is_used(write: Write) -> None:
    mask = np.full((40, 60), 255, dtype=np.uint8)
    mask[:10] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        path = write("a.tif", scene(), edit=lambda f: f.write_mask(mask))
    with Raster.open(path) as raster:
        valid = raster.preview().valid
        assert valid is not None
        assert np.array_equal(valid, mask > 0)


def test_classes_are_not_averaged(write: Write) -> None:
    bands = np.zeros((1, 64, 64), dtype=np.int16)
    bands[0, :, 20:] = 5  # a border in the middle of a pixel of 8 x 8
    with Raster.open(write("a.tif", bands)) as raster:
        assert raster.guess.domain == "classes"
        for size in (8, 100):
            values = raster.read(HBB(0, 0, 64, 64), size, size)
            assert np.unique(values).tolist() == [0, 5]


def test_complex_samples_are_not_averaged(write: Write) -> None:
    bands = np.ones((1, 64, 64), dtype=np.complex64)
    bands[0, ::2] = -1  # the phases cancel
    with Raster.open(write("a.tif", bands)) as raster:
        for size in (8, 100):
            assert np.allclose(raster.read(HBB(0, 0, 64, 64), size, size), 1)


def test_a_mosaic_empty_where_it_is_sampled_is_not_empty(write: Write) -> None:
    bands = np.zeros((1, 8704, 8704), dtype=np.uint8)  # above 64 million pixels
    bands[0, :200, :300] = np.arange(300) % 200 + 20
    path = write("a.tif", bands, nodata=0, tiled=True, compress="deflate")
    with Raster.open(path) as raster:
        empty = raster.view(HBB(8000, 8000, 8400, 8400), 100, 100)
        assert empty.valid is not None
        assert not empty.valid.any()
        assert raster.view(HBB(0, 0, 300, 200), 300, 200).pixels.std() > 20


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_values_do_no_harm(write: Write, dtype: str) -> None:
    bands = np.full((1, 32, 32), 1.0, dtype=dtype)
    top = float(np.finfo(dtype).max)
    bands[0, :4] = [[top] * 32, [-top] * 32, [np.inf] * 32, [1e-40] * 32]
    nodata = -1.7976931348623157e308 if dtype == "float64" else -top
    with Raster.open(write("a.tif", bands, nodata=nodata)) as raster:
        for name in raster.renderings():
            assert raster.preview(rendering=name).pixels.shape == (32, 32, 3)
