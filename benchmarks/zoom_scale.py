"""Cost of an index of tiles against the size of the scene: time, share of reading, memory.

Run: python benchmarks/zoom_scale.py [SIDE ...] [--full] [--scene FILE]

For each side (default 4096 and 8192 px) a scene of make_big_cog.py is read in a process
of its own: all tiles of all levels are drawn without being encoded, a sample of them is
encoded, and from both the processor time of the index per gigapixel and the share of
reading in it are worked out. Time has to grow with the pixels and memory not at all.
--full encodes all tiles, asks a question before and two after, and a question about a
small part of the scene as a file of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

#: Tiles that are encoded to learn what one costs.
SAMPLE = 48
#: Side of the small scene that a second question is compared with, px.
SMALL = 1024


def measure(path: Path, model: str, full: bool) -> dict[str, float]:
    """Return the figures of one scene; to be called in a process of its own."""
    import resource

    import numpy as np

    from rsvlm.models.aligned import AlignedEncoder
    from rsvlm.models.checkpoint import find_checkpoint
    from rsvlm.raster import Raster
    from rsvlm.retrieval.tiles import TileIndex
    from rsvlm.retrieval.tiles_reading import read_tiles

    encoder = AlignedEncoder.load(find_checkpoint(model))
    found: dict[str, float] = {}
    with Raster.open(path) as raster, TileIndex.open(raster, encoder) as index:
        found["gigapixels"] = raster.width * raster.height / 1e9
        found["tiles"] = len(index)
        used, start = time.process_time(), time.perf_counter()
        for _, views in read_tiles(raster, index.pyramid, np.arange(len(index))):
            sample = views[:8]
        found["reading"] = time.process_time() - used
        found["reading wall"] = time.perf_counter() - start
        views = (sample * SAMPLE)[:SAMPLE]
        encoder.encode_image(views[:8])  # what is done once is not counted
        used = time.process_time()
        for at in range(0, SAMPLE, 8):
            encoder.encode_image(views[at : at + 8])
        one = (time.process_time() - used) / SAMPLE
        found["encoding"] = one * len(index)
        if full:
            found |= questions(raster, index, encoder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"mib": peak / 1024}


def questions(raster: Any, index: Any, encoder: Any) -> dict[str, float]:
    """Return seconds of a question without an index, of the index, and with it."""
    from contextlib import nullcontext

    from rsvlm.zoom import Look, look_closer
    from rsvlm.zooming_search import SearchSettings, SearchZoom

    settings = SearchSettings(fast=-9.0)  # so that windows are drawn as well
    policy = SearchZoom(encoder, lambda _: nullcontext(index), 672, settings)
    found = {}
    for name in ("first question", "index", "second question", "third question"):
        start = time.perf_counter()
        if name == "index":
            index.build()
        else:
            look = Look("Where is the airplane?", "ground", raster, [raster.preview()])
            look_closer(policy, look)
        found[name] = time.perf_counter() - start
        found[f"{name}, tiles"] = float(index.read)
    return found


def main() -> None:
    """Read the arguments, make the scenes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sides", type=int, nargs="*", default=[4096, 8192])
    parser.add_argument("--full", action="store_true", help="encode all tiles")
    parser.add_argument("--scene", type=Path, help="this file instead of SIDEs")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.model, given.full)))
        return
    flags = ["--model", given.model, *(["--full"] if given.full else [])]
    with tempfile.TemporaryDirectory() as folder:
        for side in [0] if given.scene else given.sides:
            path = given.scene or Path(folder) / f"{side}.tif"
            if not given.scene:
                script = str(Path(__file__).with_name("make_big_cog.py"))
                options = ["--side", str(side), "--data", str(given.data)]
                command = [sys.executable, script, str(path), *options]
                subprocess.run(command, check=True, capture_output=True)
            command = [sys.executable, __file__, "--measure", str(path), *flags]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            show(path, json.loads(done.stdout.splitlines()[-1]))
    print(f"load {os.getloadavg()[0]:.1f} at {time.strftime('%H:%M')}")


def show(path: Path, found: dict[str, float]) -> None:
    """Print the figures of a scene."""
    size = found["gigapixels"]
    total = found["reading"] + found["encoding"]
    print(
        f"{path.name}: {size:.3f} gigapixels, {found['tiles']:.0f} tiles; a gigapixel "
        f"takes {total / size:.0f} s of processor, {found['reading'] / size:.1f} s of it "
        f"reading ({found['reading'] / total:.1%}); {found['mib']:.0f} MiB",
        flush=True,
    )
    for name, value in found.items():
        if "question" in name or "index" in name:
            print(f"  {name}: {value:.2f}", flush=True)


if __name__ == "__main__":
    main()
