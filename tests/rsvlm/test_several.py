"""Optical and radar images of one place in one question."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from tests.rsvlm.test_assistant import FakeFinder
from tests.rsvlm.test_scenes import Colours, ground, write

Pair = tuple[Raster, Raster]


def radar(path: Path, height: int = 96, width: int = 80, east: float = 380000) -> Path:
    """Write 8-bit VH of the same ground as ``ground`` at half its pixel size."""
    rng = np.random.default_rng(1)
    pixels = (rng.gamma(4, 20, (height, width))).clip(1, 255).astype(np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8",
        crs="EPSG:32611", transform=from_origin(east, 3730000, 5, 5),
    ) as file:  # fmt: skip
        file.write(pixels[None])
        file.descriptions = ("VH",)
    return path


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    pixels = ground()
    pixels[0, 0:16, 0:16] = 255  # a harbor for the colours
    optical = write(tmp_path / "s2.tif", pixels)
    with (
        Raster.open(optical) as one,
        Raster.open(radar(tmp_path / "s1.tif")) as other,
    ):
        yield one, other


def assistant(*replies: str, scenes: bool = True) -> Assistant:
    engine = StubEngine([*replies], capabilities=Capabilities(sensors=frozenset({"optical", "sar"})))  # fmt: skip
    return Assistant(engine, FakeFinder({}), scenes=Colours() if scenes else None)


def test_where_it_is_and_what_the_radar_shows_there(both: Pair) -> None:
    answer = assistant("A quay with ships.").ask(
        both, "Where is the harbour, and what does the radar show there?"
    )
    assert answer.text.startswith("Optical (image 1): Found 1 harbor.")
    assert "Radar (image 2): At the harbor: A quay with ships." in answer.text
    assert "stronger echo than" in answer.text
    assert {region.image for region in answer.regions} == {0, 1}
    assert all(region.geometry for region in answer.regions)
    first, second = answer.regions
    assert np.array(first.hbb) * 2 == pytest.approx(np.array(second.hbb), abs=0.1)
    assert {step.sensor for step in answer.trace} >= {"optical", "sar"}
    near = [step for step in answer.trace if step.step == "zoom" and step.image == 1]
    assert near[0].window is not None
    assert near[0].window[2] < 80  # a part of the radar image, not all of it


def test_each_statement_names_its_sensor(both: Pair) -> None:
    answer = assistant("A lake.", "Dark water.").ask(both, "Describe this place.")
    assert "Optical (image 1): A lake." in answer.text
    assert "Radar (image 2): Dark water." in answer.text


def test_a_question_to_one_sensor_is_answered_by_it(both: Pair) -> None:
    one = assistant("Speckle.")
    answer = one.ask(both, "What does the radar image show?")
    assert answer.text.startswith("Speckle.")
    assert [step.image for step in answer.trace if step.step == "ask"] == [1]


def test_cover_is_measured_in_both_and_agreed_on(both: Pair) -> None:
    answer = assistant("none").ask(both, "How much of the image is water?")
    assert "Optical (image 1): Water covers 10 % of the image (19" in answer.text
    assert answer.task == "segment"
    mine = [r for r in answer.regions if r.image == 0]
    assert sum(r.area_m2 or 0 for r in mine) == pytest.approx(16 * 12 * 100, rel=2e-3)


def test_yes_and_no_about_cover_come_from_the_map(both: Pair) -> None:
    answer = assistant().ask(both[:1], "Is there any water?")
    assert answer.text.startswith("Yes: Water covers 10 % of the image")
    refused = assistant("3").ask(both[:1], "How many cities are there?")
    assert refused.abstained
    assert "I cannot count" in refused.text


def test_classes_of_a_radar_image_are_chosen_by_the_aligned_encoder(both: Pair) -> None:
    question = "Which of these does the image show: a town, a forest, a lake?"
    one = assistant("a town")
    answer = one.ask(both[1:], question)
    assert (answer.task, answer.text) == ("classify", "town")
    assert [step.step for step in answer.trace] == ["look", "choose"]
    assert answer.confidence > 0.5
    optical = one.ask(both[:1], question)  # the engine's word counts as well
    assert optical.text == "town"
    assert [step.step for step in optical.trace] == ["look", "ask", "choose"]


def test_a_caption_names_shares(both: Pair) -> None:
    answer = assistant("A lake.").ask(both[:1], "Describe this place.")
    assert answer.text.startswith("A lake. By area: 90% built-up land and 10% water.")


def test_ships_are_not_sought_in_radar_by_the_finder_of_cameras(both: Pair) -> None:
    finder = FakeFinder({"ship": [HBB(1, 1, 5, 5)]})
    engine = StubEngine(["2"])
    answer = Assistant(engine, finder).ask(both[1:], "How many ships are there?")
    assert not finder.asked
    assert answer.abstained
    assert "optical images" in answer.text


def test_every_object_is_sought_by_the_finder_without_a_name(
    both: Pair, tmp_path: Path
) -> None:
    finder = FakeFinder({"ship": [HBB(1, 1, 5, 5)]})
    one = Assistant(StubEngine(["none"]), finder)
    with Raster.open(write(tmp_path / "fine.tif", ground(), 1.0)) as fine:
        answer = one.ask([fine], "Detect all objects.")
    assert [region.label for region in answer.regions] == ["ship"]
    refused = one.ask(both[1:], "Detect all objects.")
    assert refused.abstained  # nothing looks for objects in radar images


def test_what_is_too_small_is_not_denied(tmp_path: Path) -> None:
    path = write(tmp_path / "s2.tif", ground())
    with Raster.open(path) as raster:  # 10 m
        answer = Assistant(StubEngine(["no"]), FakeFinder({})).ask(
            [raster], "Is there a vehicle in the image?"
        )
    assert answer.abstained
    assert "cannot be made out" in answer.text


def test_a_description_of_a_place_stays_a_description(both: Pair) -> None:
    answer = assistant("A quay.").ask(both[:1], "Describe the harbour.")
    assert answer.task == "caption"
    assert answer.text.startswith("A quay.")


def test_images_that_do_not_overlap_are_refused(tmp_path: Path) -> None:
    far = radar(tmp_path / "s1.tif", east=390000)
    with (
        Raster.open(write(tmp_path / "s2.tif", ground())) as one,
        Raster.open(far) as other,
        pytest.raises(SettingsError, match=r"do not overlap.*apart"),
    ):
        assistant("a").ask((one, other), "Where is the harbour?")


def test_images_of_one_sensor_may_show_other_places(tmp_path: Path) -> None:
    far, near = radar(tmp_path / "a.tif", east=390000), radar(tmp_path / "b.tif")
    with Raster.open(far) as one, Raster.open(near) as other:
        answer = assistant("A town.", "A sea.", scenes=False).ask(
            (one, other), "Describe the images."
        )
        assert answer.text == "Image 1: A town. Image 2: A sea."
        assert any("do not overlap" in warning for warning in answer.warnings)
        with pytest.raises(SettingsError, match="do not overlap"):
            assistant("A town.").ask((one, other), "What changed?")


def test_more_images_than_the_model_takes_are_refused(both: Pair) -> None:
    engine = StubEngine(["a"], capabilities=Capabilities(max_images=2))
    with pytest.raises(SettingsError, match="3 images; the model stub takes at most 2"):
        Assistant(engine).ask([*both, both[0]], "Describe this place.")


def test_what_no_band_shows_is_said(both: Pair) -> None:
    answer = assistant("a").ask(both[:1], "What is the NDVI here?")
    assert answer.abstained
    assert "lacks near infrared" in answer.text


def test_a_place_that_was_not_found_is_not_described(both: Pair) -> None:
    answer = assistant("none", scenes=False).ask(
        both, "Where is the bridge, and what does the radar show there?"
    )
    assert "the place was not found" in answer.text
    assert not answer.regions
