from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from rsvlm.answer import Answer
from rsvlm.app import build
from rsvlm.app.cli import main
from rsvlm.app.places import places
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "port.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (3, 80, 100), dtype=np.uint8)
    place = {"crs": "EPSG:32611", "transform": from_origin(380000, 3730000, 1, 1)}
    with rasterio.open(
        file, "w", driver="GTiff", width=100, height=80, count=3, dtype="uint8",
        photometric="RGB", **place,
    ) as opened:  # fmt: skip
        opened.write(pixels)
    return file


@pytest.fixture
def raster(path: Path) -> Iterator[Raster]:
    with Raster.open(path) as opened:
        yield opened


def test_pixels_are_those_of_the_answer(raster: Raster) -> None:
    (box,) = places(["10,20,30.5,40"], [raster])
    assert (box.image, box.box) == (0, HBB(10, 20, 30.5, 40))
    (click,) = places(["50,40"], [raster])
    assert click.box.center == pytest.approx((50, 40))
    assert click.box.width == pytest.approx(20, rel=1e-3)  # 20 m at 1 m/px
    (cut,) = places(["90,70,200,300"], [raster])
    assert cut.box == HBB(90, 70, 100, 80)


def test_degrees_find_the_image_that_shows_the_place(raster: Raster) -> None:
    assert raster.georeference is not None
    lon, lat = raster.georeference.lonlat([(50, 40)])[0]
    (click,) = places([f"lonlat:{lon},{lat}"], [raster])
    assert click.box.center == pytest.approx((50, 40), abs=1e-3)
    west, south = raster.georeference.lonlat([(10, 40)])[0]
    east, north = raster.georeference.lonlat([(30, 20)])[0]
    (box,) = places([f"lonlat:{west},{south},{east},{north}"], [raster])
    assert box.box.center == pytest.approx((20, 30), abs=0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("here", "is not understood"),
        ("1,2,3", "is not understood"),
        ("nan,1", "is not understood"),
        ("30,20,10,40", "has no area"),
        ("500,500", "lies outside"),
        ("500,500,600,600", "lies outside"),
        ("lonlat:2.35,48.85", "No image shows"),
        ("lonlat:-118,95", "no place in degrees"),
    ],
)
def test_a_wrong_place_is_one_line(raster: Raster, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        places([text], [raster])


def test_at_asks_about_the_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = StubEngine(["a roof"])
    monkeypatch.setattr(build, "build_assistant", lambda *_: Assistant(stub))
    asked = ["ask", str(path), "What colour is this?", "--json", "--at", "10,20,30,40"]
    result = CliRunner().invoke(main, asked)
    answer = Answer.model_validate_json(result.stdout)
    assert answer.text == "a roof"
    assert [s.window for s in answer.trace if s.step == "focus"] == [(10, 20, 30, 40)]
    result = CliRunner().invoke(main, [*asked[:3], "--at", "900,900"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: The point 900, 900 lies outside 'port.tif'")
