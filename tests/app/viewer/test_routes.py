import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from rsvlm.app.viewer import pictures
from rsvlm.app.viewer.pictures import Kept, Pictures
from rsvlm.errors import ImageError
from rsvlm.raster import Raster
from tests.app.viewer.conftest import Files, scene, write


def pixels(client: TestClient, path: str) -> NDArray[np.uint8]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_the_facts_of_an_image(client: TestClient) -> None:
    facts = client.get("/viewer/images/port").json()
    assert (facts["width"], facts["height"]) == (900, 700)
    assert (facts["tile"], facts["last_level"]) == (512, 1)
    assert facts["crs"] == "EPSG:32611"
    assert facts["gsd_m"] == pytest.approx(10, rel=1e-2)
    assert len(facts["corners"]) == 4
    assert facts["corners"][0] == pytest.approx([-118.3003670, 34.0638645], abs=1e-6)
    assert len(facts["grid"]["lon"]) == facts["grid"]["nodes"] ** 2
    assert [one["index"] for one in facts["bands"]] == [1, 2, 3]
    assert facts["renderings"][0]["name"] == "true-colour"


def test_an_image_without_a_place(client: TestClient, store: Files) -> None:
    path = write(store.files["port"].path.with_name("a.tif"), scene(60, 50), crs=None)
    store.put("bare", path)
    facts = client.get("/viewer/images/bare").json()
    assert facts["grid"] is facts["corners"] is facts["crs"] is facts["gsd_m"] is None


def test_tiles_are_the_pixels_of_the_raster(client: TestClient) -> None:
    whole = scene().transpose(1, 2, 0)
    tiles = [
        [pixels(client, f"/viewer/images/port/tiles/1/{x}_{y}.png") for x in (0, 1)]
        for y in (0, 1)
    ]
    assert np.array_equal(
        np.block([[[t] for t in row] for row in tiles])[0], whole
    ) or (np.array_equal(np.vstack([np.hstack(row) for row in tiles]), whole))
    small = pixels(client, "/viewer/images/port/tiles/0/0_0.png")
    assert small.shape == (350, 450, 3)
    true = whole.reshape(350, 2, 450, 2, 3).mean((1, 3))
    assert np.abs(small[..., :2] - true[..., :2]).max() <= 1


def test_the_usual_kind_is_jpeg_or_clear_webp(client: TestClient, store: Files) -> None:
    whole = client.get("/viewer/images/port/tiles/1/0_0.jpg")
    assert whole.headers["content-type"] == "image/jpeg"
    layers = scene(300, 300)
    layers[:, :100] = 0
    store.put(
        "hole", write(store.files["port"].path.with_name("b.tif"), layers, nodata=0)
    )
    holed = client.get("/viewer/images/hole/tiles/0/0_0.jpg")
    assert holed.headers["content-type"] == "image/webp"
    opacity = np.asarray(Image.open(io.BytesIO(holed.content)))[..., 3]
    assert not opacity[:100].any()
    assert (opacity[101:] == 255).all()


def test_bands_stretch_and_gamma_change_the_picture(client: TestClient) -> None:
    path = "/viewer/images/port/tiles/1/0_0.png"
    plain = pixels(client, path)
    swapped = pixels(client, f"{path}?bands=3,2,1&stretch==0:255")
    assert np.abs(swapped[..., ::-1].astype(int) - plain).max() <= 1
    assert pixels(client, f"{path}?gamma=2").mean() > plain.mean() + 20
    gray = pixels(client, f"{path}?bands=2&stretch==0:255")
    assert np.abs(gray - plain[..., 1:2].astype(int)).max() <= 1


def test_a_part_of_any_size(client: TestClient) -> None:
    path = "/viewer/images/port/picture.png?box=100,50,300,150&width=200&height=100"
    assert np.array_equal(
        pixels(client, path), scene()[:, 50:150, 100:300].transpose(1, 2, 0)
    )
    beyond = pixels(
        client,
        "/viewer/images/port/picture.png?box=-100,-100,100,100&width=50&height=50",
    )
    assert not beyond[:25, :, 3].any()
    assert (beyond[26:, 26:, 3] == 255).all()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("images/none", 404), ("images/..%2f..%2fetc", 404),
        ("images/none/tiles/0/0_0.png", 404),
        ("images/port/tiles/2/0_0.png", 404), ("images/port/tiles/-1/0_0.png", 404),
        ("images/port/tiles/1/2_0.png", 404), ("images/port/tiles/1/0_9999999999.png", 404),
        ("images/port/tiles/1/0_0.gif", 404), ("images/port/tiles/a/0_0.png", 400),
        ("images/port/tiles/1/0_0.png?bands=9", 400),
        ("images/port/tiles/1/0_0.png?bands=1,2", 400),
        ("images/port/tiles/1/0_0.png?rendering=nonsense", 400),
        ("images/port/tiles/1/0_0.png?rendering=ndvi", 400),
        ("images/port/tiles/1/0_0.png?sensor=nonsense", 400),
        ("images/port/tiles/1/0_0.png?gamma=nan", 400),
        ("images/port/tiles/1/0_0.png?bands=1&stretch=9-1", 400),
        ("images/port/picture.png?box=0,0,9,9&width=0&height=9", 400),
        ("images/port/picture.png?box=0,0,9,9&width=5000&height=9", 400),
        ("images/port/picture.png?box=0,0,nan,9&width=9&height=9", 400),
        ("images/port/picture.png?box=0,0,1e300,9&width=9&height=9", 400),
        ("images/port/picture.png?box=9,9,0,0&width=9&height=9", 400),
        ("images/port/picture.png?width=9&height=9", 400),
        ("static/..%2froutes.py", 404), ("static/viewer.html", 404), ("static/no.js", 404),
    ],
)  # fmt: skip
def test_what_cannot_be_had(client: TestClient, path: str, status: int) -> None:
    answer = client.get(f"/viewer/{path}")
    assert answer.status_code == status, answer.text
    assert "error" in answer.json()
    assert "Traceback" not in answer.text


def test_nobody_sees_the_files_of_others(client: TestClient, store: Files) -> None:
    store.put("mine", store.files["port"].path, owner="ann")
    for path in ("mine", "mine/tiles/0/0_0.jpg"):
        assert client.get(f"/viewer/images/{path}").status_code == 404
        assert (
            client.get(f"/viewer/images/{path}", headers={"x-owner": "bob"}).status_code
            == 404
        )
        found = client.get(f"/viewer/images/{path}", headers={"x-owner": "ann"})
        assert found.status_code == 200
        assert "private" in found.headers["cache-control"]


def test_a_known_picture_is_not_sent_again(client: TestClient, store: Files) -> None:
    path = "/viewer/images/port/tiles/0/0_0.jpg"
    first = client.get(path)
    tag = first.headers["etag"]
    again = client.get(path, headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    for other in (
        f"{path}?gamma=1.1",
        path.replace("0/0_0", "1/0_0"),
        f"{path}?sensor=sar",
    ):
        assert client.get(other, headers={"if-none-match": tag}).status_code == 200
    # Another file under the same address is another picture.
    write(store.files["port"].path, scene() // 2)
    changed = client.get(path, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.content != first.content


def test_many_at_once_open_the_file_once(client: TestClient, store: Files) -> None:
    def fetch(number: int) -> bytes:
        path = f"/viewer/images/port/tiles/1/{number % 2}_{number // 2 % 2}.png"
        return client.get(path).content

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(fetch, range(48)))
    assert len(set(found)) == 4
    assert store.opened == ["port"]


def test_an_image_without_overviews_is_drawn_from_a_copy(
    client: TestClient, store: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsvlm.app.viewer import copies

    monkeypatch.setattr(copies, "WIDE", 10_000)
    monkeypatch.setattr(pictures, "WIDE", 10_000)
    path = write(store.files["port"].path.with_name("plain.tif"), scene())
    store.put("plain", path)
    assert client.get("/viewer/images/plain").json()["needs_copy"] is True
    small = pixels(client, "/viewer/images/plain/tiles/0/0_0.png")
    true = scene().transpose(1, 2, 0).reshape(350, 2, 450, 2, 3).mean((1, 3))
    assert np.abs(small[..., :2] - true[..., :2]).mean() < 2


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/viewer?images=port")
    assert page.url.path == "/viewer/"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.url.params["images"] == "port"
    assert "{{" not in page.text
    assert "://" not in page.text  # nothing from elsewhere
    script = client.get("/viewer/static/main.js")
    assert script.headers["content-type"].startswith("text/javascript")
    tag = script.headers["etag"]
    assert (
        client.get("/viewer/static/main.js", headers={"if-none-match": tag}).status_code
        == 304
    )


def test_the_latest_are_kept_within_a_weight() -> None:
    kept: Kept[bytes] = Kept(10, len)
    kept.put("a", b"1234")
    kept.put("b", b"1234")
    assert kept.get("a") == b"1234"  # now the latest
    kept.put("c", b"12345")
    assert kept.get("b") is None
    assert kept.get("a") == b"1234"
    kept.put("d", b"x" * 11)
    assert kept.get("d") is kept.get("a") is None


def test_rasters_are_closed_when_nobody_looks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", scene(40, 40))
    found = Pictures()
    seen: list[Raster] = []

    def opener() -> Raster:
        seen.append(Raster.open(path))
        return seen[-1]

    def closed(raster: Raster) -> bool:
        return bool(raster._reader.dataset.closed)  # type: ignore[attr-defined]

    for key in range(pictures.OPEN + 2):
        with found.raster(str(key), opener) as raster:
            assert not closed(raster)
    assert [closed(raster) for raster in seen] == [True, True, *[False] * pictures.OPEN]
    with found.raster(str(pictures.OPEN), opener) as raster:
        found.close()
        assert not closed(raster)  # somebody looks at it
        # A raster whose decoder failed is opened anew by the next one.
        failing = threading.Thread(target=lambda: fail(found))
        failing.start()
        failing.join()
        assert not closed(raster)
    assert all(map(closed, seen))
    count = len(seen)
    with found.raster("5", opener):
        assert len(seen) == count + 1
    found.close()


def fail(found: Pictures) -> None:
    with pytest.raises(ImageError), found.raster("5", lambda: Raster.open("x")):
        raise ImageError("the decoder died")
