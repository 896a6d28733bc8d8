from pathlib import Path

import numpy as np
import pytest

from rsvlm.app.viewer.styles import Style, combinations, draw
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from tests.app.viewer.conftest import write


def test_a_style_is_read_from_an_address() -> None:
    style = Style.parse("ndvi", "", "", 1.2)
    assert style == Style("ndvi", (), "2-98", 1.2)
    assert Style.parse("ndvi", "4,3,2", "minmax", 1).rendering == ""
    assert Style.parse("", "7", "=0:3000", 1).bands == (7,)


@pytest.mark.parametrize(
    ("bands", "stretch", "gamma"),
    [
        ("1,2", "", 1), ("a", "", 1), ("1,2,3,4", "", 1), ("-1", "", 1),
        ("1", "98-2", 1), ("1", "0-101", 1), ("1", "=1", 1), ("1", "nonsense", 1),
        ("1", "", 0), ("1", "", 11), ("1", "", float("nan")),
    ],
)  # fmt: skip
def test_a_style_that_cannot_be_used(bands: str, stretch: str, gamma: float) -> None:
    with pytest.raises(SettingsError):
        Style.parse("", bands, stretch, gamma)


@pytest.fixture
def raster(tmp_path: Path) -> Raster:
    values = np.zeros((4, 60, 50), np.uint16)
    values[0], values[1], values[2], values[3] = 100, 200, 300, 400
    values[:, :, 25:] *= 10
    path = write(tmp_path / "four.tif", values, nodata=0)
    return Raster.open(path, "multispectral")


def levels(style: Style, raster: Raster) -> list[list[int]]:
    """Return the colours left and right."""
    read = raster.read(raster_box(raster), 50, 60, style.indexes(raster))
    pixels = read.data, ~np.ma.getmaskarray(read)[0]
    colours, valid = draw(style, pixels, raster, style.ends(raster, lambda: pixels))
    assert valid.all()
    assert colours.shape == (60, 50, 3)
    return [colours[30, 10].tolist(), colours[30, 40].tolist()]


def raster_box(raster: Raster) -> HBB:
    return HBB(0, 0, raster.width, raster.height)


def test_bands_are_stretched_between_values(raster: Raster) -> None:
    style = Style.parse("", "1,2,3", "=0:1000", 1)
    assert levels(style, raster) == [[25, 51, 76], [255, 255, 255]]


def test_bands_are_stretched_each_by_its_own(raster: Raster) -> None:
    assert levels(Style.parse("", "4,3,2", "minmax", 1), raster) == [[0] * 3, [255] * 3]


def test_one_band_is_gray(raster: Raster) -> None:
    assert levels(Style.parse("", "2", "=0:4000", 1), raster) == [[13] * 3, [127] * 3]


def test_gamma_brightens_the_middle(raster: Raster) -> None:
    plain = levels(Style.parse("", "2", "=0:4000", 1), raster)
    bright = levels(Style.parse("", "2", "=0:4000", 2), raster)
    assert bright[1][0] == pytest.approx(180, abs=1)  # (0.5) ** (1 / 2)
    assert bright[0] > plain[0]


def test_what_the_raster_lacks_is_said(raster: Raster) -> None:
    with pytest.raises(SettingsError, match="no band 9"):
        Style.parse("", "9", "", 1).indexes(raster)
    with pytest.raises(UnknownNameError):
        Style.parse("nonsense", "", "", 1).indexes(raster)


def test_every_rendering_is_offered_with_its_bands(tmp_path: Path) -> None:
    import rasterio

    path = write(tmp_path / "s2.tif", np.full((4, 40, 40), 900, np.uint16))
    with rasterio.open(path, "r+") as file:
        for index, name in enumerate(("B02", "B03", "B04", "B08"), 1):
            file.set_band_description(index, name)
    with Raster.open(path) as raster:
        found = {one["name"]: one for one in combinations(raster)}
    assert found["true-colour"]["bands"] == [3, 2, 1]
    assert found["true-colour"]["stretch"] is True
    assert found["ndvi"]["stretch"] is False
