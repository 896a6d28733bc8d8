"""Descriptions, measures and questions that name neither, through the assistant."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.geometry import HBB, Region
from rsvlm.meaning import colour_of, north_of
from rsvlm.raster import Raster
from rsvlm.render import View

BOXES = {
    "ship": [HBB(10, 10, 30, 20), HBB(50, 40, 60, 70), HBB(80, 10, 84, 14)],
    "bridge": [HBB(40, 0, 45, 80)],
}


class Finder:
    """Finds the same boxes whatever is shown."""

    labels = ("ship", "vehicle", "bridge")
    side = 100

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        found = [
            Region(box, name, 0.9, view.image)
            for name in descriptions
            for box in BOXES.get(name, [])
        ]
        return Findings(tuple(found), 0.9 if found else 0.1)


def write(path: Path, transform: Affine) -> Path:
    """Write an RGB GeoTIFF of 100 x 80 px whose left half is white."""
    rng = np.random.default_rng(0)  # colours vary: a gray picture would be doubted
    pixels = rng.integers(0, 90, (3, 80, 100), dtype=np.uint8)
    pixels[:, :, :35] = 250 - pixels[:, :, :35] // 4
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=80, count=3, dtype="uint8",
        photometric="RGB", crs="EPSG:32611", transform=transform,
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


@pytest.fixture
def raster(tmp_path: Path) -> Iterator[Raster]:
    up = Affine(1, 0, 500000, 0, -1, 3730000)
    with Raster.open(write(tmp_path / "port.tif", up)) as opened:
        yield opened


@pytest.fixture
def assistant() -> Assistant:
    return Assistant(StubEngine(["7"] * 9), Finder())


@pytest.mark.parametrize(
    ("question", "boxes"),
    [
        ("Where is the largest ship?", [1]),
        ("Where are the ships left of the bridge?", [0]),
        ("Where is the ship nearest the bridge?", [1]),
        ("Find the ship in the lower right corner.", [1]),
        ("Locate the white ships.", [0]),
        ("How many ships are right of the bridge?", [1, 2]),
    ],
)
def test_those_that_are_meant(
    assistant: Assistant, raster: Raster, question: str, boxes: list[int]
) -> None:
    answer = assistant.ask([raster], question)
    found = {region.hbb for region in answer.regions}
    wanted = [BOXES["ship"][i] for i in boxes]
    assert found == {(box.x0, box.y0, box.x1, box.y1) for box in wanted}
    assert not answer.warnings


def test_what_is_not_there_tells_nothing_apart(
    assistant: Assistant, raster: Raster
) -> None:
    answer = assistant.ask([raster], "Where are the ships left of the vehicle?")
    assert not answer.regions
    assert any("No vehicle was found" in line for line in answer.warnings)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How long is the largest ship?", "The ship is 30 m long."),
        ("How wide is the bridge?", "The bridge is 5 m wide."),
        (
            "How far is the largest ship from the bridge?",
            "The ship and the bridge are 5 m apart.",
        ),
        (
            "How many ships per hectare are there?",
            "3 ships on 0.80 ha: 3.75 per ha.",
        ),
        ("How long is the vehicle?", "No vehicle was found."),
    ],
)
def test_what_is_measured_is_said(
    assistant: Assistant, raster: Raster, question: str, text: str
) -> None:
    answer = assistant.ask([raster], question)
    assert answer.text == text
    assert "ask" not in {step.step for step in answer.trace}  # words know no lengths


def test_a_length_of_what_cannot_be_found_is_declined(
    assistant: Assistant, raster: Raster
) -> None:
    answer = assistant.ask([raster], "How long is the river?")
    assert answer.abstained
    assert "river or lake" in answer.text


def test_north_follows_the_transform(tmp_path: Path, raster: Raster) -> None:
    assert north_of(raster) == pytest.approx((0, -1), abs=1e-3)
    turned = Affine(0, 1, 500000, 1, 0, 3730000)  # rows go east, columns go north
    with Raster.open(write(tmp_path / "turned.tif", turned)) as other:
        assert north_of(other) == pytest.approx((1, 0), abs=1e-3)


def test_colours_are_read_inside_the_box(raster: Raster) -> None:
    white = colour_of(Region(HBB(5, 5, 25, 25), "ship"), raster)
    assert white is not None
    assert min(white) > 0.8
    assert colour_of(Region(HBB(200, 5, 225, 25), "ship"), raster) is None


def test_a_purpose_stands_for_what_serves_it(
    assistant: Assistant, raster: Raster
) -> None:
    answer = assistant.ask([raster], "Which of these can get across the river?")
    assert answer.task == "segment"
    assert {region.label for region in answer.regions} == {"bridge"}
    none = assistant.ask([raster], "Where could I sprint for my sports day?")
    assert none.abstained  # this finder knows no track field, and says so
    assert "ground track field" in none.text
