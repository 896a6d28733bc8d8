"""What a request calls an image: data URIs and ids; never a path or a strange URL."""

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.images import Images
from rsvlm.errors import ImageError
from tests.app.server.hostile import SVG, png
from tests.app.server.hostile_tiff import moved, raster, scene


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    limits = FileLimits(inline_bytes=20_000)
    store = FileStore(tmp_path_factory.mktemp("files"), limits)
    yield Images(store)
    store.close()


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def test_a_data_uri_is_kept_once(images: Images) -> None:
    first = images.find(uri(png()), "ann")
    assert (first.owner, first.purpose, first.bytes) == ("ann", "inline", len(png()))
    # What it says of its type does not matter, nor do line breaks.
    wrapped = uri(png(), "text/html;charset=utf-8")
    wrapped = wrapped[:60] + "\n" + wrapped[60:]
    assert images.find(wrapped, "ann").id == first.id
    assert images.find(uri(png()).replace("data:", "DATA:"), "ann").id == first.id
    assert images.find(uri(png()), "bob").id != first.id
    assert asyncio.run(images.resolve(uri(png()), "ann")).id == first.id
    assert images.store.list("ann") == ()
    with images.store.open(images.store.get("ann", first.id)) as opened:
        assert opened.width == 8


def test_a_geotiff_in_a_data_uri_keeps_its_place(images: Images) -> None:
    data = moved(10, 0, 5e5, 0, -10, 4e6)
    with images.store.open(images.find(uri(data, "image/tiff"), "ann")) as opened:
        assert opened.crs == "EPSG:32631"


def test_ids(images: Images) -> None:
    stored = images.store.add("ann", "a.png", io.BytesIO(png()))
    assert images.find(stored.id, "ann") == stored
    with pytest.raises(ApiError) as caught:
        images.find(stored.id, "bob")
    assert caught.value.status == 404
    lines = images.store.add("ann", "a.jsonl", io.BytesIO(b"{}\n"), "batch")
    with pytest.raises(ApiError, match="uploaded for batch"):
        images.find(lines.id, "ann")


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("", 400, "invalid_image_url"),
        ("/etc/passwd", 400, "invalid_image_url"),
        ("file:///etc/passwd", 400, "invalid_image_url"),
        ("file://localhost/etc/passwd", 400, "invalid_image_url"),
        ("/vsicurl/http://127.0.0.1/a.tif", 400, "invalid_image_url"),
        ("vrt:///etc/passwd", 400, "invalid_image_url"),
        ("ftp://127.0.0.1/a.tif", 400, "invalid_image_url"),
        ("javascript:alert(1)", 400, "invalid_image_url"),
        ("http://127.0.0.1/a.png", 400, "invalid_image_url"),
        ("HTTPS://example.com/a.png", 400, "invalid_image_url"),
        ("s3://bucket/a.tif", 400, "invalid_image_url"),
        ("file-../../x", 404, "file_not_found"),
        ("sample-../../x", 404, "file_not_found"),
        ("data:image/png,abc", 400, "invalid_image_url"),
        ("data:image/png;base64", 400, "invalid_image_url"),
        ("data:image/png;base64,@@@@", 400, "invalid_image_url"),
        ("data:image/png;base64,YQ", 400, "invalid_image_url"),
        ("data:image/png;base64,é", 400, "invalid_image_url"),
        (uri(bytes(20_001)), 413, "image_too_large"),
        ("data:;base64," + "A" * 100_000, 413, "image_too_large"),
    ],
)
def test_nothing_else_is_an_image(
    images: Images, url: str, status: int, code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        images.find(url, "ann")
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(caught.value.message) < 250


def test_bytes_decide(images: Images) -> None:
    for data in (SVG.format("localhost").encode(), b"", b"hello", png()[:40]):
        with pytest.raises(ImageError):
            images.find(uri(data), "ann")


def test_the_same_bytes_in_two_shapes_are_two_files(images: Images) -> None:
    # 30 x 100 and 100 x 30 of the same samples were mixed up by a server before.
    pixels = scene(1, 30, 100)
    files = [
        images.find(uri(raster(pixels.reshape(shape))), "ann")
        for shape in ((1, 30, 100), (1, 100, 30))
    ]
    assert files[0].sha256 != files[1].sha256
    sizes = []
    for file in files:
        with images.store.open(file) as opened:
            sizes.append((opened.width, opened.height))
    assert sizes == [(100, 30), (30, 100)]


def test_sample_scenes_are_everybody_s(
    images: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from rsvlm import assets

    asset = next(a for a in assets.table().values() if a.kind == "sample-image")
    monkeypatch.setattr(
        assets, "cached", lambda name: tmp_path if name == asset.name else None
    )
    (tmp_path / asset.main).write_bytes(raster())
    stored = images.find(f"sample-{asset.name}", "ann")
    assert images.store.samples() == (stored,)
    assert images.store.get("", stored.id) == stored
    assert (stored.owner, stored.purpose, stored.expires) == ("", "sample", None)
    with images.store.open(stored) as opened:
        assert opened.width == 60
        assert opened.path.startswith(asset.name)
    with pytest.raises(ApiError):
        images.store.delete("ann", stored.id)
    with pytest.raises(ApiError):
        images.find("sample-openseadragon", "ann")
