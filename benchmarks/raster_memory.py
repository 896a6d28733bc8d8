"""Peak memory of reading a small and a huge Cloud Optimized GeoTIFF.

Run: python benchmarks/raster_memory.py [SIDE ...]

For each side (default 1000 and 30000 pixels) it makes an RGB file in a temporary
folder, then opens it in a fresh process, draws the preview and some windows, and prints
the peak resident memory and the times. Memory must not grow with the image.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

#: Side of the tile that is repeated, and of the windows that are drawn.
TILE, WINDOW = 1024, 448


def make(path: Path, side: int) -> None:
    """Write an RGB file of side x side pixels with overviews, without holding it."""
    import rasterio
    import rasterio.shutil
    from rasterio.windows import Window

    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 200, (3, TILE // 16, TILE // 16))
    smooth = coarse.repeat(16, axis=1).repeat(16, axis=2)
    tile = (smooth + generator.integers(0, 56, smooth.shape)).astype(np.uint8)
    profile = {"width": side, "height": side, "count": 3, "dtype": "uint8"}
    plain = path.with_suffix(".plain.tif")
    layout = {
        "tiled": True,
        "interleave": "pixel",
        "compress": "zstd",
        "BIGTIFF": "YES",
    }
    with (
        rasterio.Env(GDAL_CACHEMAX=256, GDAL_NUM_THREADS="2"),
        rasterio.open(
            plain, "w", driver="GTiff", ZLEVEL=1, **profile, **layout
        ) as file,
    ):
        for y in range(0, side, TILE):
            for x in range(0, side, TILE):
                width, height = min(TILE, side - x), min(TILE, side - y)
                window = Window(x, y, width, height)
                file.write(tile[:, :height, :width], window=window)
    with rasterio.Env(GDAL_CACHEMAX=256, GDAL_NUM_THREADS="2"):
        rasterio.shutil.copy(plain, path, driver="COG", COMPRESS="JPEG", BIGTIFF="YES")
    plain.unlink()


def peak_mib() -> float:
    """Return the peak resident memory of this process in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("The kernel does not report peak memory here.")


def look(path: Path) -> dict[str, float]:
    """Open a file, draw the preview and windows; return peak memory and times."""
    from rsvlm.geometry import HBB
    from rsvlm.raster import Raster

    generator = np.random.default_rng(1)
    start = time.perf_counter()
    with Raster.open(path) as raster:
        opened = time.perf_counter()
        raster.preview()
        previewed = time.perf_counter()
        side = min(raster.width, raster.height)
        for scale in (1, 1, 1, 1, 1, 1, 2, 2, 4, 4):
            width = min(WINDOW * scale, side)
            x, y = generator.integers(0, side - width + 1, 2)
            raster.view(HBB(x, y, x + width, y + width), WINDOW, WINDOW)
        done = time.perf_counter()
    return {
        "peak_mib": peak_mib(),
        "open_ms": 1e3 * (opened - start),
        "preview_ms": 1e3 * (previewed - opened),
        "window_ms": 1e2 * (done - previewed),
    }


def main() -> None:
    """Make the files, look at each in a fresh process, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sides", nargs="*", type=int, default=[1_000, 30_000])
    parser.add_argument("--look", type=Path, help="only look at this file, as JSON")
    options = parser.parse_args()
    if options.look:
        print(json.dumps(look(options.look)))
        return
    print(
        f"{'side':>8} {'file MB':>9} {'peak MiB':>9} {'open':>7} {'preview':>8} window"
    )
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sides:
            path = Path(folder) / f"{side}.tif"
            make(path, side)
            command = [sys.executable, __file__, "--look", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seen = json.loads(done.stdout)
            print(
                f"{side:>8} {path.stat().st_size / 1e6:>9.1f} {seen['peak_mib']:>9.0f} "
                f"{seen['open_ms']:>4.0f} ms {seen['preview_ms']:>5.0f} ms "
                f"{seen['window_ms']:.0f} ms"
            )


if __name__ == "__main__":
    main()
