"""Progress reaches its own listener only, and a listener stops the work."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import StoppedError
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.progress import Progress, listening, report
from rsvlm.raster import Raster
from rsvlm.render import View


class FakeFinder:
    labels = ("ship",)
    side = 224

    def __init__(self) -> None:
        self.seen = 0

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        self.seen += 1
        return Findings((), 0.1)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Raster]:
    """900 x 700 px of 1 m: several windows of a finder of 224 px."""
    path = tmp_path / "scene.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=900, height=700, count=3, dtype="uint8",
        crs="EPSG:32611", transform=from_origin(400000, 3700000, 1, 1),
    ) as out:  # fmt: skip
        out.write(np.random.default_rng(0).integers(1, 255, (3, 700, 900), np.uint8))
    with Raster.open(path) as raster:
        yield raster


def test_stages_come_in_the_order_of_the_work(scene: Raster) -> None:
    seen: list[Progress] = []
    with listening(seen.append):
        Assistant(StubEngine(["0"]), FakeFinder()).ask([scene], "How many ships?")
    stages = list(dict.fromkeys(item.stage for item in seen))
    assert stages == ["look", "search", "place"]
    windows = [item for item in seen if item.stage == "search"]
    assert len(windows) > 1
    assert [item.done for item in windows] == list(range(len(windows)))
    assert {item.total for item in windows} == {len(windows)}


def test_a_listener_stops_the_work_between_two_windows(scene: Raster) -> None:
    finder = FakeFinder()

    def stop(progress: Progress) -> None:
        if progress.stage == "search" and progress.done == 1:
            raise StoppedError

    with pytest.raises(StoppedError, match="stopped"), listening(stop):
        Assistant(StubEngine(["0"]), finder).ask([scene], "How many ships are there?")
    assert finder.seen == 1


def test_nobody_need_listen() -> None:
    report("look", 1, 2)


def test_threads_and_inner_contexts_do_not_hear_each_other() -> None:
    outer: list[str] = []
    inner: list[str] = []
    with listening(lambda p: outer.append(p.stage)):
        other = threading.Thread(target=report, args=("zoom",))
        other.start()
        other.join()
        with listening(lambda p: inner.append(p.stage)):
            report("write")
        report("place")
    assert (outer, inner) == (["place"], ["write"])
