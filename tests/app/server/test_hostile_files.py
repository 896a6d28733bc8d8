"""Over a hundred hostile and odd files: refused or answered, and nothing else happens."""

import gc
import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rsvlm.app.server.errors import as_api_error
from rsvlm.app.server.files import FileStore
from tests.app.server import hostile
from tests.app.server.hostile_tiff import Make, raster

SECRET = "PASSWORD-77-OF-A-LOCAL-FILE"


class Listener:
    """Counts who connects to a port of this machine."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileStore]:
    store = FileStore(tmp_path_factory.mktemp("files"))
    yield store
    store.close()


def resident_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def answer(store: FileStore, name: str, data: bytes) -> tuple[int, str]:
    """Upload a file and look at all of it; return the status and the words."""
    start = time.perf_counter()
    try:
        stored = store.add("mallory", name, io.BytesIO(data))
        with store.open(stored) as opened:
            view = opened.preview(64)
            assert view.pixels.size
            _ = opened.gsd, opened.crs
            status, text = 200, " ".join([*opened.warnings, opened.path])
        store.delete("mallory", stored.id)
    except Exception as error:  # noqa: BLE001 - whatever it is, a client is told
        known = as_api_error(error)
        status, text = known.status, known.message
    assert time.perf_counter() - start < 60, name  # 30 s of the limit, twice
    return status, text


def answers(store: FileStore, makers: dict[str, Make]) -> dict[str, tuple[int, str]]:
    """Return what is said of each file, and check that memory stays flat."""
    files = {name: make() for name, make in makers.items()}
    answer(store, "good.png", hostile.png())  # imports what it needs
    before = resident_mib()
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda item: answer(store, *item), files.items())
        said = dict(zip(files, found, strict=True))
    assert resident_mib() - before < 100
    return said


def test_hostile_files_are_refused(
    store: FileStore, listener: Listener, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    files = hostile.refused(listener.address, str(secret))
    assert len(files) >= 80
    found = answers(store, files)
    wrong = {name: said for name, said in found.items() if said[0] != 400}
    assert not wrong
    for name, (_, text) in found.items():
        assert SECRET not in text, name
        assert "/arriving/" not in text, name  # no path of the server
        assert "\n" not in text, name
    assert listener.hits == 0
    # Nothing stays behind, and the next file is fine.
    assert not list((store._arriving).iterdir())
    assert answer(store, "good.png", hostile.png())[0] == 200


#: What the owner of an odd file is told.
TOLD = {
    "jpeg: turned by EXIF, place of the camera": "orientation 6",
    "tiff: 500 pages": "500 images; only the first",
    "tiff: Mars": "does not lead to longitude and latitude",
    "tiff: place with NaN": "does not lead to longitude and latitude",
    "tiff: pixels of infinite size": "does not lead to longitude and latitude",
    "tiff: rotated": "turned: its top is not the north",
    "tiff: south-up": "stored south-up",
    "tiff: a transform and no CRS": "none is guessed",
    "tiff: control points only": "4 ground control points",
    "tiff: sensor model only": "sensor model (RPC)",
    "tiff: complex": "their amplitude is shown",
    "tiff: nodata 255 in a picture": "declares 255 as nodata",
}


def test_odd_files_are_answered(store: FileStore, listener: Listener) -> None:
    files = hostile.kept()
    found = answers(store, files)
    assert not {name: said for name, said in found.items() if said[0] != 200}
    for name, words in TOLD.items():
        assert words in found[name][1], name
    assert listener.hits == 0


def test_the_place_of_the_camera_leaves_with_no_picture(store: FileStore) -> None:
    data = hostile.with_exif()
    assert b"Exif" in data
    stored = store.add("me", "a.jpg", io.BytesIO(data))
    with store.open(stored) as opened:
        assert (opened.width, opened.height) == (60, 40)  # as stored, not turned
        assert opened.georeference is None
        said = " ".join([*opened.warnings, opened.sensor_reason, repr(opened)])
        assert "GPS" not in said
        assert "48" not in said
        # What is sent on is drawn anew from pixels.
        assert opened.preview().pixels.dtype == np.uint8


def test_files_beside_an_image_are_not_looked_at(store: FileStore) -> None:
    stored = store.add("me", "a.tif", io.BytesIO(raster()))
    place = store.path(stored)
    for suffix in (".aux.xml", ".msk", ".ovr", ".tfw"):
        place.with_name(place.name + suffix).write_text(
            "<PAMDataset><SRS>EPSG:4326</SRS><Metadata><MDI key='N'>x</MDI></Metadata>"
            "</PAMDataset>"
        )
    with store.open(stored) as opened:
        assert opened.crs is None
        assert opened.warnings == []
