"""A raster reads any window exactly, and says what its file does not say."""

import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import Affine

from rsvlm.decode import Limits, open_image
from rsvlm.errors import ImageError, SettingsError, UnknownNameError
from rsvlm.geometry import HBB, Window
from rsvlm.raster import Raster
from rsvlm.reader import Reader

DATA = Path(os.environ.get("RSVLM_DATA", Path(__file__).parents[3] / "shared/data"))
UTM = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Writing a test image without georeference is not worth a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def write(path: Path, bands: ArrayLike, driver: str = "GTiff", **profile: Any) -> Path:
    """Write bands, shape (C, H, W); ``edit`` may change the open file."""
    array = np.asarray(bands)
    edit = profile.pop("edit", lambda file: None)
    count, height, width = array.shape
    with rasterio.open(
        path,
        "w",
        driver=driver,
        width=width,
        height=height,
        count=count,
        dtype=profile.pop("dtype", array.dtype),
        **profile,
    ) as file:
        file.write(array)
        edit(file)
    return path


def scene(count: int = 3, height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return generator.integers(1, 255, (count, height, width), dtype=np.uint8)


def test_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", scene(), **UTM, nodata=0)
    with Raster.open(path) as raster:
        assert (raster.width, raster.height, raster.count) == (60, 40, 3)
        assert (raster.dtype, raster.nodata, raster.crs) == ("uint8", 0, "EPSG:32631")
        assert raster.gsd == pytest.approx(10, rel=1e-3)
        assert raster.path == str(path)
        assert raster.sensor == "optical"
        assert raster.bands == {"red": 1, "green": 2, "blue": 3}
        assert raster.sensor_reason.startswith("3 bands of uint8")
        assert raster.renderings() == ("true-colour",)
        assert raster.warnings == []
        assert len(raster.sha256) == 64
    with Raster.from_bytes(path.read_bytes(), "b.tif") as same:
        assert same.sha256 == raster.sha256
        assert same.path == "b.tif"
        assert np.array_equal(same.preview().pixels[10, 10], scene()[:, 10, 10])


@pytest.mark.parametrize(
    ("driver", "options", "worst"),
    [
        ("GTiff", {"tiled": True, "blockxsize": 16, "blockysize": 16}, 0),
        ("COG", {}, 0),
        ("PNG", {}, 0),
        ("JPEG", {"QUALITY": 95}, 40),
        ("WEBP", {"LOSSLESS": "YES"}, 0),
        ("JP2OpenJPEG", {"QUALITY": 100, "REVERSIBLE": "YES"}, 0),
    ],
)
def test_formats(
    tmp_path: Path, driver: str, options: dict[str, Any], worst: int
) -> None:
    with rasterio.Env() as env:
        if driver not in env.drivers():
            pytest.skip(f"this build of GDAL has no {driver}")
    rows, columns = np.mgrid[:40, :60]
    bands = np.stack([rows * 6, columns * 4, rows + columns + 50]).astype(np.uint8)
    path = write(tmp_path / "image", bands, driver, **options)
    with Raster.open(path) as raster:
        view = raster.preview()
        assert view.pixels.shape == (40, 60, 3)
        stored = np.moveaxis(bands, 0, 2).astype(int)
        assert np.abs(view.pixels.astype(int) - stored).max() <= worst
        assert (raster.georeference, raster.gsd, raster.crs) == (None, None, None)


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"],
)
def test_types(tmp_path: Path, dtype: str) -> None:
    bands = np.linspace(1, 100, 3 * 16 * 16).reshape(3, 16, 16).astype(dtype)
    with Raster.open(write(tmp_path / "a.tif", bands)) as raster:
        assert raster.dtype == dtype
        values = raster.read(HBB(0, 0, 16, 16), 16, 16)
        assert values.dtype == dtype
        assert np.array_equal(values, bands)
        assert raster.preview().pixels.max() == 255


def test_complex_samples_are_read_as_amplitude(tmp_path: Path) -> None:
    bands = np.full((1, 32, 32), 3 + 4j, dtype=np.complex64)
    bands[0, 0, 0] = 30
    for dtype in ("complex64", "complex_int16"):
        with Raster.open(
            write(tmp_path / f"{dtype}.tif", bands, dtype=dtype)
        ) as raster:
            assert raster.read(HBB(1, 0, 3, 1), 2, 1).tolist() == [[[5.0, 5.0]]]
            assert raster.sensor == "sar"
            assert raster.preview().rendering == "sar-db"
            assert any("amplitude" in warning for warning in raster.warnings)


def test_scale_and_offset_are_applied(tmp_path: Path) -> None:
    def declare(file: Any) -> None:
        file.scales, file.offsets = (0.5, 1, 1), (10, 0, 0)

    path = write(tmp_path / "a.tif", scene(), edit=declare)
    with Raster.open(path) as raster:
        values = raster.read(HBB(5, 5, 6, 6), 1, 1)
    stored = scene()[:, 5, 5].astype(float)
    assert values[:, 0, 0].tolist() == [stored[0] / 2 + 10, stored[1], stored[2]]


def test_a_colour_table_is_applied(tmp_path: Path) -> None:
    def declare(file: Any) -> None:
        file.write_colormap(1, {0: (9, 8, 7, 255), 1: (200, 100, 50, 255)})

    bands = np.zeros((1, 8, 8), dtype=np.uint8)
    bands[0, 2, 3] = 1
    with Raster.open(write(tmp_path / "a.png", bands, "PNG", edit=declare)) as raster:
        view = raster.preview(rendering="true-colour")
        assert view.pixels[2, 3].tolist() == [200, 100, 50]
        assert view.pixels[0, 0].tolist() == [9, 8, 7]
        assert raster.sensor == "optical"


# Windows


def test_a_window_shows_what_lies_under_it(tmp_path: Path) -> None:
    bands = np.full((3, 100, 100), 10, dtype=np.uint8)
    bands[:, 40:50, 60:80] = 250
    with Raster.open(write(tmp_path / "a.tif", bands)) as raster:
        window = Window(HBB(55.5, 35.5, 85.5, 55.5), 60, 40)  # enlarged 2 x
        values = raster.read(window.box, 60, 40)[0]
        bright = np.argwhere(values > 130)
        (y0, x0), (y1, x1) = bright.min(0), bright.max(0) + 1
        assert window.to_raster(HBB(x0, y0, x1, y1)) == HBB(60, 40, 80, 50)
        small = raster.read(HBB(20, 20, 100, 60), 8, 4)[0]  # one pixel is 10 x 10
        assert small[2].tolist() == [10] * 4 + [250] * 2 + [10] * 2
        assert small[[0, 1, 3]].max() == 10


def test_native_pixels_are_untouched(tmp_path: Path) -> None:
    with Raster.open(write(tmp_path / "a.tif", scene())) as raster:
        values = raster.read(HBB(7, 3, 27, 13), 20, 10)
        assert np.array_equal(values, scene()[:, 3:13, 7:27])
        assert raster.read(HBB(7, 3, 27, 13), 20, 10, ["blue", 1]).shape == (2, 10, 20)
        blue = raster.read(HBB(7, 3, 27, 13), 20, 10, ["blue"])
        assert np.array_equal(blue[0], scene()[2, 3:13, 7:27])


def test_shrinking_averages(tmp_path: Path) -> None:
    bands = np.zeros((1, 4, 4), dtype=np.float32)
    bands[0, :2, :2] = [[0, 4], [8, 4]]
    with Raster.open(write(tmp_path / "a.tif", bands)) as raster:
        assert raster.read(HBB(0, 0, 4, 4), 2, 2).tolist() == [[[4, 0], [0, 0]]]


def test_outside_of_the_raster_is_black_and_not_valid(tmp_path: Path) -> None:
    bands = np.full((3, 20, 20), 200, dtype=np.uint8)
    bands[0, 0, 0] = 5
    with Raster.open(write(tmp_path / "a.tif", bands)) as raster:
        view = raster.view(HBB(-10, -5, 30, 25), 40, 30)
        assert view.pixels.shape == (30, 40, 3)
        assert view.valid is not None
        assert view.valid.sum() == 400
        assert view.valid[5:25, 10:30].all()
        assert view.pixels[~view.valid].max() == 0
        assert raster.read(HBB(-10, -5, 30, 25), 40, 30)[0, 5, 10] == 5
        away = raster.view(HBB(100, 100, 110, 110), 10, 10)
        assert away.valid is not None
        assert not away.valid.any()


def test_windows_of_one_raster_look_alike(tmp_path: Path) -> None:
    bands = np.linspace(0, 3000, 3 * 64 * 64).reshape(3, 64, 64).astype(np.uint16)
    with Raster.open(write(tmp_path / "a.tif", bands)) as raster:
        whole = raster.preview()
        part = raster.view(HBB(16, 8, 48, 24), 32, 16)
        assert np.array_equal(part.pixels, whole.pixels[8:24, 16:48])
        assert part.legend == whole.legend


def test_preview_keeps_the_aspect_and_never_enlarges(tmp_path: Path) -> None:
    with Raster.open(write(tmp_path / "a.tif", scene())) as raster:
        assert raster.preview(30).pixels.shape == (20, 30, 3)
        assert raster.preview().pixels.shape == (40, 60, 3)
        assert raster.preview(30).window.box == HBB(0, 0, 60, 40)
        assert raster.preview(image=2).image == 2
    thin = write(tmp_path / "thin.tif", scene(3, 1, 5000))
    with Raster.open(thin) as raster:
        assert raster.preview(100).pixels.shape == (1, 100, 3)


def test_wide_views_read_the_overview(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, scene(1, 512, 512), "COG", BLOCKSIZE=128, COMPRESS="NONE")
    # A COG holds its overviews before its pixels: without the pixels it still shows.
    path.write_bytes(path.read_bytes()[:-200_000])
    with pytest.raises(ImageError, match="cannot be decoded"), Raster.open(path) as r:
        r.read(HBB(0, 0, 512, 512), 512, 512)
    reader = Reader(open_image(path, "a.tif", Limits()), "a.tif", Limits())
    assert reader.factors == [1, 2, 4]
    assert reader.read(HBB(0, 0, 512, 512), 128, 128, [1])[1].all()
    reader.close()


def test_threads_may_share_a_raster(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", scene(3, 200, 200), tiled=True, compress="deflate")
    wrong: list[object] = []

    def check(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for x, y in generator.integers(0, 180, (30, 2)):
            values = raster.read(HBB(x, y, x + 20, y + 20), 20, 20)
            if not np.array_equal(
                values, scene(3, 200, 200)[:, y : y + 20, x : x + 20]
            ):
                wrong.append((x, y))

    with Raster.open(path) as raster:
        threads = [threading.Thread(target=check, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (100_000, 100_000)])
def test_impossible_sizes_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with (
        Raster.open(write(tmp_path / "a.tif", scene())) as raster,
        pytest.raises(SettingsError, match=str(size[0])),
    ):
        raster.view(HBB(0, 0, 10, 10), *size)


def test_a_closed_raster_says_so(tmp_path: Path) -> None:
    raster = Raster.open(write(tmp_path / "a.tif", scene()))
    raster.close()
    with pytest.raises(SettingsError, match=r"a\.tif is closed"):
        raster.preview()


# Missing pixels


def test_a_pixel_is_missing_where_all_bands_are_nodata(tmp_path: Path) -> None:
    bands = scene(4)
    bands[3, 5, 6] = 0  # near infrared of clear water
    bands[:, 7, 8] = 0
    path = write(tmp_path / "a.tif", bands, nodata=0, photometric="MINISBLACK")
    with Raster.open(path) as raster:
        valid = raster.preview(rendering="false-colour").valid
        assert valid is not None
        assert np.argwhere(~valid).tolist() == [[7, 8]]
        near_infrared = raster.read(HBB(0, 0, 60, 40), 60, 40, ["nir"])
        assert np.argwhere(np.ma.getmaskarray(near_infrared)[0]).tolist() == [[7, 8]]


def test_255_is_a_colour(tmp_path: Path) -> None:
    bands = scene()
    bands[:, 3, 4] = 255
    with Raster.open(write(tmp_path / "a.tif", bands, nodata=255)) as raster:
        view = raster.preview()
        assert view.pixels[3, 4].tolist() == [255, 255, 255]
        assert view.valid is None
        assert any("255 as nodata" in warning for warning in raster.warnings)


@pytest.mark.parametrize("nodata", [np.nan, None])
def test_not_a_number_is_missing(tmp_path: Path, nodata: float | None) -> None:
    bands = np.random.default_rng(0).uniform(-25, -5, (2, 32, 32)).astype(np.float32)
    bands[:, :, :8] = np.nan
    bands[0, 0, 9] = np.inf
    with Raster.open(write(tmp_path / "a.tif", bands, nodata=nodata)) as raster:
        assert raster.guess.domain == "dB"
        view = raster.preview()
        assert view.valid is not None
        assert not view.valid[:, :8].any()
        assert not view.valid[0, 9]
        assert view.valid.sum() == 32 * 24 - 1


@pytest.mark.parametrize(("value", "nodata"), [(np.nan, None), (-9999, -9999)])
def test_an_image_without_data_has_no_view(
    tmp_path: Path, value: float, nodata: float | None
) -> None:
    bands = np.full((2, 16, 16), value, dtype=np.float32)
    path = write(tmp_path / "a.tif", bands, nodata=nodata)
    with (
        Raster.open(path) as raster,
        pytest.raises(ImageError, match=r"a\.tif holds no valid pixel"),
    ):
        raster.preview()


def test_an_empty_part_of_an_image_can_be_seen(tmp_path: Path) -> None:
    bands = scene()
    bands[:, :20] = 0
    with Raster.open(write(tmp_path / "a.tif", bands, nodata=0)) as raster:
        view = raster.view(HBB(0, 0, 60, 20), 60, 20)
        assert view.valid is not None
        assert not view.valid.any()


def test_alpha_is_a_mask_and_no_band(tmp_path: Path) -> None:
    def declare(file: Any) -> None:
        names = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        file.colorinterp = (*names, ColorInterp.alpha)

    bands = scene(4)
    bands[3] = 255
    bands[3, :, :30] = 0
    tiff = write(tmp_path / "a.tif", bands, edit=declare)
    png = write(tmp_path / "a.png", bands, "PNG")
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


def test_near_infrared_called_alpha_is_a_band(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", scene(4))  # GDAL calls the fourth band alpha
    with Raster.open(path) as raster:
        assert raster.bands["nir"] == 4
        assert raster.preview().valid is None
        assert any("calls a band alpha" in warning for warning in raster.warnings)


def test_a_mask_in_the_file_is_used(tmp_path: Path) -> None:
    mask = np.full((40, 60), 255, dtype=np.uint8)
    mask[:10] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        path = write(tmp_path / "a.tif", scene(), edit=lambda f: f.write_mask(mask))
    with Raster.open(path) as raster:
        valid = raster.preview().valid
        assert valid is not None
        assert np.array_equal(valid, mask > 0)


# Place on the Earth


def test_a_turned_image(tmp_path: Path) -> None:
    transform = (
        Affine.translation(500_000, 4e6) @ Affine.rotation(30) @ Affine.scale(10, -10)
    )
    path = write(tmp_path / "a.tif", scene(), crs="EPSG:32631", transform=transform)
    with Raster.open(path) as raster:
        assert raster.georeference is not None
        assert raster.georeference.transform == pytest.approx(tuple(transform)[:6])
        assert raster.gsd == pytest.approx(10, rel=1e-3)
        assert any("turned" in warning for warning in raster.warnings)


def test_a_south_up_image(tmp_path: Path) -> None:
    transform = Affine(10, 0, 500_000, 0, 10, 4_000_000)
    path = write(tmp_path / "a.tif", scene(), crs="EPSG:32631", transform=transform)
    with Raster.open(path) as raster:
        assert any("south-up" in warning for warning in raster.warnings)
        assert raster.georeference is not None
        top, bottom = raster.georeference.lonlat([(0, 0), (0, 40)])
        assert bottom[1] > top[1]


def test_a_missing_crs_is_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", scene(), transform=UTM["transform"])
    with Raster.open(path) as raster:
        assert (raster.georeference, raster.gsd, raster.crs) == (None, None, None)
        assert any("no CRS" in warning for warning in raster.warnings)
    path = write(tmp_path / "b.tif", scene(), crs="EPSG:32631")
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert any("not where" in warning for warning in raster.warnings)


MARS = (
    'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,'
    '169.89444722361179]],PRIMEM["Greenwich",0],UNIT["Decimal_Degree",'
    "0.0174532925199433]]"
)


@pytest.mark.parametrize("crs", [MARS, 'LOCAL_CS["site grid",UNIT["metre",1]]'])
def test_a_crs_that_is_not_of_the_earth_gives_no_place(
    tmp_path: Path, crs: str
) -> None:
    path = write(tmp_path / "a.tif", scene(), crs=crs, transform=UTM["transform"])
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert any("does not lead to" in warning for warning in raster.warnings)


def test_control_points_are_fitted(tmp_path: Path) -> None:
    transform = Affine(10, 1, 500_000, 1, -10, 4_000_000)
    points = [
        GroundControlPoint(row, column, *(transform @ (column, row)))
        for row, column in [(0, 0), (0, 60), (40, 0), (40, 60), (20, 30)]
    ]
    points[-1].x += 10  # one pixel off

    def declare(file: Any) -> None:
        file.gcps = points, rasterio.CRS.from_epsg(32631)

    with Raster.open(write(tmp_path / "a.tif", scene(), edit=declare)) as raster:
        assert raster.georeference is not None
        assert raster.georeference.transform == pytest.approx(
            tuple(transform)[:6], abs=2.1
        )
        assert raster.crs == "EPSG:32631"
        assert any("5 ground control points" in w for w in raster.warnings)
        assert any("up to 0.8 pixels" in w for w in raster.warnings)


def test_a_sensor_model_gives_no_place(tmp_path: Path) -> None:
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
    path = write(tmp_path / "a.tif", scene(), rpcs=model)
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert any("RPC" in warning for warning in raster.warnings)


@pytest.mark.parametrize(("driver", "world"), [("PNG", ".pgw"), ("GTiff", ".tfw")])
def test_files_beside_the_image_are_not_read(
    tmp_path: Path, driver: str, world: str
) -> None:
    path = write(tmp_path / "a.img", scene(), driver)
    (tmp_path / "a").with_suffix(world).write_text("1\n0\n0\n-1\n100\n200\n")
    (tmp_path / "a.wld").write_text("1\n0\n0\n-1\n100\n200\n")
    Path(f"{path}.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:32631</SRS><GeoTransform>0,9,0,0,0,-9</GeoTransform>"
        "<Metadata><MDI key='SENSOR'>Sentinel-1 SAR</MDI></Metadata></PAMDataset>"
    )
    shutil.copy(write(tmp_path / "m", scene(1) * 0), f"{path}.msk")
    shutil.copy(write(tmp_path / "o", scene(3, 20, 30) * 0), f"{path}.ovr")
    with Raster.open(path) as raster:
        assert raster.georeference is None
        assert (raster.sensor, raster.warnings) == ("optical", [])
        assert raster.preview(15).pixels.any()
        assert raster.preview().valid is None


def test_the_orientation_of_a_photo_is_told_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(np.moveaxis(scene(3, 20, 60), 0, 2))
    picture.save(tmp_path / "a.jpg", exif=exif)
    with Raster.open(tmp_path / "a.jpg") as raster:
        assert (raster.width, raster.height) == (60, 20)
        assert any("orientation 6" in warning for warning in raster.warnings)


# The rest


def test_a_second_image_is_told(tmp_path: Path) -> None:
    pictures = [Image.fromarray(scene(1)[0]), Image.fromarray(scene(1)[0])]
    pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:])
    with Raster.open(tmp_path / "a.tif") as raster:
        assert any("2 images" in warning for warning in raster.warnings)


def test_the_user_sets_the_sensor(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :64]
    path = write(tmp_path / "a.png", (rows + columns)[None].astype(np.uint8), "PNG")
    with Raster.open(path) as raster:
        assert raster.sensor == "optical"
    with Raster.open(path, sensor="sar") as raster:
        assert raster.sensor == "sar"
        assert raster.preview().rendering == "sar-8bit"
        assert raster.sensor_reason.startswith("Set by the user")
    with pytest.raises(UnknownNameError, match="Did you mean 'sar'"):
        Raster.open(path, sensor="sarr")


def test_a_guess_is_a_warning(tmp_path: Path) -> None:
    with Raster.open(write(tmp_path / "a.tif", scene(6))) as raster:
        assert any("--sensor" in warning for warning in raster.warnings)
        with pytest.raises(UnknownNameError):
            raster.preview(rendering="nice")


def test_printing_colours_become_light(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "a.tif")
    with Raster.open(tmp_path / "a.tif") as raster:
        assert raster.bands == {"red": 1, "green": 2, "blue": 3}
        assert raster.read(HBB(0, 0, 1, 1), 1, 1)[:, 0, 0].tolist() == [0, 255, 255]


# Real scenes

REAL = {
    "la_s1.tif": ("sar", "sar-8bit", {"VH": 1}),
    "la_s2.tif": ("optical", "true-colour", {"red": 1, "green": 2, "blue": 3}),
    "landsat7_olinda.tif": ("multispectral", "true-colour", {"red": 3, "nir": 4}),
    "landsat_pucallpa_2020.tif": ("multispectral", "false-colour", {"swir16": 1}),
    "naip_20140720.tif": ("optical", "true-colour", {"red": 1, "nir": 4}),
    "neon_osbs_029.tif": ("optical", "true-colour", {"red": 1}),
    "neon_yell_2019.jpg": ("optical", "true-colour", {"red": 1}),
    "sen1floods11_Spain_7370579_S1.tif": ("sar", "sar-composite", {"VV": 1, "VH": 2}),
    "sen1floods11_Spain_7370579_S2.tif": ("multispectral", "true-colour", {"nir": 8}),
    "sen1floods11_Spain_7370579_label.tif": ("optical", "gray", {"gray": 1}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_scene(name: str) -> None:
    if not (DATA / "scenes").is_dir():
        pytest.skip("the sample scenes are not here")
    sensor, rendering, bands = REAL[name]
    with Raster.open(DATA / "scenes" / name) as raster:
        assert raster.sensor == sensor
        assert bands.items() <= raster.bands.items()
        view = raster.preview(256)
        assert view.rendering == rendering
        assert view.pixels.std() > 10
        for other in raster.renderings():
            assert raster.preview(64, other).legend.endswith(".")


def test_real_ground_size_is_not_the_nominal_one() -> None:
    path = DATA / "scenes" / "la_s2.tif"
    if not path.exists():
        pytest.skip("the sample scenes are not here")
    with Raster.open(path) as raster:
        assert raster.crs == "EPSG:3395"
        assert raster.gsd == pytest.approx(8.31, abs=0.02)
