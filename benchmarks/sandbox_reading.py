"""Reading in a sandbox against reading in this process: opening, and windows.

Run: python benchmarks/sandbox_reading.py [FILE] [--side 27000] [--windows 60]

Without FILE it makes an RGB GeoTIFF of side x side pixels without compression, so
2.2 GB by default, the worst case for the sandbox: nothing is decoded, and every byte
goes through a socket once more. Both readers take turns on the same windows. Wall time
is what a user waits; processor time, of this process and its children, is what other
users of the machine disturb less.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from rsvlm.geometry import HBB
from rsvlm.header import PixelReader
from rsvlm.opening import Limits
from rsvlm.reader import Reader
from rsvlm.sandbox import Sandbox, SandboxedReader

_TICK = os.sysconf("SC_CLK_TCK")


def make(path: Path, side: int) -> None:
    """Write noise, tile row by tile row."""
    import rasterio
    from rasterio.windows import Window

    noise = np.random.default_rng(0).integers(1, 255, (3, 512, side), dtype=np.uint8)
    profile = {"width": side, "height": side, "count": 3, "dtype": "uint8"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "BIGTIFF": "YES"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            path, "w", driver="GTiff", interleave="pixel", **profile, **tiles
        ) as file:
            for y in range(0, side, 512):
                rows = min(512, side - y)
                window = Window(0, y, side, rows)
                file.write(noise[:, :rows], window=window)


def timed(function: Callable[[], Any], child: int | None) -> tuple[float, float]:
    """Return the wall and the processor time of a call, in ms."""
    start, spent = time.perf_counter(), processor(child)
    function()
    return (time.perf_counter() - start) * 1e3, (processor(child) - spent) * 1e3


def processor(child: int | None) -> float:
    """Return the processor seconds of this process and of a child."""
    own = time.process_time()
    if child is None:
        return own
    fields = Path(f"/proc/{child}/stat").read_text().rsplit(")")[1].split()
    return own + (int(fields[11]) + int(fields[12])) / _TICK


def windows(width: int, height: int, side: int, count: int) -> list[HBB]:
    """Return random windows."""
    random = Random(0)
    boxes = []
    for _ in range(count):
        x, y = (random.randrange(max(1, n - side)) for n in (width, height))
        boxes.append(HBB(x, y, min(width, x + side), min(height, y + side)))
    return boxes


def compare(
    here: Reader, there: SandboxedReader, boxes: Sequence[HBB], size: int
) -> tuple[float, float, float, float]:
    """Return mean ms a window: wall and processor here, then there."""
    sums = np.zeros(4)
    bands = here.header.bands
    for number, box in enumerate(boxes):
        readers: list[tuple[PixelReader, int | None, int]] = [
            (here, None, 0), (there, there._child.process, 2),
        ]  # fmt: skip
        if number % 2:
            readers.reverse()
        for reader, child, place in readers:
            call = lambda r=reader: r.read(box, size, size, bands)  # noqa: B023
            sums[place : place + 2] += timed(call, child)
    wall, cpu, wall_there, cpu_there = sums / len(boxes)
    return float(wall), float(cpu), float(wall_there), float(cpu_there)


def main() -> None:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--side", type=int, default=27_000)
    parser.add_argument("--windows", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.file or Path(folder) / "noise.tif"
        if args.file is None:
            make(path, args.side)
        sandbox = Sandbox()
        sandbox.open(path, path.name, Limits()).close()  # both are warm
        Reader.open(path, path.name, Limits()).close()
        opening: dict[str, list[float]] = {"here": [], "there": []}
        for _ in range(15):
            for name, open_file in (("here", Reader.open), ("there", sandbox.open)):
                start = time.perf_counter()
                open_file(path, path.name, Limits()).close()
                opening[name].append((time.perf_counter() - start) * 1e3)
        here, there = (
            Reader.open(path, path.name, Limits()),
            sandbox.open(path, path.name, Limits()),
        )
        width, height = here.header.width, here.header.height
        print(f"{path.name}: {width} x {height}, {path.stat().st_size / 2**30:.2f} GiB")
        medians = {name: statistics.median(times) for name, times in opening.items()}
        print(
            f"open and close: here {medians['here']:.1f} ms, "
            f"sandbox {medians['there']:.1f} ms"
        )
        print("| window | drawn | here ms | sandbox ms | wall | processor |")
        for side, size in ((448, 448), (1024, 1024), (4096, 512), (2048, 2048)):
            boxes = windows(width, height, side, args.windows)
            wall, cpu, wall_there, cpu_there = compare(here, there, boxes, size)
            print(
                f"| {side} | {size} | {wall:.1f} | {wall_there:.1f} "
                f"| {wall_there / wall:.2f} x | {cpu_there / max(cpu, 1e-9):.2f} x |"
            )
        here.close()
        there.close()
        sandbox.close()


if __name__ == "__main__":
    main()
