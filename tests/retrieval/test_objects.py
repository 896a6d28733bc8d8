"""What a scan keeps of the objects of a raster, and what questions make of it."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.focus import RasterPart
from rsvlm.geometry import HBB, Mask, Region
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval.objects import ObjectIndex, ScanFinder
from rsvlm.retrieval.tiles_store import TileStoreError
from rsvlm.search import Scans, State, search
from rsvlm.subjects import Subject
from rsvlm.tasks import get_task

#: Upper left corner of each ship of the raster, and how bright it is.
SHIPS = {(20, 30): 255, (64, 60): 255, (150, 90): 153}
SIZE = 8


@dataclass
class Bright:
    """Takes bright squares for ships, as sure as they are bright."""

    labels: Sequence[str] = ("ship", "bridge")
    side: int = 64
    revision: str = "1"
    cuts: dict[Purpose, float] = field(
        default_factory=lambda: {"locate": 0.9, "presence": 0.9, "named": 0.5}
    )
    seen: list[tuple[float, ...]] = field(default_factory=list)

    def cut(self, purpose: Purpose) -> float:
        return self.cuts[purpose]

    def loosened(self, least: float) -> "Bright":
        return replace(self, cuts=dict.fromkeys(self.cuts, least), seen=self.seen)

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        self.seen.append(view.window.box.corners[0])
        taken, best, missed = [], 0.0, 0.0
        bright = Mask.from_array(view.pixels[..., 0] > 100, 0, 0)
        for box in (polygon.hbb for polygon in bright.polygons()):
            rows, columns = (
                slice(int(box.y0), int(box.y1)),
                slice(int(box.x0), int(box.x1)),
            )
            sure = float(view.pixels[rows, columns].max()) / 255
            best = max(best, sure)
            if sure < self.cuts[purpose] or "ship" not in descriptions:
                missed += sure
                continue
            whole = np.ones((round(box.height), round(box.width)), bool)
            drawn = Mask.from_array(whole, round(box.x0), round(box.y0))
            outline = view.window.to_raster(drawn if shape == "mask" else box)
            taken.append(Region(outline, "ship", sure, view.image))
        return Findings(tuple(taken), best, missed)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))


def scene() -> NDArray[np.uint8]:
    pixels = np.full((130, 200, 3), 20, np.uint8)
    pixels[::7, ::5] = 40  # something to see everywhere
    pixels[..., 2] = 90  # bright enough to be shown as it is stored
    for (x, y), value in SHIPS.items():
        pixels[y : y + SIZE, x : x + SIZE] = value
    return pixels


def write(path: Path, pixels: NDArray[np.uint8]) -> Path:
    import rasterio

    height, width = pixels.shape[:2]
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=3, width=width, height=height,
        crs="EPSG:32611", transform=rasterio.Affine(1, 0, 4e5, 0, -1, 4e6),
    ) as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a.tif", scene())


def scanned(path: Path, finder: Bright) -> int:
    """Scan a file; return how many windows were looked at."""
    before = len(finder.seen)
    with Raster.open(path) as raster, ObjectIndex.open(raster, finder) as index:
        index.build()
        assert index.is_complete
    return len(finder.seen) - before


def found(
    path: Path,
    finder: Bright,
    scans: Scans | None,
    shape: ShapeKind = "hbb",
    purpose: Purpose = "locate",
) -> tuple[Findings, State]:
    about = State("Ships?", get_task("ground"), Subject("ship", "ship", "ship"), [])
    with Raster.open(path) as raster:
        answer = search(finder, about, [raster], shape, "auto", purpose, scans=scans)
    return answer, about


def scans_of(finder: Bright) -> Scans:
    return lambda raster: ObjectIndex.known(raster, finder)


def test_what_was_scanned_is_found_without_looking_again(path: Path) -> None:
    finder = Bright()
    assert isinstance(finder, ScanFinder)
    plain, _ = found(path, finder, None)
    assert scanned(path, finder) == 3 * 4  # of 64 px, a fifth shared
    finder.seen.clear()
    known, about = found(path, finder, scans_of(finder))
    assert finder.seen == []
    assert known == plain
    assert [r.shape.hbb.corners[0] for r in known.regions] == [(20, 30), (64, 60)]
    assert {step.step for step in about.trace} == {"known"}
    assert all(step.window and step.note for step in about.trace)


def test_a_scan_keeps_what_other_purposes_take(path: Path) -> None:
    finder = Bright()
    scanned(path, finder)
    named, _ = found(path, finder, scans_of(finder), purpose="named")
    assert len(named.regions) == 3
    counted, _ = found(path, finder, scans_of(finder))
    assert counted.missed == pytest.approx(4 * 0.6)  # in four windows
    assert counted.best == pytest.approx(1.0)


def test_outlines_need_only_the_windows_that_hold_something(path: Path) -> None:
    finder = Bright()
    plain, _ = found(path, finder, None, "mask")
    scanned(path, finder)
    finder.seen.clear()
    known, _ = found(path, finder, scans_of(finder), "mask")
    assert known == plain
    assert all(isinstance(region.shape, Mask) for region in known.regions)
    assert 0 < len(finder.seen) < 12


def test_an_interrupted_scan_goes_on_and_answers_nothing_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = Bright()

    def stop(done: int, total: int) -> None:
        assert total == 12
        if done == 5:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Raster.open(path) as raster,
        ObjectIndex.open(raster, finder) as index,
    ):
        index.build(stop)
    with Raster.open(path) as raster:
        assert ObjectIndex.known(raster, finder) is None
    (lines,) = Path(os.environ["RSVLM_CACHE"]).rglob("windows.jsonl")
    with lines.open("ab") as file:
        file.write(b'[5, [["ship", 0.9')  # cut off by a power failure
    assert scanned(path, finder) == 7
    assert scanned(path, finder) == 0
    assert len(lines.read_text().splitlines()) == 12


def test_another_file_another_finder_and_a_part_are_not_known(path: Path) -> None:
    finder = Bright()
    scanned(path, finder)
    with Raster.open(path) as raster:
        assert ObjectIndex.known(raster, finder) is not None
        assert ObjectIndex.known(raster, replace(finder, revision="2")) is None
        part = RasterPart(raster, [HBB(10, 10, 60, 60)], 100)
        about = State("?", get_task("ground"), Subject("ship", "ship", "ship"), [])
        finder.seen.clear()
        search(finder, about, [part], "hbb", "auto", scans=scans_of(finder))
        assert finder.seen  # pixels of a part are counted from its own corner
    changed = scene()
    changed[30:38, 20:28] = 20
    write(path, changed)
    os.utime(path, ns=(1, 1))
    with Raster.open(path) as raster:
        assert ObjectIndex.known(raster, finder) is None
        with ObjectIndex.open(raster, finder) as index:
            assert index.has_changed
            assert not index.found
            index.build()
    known, _ = found(path, finder, scans_of(finder))
    assert [r.shape.hbb.corners[0] for r in known.regions] == [(64, 60)]


def test_what_is_looked_at_whole_needs_no_scan(tmp_path: Path) -> None:
    path = write(tmp_path / "small.tif", scene()[:64, :64])
    finder = Bright()
    assert scanned(path, finder) == 1

    def never(raster: Raster) -> None:
        raise AssertionError("asked")

    plain, _ = found(path, finder, never)
    assert len(plain.regions) == 1


def test_blank_windows_are_not_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "blank.tif", np.zeros((130, 200, 3), np.uint8))
    assert scanned(path, Bright()) == 0


def test_radar_is_not_scanned(path: Path) -> None:
    with (
        Raster.open(path, "sar") as raster,
        pytest.raises(SettingsError, match=r"a\.tif' is a radar image"),
        ObjectIndex.open(raster, Bright()),
    ):
        pass


def test_a_full_disk_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    finder = Bright()
    with Raster.open(path) as raster, ObjectIndex.open(raster, finder) as index:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TileStoreError, match="full"):
            index.build()
