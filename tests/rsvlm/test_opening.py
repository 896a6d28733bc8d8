"""Only files are opened, by the driver of their first bytes, and nothing else is read."""

import os
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from rsvlm.errors import ImageError
from rsvlm.opening import Limits, driver_of, regular_file
from rsvlm.raster import Raster

SECRET = b"PASSWORD" * 8


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A local server that notes who calls: its port, and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with client:
                    asked.append(client.recv(200))
                    client.sendall(b"HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], asked
        done.set()
        thread.join()


def picture(driver: str = "GTiff", count: int = 3, side: int = 64, **o: Any) -> bytes:
    """Return the bytes of an image file with texture."""
    generator = np.random.default_rng(0)
    bands = generator.integers(1, 255, (count, side, side), dtype=np.uint8)
    profile: dict[str, Any] = {"width": side, "height": side, "count": count}
    with MemoryFile() as memory:
        with memory.open(driver=driver, dtype="uint8", **profile, **o) as file:
            file.write(bands)
        return bytes(memory.read())


def open_any(source: Path | bytes | str, limits: Limits | None = None) -> None:
    if isinstance(source, bytes):
        Raster.from_bytes(source, "upload.tif", limits=limits).close()
    else:
        Raster.open(source, limits=limits).close()


def refuse(source: Path | bytes | str, text: str, limits: Limits | None = None) -> None:
    """Check that an image is refused, in one line that holds ``text``."""
    with pytest.raises(ImageError, match=text) as caught:
        open_any(source, limits)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def redirections(secret: Path, port: int) -> dict[str, str]:
    band = '<VRTRasterBand dataType="Byte" band="1"'
    size = 'rasterXSize="8" rasterYSize="8"'
    return {
        "a source": f"<VRTDataset {size}>{band}><SimpleSource><SourceFilename>{secret}"
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        "</VRTDataset>",
        "raw bytes": f'<VRTDataset {size}>{band} subClass="VRTRawRasterBand">'
        f"<SourceFilename>{secret}</SourceFilename><ImageOffset>0</ImageOffset>"
        "<PixelOffset>1</PixelOffset><LineOffset>8</LineOffset></VRTRasterBand>"
        "</VRTDataset>",
        "a url": f"<VRTDataset {size}>{band}><SimpleSource><SourceFilename>/vsicurl/"
        f"http://127.0.0.1:{port}/x.tif</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>",
        "a map server": '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:'
        f"{port}/${{z}}/${{x}}/${{y}}</ServerUrl></Service><DataWindow><SizeX>8"
        "</SizeX><SizeY>8</SizeY></DataWindow></GDAL_WMS>",
        "a catalogue": '{"type":"FeatureCollection","stac_version":"1.0.0","features":'
        f'[{{"assets":{{"x":{{"href":"http://127.0.0.1:{port}/x.tif"}}}}}}]}}',
        "a service": "<WCS_GDAL><ServiceURL>http://127.0.0.1:"
        f"{port}/</ServiceURL></WCS_GDAL>",
    }


@pytest.mark.parametrize("kind", redirections(Path("x"), 0))
def test_a_redirection_called_tif_reads_nothing(
    tmp_path: Path, listener: tuple[int, list[bytes]], kind: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    text = redirections(secret, listener[0])[kind]
    path = tmp_path / "harmless.tif"
    path.write_text(text)
    refuse(path, "harmless.tif is not a GeoTIFF")
    refuse(text.encode(), "is not a GeoTIFF")
    assert listener[1] == []


def test_the_redirections_would_work_without_the_guard(tmp_path: Path) -> None:
    # Shows that the test above tests something: GDAL itself reads the secret.
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    path = tmp_path / "harmless.tif"
    path.write_text(redirections(secret, 0)["raw bytes"])
    try:
        with rasterio.open(path) as file:
            assert file.read().tobytes()[:8] == b"PASSWORD"
    except rasterio.errors.RasterioIOError:
        pytest.skip("this build of GDAL refuses raw bands itself")


@pytest.mark.parametrize(
    "path",
    [
        "/vsicurl/http://127.0.0.1:{port}/x.tif",
        "/vsis3/bucket/x.tif",
        "/vsizip/{file}/x.tif",
        "/vsigzip/{file}",
        "/vsitar/{file}",
        "/vsistdin/",
        "/vsimem/x.tif",
        "/vsisubfile/0_100,{file}",
        "/vsisparse/{file}",
        "http://127.0.0.1:{port}/x.tif",
        "https://127.0.0.1:{port}/x.tif",
        "s3://bucket/x.tif",
        "file://{file}",
        "zip://{file}!x.tif",
        "zip+http://127.0.0.1:{port}/x.zip!x.tif",
        "vrt://{file}?bands=1",
        "GTIFF_DIR:1:{file}",
        "GTIFF_RAW:{file}",
        "NETCDF:{file}:x",
        "MEM:::DATAPOINTER=1,PIXELS=8,LINES=8",
        "WMS:http://127.0.0.1:{port}/",
        "<VRTDataset/>",
        "{folder}",
        "{file}\0",
        "x" * 5000,
        "",
        "/dev/zero",
        "/proc/self/mem",
    ],
)
def test_only_files_are_opened(
    tmp_path: Path, listener: tuple[int, list[bytes]], path: str
) -> None:
    file = tmp_path / "real.tif"
    file.write_bytes(picture())
    values = {"file": file, "folder": tmp_path, "port": listener[0]}
    text = path.format(**values) if "{" in path else path
    with pytest.raises(
        ImageError, match=r"image file|regular file|mem cannot be|not a host"
    ) as e:
        Raster.open(text).close()
    assert len(str(e.value)) < 500
    assert "\n" not in str(e.value)
    assert listener[1] == []


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(tmp_path / "pipe.tif")
    refuse(tmp_path / "pipe.tif", "regular file")


@pytest.mark.parametrize(
    "name", ["a b#1?.tif", "zip+file:x.tif", "GTIFF_DIR:1:x.tif", "%41.tif", "x!y.tif"]
)
def test_a_file_of_an_odd_name_is_just_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(picture())
    with Raster.open(tmp_path / name) as raster:
        assert raster.width == 64
        assert raster.name == name


def test_a_link_is_followed_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(picture())
    (tmp_path / "link.tif").symlink_to(tmp_path / "a.tif")
    assert regular_file(tmp_path / "link.tif") == (tmp_path / "a.tif").resolve()
    (tmp_path / "loop.tif").symlink_to(tmp_path / "loop.tif")
    refuse(tmp_path / "loop.tif", "no image file")


def test_the_first_bytes_choose_the_driver_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(picture("PNG"))
    with Raster.open(tmp_path / "a.tif") as raster:
        assert raster.count == 3
    assert driver_of(b"RIFF\0\0\0\0WEBPVP8 ", "x") == "WEBP"
    for other in (b"RIFF\0\0\0\0WAVEfmt ", b"GIF89a", b"BM", b"%PDF-1.4", b"", b"II"):
        with pytest.raises(ImageError, match="not a GeoTIFF"):
            driver_of(other, "x")


def test_what_gdal_survives_is_not_refused() -> None:
    # 256 entries too many in the directory: GDAL reads the good ones and goes on, but
    # its complaint must not come out of the next call.
    data = bytearray(picture(compress="deflate"))
    data[9] = 1
    with MemoryFile(bytes(data)) as memory:
        try:
            with memory.open(driver=["GTiff"]) as file:
                pixels = file.read()
        except rasterio.errors.RasterioIOError:
            pytest.skip("this build of GDAL refuses the file")
    with Raster.from_bytes(bytes(data), "a.tif") as raster:
        assert np.array_equal(raster.preview().pixels, np.moveaxis(pixels, 0, 2))
