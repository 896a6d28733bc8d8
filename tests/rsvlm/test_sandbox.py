"""A file in a sandbox reads as any other; a child that dies or lies costs one error."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from rsvlm.errors import ImageError, SettingsError
from rsvlm.geometry import HBB
from rsvlm.opening import Limits
from rsvlm.raster import Raster
from rsvlm.reader import Reader
from rsvlm.sandbox import Sandbox, SandboxBusyError, SandboxedReader, _Child
from rsvlm.sandbox_child import ChildLimits, Opening

UTM = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}
WHOLE = HBB(0, 0, 60, 40)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(ChildLimits(seconds=20))
    yield sandbox
    sandbox.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A GeoTIFF of 3 bands of uint16, 40 rows and 60 columns."""
    bands = np.random.default_rng(0).integers(0, 5000, (3, 40, 60), dtype=np.uint16)
    profile = {"count": 3, "height": 40, "width": 60, "dtype": "uint16", "nodata": 0}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile, **UTM) as f:
        f.write(bands)
        f.set_band_description(1, "rouge ÿ")
    return tmp_path / "a.tif"


def opened(sandbox: Sandbox, path: Path, **limits: Any) -> SandboxedReader:
    return sandbox.open(path, "upload.tif", Limits(**limits))


def test_a_sandboxed_raster_is_the_same(sandbox: Sandbox, path: Path) -> None:
    with (
        Raster(opened(sandbox, path), path, "upload.tif") as inside,
        Raster(Reader.open(path, "upload.tif", Limits()), path, "upload.tif") as here,
    ):
        assert inside._reader.header == here._reader.header
        assert inside.warnings == here.warnings
        assert (inside.crs, inside.gsd, inside.nodata) == ("EPSG:32631", here.gsd, 0)
        assert inside.descriptions == ("rouge ÿ", None, None)
        assert inside.guess == here.guess
        assert np.array_equal(inside.preview().pixels, here.preview().pixels)
        box = HBB(-5, 10.5, 33, 70)  # partly outside
        for bands in (None, [2]):
            values, expected = (r.read(box, 19, 30, bands) for r in (inside, here))
            assert values.dtype == expected.dtype == np.uint16
            assert np.array_equal(values.mask, expected.mask)
            assert np.array_equal(values.filled(7), expected.filled(7))


def test_what_json_cannot_say_comes_through(sandbox: Sandbox, tmp_path: Path) -> None:
    profile = {"count": 1, "height": 20, "width": 20, "dtype": "float32"}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", nodata=float("nan"), **profile, **UTM
    ) as file:
        file.write(np.full((1, 20, 20), np.inf, "float32"))
    reader = opened(sandbox, tmp_path / "a.tif")
    assert np.isnan(reader.header.nodata or 0)
    values, valid = reader.read(HBB(0, 0, 20, 20), 20, 20, [1])
    assert np.isinf(values).all()
    assert not valid.any()
    reader.close()


def test_classes_are_not_averaged(sandbox: Sandbox, tmp_path: Path) -> None:
    bands = np.zeros((1, 64, 64), np.uint8)
    bands[:, ::3] = 9
    profile = {"count": 1, "height": 64, "width": 64, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", **profile, **UTM
    ) as file:
        file.write(bands)
    reader = opened(sandbox, tmp_path / "a.tif")
    reader.is_classes = True
    values, _ = reader.read(HBB(0, 0, 64, 64), 20, 20, [1])
    assert set(np.unique(values)) <= {0, 9}
    reader.close()


def test_errors_come_back_as_they_are(
    sandbox: Sandbox, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match=r"3 bands, more than 2"):
        opened(sandbox, path, bands=2)
    (tmp_path / "b.tif").write_bytes(path.read_bytes()[:6000])
    with pytest.raises(ImageError, match=r"^upload\.tif cannot be decoded") as caught:
        opened(sandbox, tmp_path / "b.tif")
    assert str(tmp_path) not in str(caught.value)
    reader = opened(sandbox, path)
    with pytest.raises(SettingsError, match="at 0 x 5"):
        reader.read(WHOLE, 0, 5, [1])
    assert reader.read(WHOLE, 6, 4, [1])[0].shape == (1, 4, 6)  # it goes on
    reader.close()
    reader.close()
    with pytest.raises(SettingsError, match="is closed"):
        reader.read(WHOLE, 6, 4, [1])


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, r"crashed the decoder \(SIGSEGV\)"),
        (signal.SIGKILL, r"crashed the decoder \(SIGKILL\)"),
        (signal.SIGXCPU, "took longer than 20 s"),
    ],
)
def test_a_child_may_die(sandbox: Sandbox, path: Path, number: int, words: str) -> None:
    reader, other = opened(sandbox, path), opened(sandbox, path)
    os.kill(reader._child.process, number)
    with pytest.raises(ImageError, match=words) as caught:
        reader.read(WHOLE, 6, 4, [1])
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="ended the decoder before"):
        reader.read(WHOLE, 6, 4, [1])
    assert other.read(WHOLE, 6, 4, [1])[1].all()
    reader.close()
    other.close()


def test_a_child_may_hang(path: Path) -> None:
    sandbox = Sandbox(ChildLimits(seconds=1))
    with pytest.MonkeyPatch.context() as patch:  # the first child needs its time
        patch.setattr(sandbox, "limits", ChildLimits(seconds=30))
        reader = opened(sandbox, path)
    reader._child.limits = ChildLimits(seconds=1)
    process = reader._child.process
    os.kill(process, signal.SIGSTOP)
    start = time.perf_counter()
    with pytest.raises(ImageError, match="took longer than 1 s"):
        reader.read(WHOLE, 6, 4, [1])
    assert time.perf_counter() - start < 10
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    sandbox.close()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_child_may_ask_for_too_much(path: Path) -> None:
    sandbox = Sandbox(ChildLimits(memory_bytes=300 * 2**20, seconds=60))
    reader = opened(sandbox, path)
    with pytest.raises(ImageError, match="memory"):
        reader.read(WHOLE, 8000, 8000, [1, 2, 3])  # 366 MiB
    reader.close()
    sandbox.close()


def test_children_are_bounded(path: Path) -> None:
    sandbox = Sandbox(ChildLimits(children=2, seconds=20))
    readers = [opened(sandbox, path), opened(sandbox, path)]
    timer = threading.Timer(0.3, readers[0].close)
    timer.start()
    third = opened(sandbox, path)  # waits for the first to be closed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "limits", ChildLimits(children=2, seconds=0.1))
        with pytest.raises(SandboxBusyError, match="2 images are open"):
            opened(sandbox, path)
    del third  # nobody closed it
    opened(sandbox, path).close()
    readers[1].close()
    sandbox.close()


def test_the_process_that_forks_may_die(sandbox: Sandbox, path: Path) -> None:
    reader = opened(sandbox, path)
    sandbox._forker._process.kill()
    sandbox._forker._process.wait()
    assert reader.read(WHOLE, 6, 4, [1])[1].all()
    opened(sandbox, path).close()
    reader.close()


def test_a_child_sees_no_keys_and_writes_no_files(sandbox: Sandbox, path: Path) -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs Linux")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-secret")
        mine = Sandbox()
        reader = opened(mine, path)
    about = Path(f"/proc/{reader._child.process}")
    assert b"sk-secret" not in (about / "environ").read_bytes()
    limits = (about / "limits").read_text()
    assert "Max file size             0 " in limits
    assert "Max core file size        0 " in limits
    links = [os.readlink(file) for file in (about / "fd").iterdir()]
    assert sum(link.startswith("socket:") for link in links) == 1  # nobody else's
    reader.close()
    mine.close()


def test_children_end_with_their_server(path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from rsvlm.opening import Limits;"
        "from rsvlm.sandbox import Sandbox; s = Sandbox();"
        "r = s.open(Path(sys.argv[1]), 'a', Limits());"
        "print(r._child.process, s._forker._process.pid, flush=True); time.sleep(99)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    processes = [int(word) for word in server.stdout.readline().split()]
    server.kill()
    server.wait()
    server.stdout.close()
    until = time.monotonic() + 20
    while any(_runs(process) for process in processes):
        assert time.monotonic() < until, "a child outlives its server"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return (
            Path(f"/proc/{process}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
        )
    except OSError:
        return False


class _Liar:
    """Stands for a child that was taken over: it says what a test wants."""

    def __init__(self, *said: bytes) -> None:
        ours, self.theirs = socket.socketpair()
        forker: Any = self
        self.child = _Child(ours, forker, 0, ChildLimits(seconds=1, memory_bytes=9999))
        for part in said:
            self.theirs.sendall(part)

    def end(self, process: int) -> int:
        self.theirs.close()
        return -9

    def reader(self) -> SandboxedReader:
        opening = Opening(
            path=Path("a"), name="a", limits=Limits(), own=self.child.limits
        )
        try:
            return SandboxedReader(self.child, opening, lambda: None)
        except ImageError:
            self.child.end()
            raise


def message(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(4, "little") + data


def header(**changes: Any) -> bytes:
    values = {
        "width": 60, "height": 40, "count": 1, "dtype": "uint8", "nodata": None,
        "names": [None], "bands": [1], "descriptions": [None], "colours": ["gray"],
        "factors": [1], "is_complex": False, "has_table": False,
        "ignores_nodata": False, "alpha_is_data": False, "tags": {}, "images": 0,
        "crs_wkt": None, "transform": None, "warnings": [],
    }  # fmt: skip
    return message(json.dumps({"header": {**values, **changes}}))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "took longer than 1 s"),
        (b"\x09", "took longer than 1 s"),
        (b"\xff\xff\xff\xff", "took longer than 1 s"),
        (message(b"\x80\x04cos\nsystem\n."), "makes no sense"),  # a pickle
        (message("{}"), "sent no header"),
        (message("[1, 2]"), "makes no sense"),
        (message('{"header": {"width": 1}}'), "makes no sense"),
        (header(width=-1), "makes no sense"),
        (header(width=10**12), "makes no sense"),
        (header(tags={"a": "x" * 10**5}), "makes no sense"),
        (header(transform=[1, 0, 0, 0, 1, float("nan")]), "makes no sense"),
        (header(surprise=1), "makes no sense"),
        (message('{"error": "KeyError", "text": "a\\nb"}'), "^a b$"),
    ],
)
def test_headers_are_not_believed(said: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        _Liar(said).reader()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (message('{"shape": [1, 4, 6], "type": "O8"}'), "makes no sense"),
        (message('{"shape": [1, 4, 6], "type": "V8"}'), "makes no sense"),
        (message('{"shape": [2, 4, 6], "type": "u1"}'), "nobody asked for"),
        (message('{"shape": [1, 6, 4], "type": "u1"}'), "nobody asked for"),
        (message('{"shape": [1, 4], "type": "u1"}'), "makes no sense"),
        (message('{"shape": [1, -4, -6], "type": "u1"}'), "makes no sense"),
        (message("{}"), "nobody asked for"),
        (header(), "nobody asked for"),
        (message('{"shape": [1, 4, 6], "type": "u1"}') + bytes(9), "longer than 1 s"),
    ],
)
def test_pixels_are_not_believed(said: bytes, words: str) -> None:
    reader = _Liar(header(), said).reader()
    with pytest.raises(ImageError, match=words):
        reader.read(WHOLE, 6, 4, [1])
    with pytest.raises(ImageError, match="ended the decoder before"):
        reader.read(WHOLE, 6, 4, [1])


@pytest.mark.parametrize("call", ["pieces", "overview"])
def test_overviews_are_no_larger_than_can_be(call: str) -> None:
    def ask(height: int) -> tuple[Any, Any]:
        said = message(json.dumps({"shape": [1, height, 3], "type": "i2"}))
        body = b"\1\2" * (3 * height) + b"\7" * (3 * height)
        reader = _Liar(header(), said + body).reader()
        function: Callable[[list[int]], tuple[Any, Any]] = getattr(reader, call)
        try:
            return function([1])
        finally:
            reader.close()

    values, valid = ask(5)
    assert values.tolist() == [[[513] * 3] * 5]
    assert valid.dtype == bool
    assert np.unique(valid.view(np.uint8)).tolist() == [1]  # 7 is no bool
    with pytest.raises(ImageError, match="nobody asked for"):
        ask(513)


def test_a_view_that_decodes_much_may_take_long() -> None:
    reader = _Liar(header(width=20_000, height=20_000, factors=[1, 2, 8])).reader()
    whole = HBB(0, 0, 20_000, 20_000)
    # 1 s; level 8 of 20,000 x 20,000 is 6.25 million pixels, counted for 1 + 4 bands.
    assert reader._seconds(whole, 1000, 1000, 1) == pytest.approx(1 + 31.25 / 20)
    assert reader._seconds(whole, 4000, 4000, 1) == pytest.approx(1 + 500 / 20)
    assert reader._seconds(whole, 20_000, 20_000, 60) == 1 + 200  # at most
    reader.close()


def test_flags_are_left_out_where_all_pixels_hold_data() -> None:
    said = message('{"shape": [1, 2, 1], "type": "u1", "is_whole": true}') + b"\5\6"
    reader = _Liar(header(), said).reader()
    values, valid = reader.read(WHOLE, 1, 2, [1])
    assert values.tolist() == [[[5], [6]]]
    assert valid.tolist() == [[True], [True]]
    reader.close()


def test_values_are_no_larger_than_the_memory_of_a_child() -> None:
    said = message('{"shape": [1, 50, 50], "type": "f8"}')
    with pytest.raises(ImageError, match="nobody asked for"):
        _Liar(header(), said).reader().read(WHOLE, 50, 50, [1])
