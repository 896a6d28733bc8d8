"""How long an answer takes, cold and warm, and how much memory that needs.

Run: ``python benchmarks/answer_time.py [--model tiny] [--json]``. Prints medians in
seconds and, because machines differ and are noisy, the ratio to importing torch and
Transformers in the same run; ``--json`` prints every time that was taken.

A new image is the sample scene, turned or mirrored, so that nothing of it is kept from
before; it is opened and asked a short question, then a second one.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SCENE = "wye-mills"
QUESTIONS = (
    ("caption", "Describe this scene."),
    ("classify", "What kind of scene is this?"),
    ("presence", "Is there a tennis court in this image?"),
    ("count", "How many tennis courts are there?"),
    ("ground", "Where are the tennis courts?"),
    ("segment", "Segment the tennis courts."),
)
#: Those that a word or two answer.
SHORT = tuple(
    text for name, text in QUESTIONS if name in ("classify", "presence", "count")
)
FIRST_TOKEN = """
import sys, time
start = time.perf_counter()
from rsvlm.app.build import build_assistant
from rsvlm.app.samples import image_path
from rsvlm.raster import Raster
raster = Raster.open(image_path(sys.argv[1]))
assistant = build_assistant(sys.argv[2])
loaded = time.perf_counter() - start
def stop(piece):
    print(loaded, time.perf_counter() - start)
    raise SystemExit(0)
assistant.ask([raster], "What kind of scene is this?", on_text=stop)
"""

Times = dict[str, list[float]]


def timed(*command: str, repeats: int = 3) -> list[float]:
    """Return the wall times of a command in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return times


def cold(model: str) -> Times:
    """Return times of new processes."""
    python = sys.executable
    rsvlm = (python, "-m", "rsvlm.app")
    imports = "import torch, transformers.models.llama.modeling_llama"
    question = ("What kind of scene is this?", "--model", model)
    times = {
        "import torch and Transformers' Llama (peer)": timed(python, "-c", imports),
        "rsvlm --help": timed(*rsvlm, "--help", repeats=5),
        "rsvlm info": timed(*rsvlm, "info", SCENE),
        "cold ask": timed(*rsvlm, "ask", SCENE, *question),
    }
    first = (python, "-c", FIRST_TOKEN, SCENE, model)
    spans = [
        subprocess.run(first, check=True, capture_output=True, text=True).stdout.split()
        for _ in range(3)
    ]
    times["model loaded"] = [float(span[0]) for span in spans]
    times["first token"] = [float(span[1]) for span in spans]
    return times


def new_images(path: Path, folder: Path) -> Iterator[Path]:
    """Yield copies of an image, each laid in another way."""
    import rasterio

    with rasterio.open(path) as source:
        pixels, profile = source.read(), source.profile
    ways = [(turns, mirrored) for mirrored in (False, True) for turns in range(4)][1:]
    for number, (turns, mirrored) in enumerate(ways):
        laid = np.rot90(pixels[..., ::-1] if mirrored else pixels, turns, axes=(1, 2))
        copy = folder / f"{number}.tif"
        profile |= {"driver": "GTiff", "height": laid.shape[1], "width": laid.shape[2]}
        with rasterio.open(copy, "w", **profile) as file:
            file.write(np.ascontiguousarray(laid))
        yield copy


def warm(model: str) -> Times:
    """Return times of answers of an assistant that has answered before."""
    from rsvlm.app.build import build_assistant
    from rsvlm.app.samples import image_path
    from rsvlm.raster import Raster

    assistant = build_assistant(model)

    def asked(raster: Raster, question: str, start: float) -> float:
        assistant.ask([raster], question)
        return time.perf_counter() - start

    times: Times = {"warm, new image": [], "warm, second question": []}
    path = image_path(SCENE)
    with Raster.open(path) as raster:
        for name, question in QUESTIONS:
            asked(raster, question, 0)
            again = asked(raster, question, time.perf_counter())
            times[f"warm answer, asked again: {name}"] = [again]
    with tempfile.TemporaryDirectory() as folder:
        for number, copy in enumerate(new_images(Path(path), Path(folder))):
            start = time.perf_counter()
            with Raster.open(copy) as raster:
                first, second = (SHORT[(number + i) % len(SHORT)] for i in (0, 1))
                times["warm, new image"].append(asked(raster, first, start))
                start = time.perf_counter()
                times["warm, second question"].append(asked(raster, second, start))
    return times


def peak_gib() -> float:
    """Return the peak memory of this process or of a child, the larger, in GiB."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in who) / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="checkpoint")
    parser.add_argument("--json", action="store_true", help="print every time")
    given = parser.parse_args()
    times = cold(given.model) | warm(given.model)
    if given.json:
        found: dict[str, Any] = {**times, "peak memory": [peak_gib()]}
        print(json.dumps({k: [round(v, 4) for v in found[k]] for k in found}, indent=1))
        return
    imports = statistics.median(times["import torch and Transformers' Llama (peer)"])
    for name, values in times.items():
        seconds = statistics.median(values)
        print(f"{name:45} {seconds:7.2f} s  {seconds / imports:6.2f} x imports")
    print(f"{'peak memory':45} {peak_gib():7.2f} GiB")


if __name__ == "__main__":
    main()
