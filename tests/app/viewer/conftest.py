"""A server of nothing but the viewer, over files of a folder."""

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from rsvlm import assets
from rsvlm.app.server.errors import ApiError, install_errors
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.metrics import Metrics
from rsvlm.app.server.middleware import install_gate
from rsvlm.app.viewer import routes
from rsvlm.app.viewer.routes import router
from rsvlm.raster import Raster
from tests.app.viewer.stories import FRAME
from tests.browser import serving


@dataclass(frozen=True)
class Stored:
    id: str
    owner: str
    path: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


class Files:
    """Stands for the store of files; counts how often an image is opened."""

    def __init__(self) -> None:
        self.files: dict[str, Stored] = {}
        self.opened: list[str] = []

    def put(self, id: str, path: Path, owner: str = "") -> None:
        self.files[id] = Stored(id, owner, path)

    def get(self, owner: str, id: str) -> Stored:
        found = self.files.get(id)
        if found is None or found.owner not in ("", owner):
            raise ApiError(404, f"There is no file {id!r}.")
        return found

    def open(self, stored: Stored, sensor: str = "auto") -> Raster:
        self.opened.append(stored.id)
        return Raster.open(stored.path, sensor)


def owner_of(request: Request) -> str | None:
    return request.headers.get("x-owner")


def application(store: Files) -> FastAPI:
    app = FastAPI()
    app.include_router(router(store, owner_of))
    install_errors(app)
    install_gate(app, GateLimits(), keys=None, metrics=Metrics())  # with its CSP
    return app


def write(
    path: Path,
    pixels: NDArray[np.generic],
    *,
    crs: str | None = "EPSG:32611",
    corner: tuple[float, float] = (380_000, 3_770_000),
    gsd: float = 10,
    overviews: tuple[int, ...] = (),
    **profile: object,
) -> Path:
    """Write bands, shape (B, H, W), as a tiled GeoTIFF."""
    import rasterio
    from rasterio.transform import from_origin

    count, height, width = pixels.shape
    settings: dict[str, object] = {
        "driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256,
        "count": count, "height": height, "width": width, "dtype": pixels.dtype,
        "compress": "deflate", "crs": crs, **profile,
    }  # fmt: skip
    if crs:
        settings["transform"] = from_origin(*corner, gsd, gsd)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(path, "w", **settings)
    with file:
        file.write(pixels)
        if overviews:
            file.build_overviews(overviews)
    return path


def scene(height: int = 700, width: int = 900, bands: int = 3) -> NDArray[np.uint8]:
    """Return a picture in which every place looks different, shape (B, H, W)."""
    rows, columns = np.mgrid[:height, :width]
    layers = [columns * 255 // width, rows * 255 // height, (rows + columns) // 8 % 256]
    layers += [(rows * 3 + columns * 5 + k * 40) // 16 % 256 for k in range(bands)]
    return np.stack(layers[:bands]).astype(np.uint8)


def board(height: int = 900, width: int = 1200, side: int = 40) -> NDArray[np.uint8]:
    """Return squares of colours that differ from their neighbours, shape (3, H, W)."""
    rows, columns = height // side + 1, width // side + 1
    levels = np.random.default_rng(1).permutation(3 * rows * columns) % 4 * 80
    squares = levels.astype(np.uint8).reshape(3, rows, columns)
    squares[0] = (np.add.outer(np.arange(rows), np.arange(columns)) % 2) * 255
    whole = squares.repeat(side, 1).repeat(side, 2)
    return whole[:, :height, :width]


@pytest.fixture
def store(tmp_path: Path) -> Files:
    files = Files()
    files.put("port", write(tmp_path / "port.tif", scene(), overviews=(2,)))
    return files


@pytest.fixture
def client(store: Files) -> Iterator[TestClient]:
    with TestClient(application(store), "http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, files = tmp_path_factory.mktemp("images"), Files()
    optical = scene(900, 1200)
    files.put("optical", write(folder / "optical.tif", optical, overviews=(2,)))
    # The same ground at 20 m a pixel in another zone, which is turned against the first.
    rng = np.random.default_rng(0)
    radar = (rng.gamma(4, 20, (1, 500, 700)) + 20).clip(0, 255).astype(np.uint8)
    files.put(
        "radar",
        write(
            folder / "radar.tif",
            radar,
            crs="EPSG:32610",
            corner=(931_000, 3_780_000),
            gsd=20,
        ),
    )
    far = write(folder / "far.tif", scene(300, 400), corner=(500_000, 4_000_000))
    files.put("far", far)
    files.put("board", write(folder / "board.tif", board(), overviews=(2,)))
    files.put("bare", write(folder / "bare.tif", scene(300, 400), crs=None))
    files.put("secret", folder / "optical.tif", owner="ann")
    return files


@pytest.fixture(scope="module")
def address(places: Files) -> Iterator[str]:
    app = application(places)

    @app.get("/frame")
    def frame() -> HTMLResponse:
        return HTMLResponse(FRAME)

    with serving(app) as found:
        yield found


@pytest.fixture(params=["library", "plain"])
def both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a story with OpenSeadragon and without."""
    has = assets.cached(routes.LIBRARY)
    if request.param == "library" and has is None:
        pytest.skip("fetch the library first: rsvlm assets fetch openseadragon")
    if request.param == "plain":
        monkeypatch.setattr(assets, "cached", lambda name: None)
    return str(request.param)
