"""Hostile and odd files, made by code: what a server must refuse or survive.

:func:`refused` and :func:`kept` make them. Each is tried by ``test_hostile_files.py``, and by
``benchmarks/hostile_files.py``, which prints a table.
"""

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image

from tests.app.server import hostile_tiff
from tests.app.server.hostile_tiff import Make, raster, scene

VRT = """<VRTDataset rasterXSize="20" rasterYSize="20"><VRTRasterBand dataType="Byte"
band="1">{}</VRTRasterBand></VRTDataset>"""
SIMPLE = "<SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource>"
RAW = """<VRTDataset rasterXSize="20" rasterYSize="1"><VRTRasterBand dataType="Byte"
band="1" subClass="VRTRawRasterBand"><SourceFilename>{}</SourceFilename>
</VRTRasterBand></VRTDataset>"""
WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>http://{}/${{z}}</ServerUrl></Service>
<DataWindow><SizeX>20</SizeX><SizeY>20</SizeY></DataWindow></GDAL_WMS>"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://{}/x"/></svg>'
ENTITIES = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&b;&x;</svg>"""


def png_chunk(kind: bytes, body: bytes, check: int | None = None) -> bytes:
    check = zlib.crc32(kind + body) if check is None else check
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def png(
    width: int = 8,
    height: int = 8,
    data: bytes | None = None,
    extra: bytes = b"",
    bits: int = 8,
    colour: int = 2,
) -> bytes:
    """Return a PNG of gray rows, or of other data."""
    if data is None:
        data = zlib.compress((b"\0" + b"\x40\x80\xc0" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + extra
        + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    )  # fmt: skip


def picture(format: str, mode: str = "RGB", **options: Any) -> bytes:
    """Return a picture that Pillow writes."""
    image = Image.fromarray(scene().transpose(1, 2, 0)).convert(mode)
    with io.BytesIO() as file:
        image.save(file, format, **options)
        return file.getvalue()


def jpeg(**options: Any) -> bytes:
    return picture("JPEG", **options)


def resized(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose frame says another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def with_exif(orientation: int = 6) -> bytes:
    """Return a JPEG turned by EXIF, with the place of the camera."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)}
    return jpeg(exif=exif)


def exif_loop() -> bytes:
    """Return a JPEG whose EXIF directory is followed by itself."""
    body = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIIHI", 1, 274, 3, 1, 1, 0, 8)
    data = jpeg()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def many_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    data = jpeg(progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + b"\xff\xd9"


def text_bomb(size: int) -> bytes:
    """Return a PNG with a compressed text of so many bytes."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(b"A" * 2**20) for _ in range(size // 2**20)]
    body = b"Comment\0\0" + b"".join(parts) + packer.flush()
    return png(extra=png_chunk(b"zTXt", body))


def zipped(name: str, data: bytes) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, data)
        return file.getvalue()


def jp2(width: int, height: int) -> bytes:
    """Return a code stream of JPEG 2000 whose frame says another size."""
    data = bytearray(raster(driver="JP2OpenJPEG"))
    struct.pack_into(">II", data, data.index(b"\xff\x51") + 6, width, height)
    return bytes(data)


def webp_canvas(width: int, height: int) -> bytes:
    """Return a WebP that announces a canvas and holds a small picture."""
    inner = picture("WEBP")[12:]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def refused(listener: str, secret: str) -> dict[str, Make]:
    """Return the files that are no images, or more than may be: name -> maker.

    Args:
        listener: Host and port that nothing may contact.
        secret: Path of a file that nothing may read.
    """
    texts = {
        "text": "hello",
        "html": "<html><script>alert(1)</script></html>",
        "svg": SVG.format(listener),
        "svg: entities": ENTITIES,
        "vrt: a local file": VRT.format(SIMPLE.format(secret)),
        "vrt: raw bytes of a local file": RAW.format(secret),
        "vrt: http": VRT.format(SIMPLE.format(f"/vsicurl/http://{listener}/a.tif")),
        "vrt: zip over http": VRT.format(SIMPLE.format(f"/vsizip/http://{listener}/a")),
        "wms": WMS.format(listener),
        "vrt connection string": f"vrt://{secret}?bands=1",
        "vsicurl path": f"/vsicurl/http://{listener}/a.tif",
        "GTIFF_DIR path": f"GTIFF_DIR:1:{secret}",
        "MEM pointer": "MEM:::DATAPOINTER=1,PIXELS=9,LINES=9",
        "ascii grid": "ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n",
        "json": '{"type": "FeatureCollection", "features": []}',
        "postscript": "%!PS-Adobe-3.0 EPSF-3.0\n",
        "pdf": "%PDF-1.7\n",
    }
    files: dict[str, Make] = {
        "empty": lambda: b"",
        "one byte": lambda: b"I",
        "zip of a GeoTIFF": lambda: zipped("a.tif", raster()),
        "zip with ..": lambda: zipped("../../a.tif", raster()),
        "gzip of a GeoTIFF": lambda: gzip.compress(raster()),
        "pickle": lambda: pickle.dumps(print),
        "bmp": lambda: picture("BMP"),
        "gif": lambda: picture("GIF"),
        "hdf5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(600),
        "grib": lambda: b"GRIB" + bytes(600),
        "nitf": lambda: b"NITF02.10" + bytes(600),
        "psd": lambda: b"8BPS\0\1" + bytes(600),
        "sqlite": lambda: b"SQLite format 3\0" + bytes(600),
        "elf": lambda: b"\x7fELF" + bytes(600),
        "avif": lambda: b"\0\0\0\x1cftypavif" + bytes(600),
        "wav": lambda: b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
        "byte order mark before a png": lambda: b"\xef\xbb\xbf" + png(),
        "gif, then a tiff": lambda: b"GIF89a" + raster(),
        "png: signature only": lambda: png()[:8],
        "png: cut in the middle": lambda: picture("PNG")[:2000],
        "png: 50,000 x 50,000 in 68 bytes": lambda: png(50_000, 50_000, b""),
        "png: 13,000 x 13,000 zeros": lambda: png(
            13_000, 13_000, zlib.compress(bytes(13_001 * 13_000), 9), colour=0
        ),
        "png: 0 x 0": lambda: png(0, 0, b""),
        "png: 2^31 wide": lambda: png(2**31, 1, b""),
        "png: no pixels": lambda: png(data=b""),
        "png: pixels that are no deflate": lambda: png(data=b"nonsense" * 9),
        "png: colour table without colours": lambda: png(colour=3),
        "png: wrong check sum of the header": lambda: png().replace(
            png()[29:33], b"\0\0\0\0", 1
        ),
        "png: a chunk of 2^31 bytes": lambda: png()[:33] + b"\x7f\xff\xff\xffIDAT",
        "jpeg: start only": lambda: b"\xff\xd8\xff\xe0",
        "jpeg: nonsense after the start": lambda: b"\xff\xd8\xff" + bytes(range(256)),
        "jpeg: cut in the header": lambda: jpeg()[:300],
        "jpeg: cut in the middle": lambda: jpeg()[:-600],
        "jpeg: 65,500 x 65,500": lambda: resized(jpeg(), 65_500, 65_500),
        "jpeg: 0 x 0": lambda: resized(jpeg(), 0, 0),
        "jpeg: 5,000 scans": lambda: many_scans(5000),
        "webp: cut in the middle": lambda: picture("WEBP")[:300],
        "webp: canvas of 16,384 x 16,384": lambda: webp_canvas(16_384, 16_384),
        "webp: nonsense": lambda: b"RIFF\xff\0\0\0WEBPVP8 " + bytes(range(250)),
        "jp2: cut in the header": lambda: raster(driver="JP2OpenJPEG")[:150],
        "jp2: 2 billion pixels wide": lambda: jp2(2**31 - 1, 40),
        "jp2: code stream of nonsense": lambda: b"\xff\x4f\xff\x51" + bytes(range(250)),
    }
    return {
        **{name: text.encode for name, text in texts.items()},
        **files,
        **hostile_tiff.REFUSED,
    }


def kept() -> dict[str, Make]:
    """Return odd files that are legal: each is answered."""
    return {
        "png: zip after the end": lambda: png() + zipped("a.vrt", b"<VRTDataset/>"),
        "png: text bomb of 200 MB": lambda: text_bomb(200 * 2**20),
        "png: 16 bits": lambda: raster(scene(dtype="uint16") * 500, driver="PNG"),
        "png: colour table": lambda: picture("PNG", "P"),
        "png: transparent": lambda: picture("PNG", "RGBA"),
        "jpeg: zip after the end": lambda: jpeg() + zipped("a", b"b"),
        "jpeg: turned by EXIF, place of the camera": with_exif,
        "jpeg: EXIF that follows itself": exif_loop,
        "jpeg: CMYK": lambda: jpeg(mode="CMYK"),
        "jpeg: gray": lambda: jpeg(mode="L"),
        "webp": lambda: picture("WEBP"),
        "jp2": lambda: raster(driver="JP2OpenJPEG"),
        **hostile_tiff.KEPT,
    }
