"""Changes between two files become regions, areas and words that agree."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from rsvlm import changes
from rsvlm.changes import Changes, area_words, find_changes
from rsvlm.dates import Dates, read_dates
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Mask
from rsvlm.raster import Raster
from rsvlm.registration import register

Bands = NDArray[np.uint8]
Write = Callable[..., Path]
#: Red, green, blue, near infrared.
PLANTS, WATER, SOIL = (50, 80, 45, 190), (40, 60, 55, 15), (130, 120, 100, 150)


def paint(*lakes: tuple[int, int, int, int], seed: int = 0, soil: int = 0) -> Bands:
    """Draw 120 x 160 pixels of plants with lakes (x0, y0, x1, y1) and bare soil."""
    bands = np.tile(np.array(PLANTS)[:, None, None], (1, 120, 160))
    bands[:, 100:, :] = np.array(SOIL)[:, None, None]
    bands[:, 100 - soil :, :40] = np.array(SOIL)[:, None, None]
    for x0, y0, x1, y1 in lakes:
        bands[:, y0:y1, x0:x1] = np.array(WATER)[:, None, None]
    noise = np.random.default_rng(seed).normal(0, 2, bands.shape)
    return (bands + noise).clip(1, 255).astype(np.uint8)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A writer of a GeoTIFF in UTM; pixels of ``size`` metres from ``x``, ``y``."""

    def write_image(
        name: str, bands: NDArray[Any], size: float = 10, x: float = 0, y: float = 0
    ) -> Path:
        count, height, width = bands.shape
        with rasterio.open(
            tmp_path / name,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=bands.dtype,
            crs="EPSG:32611",
            transform=Affine(size, 0, 500_000 + x, 0, -size, 4_000_000 + y),
        ) as file:
            file.write(bands)
        return tmp_path / name

    return write_image


def compare(one: Path, two: Path, question: str = "", **options: Any) -> Changes:
    with Raster.open(one) as before, Raster.open(two) as after:
        return find_changes(
            before, after, register([before, after]), question, **options
        )


def read(one: Path, two: Path, **options: Any) -> Dates:
    with Raster.open(one) as before, Raster.open(two) as after:
        return read_dates(before, after, register([before, after]), **options)


def test_a_lake_grows(write: Write) -> None:
    one = write("a.tif", paint((20, 20, 60, 50)))
    two = write("b.tif", paint((20, 20, 90, 50), seed=1))
    found = compare(one, two)
    (region,) = found.regions
    assert (region.label, region.image) == ("water gained", 1)
    assert isinstance(region.shape, Mask)
    assert region.shape.hbb == HBB(60, 20, 90, 50)
    assert region.shape.area == 900
    assert 0.9 < region.confidence < 1
    assert found.share == pytest.approx(900 / (120 * 160))
    (total,) = found.totals
    assert (total.label, total.regions, total.area_px) == ("water gained", 1, 900)
    # The scale of UTM on its central meridian is 0.9996.
    assert total.area_m2 == pytest.approx(90_000 / 0.9996**2, rel=1e-3)
    assert found.text == (
        "Between image 1 and image 2, 4.7 % of the common area changed: open water "
        "appeared on 9.0 ha (1 region)."
    )
    assert found.window == HBB(0, 0, 160, 120)
    assert found.warnings == ()


def test_the_other_way_round(write: Write) -> None:
    one = write("a.tif", paint((20, 20, 90, 50)))
    two = write("b.tif", paint((20, 20, 60, 50), (100, 60, 104, 80), seed=1))
    found = compare(one, two)
    assert [region.label for region in found.regions] == ["water lost", "water gained"]
    assert "open water disappeared from 9.0 ha (1 region), open water" in found.text


def test_indices_of_the_question_are_kept(write: Write) -> None:
    paths = [
        write("x.tif", paint()),
        write("a.tif", paint((20, 20, 60, 50))),
        write("b.tif", paint((20, 20, 90, 50), seed=1)),
    ]
    rasters = [Raster.open(path) for path in paths]
    found = find_changes(rasters[1], rasters[2], register(rasters), images=(1, 2))
    assert [region.image for region in found.regions] == [2]
    assert found.text.startswith("Between image 2 and image 3, ")
    back = find_changes(rasters[2], rasters[1], register(rasters), images=(2, 1))
    assert [(r.image, r.label) for r in back.regions] == [(1, "water lost")]
    for raster in rasters:
        raster.close()


def test_a_question_narrows_the_answer(write: Write) -> None:
    one = write("a.tif", paint((60, 20, 90, 50)))
    two = write("b.tif", paint((60, 20, 110, 50), seed=1, soil=20))
    everything = compare(one, two)
    labels = {region.label for region in everything.regions}
    assert labels == {"water gained", "vegetation lost"}
    for question, label in (
        ("Did the lake grow?", "water gained"),
        ("Where was forest cut?", "vegetation lost"),
        ("How much deforestation was there?", "vegetation lost"),
    ):
        found = compare(one, two, question)
        assert {region.label for region in found.regions} == {label}
        (total,) = found.totals
        assert total in everything.totals  # an area does not depend on the question
    assert found.text == (
        "Between image 1 and image 2, vegetation disappeared from 8.0 ha (1 region): "
        "4.2 % of the common area."
    )
    both = compare(one, two, "What happened to water and trees?")
    assert len(both.totals) == 2
    built = compare(one, two, "Were new buildings constructed?")
    assert built.totals == everything.totals
    assert built.warnings[0].startswith("Built-up land was not recognised as such")


def test_nothing_changed(write: Write) -> None:
    one = write("a.tif", paint((20, 20, 60, 50)))
    two = write("b.tif", paint((20, 20, 60, 50), seed=1))
    found = compare(one, two)
    assert (found.regions, found.totals, found.share) == ((), (), 0)
    assert found.text == (
        "Between image 1 and image 2, no change of open water or vegetation or "
        "brightness larger than 1,201 m2 was found."
    )
    assert "no change of open water larger" in compare(one, two, "any flood?").text


def test_small_and_thin_parts_are_left_out(write: Write) -> None:
    one = write("a.tif", paint((20, 20, 60, 50)))
    #                 grown by 2 pixels, 3 x 3 pixels, a channel of 2, a pond of 4 x 4
    lakes = (18, 18, 62, 52), (80, 10, 83, 13), (80, 30, 82, 80), (100, 50, 104, 54)
    two = write("b.tif", paint(*lakes, seed=1))
    found = compare(one, two)
    assert [region.shape.hbb for region in found.regions] == [HBB(100, 50, 104, 54)]


def test_many_changes_leave_the_largest(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    ponds = [
        (x, y, x + 4, y + 4) for x in range(10, 150, 14) for y in range(10, 90, 14)
    ]
    one = write("a.tif", paint())
    two = write("b.tif", paint(*ponds, (40, 92, 60, 100), seed=1))
    assert len(compare(one, two).regions) == len(ponds) + 1
    monkeypatch.setattr(changes, "MOST", 20)
    found = compare(one, two)
    assert [region.shape.area for region in found.regions] == [160]
    (warning,) = found.warnings
    assert warning.startswith("There are very many changes; those below 2,40")


def test_grids_that_differ_are_brought_together(write: Write) -> None:
    # The later image has half the pixel size and begins 100 m further east and south.
    one = write("a.tif", paint((20, 20, 60, 50)))
    fine = np.kron(paint((20, 20, 90, 50), seed=1)[:, 10:, 10:], np.ones((1, 2, 2)))
    two = write("b.tif", fine.astype(np.uint8), 5, 100, -100)
    found = compare(one, two)
    (region,) = found.regions
    assert region.shape.hbb == HBB(100, 20, 160, 80)
    assert region.shape.area == pytest.approx(3600, rel=0.05)
    dates = read(one, two)
    assert dates.window.box == HBB(0, 0, 300, 220)
    assert dates.valid.shape == (110, 150)  # the coarser pixels set the grid
    with Raster.open(one) as a, Raster.open(two) as b:
        turned = read_dates(a, b, register([b, a]), images=(1, 0))
    assert np.array_equal(turned.before["nir"], dates.before["nir"], equal_nan=True)
    same = read(
        one, write("c.tif", paint((20, 20, 60, 50))[:, 10:, 10:], 10, 100, -100)
    )
    assert np.array_equal(same.before["nir"], same.after["nir"])


def test_large_images_are_compared_smaller(write: Write) -> None:
    one = write("a.tif", paint((20, 20, 60, 50)))
    two = write("b.tif", paint((20, 20, 100, 50), seed=1))
    dates = read(one, two, max_side=80)
    assert dates.valid.shape == (60, 80)
    found = compare(one, two, max_side=80)
    (region,) = found.regions
    assert region.shape.hbb == HBB(60, 20, 100, 50)  # in pixels of the file


def test_dark_water_without_near_infrared_is_data(write: Write) -> None:
    # 0 is the declared nodata, but counts only where every band holds it.
    bands = paint((20, 20, 90, 50), seed=1)
    bands[3, 20:50, 20:90] = 0
    bands[:, :10] = 0
    two = write("b.tif", bands)
    with rasterio.open(two, "r+") as file:
        file.nodata = 0
    found = compare(write("a.tif", paint((20, 20, 60, 50))), two)
    (region,) = found.regions
    assert region.shape.hbb == HBB(60, 20, 90, 50)
    assert found.share == pytest.approx(900 / (110 * 160))


def test_colour_pictures_say_how_weak_they_are(write: Write) -> None:
    one = write("a.tif", paint((20, 20, 60, 50))[:3])
    two = write("b.tif", paint((20, 20, 60, 50), seed=1, soil=40)[:3])
    found = compare(one, two, "Did the vegetation shrink?")
    assert [region.label for region in found.regions] == ["vegetation lost"]
    assert found.regions[0].confidence < 0.6
    assert found.warnings[0].startswith("Without near infrared, open water cannot be")
    gray = compare(write("c.tif", paint()[:1]), write("d.tif", paint()[:1]))
    assert gray.warnings == ("Only the brightness of the surface could be compared.",)


def test_radar_is_compared_by_its_echo(write: Write) -> None:
    rng = np.random.default_rng(0)

    def echo(*dark: slice) -> NDArray[np.float32]:
        level = np.full((2, 120, 160), -9.0)
        level[1] = -16
        if dark:
            level[:, dark[0], dark[1]] -= 9
        speckle = rng.gamma(4.4, 1 / 4.4, level.shape)
        decibel: NDArray[np.float32] = (level + 10 * np.log10(speckle)).astype(
            "float32"
        )
        return decibel

    one = write("s1_a.tif", echo())
    two = write("s1_b.tif", echo(slice(30, 70), slice(50, 100)))
    found = compare(one, two)
    (region,) = found.regions
    assert region.label == "radar echo weaker"
    assert region.shape.hbb.iou(HBB(50, 30, 100, 70)) > 0.85
    assert "the radar echo became weaker on" in found.text
    assert found.warnings[0].startswith("Radar images were compared by the strength")
    power = 10 ** (np.stack([rasterio.open(p).read() for p in (one, two)]) / 10)
    linear = [write(f"s1_{i}.tif", p.astype(np.float32)) for i, p in enumerate(power)]
    assert (
        compare(linear[0], linear[1]).regions[0].shape.hbb.iou(region.shape.hbb) > 0.95
    )
    with pytest.raises(SettingsError, match=r"Image 1 is optical and image 2 is sar"):
        compare(write("o.tif", paint()), two)


def test_what_cannot_be_compared_is_refused(write: Write) -> None:
    one = write("a.tif", paint())
    with pytest.raises(SettingsError, match=r"^Images 1 \(gray\) and 2 \(red, green"):
        compare(write("g.tif", paint()[:1]), write("c.tif", paint()[:3]))
    empty = paint()
    empty[:, :, :80] = 0
    half = write("h.tif", empty)
    other = paint()
    other[:, :, 80:] = 0
    rest = write("r.tif", other)
    for path in (half, rest):
        with rasterio.open(path, "r+") as file:
            file.nodata = 0
    with pytest.raises(SettingsError, match="have no pixel with data in common"):
        compare(half, rest)
    with Raster.open(one) as a, Raster.open(one) as b:
        nothing = register([a])
        with pytest.raises(SettingsError, match="their pixels cannot be mapped"):
            find_changes(a, b, nothing)


def test_areas_in_words() -> None:
    assert area_words(3_353.2, 1) == "3,353 m2"
    assert area_words(1e7, 1) == "10 km2"
    assert area_words(1_000_000, 1) == "1.0 km2"
    assert area_words(0.25, 1) == "0.2 m2"
    assert area_words(None, 1_234.4) == "1,234 px"


@pytest.mark.parametrize(
    ("years", "gained", "lost"),
    [
        # As the maps show when looked at: ponds grew by more than half of their area
        # from 2009 to 2014, and hardly from then to 2020.
        ((20090818, 20140720), (1.8, 2.4), 0.05),
        ((20140720, 20200831), (0.1, 0.4), 0.15),
    ],
)
def test_prairie_ponds(
    data_folder: Path, years: tuple[int, int], gained: tuple[float, float], lost: float
) -> None:
    paths = [data_folder / "scenes" / f"naip_{year}.tif" for year in years]
    found = compare(paths[0], paths[1], "How did the ponds change?")
    areas = {total.label: (total.area_m2 or 0) / 1e6 for total in found.totals}
    assert gained[0] < areas["water gained"] < gained[1]
    assert areas.get("water lost", 0) < lost
    number = re.search(r"open water appeared on ([\d.]+) (km2|ha)", found.text)
    assert number is not None
    told = float(number[1]) / (1 if number[2] == "km2" else 100)
    assert told == pytest.approx(areas["water gained"], rel=0.05)
    with Raster.open(paths[1]) as after:
        assert after.georeference is not None
        exact = [after.georeference.area_m2(r.shape) for r in found.regions[:3]]
        quick = [
            changes._ground(r.shape, after.georeference) for r in found.regions[:3]
        ]
    assert quick == pytest.approx(exact, rel=1e-3)


def test_a_river_moves(data_folder: Path) -> None:
    paths = [data_folder / "scenes" / f"landsat_pucallpa_{y}.tif" for y in (1985, 2020)]
    found = compare(paths[0], paths[1])
    areas = {total.label: (total.area_m2 or 0) / 1e6 for total in found.totals}
    # The river left one bed for another, and the town took forest.
    assert 60 < areas["water lost"] < 90
    assert 40 < areas["water gained"] < 60
    assert areas["vegetation lost"] > 60
    assert not compare(paths[0], paths[0]).regions
