"""What a file tells of itself."""

from pathlib import Path

import pytest
from PIL import Image

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.file_facts import file_fact
from rsvlm.raster import Raster
from tests.rsvlm.test_assistant import SHIPS, FakeFinder, write

GROUND = "100 m from west to east and 80 m from north to south, 8,"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How large is the area shown?", GROUND),
        ("How big is this image?", GROUND),
        ("What area does the picture cover?", GROUND),
        ("How much ground does the scene cover?", GROUND),
        ("Where was this taken?", "latitude 33."),
        ("What is the extent of the scene?", GROUND),
        ("What is the resolution of this image?", "A pixel is 1 m wide on the ground."),
        ("what's the GSD", "A pixel is 1 m wide"),
        ("How many metres per pixel?", "A pixel is 1 m wide"),
        ("How many pixels does the image have?", "100 columns and 80 rows of pixels."),
        ("What CRS does this image use?", "EPSG:32611."),
        ("What is the projection?", "EPSG:32611."),
        ("Where on Earth was this picture taken?", "Longitude -118."),
        ("What are the coordinates of the image?", "latitude 33."),
        ("Which bands does the image have?", "3 bands of uint8: 1 red, 2 green, 3 blue."),
        ("What kind of image is this?", "Optical, by this sign: "),
        ("Which sensor was used?", "Optical, by this sign: "),
    ],
)  # fmt: skip
def test_the_file_answers(tmp_path: Path, question: str, said: str) -> None:
    with Raster.open(write(tmp_path / "port.tif")) as raster:
        told = file_fact(question, [raster])
    assert said in str(told)


@pytest.mark.parametrize(
    "question",
    [
        "How large is the area?",
        "How much of the area is water?",
        "How much of the image is covered by water?",
        "How large is the lake?",
        "How large is the largest building?",
        "Where is the airport?",
        "Where is the scene of the flood?",
        "Where is the largest area of water?",
        "Which area is the largest?",
        "What is the area of the lake?",
        "What kind of scene is this?",
        "What covers most of the area?",
        "What is the size of the tennis court?",
        "How many image tiles show ships?",
        "What is the land use of this area?",
        "How wide is the river?",
    ],
)
def test_the_picture_answers(tmp_path: Path, question: str) -> None:
    with Raster.open(write(tmp_path / "port.tif")) as raster:
        assert file_fact(question, [raster]) is None


def test_what_a_plain_picture_does_not_tell_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    with Raster.open(tmp_path / "a.png") as raster:
        said = [
            file_fact(question, [raster])
            for question in ("How large is the scene?", "What is the GSD?",
                             "Where is this image?", "What is the CRS?")
        ]  # fmt: skip
    assert said == [
        "60 x 40 px; its size on the ground is not known, since the file has no CRS.",
        "The ground size of a pixel is not known, since the file has no CRS.",
        "Its place is not known, since the file has no CRS.",
        "It has no CRS.",
    ]


def test_each_image_is_told_apart(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.tif"), write(tmp_path / "b.tif", gsd=2.0)
    with Raster.open(one) as first, Raster.open(two) as second:
        told = file_fact("What is the resolution?", [first, second])
    assert told == (
        "Image 1 (a.tif): a pixel is 1 m wide on the ground. "
        "Image 2 (b.tif): a pixel is 2 m wide on the ground."
    )


def test_no_model_is_asked(tmp_path: Path) -> None:
    engine, finder = StubEngine(["42"]), FakeFinder(SHIPS)
    with Raster.open(write(tmp_path / "port.tif")) as raster:
        answer = Assistant(engine, finder).ask([raster], "How large is the area shown?")
    assert GROUND in answer.text
    assert (answer.confidence, answer.regions, finder.asked) == (1.0, (), [])
    assert [step.step for step in answer.trace] == ["look", "file"]
    assert not engine.calls
