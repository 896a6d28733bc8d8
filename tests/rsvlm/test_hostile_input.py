"""Hostile and broken images: refused in one line, fast, and without side effects."""

import contextlib
import os
import random
import struct
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from rsvlm.decode import shown
from rsvlm.errors import ImageError
from rsvlm.geometry import HBB
from rsvlm.opening import Limits
from rsvlm.raster import Raster


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def picture(driver: str = "GTiff", count: int = 3, side: int = 64, **o: Any) -> bytes:
    """Return the bytes of an image file with texture."""
    generator = np.random.default_rng(0)
    bands = generator.integers(1, 255, (count, side, side), dtype=np.uint8)
    profile: dict[str, Any] = {"width": side, "height": side, "count": count}
    with MemoryFile() as memory:
        with memory.open(driver=driver, dtype="uint8", **profile, **o) as file:
            file.write(bands)
        return bytes(memory.read())


def empty_tiff(path: Path, width: int, height: int, count: int = 1, **o: Any) -> Path:
    """Write a GeoTIFF whose blocks are not stored."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=count,
        dtype="uint8",
        SPARSE_OK="TRUE",
        **o,
    ):
        pass
    return path


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


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


# Bombs


def png(width: int, height: int, data: bytes = b"", extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def test_bombs_are_refused_at_once(tmp_path: Path) -> None:
    before, start = resident_mib(), time.perf_counter()
    refuse(png(50_000, 50_000), "50000 x 50000 pixels in a format")
    sparse = empty_tiff(tmp_path / "s.tif", 200_000, 200_000, tiled=True, BIGTIFF="YES")
    refuse(sparse, "more than 2000 times")
    one_tile = empty_tiff(
        tmp_path / "t.tif",
        24_576,
        24_576,
        tiled=True,
        blockxsize=24576,
        blockysize=24576,
    )
    refuse(one_tile, "blocks of 576 MiB; the limit is 64")
    tall = {"tiled": True, "blockxsize": 16, "blockysize": 2**23}
    refuse(empty_tiff(tmp_path / "b.tif", 16, 100, **tall), "blocks of 128 MiB")
    assert time.perf_counter() - start < 5
    assert resident_mib() - before < 100


def test_blocks_of_overviews_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(picture(side=512, tiled=True, blockxsize=16, blockysize=16))
    with (
        rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE="4096"),
        rasterio.open(path, "r+") as file,
    ):
        file.build_overviews([2], rasterio.enums.Resampling.nearest)
    Raster.open(path).close()
    refuse(path, "blocks of 48 MiB; the limit is 1", Limits(block_bytes=2**20))
    refuse(path, "1 overviews, more than 0", Limits(overviews=0))


def test_a_real_bomb_is_refused(tmp_path: Path) -> None:
    profile = {"tiled": True, "blockxsize": 4096, "blockysize": 4096}
    path = empty_tiff(tmp_path / "a.tif", 4096, 81_920, compress="zstd", **profile)
    with rasterio.open(path, "r+", SPARSE_OK="FALSE") as file:
        for y in range(0, 81_920, 4096):
            window = rasterio.windows.Window(0, y, 4096, 4096)
            file.write(np.full((4096, 4096), 1, np.uint8), 1, window=window)
    assert path.stat().st_size < 50_000
    refuse(path, "more than 2000 times")


def test_a_sparse_mosaic_that_holds_something_is_read(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path / "a.tif"
    empty_tiff(path, 30_720, 30_720, tiled=True, compress="deflate", nodata=0)
    with rasterio.open(path, "r+") as file:
        tile = generator.integers(1, 255, (1024, 1024), dtype=np.uint8)
        for n in range(3):  # 1 of 300
            window = rasterio.windows.Window(n * 7000, n * 9000, 1024, 1024)
            file.write(tile, 1, window=window)
    before = resident_mib()
    with Raster.open(path) as raster:
        assert any("overviews" in warning for warning in raster.warnings)
        view = raster.view(HBB(0, 0, 1024, 1024), 256, 256)
        assert view.pixels.any()
    assert resident_mib() - before < 150


def test_a_text_bomb_in_a_png_is_not_unpacked() -> None:
    body = b"Comment\0\0" + zlib.compress(b"A" * 60_000_000, 1)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    rows = zlib.compress((b"\0" + b"\x40\x80\xc0" * 8) * 8)
    before = resident_mib()
    with contextlib.suppress(ImageError):
        Raster.from_bytes(png(8, 8, rows, chunk), "a.png").close()
    assert resident_mib() - before < 40


def test_a_row_of_100000_pixels_is_read(tmp_path: Path) -> None:
    bands = np.arange(3 * 100_000, dtype=np.uint32).reshape(3, 1, -1).astype(np.uint8)
    profile = {"width": 100_000, "height": 1, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile) as file:
        file.write(bands)
    with Raster.open(tmp_path / "a.tif") as raster:
        assert raster.preview().pixels.shape == (1, 1024, 3)
        values = raster.read(HBB(99_990, 0, 100_000, 1), 10, 1)
        assert np.array_equal(values, bands[:, :, -10:])


def test_many_bands_are_refused(tmp_path: Path) -> None:
    refuse(empty_tiff(tmp_path / "a.tif", 16, 16, 65), "65 bands, more than 64")
    Raster.open(empty_tiff(tmp_path / "b.tif", 16, 16, 64)).close()


def test_limits_can_be_lowered() -> None:
    refuse(picture("PNG"), "the limit is 0 million", Limits(whole_pixels=1000))
    refuse(picture(count=4), "4 bands, more than 3", Limits(bands=3))


def test_a_view_of_everything_needs_overviews(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(picture(side=512, tiled=True))
    with (
        Raster.open(path, limits=Limits(read_samples=500_000)) as raster,
        pytest.raises(ImageError, match="gdaladdo"),
    ):
        raster.view(HBB(0, 0, 512, 512), 64, 64)


# Broken files


def broken(data: bytes, generator: random.Random) -> Iterator[bytes]:
    """Yield truncations of a file and copies with changed bytes."""
    for _ in range(12):
        yield data[: generator.randrange(len(data))]
    for _ in range(60):
        copy = bytearray(data)
        # Most changes hit the header, where sizes and offsets stand.
        for _ in range(generator.choice([1, 1, 2, 8, 64])):
            end = generator.choice([64, 512, len(copy)])
            place = generator.randrange(min(end, len(copy)))
            copy[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, place % 256])
        yield bytes(copy)


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("GTiff", {}),
        ("GTiff", {"compress": "deflate", "tiled": True, "predictor": 2}),
        ("GTiff", {"compress": "lzw", "interleave": "pixel"}),
        ("GTiff", {"compress": "jpeg", "photometric": "YCBCR", "interleave": "pixel"}),
        ("GTiff", {"compress": "zstd", "BIGTIFF": "YES"}),
        ("COG", {"COMPRESS": "WEBP", "OVERVIEWS": "NONE"}),
        ("PNG", {}),
        ("JPEG", {}),
        ("WEBP", {}),
        ("JP2OpenJPEG", {}),
    ],
)
def test_only_image_errors_leave(driver: str, options: dict[str, Any]) -> None:
    with rasterio.Env() as env:
        if driver not in env.drivers():
            pytest.skip(f"this build of GDAL has no {driver}")
    data = picture(driver, **options)
    refusals = []
    for copy in broken(data, random.Random(f"{driver}{options}")):
        try:
            with Raster.from_bytes(copy, "upload") as raster:
                raster.preview(32)
                raster.view(HBB(0, 0, 8, 8), 8, 8, raster.renderings()[-1])
                _ = raster.gsd, raster.crs, raster.sensor_reason
        except ImageError as error:
            refusals.append(str(error))
    assert len(refusals) > 15  # the truncated ones, and more
    assert not any("\n" in text or len(text) > 500 for text in refusals)


def test_an_error_shows_strange_text_in_one_line() -> None:
    assert shown("a\nb\x1b[31m\tc") == "a b?[31m c"
    assert len(shown("x" * 1000)) == 200
    refuse(b"\x89PNG\r\n\x1a\nnothing", "upload.tif cannot be decoded")
