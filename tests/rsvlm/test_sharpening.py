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
from rsvlm.search import State
from rsvlm.sharpening import sharpened
from rsvlm.tasks import get_task


class Outliner:
    """Knows no names; draws the inner half of each box."""

    labels = ()
    side = 64
    magnifies = False

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


def plain(folder: Path, side: int) -> Path:
    """Write a gray GeoTIFF of 1 m per pixel."""
    path = folder / "plain.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8",
        photometric="RGB", crs="EPSG:32611", transform=from_origin(5e5, 4e6, 1, 1),
    ) as file:  # fmt: skip
        file.write(np.full((3, side, side), 99, np.uint8))
    return path


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
    # What lies near the box, 30 x 50 px at (10, 10): here all of the image.
    assert (box.x0, box.y0, box.x1, box.y1) == (0, 0, 100, 100)
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


def test_regions_near_each_other_share_a_view(tmp_path: Path) -> None:
    path = plain(tmp_path, 600)
    boxes = [
        HBB(100, 100, 110, 110), HBB(120, 90, 130, 100), HBB(400, 400, 420, 420),
        HBB(700, 700, 710, 710), HBB(395, 395, 405, 405), HBB(300, 300, 500, 500),
    ]  # fmt: skip
    head, state = Outliner(), State("", get_task("ground"), None, [])
    with Raster.open(path) as raster:
        found = sharpened(
            head, state, [raster], tuple(Region(box, "ship") for box in boxes), "mask"
        )
    assert [isinstance(region.shape, Mask) for region in found] == [
        True, True, True, False, True, True,
    ]  # fmt: skip
    assert found[3].shape == boxes[3]  # nothing of it is in the image
    views = [view.window.box for view in head.views]
    assert [views.index(view) for view in views] == [0, 0, 2, 2, 4]
    assert len(state.trace) == 3
    # At the head's own resolution; what is larger is shown as a whole.
    sizes = [max(view.width, view.height) for view in views]
    assert min(sizes) >= 64
    assert sizes[-1] == 400
    for box, view in zip([*boxes[:3], *boxes[4:]], views, strict=True):
        assert box.intersection(view) == box.area


def test_a_view_is_shared_where_it_is_as_good_as_an_own_one(tmp_path: Path) -> None:
    path = plain(tmp_path, 2000)
    large, small = HBB(200, 200, 1400, 1400), HBB(700, 700, 740, 740)
    edge, beside = HBB(0, 300, 40, 340), HBB(0, 350, 40, 390)
    for magnifies, boxes, views in (
        (False, (large, small), 2),  # a view of the large one is too coarse
        (False, (small, large), 2),
        (False, (edge, beside, edge), 1),  # nothing lies beyond the edge
        (True, (edge, beside), 2),  # each fills a view of its own
    ):
        head, state = Outliner(), State("", get_task("ground"), None, [])
        head.side, head.magnifies = 640, magnifies
        with Raster.open(path) as raster:
            regions = tuple(Region(box, "ship") for box in boxes)
            sharpened(head, state, [raster], regions, "mask")
        assert len(state.trace) == views, (magnifies, boxes)
        sides = [view.window.box.width for view in head.views]
        assert max(sides) < 100 if magnifies else min(sides) >= 640
