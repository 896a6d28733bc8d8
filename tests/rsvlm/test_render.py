"""Pictures have exact colours, fixed ranges and a legend that states them."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.geometry import Window
from rsvlm.render import View, bands_of, choose, limits_of, render, renderings_of
from rsvlm.sensors import SensorGuess

RGB = {"red": 1, "green": 2, "blue": 3}
S2 = RGB | {"nir": 4, "nir08": 5, "swir16": 6, "swir22": 7}


def guess(
    sensor: str = "optical", bands: dict[str, int] | None = None, domain: str = "uint8"
) -> SensorGuess:
    return SensorGuess(sensor, "made by a test.", bands or RGB, domain)


def draw(
    name: str,
    values: ArrayLike,
    known: SensorGuess,
    valid: NDArray[np.bool_] | None = None,
    dtype: str = "float32",
) -> View:
    """Draw values, shape (B, W), as a raster of one row."""
    array = np.asarray(values, dtype=dtype)[:, None, :]
    seen = np.ones(array.shape[1:], bool) if valid is None else valid[None]
    ends = limits_of(name, lambda: (array, seen), known)
    window = Window.whole(array.shape[2], 1, array.shape[2], 1)
    return render(name, array, seen, guess=known, limits=ends, window=window)


def test_a_picture_that_uses_the_range_is_left_as_it_is() -> None:
    values = np.linspace([0, 10, 20], [255, 240, 230], 50).astype(np.uint8)  # (50, 3)
    view = draw("true-colour", values.T, guess(), dtype="uint8")
    assert view.pixels.dtype == np.uint8
    assert np.array_equal(view.pixels[0], values)
    assert view.valid is None
    assert "stretched" not in view.legend


def test_a_dark_picture_is_stretched_between_percentiles() -> None:
    ramp = np.arange(0, 101)
    view = draw("true-colour", [ramp, ramp * 10, ramp], guess(domain="reflectance"))
    red, green, _ = view.pixels[0].T
    assert np.array_equal(red, green)  # every band has its own ends
    assert red[2] == 0
    assert red[50] == 128
    assert red[98] == 255
    assert "stretched between its 2nd and 98th percentile" in view.legend


def test_an_8_bit_picture_of_low_contrast_is_left_as_it_is() -> None:
    # Training reads pictures as they are stored: what a meadow looks like must not
    # depend on who opens the file.
    values = np.linspace([90, 110, 70], [130, 150, 95], 50).astype(np.uint8)
    view = draw("true-colour", values.T, guess(), dtype="uint8")
    assert np.array_equal(view.pixels[0], values)


def test_a_dark_8_bit_picture_is_stretched_and_keeps_its_colours() -> None:
    values = np.linspace([0, 0, 0], [50, 25, 0], 101).astype(np.uint8)
    view = draw("true-colour", values.T, guess(), dtype="uint8")
    red, green, blue = view.pixels[0].astype(int).T
    assert red[-1] == 255
    assert abs(green[50] - red[50] / 2) <= 3
    assert not blue.any()
    assert "stretched between its 2nd and 98th percentile" in view.legend


def test_missing_pixels_are_black_and_do_not_stretch() -> None:
    values = np.array([[100.0, 200, 300, 9999]] * 3)
    valid = np.array([True, True, True, False])
    view = draw("true-colour", values, guess(domain="DN"), valid)
    assert view.pixels[0, 3].tolist() == [0, 0, 0]
    assert view.pixels[0, 2].tolist() == [255, 255, 255]
    assert view.valid is not None
    assert view.valid.tolist() == [[True, True, True, False]]


def test_not_a_number_is_missing() -> None:
    known = guess("sar", {"VV": 1}, "dB")
    view = draw("sar-vv-db", [[np.nan, -12.5, np.inf, 0]], known)
    assert view.pixels[0, :, 0].tolist() == [0, 128, 0, 255]
    assert view.valid is not None
    assert view.valid.tolist() == [[False, True, False, True]]


def test_vegetation_index_has_fixed_colours() -> None:
    # NDVI -0.2, 0.3, 0.8 and, without light, 0.
    nir, red = [40, 65, 90, 0], [60, 35, 10, 0]
    known = guess("multispectral", S2, "reflectance")
    view = draw("ndvi", [nir, red], known)
    assert view.pixels[0, :3].tolist() == [
        [215, 48, 39],
        [255, 235, 140],
        [26, 132, 60],
    ]
    more = draw("ndvi", [nir[:2], red[:2]], known)
    assert np.array_equal(more.pixels, view.pixels[:, :2])  # no stretch
    assert "-0.2" in view.legend
    assert "0.8" in view.legend
    assert "calibrated" not in view.legend
    plain = draw("ndvi", [nir, red], guess("multispectral", S2, "uint8"))
    assert "not calibrated" in plain.legend


def test_water_index_is_blue_on_water_only() -> None:
    known = guess("multispectral", S2, "reflectance")
    view = draw("ndwi", [[90, 50, 10], [10, 50, 90]], known)  # green, nir
    assert view.pixels[0].tolist() == [[8, 48, 160], [255, 255, 255], [255, 255, 255]]


def test_unsigned_bands_do_not_wrap() -> None:
    known = guess("multispectral", S2, "uint8")
    view = draw("ndvi", [[10], [200]], known, dtype="uint8")
    assert view.pixels[0, 0].tolist() == [215, 48, 39]


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        ("dB", [-25, -12.5, 0, -80, 20]),
        ("power", [10**-2.5, 10**-1.25, 1, 0, 100]),
        ("amplitude", [10**-1.25, 10**-0.625, 1, 0, 10]),
    ],
)
def test_backscatter_is_drawn_from_minus_25_to_0_db(
    domain: str, values: list[float]
) -> None:
    view = draw("sar-vh-db", [values], guess("sar", {"VV": 1, "VH": 2}, domain))
    assert view.pixels[0, :, 0].tolist() == [0, 128, 255, 0, 255]
    assert "black at -25 or less, white at 0 or more" in view.legend


def test_uncalibrated_backscatter_is_stretched_and_says_so() -> None:
    numbers = 10 ** (np.linspace(20, 60, 101) / 20)  # 20 to 60 dB
    view = draw("sar-db", [numbers], guess("sar", {"backscatter": 1}, "DN"))
    assert view.pixels[0, [0, 50, 100], 0].tolist() == [0, 128, 255]
    assert "black at 20.8 or less, white at 59.2 or more" in view.legend


def test_composite_states_its_three_ranges() -> None:
    known = guess("sar", {"VV": 1, "VH": 2}, "dB")
    view = draw("sar-composite", [[-12.5], [-17.5]], known)
    assert view.pixels[0, 0].tolist() == [128, 128, 85]  # the ratio is 5 of 15 dB
    for part in ("VV from -25 to 0", "VH from -30 to -5", "VV minus VH from 0 to 15"):
        assert part in view.legend


def test_8_bit_radar_is_drawn_as_stored() -> None:
    view = draw("sar-8bit", [[3, 5, 9]], guess("sar", {"VH": 1}), dtype="uint8")
    assert view.pixels[0].tolist() == [[3] * 3, [5] * 3, [9] * 3]
    assert "VH" in view.legend


def test_classes_span_black_to_white() -> None:
    view = draw("gray", [[-1, 0, 1]], guess(bands={"gray": 1}, domain="classes"))
    assert view.pixels[0, :, 0].tolist() == [0, 128, 255]
    assert "classes from -1 (black) to 1 (white)" in view.legend


def test_a_constant_picture_can_be_drawn() -> None:
    view = draw("gray", [[7, 7]], guess(bands={"gray": 1}, domain="DN"))
    assert view.pixels[0, 0].tolist() == view.pixels[0, 1].tolist()


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (guess(), ("true-colour",)),
        (guess(bands={"gray": 1}), ("gray",)),
        (
            guess(bands=RGB | {"nir": 4}),
            ("true-colour", "false-colour", "ndvi", "ndwi"),
        ),
        (
            guess("multispectral", S2),
            ("true-colour", "false-colour", "ndvi", "ndwi", "ndmi", "nbr"),
        ),
        (
            guess("multispectral", {f"band{i}": i for i in range(1, 6)}),
            ("composite-123", "gray"),
        ),
        (
            guess("sar", {"VV": 1, "VH": 2}, "dB"),
            ("sar-composite", "sar-vv-db", "sar-vh-db"),
        ),
        # Landsat without blue; a subset of Sentinel-2; pairs and single bands.
        (
            guess("multispectral", {"swir16": 1, "nir": 2, "red": 3, "green": 4}),
            ("false-colour", "ndvi", "ndwi", "ndmi"),
        ),
        (
            guess("multispectral", {"rededge071": 1, "rededge078": 2, "nir08": 3}),
            ("composite",),
        ),
        (guess(bands={"blue": 1, "green": 2, "nir": 3}), ("composite", "ndwi")),
        (guess(bands={"red": 1, "nir": 2}), ("single-band", "ndvi")),
        (guess("multispectral", {"swir16": 1, "swir22": 2}), ("single-band",)),
        (guess(bands={"nir": 1}), ("single-band",)),
        (guess("sar", {"HH": 1}, "power"), ("sar-hh-db",)),
        (guess("sar", {"backscatter": 1}), ("sar-8bit",)),
    ],
)
def test_renderings_depend_on_bands(known: SensorGuess, names: tuple[str, ...]) -> None:
    assert renderings_of(known) == names
    assert choose(None, known) == names[0]


def test_narrow_near_infrared_is_preferred_for_moisture() -> None:
    known = guess("multispectral", S2)
    assert bands_of("ndmi", known) == ("nir08", "swir16")
    assert bands_of("ndvi", known) == ("nir", "red")


def test_bands_without_a_picture_of_their_own_are_drawn_by_wavelength() -> None:
    known = guess("multispectral", {"coastal": 1, "swir22": 2, "cirrus": 3, "nir": 4})
    assert bands_of("composite", known) == ("swir22", "cirrus", "nir")
    view = draw("composite", [[1, 9], [9, 1], [1, 9]], known, dtype="uint8")
    assert "bands swir22, cirrus, nir shown as red, green and blue" in view.legend
    assert bands_of("single-band", guess(bands={"nir": 1, "red": 2})) == ("red",)


def test_an_index_names_its_bands_with_their_wavelengths() -> None:
    known = guess("multispectral", S2, "reflectance")
    for name, pair in (
        ("ndvi", "NDVI of nir (0.842 um) and red (0.665 um): "),
        ("ndwi", "NDWI of green (0.56 um) and nir (0.842 um): "),
        ("ndmi", "NDMI of nir08 (0.865 um) and swir16 (1.61 um): "),
        ("nbr", "NBR of nir08 (0.865 um) and swir22 (2.19 um): "),
    ):
        assert pair in draw(name, [[1], [1]], known).legend


def test_moisture_and_burn_ratio_have_fixed_colours() -> None:
    known = guess("multispectral", S2, "reflectance")
    for name in ("ndmi", "nbr"):  # -0.8, 0 and 0.8
        view = draw(name, [[10, 50, 90], [90, 50, 10]], known)
        assert view.pixels[0].tolist() == [[215, 48, 39], [60, 170, 80], [8, 48, 160]]


def test_a_rendering_that_another_is_preferred_to_can_be_asked_for() -> None:
    assert choose("composite", guess()) == "composite"


def test_an_unknown_rendering_lists_those_that_work() -> None:
    with pytest.raises(UnknownNameError, match=r"'true-color'.*Did you mean 'true-col"):
        choose("true-color", guess())


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("ndvi", guess(), r"needs the band nir, but .* red, green, blue"),
        ("sar-composite", guess(), r"needs the bands VV, VH"),
        ("ndmi", guess(bands=RGB | {"nir": 4}), "needs the band swir16"),
        ("sar-vv-db", guess("sar", {"VV": 1}), "needs backscatter in dB .*sar-8bit"),
        ("sar-8bit", guess("sar", {"VV": 1}, "dB"), "needs 8-bit gray levels"),
    ],
)
def test_a_missing_band_is_named(name: str, known: SensorGuess, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        choose(name, known)
    assert "\n" not in str(caught.value)


def test_importing_it_is_light() -> None:
    code = (
        "import sys, rsvlm.raster, rsvlm.messages;"
        "print([m for m in ('rasterio', 'pyproj', 'shapely', 'torch', 'PIL')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
