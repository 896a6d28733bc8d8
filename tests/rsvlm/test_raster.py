"""A raster opens any format, draws any window exactly, and says what it guessed."""

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from rasterio.transform import Affine

from rsvlm.errors import ImageError, SettingsError, UnknownNameError
from rsvlm.geometry import HBB, Window
from rsvlm.opening import Limits, open_image
from rsvlm.raster import Raster
from rsvlm.reader import Reader

UTM = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}

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


def test_header(write: Write) -> None:
    path = write("a.tif", scene(), **UTM, nodata=0)
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
    write: Write, driver: str, options: dict[str, Any], worst: int
) -> None:
    with rasterio.Env() as env:
        if driver not in env.drivers():
            pytest.skip(f"this build of GDAL has no {driver}")
    rows, columns = np.mgrid[:40, :60]
    bands = np.stack([rows * 6, columns * 4, rows + columns + 50]).astype(np.uint8)
    path = write("image", bands, driver, **options)
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
def test_types(write: Write, dtype: str) -> None:
    bands = np.linspace(1, 100, 3 * 16 * 16).reshape(3, 16, 16).astype(dtype)
    with Raster.open(write("a.tif", bands)) as raster:
        assert raster.dtype == dtype
        values = raster.read(HBB(0, 0, 16, 16), 16, 16)
        assert values.dtype == dtype
        assert np.array_equal(values, bands)
        # 8-bit pictures are shown as they are stored.
        assert raster.preview().pixels.max() == (100 if dtype == "uint8" else 255)


def test_complex_samples_are_read_as_amplitude(write: Write) -> None:
    bands = np.full((1, 32, 32), 3 + 4j, dtype=np.complex64)
    bands[0, 0, 0] = 30
    for dtype in ("complex64", "complex_int16"):
        with Raster.open(write(f"{dtype}.tif", bands, dtype=dtype)) as raster:
            assert raster.read(HBB(1, 0, 3, 1), 2, 1).tolist() == [[[5.0, 5.0]]]
            assert raster.sensor == "sar"
            assert raster.preview().rendering == "sar-db"
            assert any("amplitude" in warning for warning in raster.warnings)


def test_scale_and_offset_are_applied(write: Write) -> None:
    def declare(file: Any) -> None:
        file.scales, file.offsets = (0.5, 1, 1), (10, 0, 0)

    path = write("a.tif", scene(), edit=declare)
    with Raster.open(path) as raster:
        values = raster.read(HBB(5, 5, 6, 6), 1, 1)
    stored = scene()[:, 5, 5].astype(float)
    assert values[:, 0, 0].tolist() == [stored[0] / 2 + 10, stored[1], stored[2]]


def test_a_colour_table_is_applied(write: Write) -> None:
    def declare(file: Any) -> None:
        file.write_colormap(1, {0: (9, 8, 7, 255), 1: (200, 100, 50, 255)})

    bands = np.zeros((1, 8, 8), dtype=np.uint8)
    bands[0, 2, 3] = 1
    with Raster.open(write("a.png", bands, "PNG", edit=declare)) as raster:
        view = raster.preview(rendering="true-colour")
        assert view.pixels[2, 3].tolist() == [200, 100, 50]
        assert view.pixels[0, 0].tolist() == [9, 8, 7]
        assert raster.sensor == "optical"


# Windows


def test_a_window_shows_what_lies_under_it(write: Write) -> None:
    bands = np.full((3, 100, 100), 10, dtype=np.uint8)
    bands[:, 40:50, 60:80] = 250
    with Raster.open(write("a.tif", bands)) as raster:
        window = Window(HBB(55.5, 35.5, 85.5, 55.5), 60, 40)  # enlarged 2 x
        values = raster.read(window.box, 60, 40)[0]
        bright = np.argwhere(values > 130)
        (y0, x0), (y1, x1) = bright.min(0), bright.max(0) + 1
        assert window.to_raster(HBB(x0, y0, x1, y1)) == HBB(60, 40, 80, 50)
        small = raster.read(HBB(20, 20, 100, 60), 8, 4)[0]  # one pixel is 10 x 10
        assert small[2].tolist() == [10] * 4 + [250] * 2 + [10] * 2
        assert small[[0, 1, 3]].max() == 10


def test_native_pixels_are_untouched(write: Write) -> None:
    with Raster.open(write("a.tif", scene())) as raster:
        values = raster.read(HBB(7, 3, 27, 13), 20, 10)
        assert np.array_equal(values, scene()[:, 3:13, 7:27])
        assert raster.read(HBB(7, 3, 27, 13), 20, 10, ["blue", 1]).shape == (2, 10, 20)
        blue = raster.read(HBB(7, 3, 27, 13), 20, 10, ["blue"])
        assert np.array_equal(blue[0], scene()[2, 3:13, 7:27])


def test_shrinking_averages(write: Write) -> None:
    bands = np.zeros((1, 4, 4), dtype=np.float32)
    bands[0, :2, :2] = [[0, 4], [8, 4]]
    with Raster.open(write("a.tif", bands)) as raster:
        assert raster.read(HBB(0, 0, 4, 4), 2, 2).tolist() == [[[4, 0], [0, 0]]]


def test_outside_of_the_raster_is_black_and_not_valid(write: Write) -> None:
    bands = np.full((3, 20, 20), 200, dtype=np.uint8)
    bands[0, 0, 0] = 5
    with Raster.open(write("a.tif", bands)) as raster:
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


def test_windows_of_one_raster_look_alike(write: Write) -> None:
    bands = np.linspace(0, 3000, 3 * 64 * 64).reshape(3, 64, 64).astype(np.uint16)
    with Raster.open(write("a.tif", bands)) as raster:
        whole = raster.preview()
        part = raster.view(HBB(16, 8, 48, 24), 32, 16)
        assert np.array_equal(part.pixels, whole.pixels[8:24, 16:48])
        assert part.legend == whole.legend


def test_preview_keeps_the_aspect_and_never_enlarges(write: Write) -> None:
    with Raster.open(write("a.tif", scene())) as raster:
        assert raster.preview(30).pixels.shape == (20, 30, 3)
        assert raster.preview().pixels.shape == (40, 60, 3)
        assert raster.preview(30).window.box == HBB(0, 0, 60, 40)
        assert raster.preview(image=2).image == 2
    thin = write("thin.tif", scene(3, 1, 5000))
    with Raster.open(thin) as raster:
        assert raster.preview(100).pixels.shape == (1, 100, 3)


def test_wide_views_read_the_overview(tmp_path: Path, write: Write) -> None:
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


def test_threads_may_share_a_raster(write: Write) -> None:
    path = write("a.tif", scene(3, 200, 200), tiled=True, compress="deflate")
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


@pytest.mark.parametrize("box", [(0, 0, 0, 9), (5, 5, 9, 5)])
def test_empty_windows_are_refused(
    write: Write, box: tuple[float, float, float, float]
) -> None:
    with (
        Raster.open(write("a.tif", scene())) as raster,
        pytest.raises(SettingsError, match="cannot be drawn"),
    ):
        raster.read(HBB(*box), 9, 9)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (100_000, 100_000)])
def test_impossible_sizes_are_refused(write: Write, size: tuple[int, int]) -> None:
    with (
        Raster.open(write("a.tif", scene())) as raster,
        pytest.raises(SettingsError, match=str(size[0])),
    ):
        raster.view(HBB(0, 0, 10, 10), *size)


def test_a_closed_raster_says_so(write: Write) -> None:
    raster = Raster.open(write("a.tif", scene()))
    raster.close()
    with pytest.raises(SettingsError, match=r"a\.tif is closed"):
        raster.preview()


def test_large_colour_tables(write: Write) -> None:
    def declare(file: Any) -> None:
        file.write_colormap(1, {0: (9, 8, 7, 255), 40_000: (200, 100, 50, 255)})

    bands = np.zeros((1, 8, 8), dtype=np.uint16)
    bands[0, 2, 3] = 40_000
    with Raster.open(write("a.tif", bands, edit=declare)) as raster:
        assert raster.preview().pixels[2, 3].tolist() == [200, 100, 50]


def test_a_second_image_is_told(tmp_path: Path) -> None:
    pictures = [Image.fromarray(scene(1)[0]), Image.fromarray(scene(1)[0])]
    pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:])
    with Raster.open(tmp_path / "a.tif") as raster:
        assert any("2 images" in warning for warning in raster.warnings)


def test_the_user_sets_the_sensor(write: Write) -> None:
    rows, columns = np.mgrid[:64, :64]
    path = write("a.png", (rows + columns)[None].astype(np.uint8), "PNG")
    with Raster.open(path) as raster:
        assert raster.sensor == "optical"
    with Raster.open(path, sensor="sar") as raster:
        assert raster.sensor == "sar"
        assert raster.preview().rendering == "sar-8bit"
        assert raster.sensor_reason.startswith("Set by the user")
    with pytest.raises(UnknownNameError, match="Did you mean 'sar'"):
        Raster.open(path, sensor="sarr")


def test_a_guess_is_a_warning(write: Write) -> None:
    with Raster.open(write("a.tif", scene(6))) as raster:
        assert any("--sensor" in warning for warning in raster.warnings)
        with pytest.raises(UnknownNameError):
            raster.preview(rendering="nice")


def test_printing_colours_become_light(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "a.tif")
    with Raster.open(tmp_path / "a.tif") as raster:
        assert raster.bands == {"red": 1, "green": 2, "blue": 3}
        assert raster.read(HBB(0, 0, 1, 1), 1, 1)[:, 0, 0].tolist() == [0, 255, 255]


def test_the_orientation_of_a_photo_is_told_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(np.moveaxis(scene(3, 20, 60), 0, 2))
    picture.save(tmp_path / "a.jpg", exif=exif)
    with Raster.open(tmp_path / "a.jpg") as raster:
        assert (raster.width, raster.height) == (60, 20)
        assert any("orientation 6" in warning for warning in raster.warnings)


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
def test_real_scene(data_folder: Path, name: str) -> None:
    sensor, rendering, bands = REAL[name]
    with Raster.open(data_folder / "scenes" / name) as raster:
        assert raster.sensor == sensor
        assert bands.items() <= raster.bands.items()
        view = raster.preview(256)
        assert view.rendering == rendering
        assert view.pixels.std() > 10
        for other in raster.renderings():
            assert raster.preview(64, other).legend.endswith(".")


def test_real_ground_size_is_not_the_nominal_one(data_folder: Path) -> None:
    with Raster.open(data_folder / "scenes" / "la_s2.tif") as raster:
        assert raster.crs == "EPSG:3395"
        assert raster.gsd == pytest.approx(8.31, abs=0.02)
