"""Files on other hosts: parts only, allowed hosts only, and one version of the file."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from rsvlm import ranges
from rsvlm.errors import ImageError
from rsvlm.geometry import HBB
from rsvlm.opening import Limits
from rsvlm.ranges import RangedFile, Web, together
from rsvlm.raster import Raster
from tests.rsvlm.test_opening import picture
from tests.serving_parts import Files, serving

pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning"
)

BYTES = bytes(np.random.default_rng(0).integers(0, 256, 300_000, np.uint8))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "PAUSES", (0.0, 0.0))


@pytest.fixture(scope="module")
def cog() -> bytes:
    """A tiled GeoTIFF of 4 MB with overviews."""
    generator = np.random.default_rng(0)
    bands = generator.integers(1, 255, (3, 1024, 1024), dtype=np.uint8)
    profile: dict[str, Any] = {"width": 1024, "height": 1024, "count": 3}
    profile |= {
        "crs": "EPSG:32611",
        "transform": rasterio.Affine(1, 0, 4e5, 0, -1, 4e6),
    }
    profile |= {"blocksize": 128, "compress": "DEFLATE", "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(driver="COG", **profile) as file:
            file.write(bands)
        return bytes(memory.read())


@pytest.fixture
def server(cog: bytes) -> Iterator[Files]:
    with serving(cog) as server:
        yield server


def allowed(server: Files, **more: Any) -> Web:
    return Web(frozenset({server.host}), **more)


def refused(server: Files, web: Web | None = None, url: str = "") -> str:
    with pytest.raises(ImageError) as caught:
        Raster.open(url or server.url(), web=web or allowed(server)).close()
    return str(caught.value)


# pictures


def test_a_window_is_what_the_file_shows_and_little_is_read(
    server: Files, cog: bytes
) -> None:
    box = HBB(512, 512, 640, 640)
    with (
        Raster.open(server.url("maps/port%201.tif?key=x"), web=allowed(server)) as far,
        Raster.from_bytes(cog, "a.tif") as near,
    ):
        assert (far.name, far.crs) == ("port 1.tif", "EPSG:32611")
        assert far.path == server.url("maps/port%201.tif")  # a query may hold a secret
        before = server.sent
        assert np.array_equal(far.read(box, 128, 128), near.read(box, 128, 128))
        # One block of 3 x 128 x 128 values that do not compress, at most four.
        assert server.sent - before < 4 * 50_000
        assert np.array_equal(far.preview(256).pixels, near.preview(256).pixels)
        assert isinstance(far.source, RangedFile)
        assert server.sent == far.source.fetched < len(cog)
    assert server.paths[0] == "/maps/port%201.tif?key=x"


def test_neighbouring_blocks_are_one_request(server: Files) -> None:
    with Raster.open(server.url(), web=allowed(server)) as raster:
        before = len(server.asked)
        raster.read(HBB(0, 0, 1024, 128), 1024, 128)
        assert len(server.asked) - before == 1


def test_pictures_in_other_formats_are_read_whole() -> None:
    with serving(picture("PNG")) as server:
        with Raster.open(server.url("a.png"), web=allowed(server)) as raster:
            assert (raster.width, raster.name) == (64, "a.png")
            assert raster.path == server.url("a.png")
        said = refused(server, allowed(server, whole_bytes=100))
        assert "download it first" in said


@pytest.mark.parametrize("data", [b"<VRTDataset>", b"", BYTES])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with serving(data) as server:
        refused(server)


def test_limits_of_files_hold_for_other_hosts(server: Files) -> None:
    with pytest.raises(ImageError, match="blocks"):
        Raster.open(server.url(), web=allowed(server), limits=Limits(block_bytes=99))


# what may be reached


@pytest.mark.parametrize("host", ["", "other.example", "127.0.0.1", "localhost"])
def test_a_host_that_is_not_allowed(server: Files, host: str) -> None:
    said = refused(server, Web.of([host]))
    assert "--allow-host" in said
    assert server.paths == []


def test_an_address_inside_is_reached_only_where_it_is_named(server: Files) -> None:
    port = server.server_address[1]
    url = f"http://localhost:{port}/a.tif"
    said = refused(server, Web.of([f"localhost:{port}"]), url)
    assert "not on the public internet" in said
    assert server.paths == []
    inside = ["127.0.0.1", "::1", f"LocalHost:{port}"]
    with Raster.open(url, web=Web.of(inside)) as raster:
        assert raster.width == 1024


def test_redirects_are_not_followed(server: Files) -> None:
    server.status, server.location = [302], server.url("inside")
    assert "redirects" in refused(server)
    assert len(server.paths) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://u:p@127.0.0.1/a.tif"])
def test_other_addresses(server: Files, url: str) -> None:
    refused(server, Web.of(["127.0.0.1"]), url)
    assert server.paths == []


def test_a_file_that_points_elsewhere_reads_nothing(server: Files) -> None:
    vrt = f"""<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand
        dataType="Byte" band="1"><SimpleSource><SourceFilename>/vsicurl/{server.url()}
        </SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""
    with serving(vrt.encode()) as other:
        web = Web.of([server.host, other.host])
        assert "not a GeoTIFF" in refused(other, web)
    assert server.paths == []


# what a host may do


def test_a_host_without_parts(server: Files) -> None:
    server.has_parts = False
    assert "does not serve parts" in refused(server)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 5-9/100"},
        {"Content-Range": "bytes 0-65535/*"},
        {"Content-Range": "bytes 0-999999999/1000000000"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_part_than_was_asked_for(
    server: Files, headers: dict[str, str]
) -> None:
    server.more = headers
    assert "another part" in refused(server)


def test_passing_errors_are_asked_again(server: Files) -> None:
    server.status = [503, 500]
    with Raster.open(server.url(), web=allowed(server)) as raster:
        assert raster.width == 1024


def test_lasting_errors_are_named(server: Files) -> None:
    server.status = [503] * 9
    assert "did not deliver" in refused(server)
    assert len(server.paths) == 3
    server.status = [404]
    assert "answered 404" in refused(server)


def test_a_file_that_changes_meanwhile_is_never_half_read(server: Files) -> None:
    with Raster.open(server.url(), web=allowed(server)) as raster:
        server.tag = '"2"'
        for _ in range(2):  # GDAL may have kept blocks that did not come
            with pytest.raises(ImageError, match="changed on 127"):
                raster.view(HBB(512, 512, 640, 640), 128, 128)


def test_a_host_that_goes_away_meanwhile(server: Files) -> None:
    with Raster.open(server.url(), web=allowed(server)) as raster:
        server.status = [500] * 99
        for _ in range(2):
            with pytest.raises(ImageError, match="did not deliver"):
                raster.view(HBB(512, 512, 640, 640), 128, 128)


def test_bytes_are_limited(server: Files) -> None:
    web = allowed(server, most_bytes=200_000)
    assert "GiB" in refused(server, web)
    assert server.sent <= 200_000


def test_time_is_limited() -> None:
    def drip() -> None:
        link, _ = listener.accept()
        with link:
            for byte in b"HTTP/1.1 206 OK\r\n" * 99:
                try:
                    link.sendall(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ImageError, match="too slow"):
            RangedFile.open(f"http://{host}/a.tif", Web(frozenset({host}), seconds=0.3))
        thread.join()


# versions


def test_the_version_names_the_content(server: Files, cog: bytes) -> None:
    def key() -> str:
        file = RangedFile.open(server.url(), allowed(server))
        try:
            return file.key
        finally:
            file.close()

    first = key()
    assert key() == first
    server.tag = '"2"'
    assert key() != first
    server.tag, server.more = None, {"Last-Modified": "Sat, 28 Nov 2026 01:02:03 GMT"}
    assert "28 Nov" in key()
    server.more = {}
    plain = key()  # both ends have to do
    server.data = cog[:-9] + bytes(9)
    assert key() not in (plain, first)


# parts


@given(
    st.lists(
        st.tuples(st.integers(0, 9_000), st.integers(0, 700)).map(
            lambda pair: (pair[0], pair[0] + pair[1])
        ),
        max_size=20,
    )
)
def test_joined_parts_hold_all_that_is_wanted(spans: list[tuple[int, int]]) -> None:
    joined = together(spans, gap=50, largest=400)
    assert joined == sorted(joined)
    assert all(0 < end - start <= 400 for start, end in joined)
    held = {at for start, end in joined for at in range(start, end)}
    assert held >= {at for start, end in spans for at in range(start, end)}
    assert sum(end - start for start, end in joined) == len(held)


def test_spans_and_reads_are_the_bytes_of_the_file(tmp_path: Path) -> None:
    with serving(BYTES) as server:
        file = RangedFile.open(server.url(), allowed(server))
        spans = [(250_000, 300_000), (5, 9), (0, 0), (9, 40_000), (299_999, 400_000)]
        assert file.spans(spans) == [BYTES[a:b] for a, b in spans]
        assert file.read(65_530, 20) == BYTES[65_530:65_550]
        assert file.read(299_990, 99) == BYTES[-10:]
        assert file.read(400_000, 9) == b""
        asked = len(server.asked)
        assert file.read(65_000, 1_000) == BYTES[65_000:66_000]  # was kept
        assert len(server.asked) == asked
        file.close()
