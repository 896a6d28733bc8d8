"""Questions about images too large to look at, from the question to the answer."""

import io
import json
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Window
from rsvlm.raster import Raster
from rsvlm.zoom import Look, Zoom
from rsvlm.zooming_chain import ChainZoom

REQUEST = json.dumps(
    {"name": "image_zoom_in", "arguments": {"bbox": [500, 500, 600, 600]}}
)


@pytest.fixture(scope="module")
def large() -> Raster:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((2000, 2000)).save(file, "PNG")
    return Raster.from_bytes(file.getvalue(), "large.png")


@pytest.fixture(scope="module")
def placed() -> Raster:
    """A raster of 2000 x 2000 px of 10 m."""
    pixels = np.random.default_rng(1).integers(0, 255, (3, 2000, 2000), np.uint8)
    with MemoryFile() as file:
        with file.open(
            driver="GTiff", width=2000, height=2000, count=3, dtype="uint8",
            crs="EPSG:32631", transform=Affine(10, 0, 500_000, 0, -10, 5_000_000),
        ) as raster:  # fmt: skip
            raster.write(pixels)
        data = file.read()
    return Raster.from_bytes(data, "placed.tif")


class Corner:
    """Looks at one window."""

    def next(self, look: Look) -> Sequence[Zoom]:
        window = Window(HBB(1000, 500, 1500, 1000), 500, 500)
        return () if look.zooms else (Zoom(window, 3.1, 0, "fast path"),)


def test_a_model_of_one_picture_sees_the_window(large: Raster) -> None:
    engine = StubEngine(["white"], capabilities=Capabilities(together=1))
    assistant = Assistant(engine, zooms={"auto": Corner()})
    answer = assistant.ask([large], "What colour is the windmill?")
    (view,) = engine.calls[0][0].views
    assert view.window.box == HBB(1000, 500, 1500, 1000)
    assert answer.text == "white"
    (step,) = [step for step in answer.trace if step.step == "zoom"]
    assert (step.level, step.scale, step.note) == (0, 1.0, "fast path")


def test_boxes_in_a_window_come_back_in_the_whole_image(large: Raster) -> None:
    engine = StubEngine(
        ["windmill [100, 200, 300, 400]"], capabilities=Capabilities(together=1)
    )
    assistant = Assistant(engine, zooms={"auto": Corner()})
    answer = assistant.ask([large], "Where is the windmill?", "ground")
    (region,) = answer.regions
    assert region.hbb == (1050, 600, 1150, 700)


def test_a_model_of_several_pictures_sees_both(large: Raster) -> None:
    engine = StubEngine(["white"], capabilities=Capabilities(together=4))
    Assistant(engine, zooms={"auto": Corner()}).ask([large], "What colour is it?")
    assert [view.window.box.width for view in engine.calls[0][0].views] == [2000, 500]


def test_the_answer_of_a_chain_is_the_answer(large: Raster) -> None:
    engine = StubEngine(
        [REQUEST, "A fuel truck."], capabilities=Capabilities(together=4)
    )
    assistant = Assistant(engine, zooms={"chain": ChainZoom(engine)})
    question = "What is parked next to the airplane?"
    answer = assistant.ask([large], question, zoom="chain")
    assert answer.text == "A fuel truck."
    assert len(engine.calls) == 2
    assert [s.step for s in answer.trace].count("zoom") == 1


def test_a_broken_chain_never_loses_the_question(large: Raster) -> None:
    engine = StubEngine(
        ["<tool_call>{oh", "A truck."], capabilities=Capabilities(together=4)
    )
    assistant = Assistant(engine, zooms={"chain": ChainZoom(engine)})
    answer = assistant.ask([large], "What is next to the airplane?", zoom="chain")
    assert answer.text == "A truck."
    assert any("cannot be read" in line for line in answer.warnings)


def test_zoom_none_looks_at_the_whole_only(large: Raster) -> None:
    engine = StubEngine(["white"], capabilities=Capabilities(together=4))
    assistant = Assistant(engine, zooms={"auto": Corner()})
    answer = assistant.ask([large], "What colour is the windmill?", zoom="none")
    assert not any(step.step == "zoom" for step in answer.trace)


def test_a_way_that_the_model_lacks_is_named(large: Raster) -> None:
    with pytest.raises(SettingsError, match="cannot zoom by 'search'"):
        Assistant(StubEngine(["x"])).ask([large], "Where is it?", zoom="search")


def test_a_chain_of_a_model_of_one_picture_answers_by_its_last_window(
    placed: Raster,
) -> None:
    further = REQUEST.replace("[500, 500, 600, 600]", "[0, 0, 100, 100]")
    engine = StubEngine(
        [REQUEST, further, "windmill [0,0,500,500]", "windmill [0,0,500,500]"],
        capabilities=Capabilities(together=1),
    )
    chain = ChainZoom(engine, least=100, context=0)
    assistant = Assistant(engine, zooms={"chain": chain})
    answer = assistant.ask([placed], "Where is the windmill?", "ground", zoom="chain")
    last = engine.calls[-1][0]
    assert last.text.endswith("Answer with boxes.")
    assert last.views[0].window.box == HBB(960, 960, 1060, 1060)
    (region,) = answer.regions
    # In the whole image's frame, and on the ground.
    assert region.hbb == (960, 960, 1010, 1010)
    assert region.geometry is not None
    lon, lat = np.array(region.geometry.coordinates[0]).mean(0)
    west, north = placed.georeference.lonlat([(960, 960)])[0]  # type: ignore[union-attr]
    assert 0 < lon - west < 1e-2
    assert 0 < north - lat < 1e-2
    assert region.area_m2 == pytest.approx(50 * 50 * 100, rel=0.01)
