"""Reading all windows of a large scene: ours, naive random windows, torchgeo's sampler.

Run: python benchmarks/tile_reading.py [--side 20480] [--rounds 2] [--peer PYTHON]

It makes a scene (see make_big_cog.py), then reads all windows of 448 px of it in a
process of its own for each reader, in turn (A B C A B C), and prints windows a second,
peak memory and the ratios. The naive reader gets the block cache that ours uses, 64 MB:
GDAL's own, a twentieth of the memory, may hold the whole scene. torchgeo is heavy, so it
may lie in an environment of its own, whose Python --peer names:
``python -m venv peer && peer/bin/pip install torchgeo``; without it, it is left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

#: Side of a window, px.
WINDOW = 448

NAIVE = """
import random, sys, rasterio
from rasterio.windows import Window
path, window, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
count = 0
with rasterio.Env(GDAL_CACHEMAX=64 * 2**20), rasterio.open(path) as file:
    size = file.width
    spots = [(x, y) for y in range(0, size, window) for x in range(0, size, window)]
    random.Random(0).shuffle(spots)
    for x, y in spots[: limit or None]:
        x, y = min(x, size - window), min(y, size - window)
        count += file.read(window=Window(x, y, window, window)).size > 0
"""

TORCHGEO = """
import sys
from pathlib import Path
from torchgeo.datasets import RasterDataset
from torchgeo.samplers import GridGeoSampler, Units
path, window, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
class Scene(RasterDataset):
    filename_glob = path.name
scene = Scene(path.parent)
sampler = GridGeoSampler(scene, size=window, stride=window, units=Units.PIXELS)
count = 0
for query in sampler:
    count += scene[query]["image"].numel() > 0
    if count == limit:
        break
"""

OURS = """
import sys
import numpy as np
from rsvlm.raster import Raster
from rsvlm.retrieval.tiles_grid import Pyramid, TileSettings
from rsvlm.retrieval.tiles_reading import read_tiles
path, window, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
count = 0
with Raster.open(path) as raster:
    settings = TileSettings(tile=window, overlap=0)
    pyramid = Pyramid(raster.width, raster.height, window, settings)
    tiles = pyramid.of_level(0)
    for numbers, views in read_tiles(raster, pyramid, tiles[: limit or None]):
        count += len(views)
"""

#: Around each: time after the imports, and the peak of resident memory.
FRAME = """
import json, resource, time
{imports}
start, used = time.perf_counter(), time.process_time()
{body}
print(json.dumps(dict(
    windows=count, seconds=time.perf_counter() - start,
    cpu=time.process_time() - used,
    mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
"""


def measured(
    code: str, path: Path, limit: int, python: str = sys.executable
) -> dict[str, float]:
    """Run a reader in a process of its own; the clock starts after its imports."""
    lines = code.strip().splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith(("from", "import")))
    imports, body = "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])
    program = FRAME.format(imports=imports, body=body)
    given = [python, "-c", program, str(path), str(WINDOW), str(limit)]
    done = subprocess.run(given, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Read the arguments, make the scene, read it and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=20_480)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peer", help="Python that has torchgeo")
    parser.add_argument("--limit", type=int, default=0, help="windows; 0 for all")
    parser.add_argument("--scene", type=Path, help="scene that is there already")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    readers = {"ours": (OURS, sys.executable), "naive": (NAIVE, sys.executable)}
    peer = given.peer or (sys.executable if find_spec("torchgeo") else "")
    if peer:
        readers["torchgeo"] = (TORCHGEO, peer)
    else:
        print("torchgeo is not here: it is left out")
    with tempfile.TemporaryDirectory() as folder:
        path = given.scene
        if path is None:
            path = Path(folder) / "scene.tif"
            script = Path(__file__).with_name("make_big_cog.py")
            options = ["--side", str(given.side), "--data", str(given.data)]
            command = [sys.executable, str(script), str(path), *options]
            subprocess.run(command, check=True)
        path.read_bytes()  # into the page cache: the disk is not what is measured
        rates: dict[str, list[dict[str, float]]] = {name: [] for name in readers}
        for _ in range(given.rounds):
            for name, (code, python) in readers.items():
                found = measured(code, path, given.limit, python)
                rates[name].append(found)
                print(
                    f"{name:9} {found['windows'] / found['seconds']:7.1f} windows/s, "
                    f"{found['windows'] / found['cpu']:7.1f} a second of processor, "
                    f"{found['windows']:.0f} windows, {found['mib']:.0f} MiB",
                    flush=True,
                )
    for name in readers:
        if name == "ours":
            continue
        for kind in ("seconds", "cpu"):
            ratio = best(rates["ours"], kind) / best(rates[name], kind)
            print(f"ours / {name}: {ratio:.2f} x ({kind})")
    print(f"load {os.getloadavg()[0]:.1f} at {time.strftime('%H:%M')}")


def best(found: list[dict[str, float]], kind: str) -> float:
    """Return the best rate: whatever else ran only made it slower."""
    return max(one["windows"] / one[kind] for one in found)


if __name__ == "__main__":
    main()
