"""Cost of an index of tiles against the size of the scene: time, share of reading, memory.

Run: python benchmarks/zoom_scale.py [SIDE ...] [--full] [--scene FILE]

For each side (default 4096 and 8192 px) a scene of make_big_cog.py is read in a process
of its own: all tiles of all levels are drawn without being encoded, a sample of them is
encoded, and from both the processor time of the index per gigapixel and the share of
reading in it are worked out. Time has to grow with the pixels and memory not at all.
--full asks as ``rsvlm ask`` does: the overview alone, then with ``--zoom search`` before
there is an index, builds the index to its end, asks again, and asks about a part of 1,024
px as a file of its own, whose index is there as well. The wall time of that takes the
whole machine; the processor times bear others beside it.
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
QUESTION = "What colour is the airplane?"


def measure(path: Path, model: str) -> dict[str, float]:
    """Return the figures of one scene; to be called in a process of its own."""
    import numpy as np

    from rsvlm.models.aligned import AlignedEncoder
    from rsvlm.models.checkpoint import find_checkpoint
    from rsvlm.raster import Raster
    from rsvlm.retrieval.tiles_grid import Pyramid, TileSettings
    from rsvlm.retrieval.tiles_reading import read_tiles

    encoder = AlignedEncoder.load(find_checkpoint(model))
    with Raster.open(path) as raster:
        pyramid = Pyramid(raster.width, raster.height, encoder.side, TileSettings())
        used, start = time.process_time(), time.perf_counter()
        for _, views in read_tiles(raster, pyramid, np.arange(len(pyramid))):
            sample = views[:8]
        found = {
            "gigapixels": raster.width * raster.height / 1e9,
            "tiles": float(len(pyramid)),
            "reading": time.process_time() - used,
            "reading wall": time.perf_counter() - start,
        }
    views = (sample * SAMPLE)[:SAMPLE]
    encoder.encode_image(views[:8])  # what is done once is not counted
    used, start = time.process_time(), time.perf_counter()
    for at in range(0, SAMPLE, 8):
        encoder.encode_image(views[at : at + 8])
    share = len(pyramid) / SAMPLE
    found["encoding"] = (time.process_time() - used) * share
    found["encoding wall"] = (time.perf_counter() - start) * share
    return found | {"mib": _peak()}


def questions(path: Path, model: str) -> dict[str, float]:
    """Return seconds of answers without an index, of the index, and with it."""
    from rsvlm.app.build import build_assistant
    from rsvlm.geometry import HBB
    from rsvlm.raster import Raster
    from rsvlm.retrieval.archive_cut import cut
    from rsvlm.retrieval.tiles import TileIndex

    assistant = build_assistant(model)
    encoder: Any = assistant.scenes
    small = path.with_name("small.tif")
    small.write_bytes(cut(str(path), HBB(0, 0, SMALL, SMALL)))
    found: dict[str, float] = {}

    def ask(name: str, image: Path, zoom: Any) -> None:
        start = time.perf_counter()
        with Raster.open(image) as raster:
            assistant.ask([raster], QUESTION, zoom=zoom)
        found[name] = time.perf_counter() - start

    def complete(image: Path) -> float:
        start = time.perf_counter()
        with Raster.open(image) as raster, TileIndex.open(raster, encoder) as index:
            index.build()
        return time.perf_counter() - start

    complete(small)
    ask("warm up", small, "search")
    ask("small question", small, "search")
    ask("first question, overview", path, "none")
    ask("first question, search", path, "search")
    found["rest of the index"] = complete(path)
    ask("second question", path, "search")
    return found | {"mib": _peak()}


def _peak() -> float:
    """Return the peak of resident memory, MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Read the arguments, make the scenes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sides", type=int, nargs="*", default=[4096, 8192])
    parser.add_argument("--full", action="store_true", help="ask, and encode all tiles")
    parser.add_argument("--scene", type=Path, help="this file instead of SIDEs")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--part", choices=["measure", "questions"], help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.part:
        part = measure if given.part == "measure" else questions
        print(json.dumps(part(given.scene, given.model)))
        return
    for side in [0] if given.scene else given.sides:
        with tempfile.TemporaryDirectory(
            dir=given.scene and given.scene.parent
        ) as folder:
            # A path of its own: there is no index of it yet.
            path = Path(folder) / f"{side or given.scene.stem}.tif"
            if given.scene:
                os.link(given.scene, path)
            else:
                script = str(Path(__file__).with_name("make_big_cog.py"))
                options = ["--side", str(side), "--data", str(given.data)]
                command = [sys.executable, script, str(path), *options]
                subprocess.run(command, check=True, capture_output=True)
            show(path, in_process("measure", path, given.model))
            if given.full:
                show_questions(in_process("questions", path, given.model))
    print(f"load {os.getloadavg()[0]:.1f} at {time.strftime('%H:%M')}")


def in_process(part: str, path: Path, model: str) -> dict[str, float]:
    """Return the figures of one part, from a process of its own."""
    options = ["--part", part, "--scene", str(path), "--model", model]
    command = [sys.executable, __file__, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(path: Path, found: dict[str, float]) -> None:
    """Print the figures of a scene."""
    size = found["gigapixels"]
    total = found["reading"] + found["encoding"]
    print(
        f"{path.name}: {size:.3f} gigapixels, {found['tiles']:.0f} tiles; a gigapixel "
        f"takes {total / size:.0f} s of processor, {found['reading'] / size:.1f} s of it "
        f"reading ({found['reading'] / total:.1%}); wall time of reading "
        f"{found['reading wall']:.1f} s, of encoding {found['encoding wall']:.0f} s; "
        f"{found['mib']:.0f} MiB",
        flush=True,
    )


def show_questions(found: dict[str, float]) -> None:
    """Print the seconds of questions."""
    for name, value in found.items():
        print(f"  {name}: {value:.2f}", flush=True)
    ratio = found["second question"] / found["small question"]
    print(f"  second question / small question: {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
