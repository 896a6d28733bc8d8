import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rsvlm.app.viewer import copies
from rsvlm.app.viewer.copies import Copies, Copy, NotReadyError, reduction
from rsvlm.errors import ImageError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from tests.app.viewer.conftest import scene, write
from tests.browser import until


def made(store: Copies, raster: Raster, bands: list[int]) -> tuple[Copy, ...]:
    @contextmanager
    def lend() -> Iterator[Raster]:
        yield raster

    def ready() -> tuple[Copy, ...] | None:
        try:
            return store.of("key", lend, bands)
        except NotReadyError:
            return None

    found = until(ready)
    assert found
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take images of 700 x 900 for large ones."""
    monkeypatch.setattr(copies, "WIDE", 10_000)
    monkeypatch.setattr(copies, "COPY_BYTES", 200_000)
    monkeypatch.setattr(copies, "LEAST", 100)
    monkeypatch.setattr(copies, "ROWS", 7)


@pytest.mark.usefixtures("small")
def test_a_copy_reads_as_the_raster_does(tmp_path: Path) -> None:
    pixels = scene()
    pixels[:, 100:300, 200:400] = 0  # no data
    with Raster.open(write(tmp_path / "a.tif", pixels, nodata=0)) as raster:
        found = made(Copies(), raster, [1, 2, 3])
        assert [copy.factor for copy in found] == [4, 8, 16]
        assert found[0].values.shape == (3, 175, 225)
        for copy in found:
            box, size = HBB(0, 0, 896, 688), (896 // 16, 688 // 16)
            values, valid = copy.read(box, *size)
            true = raster.read(box, *size, [1, 2, 3])
            mask = np.ma.getmaskarray(true)[0]
            assert (valid == ~mask).mean() > 0.95  # but at the edges of the hole
            both = valid & ~mask
            off = np.abs(values.astype(float) - true.data)[:, both]
            assert off.mean() < 2
            assert off.shape[1] > 1500


@pytest.mark.usefixtures("small")
def test_outside_a_copy_there_is_no_data(tmp_path: Path) -> None:
    with Raster.open(write(tmp_path / "a.tif", scene())) as raster:
        copy = made(Copies(), raster, [2])[0]
    _, valid = copy.read(HBB(640, 0, 1152, 512), 128, 128)
    assert valid[:, :65].all()  # 900 lies 65 pixels of 4 beyond 640
    assert not valid[:, 66:].any()
    values, valid = copy.read(HBB(2000, 2000, 3000, 3000), 50, 40)
    assert values.shape == (1, 40, 50)
    assert not valid.any()


def test_classes_are_not_averaged() -> None:
    values = np.array([[[1, 9], [9, 9]]], np.uint8).repeat(8, 1).repeat(8, 2)
    copy = Copy(values, np.ones((16, 16), bool), 4, is_classes=True)
    read, _ = copy.read(HBB(0, 0, 64, 64), 3, 3)
    assert set(np.unique(read)) <= {1, 9}


def test_only_large_images_without_overviews_need_one(tmp_path: Path) -> None:
    small = write(tmp_path / "small.tif", scene())
    with Raster.open(small) as raster:
        assert reduction(raster, 3) == 1
        raster.width = raster.height = 32_768
        assert reduction(raster, 3) == 8  # 48 MiB
        assert reduction(raster, 1) == 4
        raster.factors = (1, 2, 4, 8, 16)
        assert reduction(raster, 3) == 1


def test_a_failed_copy_is_tried_again() -> None:
    calls = []

    @contextmanager
    def broken() -> Iterator[Raster]:
        calls.append(threading.current_thread().name)
        raise ImageError("broken")
        yield

    store = Copies()

    def fails() -> bool:
        try:
            store.of("key", broken, [1])
        except NotReadyError:
            return False
        except ImageError:
            return True
        raise AssertionError("a broken raster was copied")

    assert until(fails)
    assert until(fails)
    assert len(calls) == 2
    assert all(name.startswith("rsvlm-copy") for name in calls)
