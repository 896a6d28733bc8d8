"""Time of tiles while somebody pans over a large raster, beside plain windows of rasterio.

Run: python benchmarks/viewer_tiles.py BIG.tif [--tiles 400] [--clients 1]

The raster comes from benchmarks/make_big_cog.py. Walks go over a level in steps of a
tile, now and then on another level, and every tile is asked for once, over HTTP on
loopback, so that nothing comes from a cache of tiles. After each tile, plain rasterio
reads the same window in the same process (A B A B), without drawing or encoding it.
With several clients the windows are read after the tiles instead.
"""

import argparse
import hashlib
import http.client
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from rsvlm.app.viewer.pyramid import Pyramid
from rsvlm.app.viewer.routes import router
from rsvlm.raster import Raster

#: Tiles in one direction before a walk turns, and before it changes the level.
TURN, ZOOM = 7, 40


@dataclass(frozen=True)
class Stored:
    """The only file of the store."""

    id: str
    sha256: str
    path: Path


class OneFile:
    """A store of one file, read in this process."""

    def __init__(self, path: Path) -> None:
        self.stored = Stored(
            "big", hashlib.sha256(str(path).encode()).hexdigest(), path
        )

    def get(self, owner: str, id: str) -> Stored:
        """Return it."""
        return self.stored

    def open(self, stored: Stored, sensor: str = "auto") -> Raster:
        """Open it."""
        return Raster.open(stored.path, "optical")


def walk(pyramid: Pyramid, count: int, seed: int) -> Iterator[tuple[int, int, int]]:
    """Yield level, column and row of so many tiles, none of them twice."""
    rng = Random(seed)
    seen: set[tuple[int, int, int]] = set()
    level, column, row, way = pyramid.last, 0, 0, (1, 0)
    for step in range(1_000_000):
        if step % ZOOM == 0:
            level = rng.choice([pyramid.last] * 3 + [max(0, pyramid.last - 1)])
            side = 1 << level
            column, row = rng.randrange(side), rng.randrange(side)
        if step % TURN == 0:
            way = rng.choice([(1, 0), (-1, 0), (0, 1), (0, -1)])
        side = 1 << level
        column, row = (column + way[0]) % side, (row + way[1]) % side
        if (level, column, row) in seen:
            continue
        seen.add((level, column, row))
        yield level, column, row
        if len(seen) == count:
            return


def serve(path: Path) -> int:
    """Serve the viewer in a thread and return its port."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    store: Any = OneFile(path)
    app.include_router(router(store, lambda request: "local"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return port


_local = threading.local()


def fetch(port: int, tile: tuple[int, int, int]) -> tuple[float, int]:
    """Return the milliseconds and bytes of a tile."""
    if not hasattr(_local, "connection"):
        _local.connection = http.client.HTTPConnection("127.0.0.1", port)
    level, column, row = tile
    start = time.perf_counter()
    _local.connection.request(
        "GET", f"/viewer/images/big/tiles/{level}/{column}_{row}.jpg"
    )
    answer = _local.connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"status {answer.status}: {body[:200]!r}")
    return 1000 * (time.perf_counter() - start), len(body)


def plain(dataset: Any, pyramid: Pyramid, tile: tuple[int, int, int]) -> float:
    """Return the milliseconds that plain rasterio takes for the same window."""
    from rasterio.windows import Window

    box, width, height = pyramid.tile(*tile)
    start = time.perf_counter()
    window = Window(box.x0, box.y0, box.width, box.height)
    dataset.read([1, 2, 3], window=window, out_shape=(3, height, width))
    return 1000 * (time.perf_counter() - start)


def line(name: str, times: list[float]) -> str:
    """Return median and percentiles as one line."""
    cuts = statistics.quantiles(times, n=100)
    return (
        f"{name}: p50 {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms, p99 {cuts[98]:.0f} ms"
    )


def main() -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raster", type=Path)
    parser.add_argument("--tiles", type=int, default=400)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import rasterio

    port = serve(given.raster)
    with rasterio.open(given.raster) as dataset:
        pyramid = Pyramid(dataset.width, dataset.height)
        tiles = list(walk(pyramid, given.tiles, given.seed))
        first, _ = fetch(port, (0, 0, 0))
        if given.clients == 1:
            ours, theirs, sizes = [], [], []
            for tile in tiles:
                milliseconds, size = fetch(port, tile)
                ours.append(milliseconds)
                sizes.append(size)
                theirs.append(plain(dataset, pyramid, tile))
        else:
            with ThreadPoolExecutor(given.clients) as pool:
                found = list(pool.map(lambda tile: fetch(port, tile), tiles))
            ours, sizes = map(list, zip(*found, strict=True))
            theirs = [plain(dataset, pyramid, tile) for tile in tiles]
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(
        f"{given.raster.name}: {pyramid.width} x {pyramid.height}, {len(tiles)} tiles"
    )
    print(f"first picture, with opening the file: {first:.0f} ms")
    print(line(f"tiles over HTTP, {given.clients} at a time", ours))
    print(line("plain windows of rasterio", theirs))
    print(
        f"ratio of the medians {ratio:.2f}; a tile has {statistics.mean(sizes) / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
