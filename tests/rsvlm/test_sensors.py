"""The sensor of a raster is found from names, values and texture, with a reason."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.bands import BANDS, ORDERS, band_names, polarisation_in
from rsvlm.errors import UnknownNameError
from rsvlm.render import RENDERINGS
from rsvlm.sensors import SENSORS, Profile, SensorGuess, detect, is_decibel, speckle


def profile(
    samples: NDArray[np.generic],
    dtype: str = "uint8",
    descriptions: tuple[str | None, ...] | None = None,
    colours: tuple[str, ...] | None = None,
    name: str = "image.tif",
    tags: Mapping[str, str] | None = None,
) -> Profile:
    count = len(samples)
    return Profile(
        dtype,
        descriptions or (None,) * count,
        colours or ("gray",) + ("undefined",) * (count - 1),
        tags or {},
        name,
        samples.astype(np.float32),
    )


def noise(count: int, low: float = 0, high: float = 255) -> NDArray[np.float64]:
    """Bands that differ, shape (count, 64, 64), values in [low, high]."""
    return np.random.default_rng(0).uniform(low, high, (count, 64, 64))


def smooth() -> NDArray[np.float64]:
    """A gray picture with little local contrast, shape (1, 64, 64)."""
    rows, columns = np.mgrid[:64, :64]
    gray: NDArray[np.float64] = np.rint(100 + rows + 20 * np.sin(columns / 9.0))
    return gray[None]


def radar(count: int = 1, looks: float = 4) -> NDArray[np.float64]:
    """Backscatter with speckle as linear power, shape (count, 64, 64)."""
    generator = np.random.default_rng(1)
    surface = np.where(np.mgrid[:64, :64][1] < 32, 0.02, 0.2)
    return surface * generator.gamma(looks, 1 / looks, (count, 64, 64))


def bands_in(guess: SensorGuess) -> list[str]:
    return sorted(guess.bands, key=guess.bands.__getitem__)


def test_three_8_bit_bands_are_an_optical_picture() -> None:
    guess = detect(profile(noise(3), colours=("red", "green", "blue")))
    assert (guess.sensor, guess.domain, guess.sure) == ("optical", "uint8", True)
    assert guess.bands == {"red": 1, "green": 2, "blue": 3}
    assert "3 bands of uint8" in guess.reason


def test_colours_may_stand_in_any_order() -> None:
    guess = detect(profile(noise(3), colours=("blue", "green", "red")))
    assert guess.bands == {"red": 3, "green": 2, "blue": 1}


def test_four_unnamed_bands_have_the_order_of_naip_as_a_guess() -> None:
    guess = detect(profile(noise(4, 0, 4000), "uint16"))
    assert (guess.sensor, guess.domain, guess.sure) == ("optical", "reflectance", False)
    assert bands_in(guess) == ["red", "green", "blue", "nir"]
    assert "guess" in guess.reason


def test_names_win_over_the_order() -> None:
    guess = detect(profile(noise(4), descriptions=("swir1", "nir", "red", "green")))
    assert (guess.sensor, guess.sure) == ("multispectral", True)
    assert guess.bands == {"swir16": 1, "nir": 2, "red": 3, "green": 4}


@pytest.mark.parametrize(
    ("count", "first", "last"),
    [(6, "blue", "swir22"), (10, "blue", "swir22"), (12, "coastal", "swir22")],
)
def test_unnamed_bands_are_taken_by_their_number(
    count: int, first: str, last: str
) -> None:
    guess = detect(profile(noise(count, 0, 3000), "uint16"))
    assert (guess.sensor, guess.sure) == ("multispectral", False)
    assert (bands_in(guess)[0], bands_in(guess)[-1]) == (first, last)


def test_sentinel_2_by_band_numbers() -> None:
    numbers = (*range(1, 9), "8A", *range(9, 13))
    guess = detect(
        profile(noise(13, 0, 3000), "int16", tuple(f"B{n}" for n in numbers))
    )
    assert (guess.sensor, guess.domain, guess.sure) == (
        "multispectral",
        "reflectance",
        True,
    )
    assert bands_in(guess) == list(ORDERS[13][1])
    assert guess.bands["nir08"] == 9
    assert guess.bands["swir22"] == 13


def test_a_number_of_bands_that_nobody_uses_gets_no_names() -> None:
    guess = detect(profile(noise(5), "uint16"))
    assert guess.sensor == "multispectral"
    assert bands_in(guess) == ["band1", "band2", "band3", "band4", "band5"]
    assert not guess.sure


def test_values_in_decibels_are_radar() -> None:
    guess = detect(profile(10 * np.log10(radar(2)), "float32"))
    assert (guess.sensor, guess.domain) == ("sar", "dB")
    assert guess.bands == {"VV": 1, "VH": 2}
    assert not guess.sure  # the polarisations are a guess
    named = detect(
        profile(10 * np.log10(radar(2)), "float32", ("Sigma0_VH_db", "Sigma0_VV_db"))
    )
    assert named.bands == {"VH": 1, "VV": 2}
    assert named.sure
    assert "dB" in named.reason


def test_one_band_in_decibels_takes_its_polarisation_from_the_name() -> None:
    values = 10 * np.log10(radar())
    guess = detect(profile(values, "float32", name="scene_VH_20200101.tif"))
    assert (guess.sensor, guess.domain, guess.bands) == ("sar", "dB", {"VH": 1})
    unnamed = detect(profile(values, "float32"))
    assert (unnamed.sensor, unnamed.bands) == ("sar", {"backscatter": 1})


def test_linear_power_is_radar_by_its_speckle() -> None:
    guess = detect(profile(radar(2), "float32"))
    assert (guess.sensor, guess.domain) == ("sar", "power")
    assert guess.bands == {"VV": 1, "VH": 2}


def test_large_positive_values_of_radar_are_digital_numbers() -> None:
    guess = detect(profile(np.sqrt(radar()) * 500, "uint16", name="s1_grd.tif"))
    assert (guess.sensor, guess.domain) == ("sar", "DN")
    called = detect(
        profile(np.sqrt(radar()), "float32", ("Amplitude_VV",), name="x.tif")
    )
    assert called.domain == "amplitude"


def test_complex_samples_are_radar() -> None:
    guess = detect(profile(np.sqrt(radar()) * 100, "complex64"))
    assert (guess.sensor, guess.domain) == ("sar", "DN")
    assert "complex" in guess.reason


def test_gray_8_bit_is_told_by_texture() -> None:
    power = radar(1, looks=3)
    speckled = np.clip(60 * np.sqrt(power / power.mean()), 0, 255).astype(np.uint8)
    assert detect(profile(speckled)).sensor == "sar"
    assert detect(profile(speckled)).domain == "uint8"
    camera = detect(profile(smooth()))
    assert (camera.sensor, camera.bands) == ("optical", {"gray": 1})
    assert "speckle" in camera.reason


def test_three_equal_bands_are_one_gray_band() -> None:
    power = radar(1, looks=3)
    speckled = np.clip(60 * np.sqrt(power / power.mean()), 0, 255).astype(np.uint8)
    guess = detect(
        profile(np.repeat(speckled, 3, axis=0), colours=("red", "green", "blue"))
    )
    assert (guess.sensor, guess.bands) == ("sar", {"backscatter": 1})


@pytest.mark.parametrize(
    ("name", "tags", "bands"),
    [
        ("s1_vh_tile.png", {}, {"VH": 1}),
        ("tile.png", {"SENSOR": "Sentinel-1A IW GRDH HH"}, {"HH": 1}),
        ("my_sar_chip.png", {}, {"backscatter": 1}),
    ],
)
def test_words_of_name_and_tags_tell_radar(
    name: str, tags: dict[str, str], bands: dict[str, int]
) -> None:
    guess = detect(profile(smooth(), name=name, tags=tags))
    assert (guess.sensor, guess.bands) == ("sar", bands)


@pytest.mark.parametrize("name", ["sen1floods.tif", "hvar_island.png", "sarajevo.png"])
def test_parts_of_words_do_not_tell_radar(name: str) -> None:
    assert detect(profile(smooth(), name=name)).sensor == "optical"


def test_few_whole_numbers_are_a_map_of_classes() -> None:
    labels = np.where(np.mgrid[:1, :64, :64][1] < 20, -1, 1)
    guess = detect(profile(labels, "int16"))
    assert (guess.domain, guess.sure) == ("classes", False)
    assert "-1, 1" in guess.reason


def test_elevation_is_not_radar() -> None:
    heights = 300 + np.cumsum(np.random.default_rng(0).normal(size=(1, 64, 64)), axis=2)
    assert detect(profile(heights, "float32")).sensor == "optical"


def test_missing_values_are_left_out() -> None:
    values = 10 * np.log10(radar(2))
    values[:, :40] = np.nan
    assert detect(profile(values, "float32")).domain == "dB"
    empty = np.full((2, 64, 64), np.nan)
    assert detect(profile(empty, "float32", ("VV", "VH"))).domain == "DN"


def test_the_user_decides() -> None:
    guess = detect(profile(smooth()), "sar")
    assert (guess.sensor, guess.bands, guess.sure) == ("sar", {"backscatter": 1}, True)
    assert guess.reason.startswith("Set by the user")
    values = 10 * np.log10(radar(2))
    assert detect(profile(values, "float32"), "optical").bands == {"gray": 1}
    assert detect(profile(noise(3)), "multispectral").bands["red"] == 1
    with pytest.raises(UnknownNameError, match="optcal"):
        detect(profile(smooth()), "optcal")


def test_speckle_is_contrast_that_follows_brightness() -> None:
    floor, link = speckle(radar(1, looks=4)[0].astype(np.float32))
    assert floor == pytest.approx(0.5, abs=0.1)  # 1 / sqrt(looks), 10th percentile
    assert link > 0.8
    assert speckle(np.ones((64, 64), dtype=np.float32)) == (0.0, 0.0)
    assert speckle(np.ones((5, 5), dtype=np.float32)) == (0.0, 0.0)


def test_decibels_have_fractions_and_are_mostly_negative() -> None:
    values = np.linspace(-30, 0, 100, dtype=np.float32)
    assert is_decibel(values)
    assert not is_decibel(np.round(values))
    assert not is_decibel(np.negative(values))
    assert not is_decibel(values / np.float32(100))
    assert not is_decibel(np.full(3, np.nan, dtype=np.float32))


@pytest.mark.parametrize(
    ("description", "told", "name"),
    [
        ("B8A", "", "nir08"),
        ("B08", "", "nir"),
        ("Band 4", "", "red"),
        ("SR_B4", "", "red"),
        ("SR_B5", "", "nir08"),
        ("B5", "lc08 l2sp", "nir08"),
        ("B5", "", "rededge071"),
        ("B4", "landsat 7", "nir"),
        ("B6", "landsat 7", None),
        ("red (665 nm)", "", "red"),
        ("Near-Infrared", "", "nir"),
        ("NIR", "", "nir"),
        ("VH_dB", "", "VH"),
        ("vhr", "", None),
        ("cloud mask", "", None),
        ("", "", None),
    ],
)
def test_descriptions_name_bands(description: str, told: str, name: str | None) -> None:
    assert list(band_names([description], told)) == ([name] if name else [])


def test_the_first_band_of_a_name_counts() -> None:
    assert band_names(["red", "nir", "red"]) == {"red": 1, "nir": 2}
    assert polarisation_in("no polarisation here") is None


def test_tables_agree() -> None:
    for sensor in SENSORS.values():
        assert set(sensor.renderings) <= set(RENDERINGS)
        assert set(sensor.bands) <= set(BANDS)
    for count, (_, order) in ORDERS.items():
        assert len(order) == count == len(set(order))
        assert set(order) <= set(BANDS)
