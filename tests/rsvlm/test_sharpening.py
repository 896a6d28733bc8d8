"""Outlines for the boxes of an engine."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.findings import Findings, ShapeKind
from rsvlm.geometry import HBB, Mask, Region
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.sharpening import around


class Outliner:
    """Knows no names; draws the inner half of each box."""

    labels = ()
    side = 64

    def __init__(self) -> None:
        self.views: list[View] = []

    def find(self, *_: object) -> Findings:
        return Findings((), 0.0)

    def refine(self, view: View, region: Region, shape: ShapeKind = "mask") -> Region:
        self.views.append(view)
        x, y, z, w = (round(v) for v in vars_of(region.shape.hbb))
        return Region(Mask.from_array(np.ones((w - y, z - x), bool), x, y), "ship")


def vars_of(box: HBB) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def test_boxes_of_an_engine_get_outlines(tmp_path: Path) -> None:
    path = tmp_path / "port.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (3, 100, 100), dtype=np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=100, count=3, dtype="uint8",
        photometric="RGB", crs="EPSG:32611", transform=from_origin(5e5, 4e6, 1, 1),
    ) as file:  # fmt: skip
        file.write(pixels)
    head = Outliner()
    assistant = Assistant(StubEngine(["ship [100,100,400,600]"] * 2), head)
    with Raster.open(path) as raster:
        masks = assistant.ask([raster], "Segment the ships.")
        boxes = assistant.ask([raster], "Where are the ships?")
    assert [region.kind for region in masks.regions] == ["mask"]
    assert masks.regions[0].area_px == 30 * 50
    (view,) = head.views  # boxes that were asked for need no outline
    box = view.window.box
    assert (box.x0, box.y0, box.x1, box.y1) == (0, 0, 70, 100)
    assert max(view.window.width, view.window.height) == 64
    assert [region.kind for region in boxes.regions] == ["hbb"]
    assert "refine" in {step.step for step in masks.trace}


def test_a_head_that_knows_no_names_measures_nothing(tmp_path: Path) -> None:
    path = tmp_path / "port.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (3, 40, 40), dtype=np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=40, height=40, count=3, dtype="uint8",
        photometric="RGB", crs="EPSG:32611", transform=from_origin(5e5, 4e6, 1, 1),
    ) as file:  # fmt: skip
        file.write(pixels)
    with Raster.open(path) as raster:
        answer = Assistant(StubEngine(["About 30 m."]), Outliner()).ask(
            [raster], "How long is the bridge?"
        )
    assert (answer.text, answer.abstained) == ("About 30 m.", False)


def test_a_box_outside_the_image_has_no_ground_around_it() -> None:
    assert around(HBB(200, 200, 210, 210), 50, 50) is None
